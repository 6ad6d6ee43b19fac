"""The viseme decoder: its gates, its rest, its look-aheads, and that it learns."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.config import load_config
from engine.errors import WeightsError
from engine.features import SpeechConfig, SpeechEncoder, check_pair, load_encoder, save_speech_encoder
from engine.features.phones import PHONE_INDEX, PHONES
from engine.frames import SpeechFeatures
from engine.motion import layout
from engine.motion.articulation import A, Composer
from engine.motion.evidence import SHIFT
from engine.pipeline import Pipeline
from engine.render.face_model import FaceModel
from engine.render.lips import LipMeasure
from engine.stage import fold
from engine.training.corpus import Clip
from plugins.viseme.examples import BILABIAL, TICKS, make_examples
from plugins.viseme.motion import Decoder, DecoderConfig, Mouth, build, save_decoder
from plugins.viseme.training import MouthLoss
from tests.test_speech_encoder import TRUNK

TINY = DecoderConfig(content=12, width=16, head=16)


def tiny_encoder() -> SpeechEncoder:
    torch.manual_seed(0)
    return SpeechEncoder(SpeechConfig(replace(TRUNK, width=12, layers=1))).eval()


def features(slots: int, length: int, seed: int = 0) -> SpeechFeatures:
    make = torch.Generator().manual_seed(seed)
    return SpeechFeatures(
        torch.randn(slots, length, 2, TINY.content, generator=make),
        -50 + 20 * torch.rand(slots, length, 2, generator=make),
        torch.rand(slots, length, 2, generator=make),
        {
            "phones": torch.randn(slots, length, 2, 3, len(PHONES), generator=make).softmax(-1),
            "gestures": torch.rand(slots, length, 2, 3, 4, generator=make),
        },
    )


def decoder(lookahead: int = 1) -> Decoder:
    torch.manual_seed(3)
    return Decoder(TINY, lookahead).eval()


@pytest.mark.parametrize("lookahead", [0, 1, 2])
def test_parallel_form_equals_streaming(lookahead):
    stage, x = decoder(lookahead), features(2, 70)
    x.loudness_db[:, 30:34] = -100.0  # digital silence tells nothing of the room
    with torch.inference_mode():
        parallel = stage(x)
    streamed = fold(stage, x)
    kept = parallel[:, lookahead:]
    assert (streamed[:, : kept.shape[1]] - kept).abs().max() < 1e-4


def test_a_mouth_in_silence_comes_to_exact_rest_and_wakes_again():
    stage, x = decoder(), features(1, 60)
    x.loudness_db[:, 20:45] = -100.0
    with torch.inference_mode():
        values = stage(x)[0]
    assert values[:20].abs().max() > 0 and values[46:].abs().max() > 0
    assert not values[30:45].any()


def test_shut_gate_shuts_the_mesh_whatever_the_vowel():
    measure, compose = LipMeasure(FaceModel.load()), Composer()
    torch.manual_seed(0)
    mouths = torch.rand(200, A) * 0.5
    none, full = torch.zeros(200), torch.ones(200)
    assert np.median(measure.aperture(compose(mouths, none, none).numpy())) > 0.1
    assert measure.aperture(compose(mouths, full, none).numpy()).max() < 0.005
    assert measure.aperture(compose(mouths, full, torch.rand(200)).numpy()).max() < 0.005


def test_gates_open_smoothly_between_their_bounds():
    stage = decoder()
    logits = torch.linspace(-8, 8, 400)[:, None].expand(-1, 3)
    gates = stage.open_gates(logits)
    assert gates[0].max() == 0.0 and gates[-1].min() == 1.0
    assert (gates.diff(dim=0) >= 0).all() and gates.diff(dim=0).max() < 0.1


def says(**shares: float) -> torch.Tensor:
    """Posteriors (1, 2, 43) of two frames that agree."""
    phones = torch.zeros(1, 2, len(PHONES))
    for name, share in shares.items():
        phones[..., PHONE_INDEX[name]] = share
    return phones


def open_gates(stage: Decoder, phones: torch.Tensor) -> torch.Tensor:
    """Gates (3,) in a quiet room."""
    return stage.open_gates(stage.evidence(phones, torch.full((1, 2, 4), 0.5), torch.zeros(1)))[0]


def test_lips_shut_sooner_in_doubt_about_a_consonant_than_about_a_vowel():
    stage = decoder()
    gates = {
        (name, share): open_gates(stage, says(B=share, **{name: 1 - share}))[0].item()
        for name in ("D", "AA", "sil") for share in (0.2, 0.4, 0.8)
    }  # fmt: skip
    assert gates["AA", 0.2] == 0.0 and gates["AA", 0.4] < 0.1 < 0.8 < gates["D", 0.4]
    assert gates["D", 0.8] == gates["AA", 0.8] == 1.0
    assert gates["sil", 0.2] == gates["D", 0.2]
    bite = open_gates(stage, says(V=0.4, AH=0.6))
    assert bite[1] == 1.0 and bite[0] == 0.0
    both = says(B=1.0)
    both[:, 0] = says(AA=1.0)[:, 0]
    assert open_gates(stage, both)[0] == 1.0, "the newer frame counts"


def test_noise_between_words_lets_less_evidence_shut_the_lips():
    stage, x = decoder(), features(3, 100)
    speech = torch.arange(100) % 10 < 8
    x.loudness_db[:] = torch.where(speech, -25.0, torch.tensor([[-65.0], [-45.0], [-33.0]]))[..., None]
    x.side["phones"].copy_(says(B=0.15, AA=0.85)[0, -1])
    with torch.inference_mode():
        logits = stage.mouths(x)[1].gates[..., 0]
        heard = stage.mouths(x._replace(loudness_db=torch.full_like(x.loudness_db, -100.0)))[1].gates[..., 0]
    clean, noisy, loud = logits[:, 50:].mean(1)
    assert (logits[0, 10:] == logits[0, 10]).all() and clean + 0.2 < noisy < loud - 0.2
    assert loud - clean <= SHIFT + 1e-4
    assert heard.diff(dim=1).min() >= 0  # with nothing to hear, what is known of the room fades


def test_only_the_mouth_moves():
    values = fold(decoder(), features(1, 10))[0]
    assert values.shape == (10, layout.M) and not values[:, layout.E :].any()
    still = [i for i, name in enumerate(layout.EXPRESSION) if name.startswith(("brow", "eye"))]
    assert not values[:, still].any()


@pytest.mark.parametrize("lookahead", [0, 2])
def test_the_tongue_follows_the_encoders_phones_and_nothing_else_does(lookahead):
    stage, x = decoder(lookahead), features(1, 30)
    at = layout.INDEX["tongueUp"]

    def hears(phone: str) -> torch.Tensor:
        x.side["phones"].zero_()
        x.side["phones"][..., lookahead, PHONE_INDEX[phone]] = 1.0
        with torch.no_grad():
            return stage(x)

    vowel, lateral = hears("AA"), hears("L")
    assert not vowel[..., at].any() and lateral[..., at].max() > 0.2
    lateral[..., at] = 0
    assert torch.equal(lateral, vowel)


def test_the_encoder_is_heard_once_and_asked_for_what_the_plugin_needs():
    """The pipeline's features carry what the plugin needs: equal to hearing the content again."""
    chosen = ["motion.plugin=viseme", "engine.executor=eager", "motion.life=0"]
    made = Pipeline(load_config(None, chosen), pictures=False)
    encoder, motion = load_encoder(), build(1)
    ears, state = made.ears.init_state(1), motion.init_state(1)
    noise = 0.1 * torch.randn(30, 1, 640, generator=torch.Generator().manual_seed(0)).cumsum(-1).sin()
    product = made.motion.init_state(1)
    with torch.inference_mode():
        for tick in noise:
            x = made.ears.step(ears, tick)
            assert set(x.side) == {"phones", "gestures"}
            again = {
                "phones": encoder.phone_logits(x.content).softmax(-1),
                "gestures": encoder.gesture_logits(x.content).sigmoid(),
            }
            own = motion.step(state, x._replace(side=again))
            torch.testing.assert_close(made.motion.step(product, x)[:, : layout.E], own[:, : layout.E])
    assert not any(isinstance(part, SpeechEncoder) for part in motion.modules())


