"""What GMTalker learns from: frozen speech features beside performances, cut to windows and kept in one file.

Performances come from `engine.training.performers`, or from files that a tracker wrote (`fitted`). Every voice is
encoded once and performed several times. A share of the voices is neutral whatever the face feels: otherwise the
decoder would read the emotion off the voice, and a mixture chosen by a person would be overruled.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch

from engine.errors import WeightsError
from engine.features import SpeechEncoder
from engine.frames import FPS, SAMPLE_RATE_HZ, TICK_SAMPLES, SpeechFeatures
from engine.motion import layout
from engine.motion.emotion import NEUTRAL, K
from engine.training.augment import Augmentation
from engine.training.performers import LEVELS, PERFORMERS, Feeling, Performances, Voice, measure, perform, performer
from plugins.gmtalker.mixture import component_weights

ANYONE = "anyone"  # who performers at random are in pre-training: always the last of the speakers
SPEAKERS = (*(who.name for who in PERFORMERS), ANYONE)
NEUTRAL_VOICES = 0.4
MIXED = 0.35  # share of performances over a neutral voice that mix two emotions
FROM_START = 0.6  # share of windows that begin where the recording does
LEAD_S, TAIL_S = (0.1, 1.2), (0.2, 1.5)  # silence before and after an utterance


@dataclass(frozen=True)
class Takes:
    """N windows of T ticks, each performed R times by known performers and W times by performers at random.

    content: float16 (N, 2 T, D); loudness_db, voice: float32 (N, 2 T).
    motion: float16 (N, R, T, M); emotion: float32 (N, R, K), weights that sum to 1; strength: float32 (N, R);
    performer: int64 (N, R) of SPEAKERS, the same for performances 2 k and 2 k + 1, so that one can turn into the other.
    wide: float16 (N, W, T, 12) motion numbers of performers at random; wide_emotion (N, W, K), wide_strength (N, W).
    """

    content: torch.Tensor
    loudness_db: torch.Tensor
    voice: torch.Tensor
    motion: torch.Tensor
    emotion: torch.Tensor
    strength: torch.Tensor
    performer: torch.Tensor
    wide: torch.Tensor
    wide_emotion: torch.Tensor
    wide_strength: torch.Tensor

    def __deepcopy__(self, memo: dict) -> "Takes":
        return self  # takes never change: a copied model shares them

    @property
    def ticks(self) -> int:
        """T"""
        return self.motion.shape[2]

    def features(self, rows: torch.Tensor) -> SpeechFeatures:
        """The chosen windows tick by tick: content (B, T, 2, D)."""
        content, loudness_db, voice = (
            part.unflatten(1, (self.ticks, 2))
            for part in (self.content[rows].float(), self.loudness_db[rows], self.voice[rows])
        )
        return SpeechFeatures(content, loudness_db, voice)

    def save(self, path: Path) -> None:
        """One safetensors file; its name appears only when it is whole."""
        from safetensors.torch import save_file

        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        save_file({f.name: getattr(self, f.name).contiguous() for f in fields(self)}, str(partial))
        partial.replace(path)

    @staticmethod
    def load(path: Path) -> "Takes":
        """What `save` wrote. WeightsError: something else."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return Takes(**load_file(str(path)))
        except (SafetensorError, OSError, TypeError) as error:
            raise WeightsError(f"{path}: no takes of this version ({error}); delete it to have it made again") from None


