"""How smoothly a face goes from one emotion to another.

E-PPL and E-PDV are GMTalker's (appendix B.1): mean and variance of the perceptual distance between neighbours in a
sequence of 17 frames that goes from one emotion to another. Where the distances are measured is up to the caller.
"""

from collections.abc import Sequence

import numpy as np

FRAMES = 17
SMALLEST_STEP = 0.004  # one grey level of 256: a coefficient that steps less in speech is held against this


def distances(features: np.ndarray) -> np.ndarray:
    """Between neighbours in a sequence of frames (F, D): (F - 1,)."""
    return np.linalg.norm(np.diff(features, axis=0), axis=-1)


def path_length(features: np.ndarray) -> float:
    """E-PPL of one sequence (F, D): the mean distance between neighbours."""
    return float(distances(features).mean())


def distance_variance(features: np.ndarray) -> float:
    """E-PDV of one sequence (F, D): the variance of these distances."""
    return float(distances(features).var())


def detour(features: np.ndarray) -> float:
    """Length of the path over the straight way between its ends, 1 or more: does not reward a face that shows little;
    nan where the ends are the same."""
    straight = float(np.linalg.norm(features[-1] - features[0]))
    return float(distances(features).sum() / straight) if straight > 1e-9 else float("nan")


def unevenness(features: np.ndarray) -> float:
    """Deviation of the distances over their mean: E-PDV whatever the size of the change; nan where nothing changes."""
    found = distances(features)
    return float(found.std() / found.mean()) if found.mean() > 1e-9 else float("nan")


def steady_steps(clips: Sequence[np.ndarray], percentile: float = 99.0) -> np.ndarray:
    """What a coefficient's step between ticks stays under in steady speech, (V,), over clips (T, V)."""
    steps = np.concatenate([np.abs(np.diff(clip, axis=0)) for clip in clips])
    return np.maximum(np.percentile(steps, percentile, axis=0), SMALLEST_STEP)


def largest_step(clips: Sequence[np.ndarray], usual: np.ndarray) -> tuple[float, int]:
    """The largest step of any coefficient in clips (T, V), in units of `usual` (V,), and which coefficient it is."""
    worst = np.max([np.abs(np.diff(clip, axis=0)).max(0) / usual for clip in clips], axis=0)
    return float(worst.max()), int(worst.argmax())