def test_an_encoder_with_other_delays_is_refused():
    encoder = SpeechEncoder(SpeechConfig(replace(TRUNK, width=12, layers=1), delays=(1, 0)))
    with pytest.raises(WeightsError, match="delays"):
        decoder().belong_to(encoder)


def test_weights_round_trip_and_wrong_ones_are_named(tmp_path: Path):
    path = tmp_path / "w.safetensors"
    save_decoder(decoder(), path)
    with torch.inference_mode():
        gap = build(1, path)(features(1, 20)) - decoder()(features(1, 20))
    assert gap.abs().max() < 0.02  # fp16 on disk
    with pytest.raises(WeightsError, match="look-ahead"):
        build(7, path)
    with pytest.raises(WeightsError, match="no such"):
        build(1, tmp_path / "missing.safetensors")


def test_the_shipped_weights_belong_to_the_shipped_encoder():
    check_pair(load_encoder(), build(1))
    mine = decoder()
    mine.belong_to(tiny_encoder())
    with pytest.raises(WeightsError, match="were trained on encoder"):
        check_pair(load_encoder(), mine)


def test_an_encoder_that_the_weights_do_not_know_is_refused(tmp_path: Path):
    stranger = load_encoder()
    stranger.trunk.norm.weight += 0.01
    path = tmp_path / "stranger.safetensors"
    save_speech_encoder(stranger, path)
    with pytest.raises(WeightsError, match=r"trained on encoder \w{12}.*features\.weights"):
        Pipeline(load_config(None, ["motion.plugin=viseme", f"features.weights={path}"]), pictures=False)


