"""Reference performances: phone timings become the mouth that an animator would sign.

Co-articulated articulators (`coarticulation.blend`), scaled by ranges measured on a captured speaker
(`calibration.json`), plus two gates that phonetics does not negotiate: P B M shut the lips for at least one
25-fps tick, F V bring the lower lip to the teeth. Lips lead the sound slightly; long silence is exact rest.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch

from engine.frames import FPS
from engine.motion import layout
from engine.motion.articulation import ARTICULATORS, INDEX, A, Composer
from engine.training.coarticulation import blend, segments

INNER_HZ = 100
LEAD_S = 0.015  # jaw and lips are this much ahead of the sound, beside their anticipation
LONG_SILENCE_S = 0.28  # shorter pauses do not bring the mouth to rest
RISE_S, REST_S = 0.18, 0.26  # time to leave rest before speech, and to reach it afterwards
TICK_S = 1.0 / FPS
# Gates: the least time held, the ramp beside it, and how much of the phone's start and end is not held.
CLOSURE = {"hold_s": 0.043, "ramp_s": 0.056, "trim_start_s": 0.008, "trim_end_s": 0.018}
BITE = {"hold_s": 0.043, "ramp_s": 0.060, "trim_start_s": 0.010, "trim_end_s": 0.014}
BILABIAL, LABIODENTAL = ("P", "B", "M"), ("F", "V")


@dataclass(frozen=True, slots=True)
class Calibration:
    """Ranges and speed. scale: (A,) coefficient per unit target; smoothing_s: Gaussian deviation;
    reach: how far phones influence each other; loudness_slope: opening per dB above the clip's mean."""

    scale: np.ndarray
    smoothing_s: float
    reach: float
    loudness_slope: float


@dataclass(frozen=True, slots=True)
class Performance:
    """A mouth at 25 fps, float32: articulators (T, A), gates closure (T,) and bite (T,)."""

    mouth: np.ndarray
    closure: np.ndarray
    bite: np.ndarray

    def coefficients(self) -> np.ndarray:
        """Expression coefficients (T, E)."""
        parts = (torch.from_numpy(part) for part in (self.mouth, self.closure, self.bite))
        return Composer()(*parts).numpy()

    def motion(self) -> np.ndarray:
        """Motion vectors (T, M): coefficients, head still."""
        rest = np.zeros((len(self.mouth), layout.M - layout.E), np.float32)
        return np.concatenate((self.coefficients(), rest), 1)


@cache
def load_calibration() -> Calibration:
    """The committed calibration (made by `python -m engine.training.calibration`)."""
    table = json.loads(Path(__file__).with_name("calibration.json").read_text(encoding="utf-8"))
    scale = np.array([table["scale"][name] for name in ARTICULATORS])
    return Calibration(scale, table["smoothing_s"], table["reach"], table["loudness_slope"])


def perform(
    phones: list,
    duration_s: float,
    stress: list | None = None,
    loudness_db: np.ndarray | None = None,
    calibration: Calibration | None = None,
) -> Performance:
    """The reference performance of a phone sequence.

    phones: `[symbol, start_s, end_s]`, in order, "sil" for silence. stress: 0, 1, 2 or None per phone.
    loudness_db: level per 20 ms frame, scales the opening a little when given.
    Tick t is what is shown while 40 t .. 40 (t + 1) ms are heard; T = ceil(25 duration_s).
    """
    from scipy.ndimage import gaussian_filter1d

    how = calibration or load_calibration()
    ticks = int(np.ceil(duration_s * FPS - 1e-6))
    inner_s = (np.arange(int(ticks * TICK_S * INNER_HZ) + 21) - 10) / INNER_HZ
    if not phones:
        return Performance(np.zeros((ticks, A), np.float32), *(np.zeros(ticks, np.float32) for _ in "cb"))
    curves = blend(segments(phones, stress), inner_s, how.reach) * how.scale
    if loudness_db is not None:
        curves[:, INDEX["jawOpen"]] *= _loudness_gain(phones, loudness_db, inner_s, how.loudness_slope)
    curves = gaussian_filter1d(curves, how.smoothing_s * INNER_HZ, axis=0, mode="nearest")
    centre_s = (np.arange(ticks) + 0.5) * TICK_S
    at_s = centre_s + LEAD_S
    mouth = np.stack([np.interp(at_s, inner_s, curve) for curve in curves.T], 1)
    awake = _awake(phones, centre_s)
    closure = _gate(phones, BILABIAL, centre_s, **CLOSURE)
    bite = _gate(phones, LABIODENTAL, centre_s, **BITE)
    return Performance(*(part.astype(np.float32) for part in (mouth * awake[:, None], closure * awake, bite * awake)))


def gates(phones: list, times_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Closure and bite (T,) at given times."""
    return _gate(phones, BILABIAL, times_s, **CLOSURE), _gate(phones, LABIODENTAL, times_s, **BITE)


def _gate(
    phones: list,
    names: tuple[str, ...],
    times_s: np.ndarray,
    hold_s: float,
    ramp_s: float,
    trim_start_s: float,
    trim_end_s: float,
) -> np.ndarray:
    """0..1, one while a named phone is held, with raised-cosine ramps beside it: (T,)."""
    out = np.zeros(len(times_s))
    for name, start, end in phones:
        if name not in names:
            continue
        start, end = start + trim_start_s, end - trim_end_s
        if end - start < hold_s:
            middle = 0.5 * (start + end)
            start, end = middle - 0.5 * hold_s, middle + 0.5 * hold_s
        lo, hi = np.searchsorted(times_s, (start - ramp_s, end + ramp_s))
        near = times_s[lo:hi]
        away = np.maximum(np.maximum(start - near, near - end), 0.0) / ramp_s
        out[lo:hi] = np.maximum(out[lo:hi], 0.5 + 0.5 * np.cos(np.pi * np.minimum(away, 1.0)))
    return out


def _awake(phones: list, times_s: np.ndarray) -> np.ndarray:
    """1 near speech, exactly 0 in long silence, smooth in between: (T,)."""
    out = np.zeros(len(times_s))
    for start, end in speech_regions(phones):
        before = np.clip((start - times_s) / RISE_S, 0.0, 1.0)
        after = np.clip((times_s - end) / REST_S, 0.0, 1.0)
        out = np.maximum(out, 0.5 + 0.5 * np.cos(np.pi * np.maximum(before, after)))
    return out


def speech_regions(phones: list) -> list[tuple[float, float]]:
    """Stretches (start_s, end_s) of speech between silences of at least LONG_SILENCE_S."""
    out: list[tuple[float, float]] = []
    for name, start, end in phones:
        if name == "sil":
            continue
        if out and start - out[-1][1] < LONG_SILENCE_S:
            out[-1] = (out[-1][0], end)
        else:
            out.append((start, end))
    return out


def _loudness_gain(phones: list, loudness_db: np.ndarray, times_s: np.ndarray, slope: float) -> np.ndarray:
    """Opening factor (T,) from the level around each moment against the clip's mean speech level."""
    from scipy.ndimage import gaussian_filter1d

    frame_s = (np.arange(len(loudness_db)) + 0.5) * 0.02
    speaking = np.zeros(len(frame_s), bool)
    for start, end in speech_regions(phones):
        speaking |= (frame_s >= start) & (frame_s < end)
    if not speaking.any():
        return np.ones(len(times_s))
    level = gaussian_filter1d(np.maximum(loudness_db, -60.0), 4.0)
    level = np.clip(level - level[speaking].mean(), -12.0, 8.0)
    return 1.0 + slope * np.interp(times_s, frame_s, level)