def labels(emotion: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    """Soft labels (..., K) of weights (..., K) at a strength (...): the share of each component, see `mixture`."""
    return component_weights(emotion, strength, NEUTRAL)


def make_takes(
    encoder: SpeechEncoder, corpus: Performances, split: str, voices: int, takes: int, wide: int, seconds: float,
    seed: int, report: Callable[[int, int], None] | None = None,
) -> Takes:  # fmt: skip
    """Voices of a split, encoded and performed. Even in utterances, emotions and performers; ConfigError: no split."""
    draw = np.random.default_rng((seed, 7))
    microphone = Augmentation([], seconds, seed)
    rows: list[dict[str, np.ndarray]] = []
    plan = corpus.plan(split, voices * takes, seed, takes=takes)
    for n in range(voices):
        recipes = plan[n * takes : (n + 1) * takes]
        first = recipes[0]
        plain = draw.random() < NEUTRAL_VOICES
        voice = corpus.voice(first.utterance, "neutral" if plain else first.emotion, 1 if plain else first.level)
        voice = _with_silence(voice, seconds, draw)
        ticks, whole = round(seconds * FPS), voice.prosody.ticks
        start = 0 if draw.random() < FROM_START else int(draw.integers(0, whole - ticks + 1))
        window = slice(start, start + ticks)
        row = hear(encoder, voice.samples, window, microphone)
        acts: dict[str, list] = {"motion": [], "emotion": [], "strength": [], "performer": []}
        for k, recipe in enumerate(recipes):
            feeling = _any_feeling(draw) if plain else Feeling.of(recipe.level, **{recipe.emotion: 1.0})
            who = recipes[k - k % 2].performer
            acts["motion"].append(_act(voice, feeling, who, recipe.seed)[window])
            acts["emotion"].append(feeling.weights.astype(np.float32))
            acts["strength"].append(feeling.strength)
            acts["performer"].append(SPEAKERS.index(who))
        more: dict[str, list] = {"wide": [], "wide_emotion": [], "wide_strength": []}
        for _ in range(wide):
            feeling = _any_feeling(draw) if plain else Feeling.of(first.level, **{first.emotion: 1.0})
            stranger = f"random:{draw.integers(2**31)}"
            more["wide"].append(_act(voice, feeling, stranger, int(draw.integers(2**31)))[window, layout.E :])
            more["wide_emotion"].append(feeling.weights.astype(np.float32))
            more["wide_strength"].append(feeling.strength)
        rows.append(row | {name: np.array(values) for name, values in {**acts, **more}.items()})
        if report and n % 50 == 49:
            report(n + 1, voices)
    stacked = {name: torch.from_numpy(np.stack([row[name] for row in rows])) for name in rows[0]}
    kinds = {"motion": torch.float16, "wide": torch.float16, "strength": torch.float32, "wide_strength": torch.float32}
    return Takes(**{name: tensor.to(kinds.get(name, tensor.dtype)) for name, tensor in stacked.items()})


def _with_silence(voice: Voice, seconds: float, draw: np.random.Generator) -> Voice:
    """The voice with silence around it, at least `seconds` long, a whole number of ticks."""
    lead = int(draw.uniform(*LEAD_S) * SAMPLE_RATE_HZ) // TICK_SAMPLES * TICK_SAMPLES
    tail = int(draw.uniform(*TAIL_S) * SAMPLE_RATE_HZ)
    short = round(seconds * SAMPLE_RATE_HZ) - lead - len(voice.samples) - tail
    samples = np.pad(voice.samples, (lead, tail + max(short, 0)))
    samples = np.pad(samples, (0, -len(samples) % TICK_SAMPLES))
    shift, end = lead / SAMPLE_RATE_HZ, len(samples) / SAMPLE_RATE_HZ
    phones = [[name, a + shift, b + shift] for name, a, b in voice.phones]
    phones = [["sil", 0.0, phones[0][1]], *phones, ["sil", phones[-1][2], end]]
    stress = None if voice.stress is None else [None, *voice.stress, None]
    return Voice(samples, phones, stress, measure(samples))


def hear(encoder: SpeechEncoder, samples: np.ndarray, window: slice, microphone: Augmentation) -> dict:
    """Features of a window of a voice: half of them clean, half through some microphone in some noisy room."""
    x = samples.astype(np.float32) / 32768
    if microphone.random.random() < 0.5:
        x = microphone.record(x)
    with torch.inference_mode():
        heard = encoder(torch.from_numpy(x)[None])
    frames = slice(2 * window.start, 2 * window.stop)
    return {
        "content": heard.content[0, frames].half().numpy(), "loudness_db": heard.loudness_db[0, frames].numpy(),
        "voice": heard.voice[0, frames].numpy(),
    }  # fmt: skip


def _any_feeling(draw: np.random.Generator) -> Feeling:
    """One emotion, or two in shares of which the smaller is a quarter at least, at any level."""
    weights = np.zeros(K)
    if draw.random() < MIXED:
        share = draw.uniform(0.25, 0.75)
        weights[draw.choice(K, 2, replace=False)] = share, 1.0 - share
    else:
        weights[draw.integers(K)] = 1.0
    return Feeling(weights, LEVELS[0] if weights[NEUTRAL] == 1.0 else LEVELS[draw.integers(3)])


def _act(voice: Voice, feeling: Feeling, who: str, seed: int) -> np.ndarray:
    return perform(voice.phones, voice.prosody, feeling, performer(who), seed, voice.stress).motion
