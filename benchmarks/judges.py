"""How a mouth is judged: a stage is folded over recordings, and its curves are measured on the mesh."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch

from benchmarks.lip_figures import MouthClip, captured_figures, lip_figures
from engine.audio.loudness import LoudnessNormaliser
from engine.features import SpeechEncoder
from engine.frames import SAMPLE_RATE_HZ, TICK_SAMPLES
from engine.motion import layout
from engine.render.lips import LipMeasure
from engine.stage import Stage, fold
from engine.training.corpus import Clip
from engine.training.phone_figures import phone_figures

SLOTS = 24  # clips in one batched step
HELD_OUT = ("2_04", "3_15")  # captured clips that the plugin never trained on
CURVES = ("jawOpen", "mouthFunnel", "mouthPucker", "mouthLowerDownLeft")
SETTLE_S = 1.0  # time that a mouth has to come to rest before silence is judged
Values = list[np.ndarray]


def to_ticks(samples: np.ndarray) -> np.ndarray:
    """int16 or float samples (N,) -> float32 ticks (T, 640), the last one filled up with zeros."""
    x = samples.astype(np.float32) / 32768 if samples.dtype == np.int16 else samples.astype(np.float32)
    return np.pad(x, (0, -len(x) % TICK_SAMPLES)).reshape(-1, TICK_SAMPLES)


def stream(stage: Stage, clips: list[np.ndarray], progress: Callable[[int], None] | None = None) -> Values:
    """Expression values (T, E) of every clip's ticks, folded through a stage with SLOTS clips at a time."""
    out: Values = [np.zeros((0, layout.E), np.float32)] * len(clips)
    order = sorted(range(len(clips)), key=lambda i: len(clips[i]))
    for at in range(0, len(order), SLOTS):
        chosen = order[at : at + SLOTS]
        longest = max(len(clips[i]) for i in chosen)
        batch = np.stack([np.pad(clips[i], ((0, longest - len(clips[i])), (0, 0))) for i in chosen])
        motion = fold(stage, torch.from_numpy(batch)).numpy()
        for row, i in enumerate(chosen):
            out[i] = motion[row, : len(clips[i]), : layout.E]
        if progress:
            progress(at + len(chosen))
    return out


def silence_figures(stage: Stage, speech: np.ndarray) -> dict[str, float]:
    """Mouth RMS in silence over mouth RMS in speech: digital silence, and a room at -60 dBFS."""
    quiet = np.zeros(8 * SAMPLE_RATE_HZ, np.float32)
    room = (np.random.default_rng(0).standard_normal(len(quiet)) * 1e-3).astype(np.float32)
    spoken = speech[: 12 * SAMPLE_RATE_HZ].astype(np.float32) / 32768
    figures = {}
    for name, rest in (("digital_silence", quiet), ("room_noise", room)):
        parts = (rest, spoken, rest)
        values = stream(stage, [to_ticks(np.concatenate(parts))])[0]
        edges = np.cumsum([0] + [len(part) // TICK_SAMPLES for part in parts])
        settle = int(SETTLE_S * SAMPLE_RATE_HZ / TICK_SAMPLES)
        values = values[:, [layout.INDEX[name] for name in layout.MOUTH]]
        still = np.concatenate((values[: edges[1] - settle], values[edges[2] + settle :]))
        moving = values[edges[1] : edges[2]]
        figures[f"{name}_over_speech"] = float(np.sqrt(np.square(still).mean() / np.square(moving).mean()))
    return figures


def judge_real(values: Values, clips: list[Clip], reference: Values, measure: LipMeasure) -> dict[str, float]:
    """Figures on aligned phones."""
    mouths = [
        MouthClip(measure.aperture(v), measure.width(v), list(clip.phones))
        for v, clip in zip(values, clips, strict=True)
    ]
    return lip_figures(mouths, [measure.aperture(v) for v in reference])


def judge_captured(values: Values, captured: Values) -> dict[str, dict[str, float]]:
    """Agreement of four curves with the captured ones."""
    return {name: captured_figures(values, captured, layout.INDEX[name]) for name in CURVES}


def judge_phones(encoder: SpeechEncoder, clips: Sequence[Clip]) -> dict[str, dict[str, float]]:
    """How well the encoder names phones at each look-ahead, with the levels that the product gives it."""

    def levelled(clip: Clip) -> Clip:
        ticks = torch.from_numpy(to_ticks(clip.samples))[None]
        samples = fold(LoudnessNormaliser(), ticks).flatten().numpy()[: len(clip.samples)]
        return replace(clip, samples=samples * 32768)

    figures = phone_figures(encoder, [levelled(clip) for clip in clips])
    names = {"phone": "phone_accuracy", "phone39": "phone39_accuracy", "viseme": "viseme_accuracy"}
    return {
        f"lookahead_{ticks * 40}_ms": {names[key]: value for key, value in own.items() if key in names}
        for ticks, own in figures.items()
    }


def judge_faces(stage: Stage, names: list[str], curves: Values, sounds: Values) -> dict[str, dict]:
    """Agreement with a captured performance: the clips held out, and all of them."""
    values = stream(stage, [to_ticks(sound) for sound in sounds])
    held = [i for i, name in enumerate(names) if name in HELD_OUT]
    out = {"capture_all": judge_captured(values, curves)}
    if held:
        out["capture_held_out"] = judge_captured([values[i] for i in held], [curves[i] for i in held])
    return out
