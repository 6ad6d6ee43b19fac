"""Prosody as a performer hears it: level and pitch in time, stressed syllables, phrases.

Frames are 20 ms, two a tick, as in `engine.frames.SpeechFeatures`.
"""

from dataclasses import dataclass

import numpy as np
import torch

from engine.features.levels import loudness_db
from engine.features.pitch import Pitch
from engine.frames import FEATURE_FRAMES, TICK_SAMPLES
from engine.training.coarticulation import VOWELS
from engine.training.performance import LONG_SILENCE_S, speech_regions

FRAME_S = 0.02
LEAST_GAP_S = 0.24  # between accents: faster ones run together on a face
LEAP, NEIGHBOURS = 0.7, 15  # octaves from the median of so many voiced frames: a mistake of the tracker
PROMINENT = 0.25  # an accent stands out from the phrase by at least this


@dataclass(frozen=True, slots=True)
class Prosody:
    """loudness_db: (2T,) level of each 20 ms frame in dBFS. pitch_hz: (2T,), 0 where there is no voice."""

    loudness_db: np.ndarray
    pitch_hz: np.ndarray

    @property
    def ticks(self) -> int:
        return len(self.loudness_db) // FEATURE_FRAMES


@dataclass(frozen=True, slots=True)
class Accent:
    """A stressed syllable: the middle of its vowel, and how much it stands out, 0.2 to 1.5."""

    time_s: float
    strength: float


def measure(samples: np.ndarray) -> Prosody:
    """Prosody of 16 kHz speech (N,), int16 or float; T = ceil(N / 640), filled up with silence."""
    x = samples.astype(np.float32) / 32768 if samples.dtype == np.int16 else samples.astype(np.float32)
    padded = torch.from_numpy(np.pad(x, (0, -len(x) % TICK_SAMPLES + TICK_SAMPLES // FEATURE_FRAMES)))[None]
    # the tracker's window ends where a frame ends: its answer speaks of the moment one frame earlier
    pitch, _ = Pitch()(padded)
    return Prosody(loudness_db(padded)[0, :-1].numpy(), _same_octave(pitch[0, 1:].numpy()))


def find_accents(phones: list, stress: list | None, prosody: Prosody) -> list[Accent]:
    """Stressed syllables that stand out, in order of time.

    A vowel with primary stress (any vowel when stress is not known) stands out by its pitch above the phrase, its
    level and its length, after Kochanski et al., "Loudness predicts prominence" (2005). The strongest win where two
    are nearer than LEAST_GAP_S.
    """
    rows = []
    for i, (name, start, end) in enumerate(phones):
        if name in VOWELS and (stress is None or stress[i] in (1, None)):
            lo, hi = int(start / FRAME_S), max(int(np.ceil(end / FRAME_S)), int(start / FRAME_S) + 1)
            pitch = prosody.pitch_hz[lo:hi]
            voiced = pitch[pitch > 0]
            level = prosody.loudness_db[lo:hi].max(initial=-100.0)
            top = 12.0 * np.log2(voiced.max()) if len(voiced) else np.nan
            rows.append((0.5 * (start + end), level, top, end - start))
    if not rows:
        return []
    time, level, pitch, length = np.array(rows).T
    pitch = np.where(np.isnan(pitch), np.nanmedian(pitch) if np.isfinite(pitch).any() else 0.0, pitch)
    stand = 0.5 * _scores(level) + 0.35 * _scores(pitch) + 0.3 * _scores(np.log(length)) + 0.55
    chosen: list[Accent] = []
    for i in np.argsort(-stand):
        if stand[i] >= PROMINENT and all(abs(time[i] - other.time_s) >= LEAST_GAP_S for other in chosen):
            chosen.append(Accent(float(time[i]), float(np.clip(stand[i], 0.2, 1.5))))
    return sorted(chosen, key=lambda accent: accent.time_s)


def phrases(phones: list) -> list[tuple[float, float]]:
    """Stretches (start_s, end_s) of speech between pauses."""
    return speech_regions(phones)


def speaking(phones: list, times_s: np.ndarray, ramp_s: float = LONG_SILENCE_S) -> np.ndarray:
    """1 in phrases, 0 in pauses, smooth over ramp_s outside: (T,)."""
    out = np.zeros(len(times_s))
    for start, end in phrases(phones):
        away = np.maximum(np.maximum(start - times_s, times_s - end), 0.0) / ramp_s
        out = np.maximum(out, 0.5 + 0.5 * np.cos(np.pi * np.minimum(away, 1.0)))
    return out


def pitch_contour(prosody: Prosody) -> np.ndarray:
    """Semitones around the clip's median at each tick, bridged where there is no voice and smoothed: (T,)."""
    from scipy.ndimage import gaussian_filter1d

    voiced = prosody.pitch_hz > 0
    if voiced.sum() < 3:
        return np.zeros(prosody.ticks)
    semitones = 12.0 * np.log2(np.maximum(prosody.pitch_hz, 1.0))
    frames = np.arange(len(voiced))
    bridged = np.interp(frames, frames[voiced], semitones[voiced]) - np.median(semitones[voiced])
    smooth = gaussian_filter1d(np.clip(bridged, -8.0, 8.0), 5.0)  # 100 ms
    return smooth[: 2 * prosody.ticks].reshape(-1, 2).mean(1)


def _same_octave(pitch_hz: np.ndarray) -> np.ndarray:
    """Pitch without the leaps of an octave that trackers make: frames far from their neighbours come nearer."""
    from scipy.ndimage import median_filter

    voiced = pitch_hz > 0
    if voiced.sum() < 5:
        return pitch_hz
    octaves = np.log2(pitch_hz[voiced])
    away = octaves - median_filter(octaves, NEIGHBOURS, mode="nearest")
    out = pitch_hz.copy()
    out[voiced] = 2.0 ** (octaves - np.where(np.abs(away) > LEAP, np.round(away), 0.0))
    return out


def _scores(values: np.ndarray) -> np.ndarray:
    spread = values.std()
    return np.clip((values - values.mean()) / spread, -2.0, 2.0) if spread > 1e-6 else np.zeros(len(values))
