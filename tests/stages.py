"""Every stage of the product with inputs to try it on, for the laws."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from engine.config import Config
from engine.frames import TICK_SAMPLES, SpeechFeatures
from engine.motion import layout
from engine.stage import Chain, Stage, Tensors


@dataclass(frozen=True)
class Case:
    """A stage and how to feed it: build(), ticks(seed, slots, length)."""

    name: str
    build: Callable[[], Stage]
    ticks: Callable[[int, int, int], Tensors]
    length: int
    executors: bool = False  # is it run by compiled executors in the product?


def _speech(seed: int, slots: int, length: int) -> torch.Tensor:
    """Voice-like noise: louder and softer, with silences."""
    noise = torch.Generator().manual_seed(seed)
    samples = torch.randn(slots, length, TICK_SAMPLES, generator=noise)
    level = torch.rand(slots, length, 1, generator=noise)
    return 0.3 * samples.cumsum(-1).sin() * level * (level > 0.2)


def _features(seed: int, slots: int, length: int) -> SpeechFeatures:
    from engine.features import load_encoder
    from engine.features.phones import GESTURES, PHONES

    noise = torch.Generator().manual_seed(seed)
    config = load_encoder().config
    phones = torch.randn(slots, length, 2, len(config.delays), len(PHONES), generator=noise)
    return SpeechFeatures(
        torch.randn(slots, length, 2, config.hubert.width, generator=noise),
        -60.0 * torch.rand(slots, length, 2, generator=noise),
        torch.rand(slots, length, 2, generator=noise),
        {
            "phones": (3.0 * phones).softmax(-1),
            "gestures": torch.rand(slots, length, 2, len(config.delays), len(GESTURES), generator=noise),
        },
    )


def _motion(seed: int, slots: int, length: int) -> torch.Tensor:
    noise = torch.Generator().manual_seed(seed)
    values = 0.4 * torch.rand(slots, length, layout.M, generator=noise)
    values[..., layout.E :] = 0.05 * torch.randn(slots, length, 12, generator=noise)
    return values


def _loudness() -> Stage:
    from engine.audio.loudness import LoudnessNormaliser

    return LoudnessNormaliser()


def _encoder() -> Stage:
    from engine.features import load_encoder

    return load_encoder()


def _hubert(name: str) -> Callable[[], Stage]:
    def build() -> Stage:
        from tests.hubert_files import TINY, TINY_LARGE, tiny

        return tiny({"base": replace(TINY, lookahead=2), "large": TINY_LARGE}[name])

    return build


def _everything_heard() -> Stage:
    from tests.test_speech_encoder import KEEP, SPEECH, encoder

    return encoder(replace(SPEECH, hubert=replace(SPEECH.hubert, context=9)), KEEP)


def _viseme(lookahead_ticks: int) -> Callable[[], Stage]:
    def build() -> Stage:
        from engine.plugin import load_plugin

        motion = load_plugin("viseme").motion
        assert motion is not None
        return motion(Config.model_validate({"motion": {"lookahead_ticks": lookahead_ticks}}))

    return build


def _gmtalker(lookahead_ticks: int, prior: str = "mixture") -> Callable[[], Stage]:
    def build() -> Stage:
        from tests.test_gmtalker import tiny_motion

        return tiny_motion(lookahead_ticks, prior)

    return build


def _life() -> Stage:
    from engine.motion.life import Life

    return Life()


def _lively() -> Stage:
    from engine.motion.life import Life, Lively

    return Lively(_viseme(1)(), Life())


def _voice_to_motion() -> Stage:
    from engine.features import load_encoder
    from engine.hearing import Hearing
    from engine.metrics import Timings

    encoder, lively = load_encoder(), _lively()
    encoder.ask(lively.needs)
    return Hearing(Chain(_loudness(), encoder), lively, {part: Timings() for part in ("features", "motion")})


def _head() -> Stage:
    from engine.plugin import load_plugin

    renderer = load_plugin("head").renderer
    assert renderer is not None
    return renderer(Config.model_validate({"render": {"size": 64}}))


def _generated_head() -> Stage:
    from tests.heads import tiny_head

    return tiny_head("eager")


def _painter() -> Stage:
    from plugins.gmtalker.generator.painter import Painter
    from tests.heads import tiny_net

    return Painter(tiny_net())


def _squares(seed: int, slots: int, length: int):
    from plugins.gmtalker.generator.painter import Given

    noise = torch.Generator().manual_seed(seed)
    plain = torch.randint(0, 256, (slots, length, 64, 64, 3), dtype=torch.uint8, generator=noise)
    shares = torch.rand(slots, length, 8, generator=noise).softmax(-1)
    return Given(plain, torch.rand(slots, length, 1, 64, 64, generator=noise), shares)


CASES = (
    Case("loudness", _loudness, _speech, 60, executors=True),
    Case("encoder", _encoder, _speech, 24, executors=True),
    Case("HuBERT base, 2 ticks ahead", _hubert("base"), _speech, 31, executors=True),
    Case("HuBERT large", _hubert("large"), _speech, 31, executors=True),
    Case(
        "speech encoder, all side outputs, past three caches",
        _everything_heard,
        _speech,
        31,
        executors=True,
    ),
    Case("viseme, look-ahead 0", _viseme(0), _features, 40, executors=True),
    Case("viseme, look-ahead 1", _viseme(1), _features, 40, executors=True),
    Case("viseme, look-ahead 2", _viseme(2), _features, 40),
    Case("gmtalker, look-ahead 0", _gmtalker(0), _features, 31, executors=True),
    Case("gmtalker, look-ahead 2, past three caches", _gmtalker(2), _features, 31, executors=True),
    Case("gmtalker, one Gaussian", _gmtalker(1, "gaussian"), _features, 20),
    Case("gmtalker, one-hot", _gmtalker(1, "onehot"), _features, 20),
    Case("life", _life, lambda *a: (_features(*a), _motion(*a)), 90),
    Case("lively viseme", _lively, _features, 40),
    Case("voice to motion", _voice_to_motion, _speech, 24),
    Case("head", _head, _motion, 6),
    Case("gmtalker, generated head", _generated_head, _motion, 6),
    Case("gmtalker, painter", _painter, _squares, 4, executors=True),
)
