"""Head motion in three figures: how much it varies, whether it beats with the voice, how near it is to another's.

Div, BA and PCM of GMTalker (equations 17 to 19), which takes them from SadTalker (Zhang et al. 2023), Bailando (Siyao
et al. 2022, after Li et al. 2021) and BEAT (Liu et al. 2022). There "motion embeddings" are the three head angles that
TokenHPE reads off pictures; here they are the three angles themselves, in degrees.
"""

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from engine.frames import FPS
from engine.motion import layout
from engine.training.performers.prosody import Prosody, pitch_contour

SIGMA_TICKS = 3.0
TAU_DEGREES = 1.0
BEAT_GAP_S = 0.24
STILL_DEGREES_S = 0.5  # a head that is slower than this all the time has no beats


def angles(motion: np.ndarray) -> np.ndarray:
    """Head angles (T, 3) in degrees of a motion (T, M), or of its 12 numbers (T, 12)."""
    return np.degrees(motion[:, layout.ROTATION] if motion.shape[1] == layout.M else motion[:, :3])


def diversity(motions: Sequence[np.ndarray]) -> float:
    """Div (equation 17): mean distance of all pairs of motions made for one voice, in degrees.

    The distance of two is the sum over angles of their absolute differences, as a mean over ticks.
    """
    heads = [angles(motion) for motion in motions]
    size = min(map(len, heads))
    return float(np.mean([np.abs(a[:size] - b[:size]).sum(1).mean() for a, b in combinations(heads, 2)]))


def motion_beats(motion: np.ndarray) -> np.ndarray:
    """Ticks at which the head comes to a stop between two movements: least angular speed nearby."""
    from scipy.ndimage import gaussian_filter1d
    from scipy.signal import find_peaks

    speed = np.linalg.norm(np.diff(angles(motion), axis=0), axis=1) * FPS
    if len(speed) < 5 or speed.max() < STILL_DEGREES_S:
        return np.zeros(0)
    # the speed between ticks t and t + 1 belongs to the middle of the two
    return find_peaks(-gaussian_filter1d(speed, 1.0), distance=3)[0] + 0.5


def prosodic_beats(prosody: Prosody) -> np.ndarray:
    """Ticks of syllables that stand out in level and pitch, from the sound alone."""
    from scipy.ndimage import gaussian_filter1d
    from scipy.signal import find_peaks

    level = gaussian_filter1d(np.maximum(prosody.loudness_db, -60.0), 2.0)[: 2 * prosody.ticks]
    level = level.reshape(-1, 2).mean(1)
    speech = level > level.max(initial=-60.0) - 25.0
    if level.max(initial=-100.0) < -55.0 or speech.sum() < 3:
        return np.zeros(0)
    pitch = pitch_contour(prosody)
    salience = sum((x - x[speech].mean()) / max(x[speech].std(), 1e-6) for x in (level, 0.7 * pitch))
    peaks, _ = find_peaks(np.where(speech, salience, -9.0), height=0.0, distance=round(BEAT_GAP_S * FPS))
    return peaks.astype(float)


def beat_alignment(motion: np.ndarray, beats: np.ndarray) -> float:
    """BA (equation 18): how near each motion beat is to a beat of the voice, 0 to 1; nan where either has none."""
    own = motion_beats(motion)
    if not len(own) or not len(beats):
        return float("nan")
    nearest = np.abs(own[:, None] - beats[None]).min(1)
    return float(np.exp(-np.square(nearest) / (2.0 * SIGMA_TICKS**2)).mean())


def correct_motion(motion: np.ndarray, true: np.ndarray) -> float:
    """PCM (equation 19): share of angles within one degree of the true ones, over ticks and angles."""
    size = min(len(motion), len(true))
    return float((np.abs(angles(motion)[:size] - angles(true)[:size]) < TAU_DEGREES).mean())
