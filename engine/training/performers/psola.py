"""Pitch and tempo of speech by pitch-synchronous overlap and add, in the time domain.

Moulines and Charpentier, "Pitch-synchronous waveform processing techniques for text-to-speech synthesis using
diphones" (1990). Grains of two periods are cut at pitch marks and set down again nearer or farther apart, left out
or repeated, so formants stay. Repeated grains without voice are turned round, or they would hum.
"""

import numpy as np

from engine.frames import SAMPLE_RATE_HZ

UNVOICED = 96  # samples between marks where there is no voice, 6 ms
LEAST_COVER = 0.35  # windows that hardly overlap are not blown up further


def pitch_marks(samples: np.ndarray, pitch_hz: np.ndarray, frame_samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Where periods peak, int64 (N,) samples in order, and whether each mark is voiced, bool (N,).

    pitch_hz: (F,) every frame_samples, 0 without voice.
    """
    from scipy.ndimage import uniform_filter1d

    smooth = uniform_filter1d(samples.astype(np.float64), 9)  # below about 1 kHz
    smooth -= uniform_filter1d(smooth, 321)
    if abs(smooth.min(initial=0.0)) > smooth.max(initial=0.0):
        smooth = -smooth  # glottal pulses of this recording point down
    marks, voiced, at = [0], [False], 0
    while True:
        hz = pitch_hz[min(at // frame_samples, len(pitch_hz) - 1)]
        period = round(SAMPLE_RATE_HZ / hz) if hz > 0 else UNVOICED
        lo, hi = (at + int(0.75 * period), at + int(1.3 * period)) if hz > 0 else (at + period, at + period + 1)
        if hi >= len(samples):
            break
        at = lo + int(np.argmax(smooth[lo:hi])) if hz > 0 else lo
        marks.append(at)
        voiced.append(bool(hz > 0))
    return np.array(marks), np.array(voiced)


def resynthesize(
    samples: np.ndarray, marks: np.ndarray, voiced: np.ndarray, factor: np.ndarray, own_s: np.ndarray, new_s: np.ndarray
) -> np.ndarray:
    """Speech with its pitch times factor (N,) at each mark, and moments own_s moved to new_s: float32.

    own_s, new_s: increasing, from 0 to the old and the new length.
    """
    rate = SAMPLE_RATE_HZ
    length = round(float(new_s[-1]) * rate)
    out, cover = np.zeros(length + 2048), np.zeros(length + 2048)
    padded = np.pad(samples.astype(np.float64), 1024)
    gaps = np.diff(marks, prepend=marks[0] - UNVOICED, append=marks[-1] + UNVOICED)
    before, after = np.clip(gaps[:-1], 24, 400), np.clip(gaps[1:], 24, 400)
    at, last = 0.0, -1
    while at < length:
        source = float(np.interp(at / rate, new_s, own_s)) * rate
        i = int(np.searchsorted(marks, source))
        i = i - 1 if i == len(marks) or (i > 0 and source - marks[i - 1] < marks[i] - source) else i
        left, right = int(before[i]), int(after[i])
        window = np.concatenate((_rise(left), _rise(right)[::-1]))
        start = marks[i] + 1024 - left
        grain = padded[start : start + left + right] * window
        if i == last and not voiced[i]:
            grain, window, left = grain[::-1], window[::-1], right
        place = round(at) + 512 - left
        out[place : place + len(grain)] += grain
        cover[place : place + len(grain)] += window
        at += right / factor[i] if voiced[i] else right
        last = i
    return (out / np.maximum(cover, LEAST_COVER))[512 : 512 + length].astype(np.float32)


def _rise(samples: int) -> np.ndarray:
    return 0.5 - 0.5 * np.cos(np.pi * (np.arange(samples) + 0.5) / samples)