def test_training_lowers_the_loss_and_knows_bilabials():
    encoder = tiny_encoder()
    random = np.random.default_rng(0)
    names = ["sil", *"AA M IY B UW P AE F AA M".split(), "sil"]
    phones = tuple((name, 0.4 * i, 0.4 * i + 0.4) for i, name in enumerate(names))
    samples = (random.standard_normal(int(4.8 * 16_000)) * 3_000).astype(np.int16)
    clip = Clip("made", "nobody", "train", phones, samples)
    curves = np.zeros((120, layout.E), np.float32)
    curves[40:80, layout.INDEX["jawOpen"]] = 0.3
    face = (Clip("face", "somebody", "train", (("sil", 0.0, 4.8),), samples), curves)
    made = make_examples(encoder, [clip], {}, [face], 8, 0.3, seed=1)
    assert made.kind.shape == (8, TICKS) and (made.kind == BILABIAL).any()
    assert 0 < int(made.captured.sum()) < 8
    loss = MouthLoss(Decoder(TINY), made, seed=0)
    optimizer = torch.optim.Adam(loss.parameters(), 0.01)
    losses = []
    for step in range(30):
        value, parts = loss(step)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        losses.append((value.item(), parts["parts1"]))  # this encoder's gates never shut: articulators can be learned
    total, articulators = zip(losses[0], losses[-1], strict=True)
    assert total[1] < 0.95 * total[0] and articulators[1] < 0.8 * articulators[0], losses


def test_loss_measures_the_same_lips_as_the_product():
    measure = LipMeasure(FaceModel.load())
    values = torch.rand(50, layout.E) * 0.3
    made = make_examples(
        tiny_encoder(),
        [Clip("a", "b", "train", (("AA", 0.0, 5.0),), np.zeros(80_000, np.int16))], {}, [], 1, 0.0, 0,
    )  # fmt: skip
    aperture, width = MouthLoss(decoder(), made, 0).lips(values)
    np.testing.assert_allclose(aperture.numpy(), measure.aperture(values.numpy()), atol=1e-5)
    np.testing.assert_allclose(width.numpy(), measure.width(values.numpy()), atol=1e-5)


def test_bad_gate_never_hurts_composition():
    rest = Composer()(torch.zeros(3, A), torch.zeros(3), torch.zeros(3))
    assert not rest.any()
    assert isinstance(Mouth(torch.zeros(1, A), torch.zeros(1, 3)), tuple)
