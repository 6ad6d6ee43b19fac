"""Phone timings to frame labels, and back to the figures that lip-readers care about."""

import numpy as np

from engine.features.phones import GESTURE_PHONES, PHONE_INDEX, PHONES, SIL, VISEME_OF_PHONE, indices

__all__ = ["FRAME_S", "GESTURE_TABLE", "PHONES", "VISEME_TABLE", "frame_labels"]

FRAME_S = 0.02
VISEME_TABLE = np.array(VISEME_OF_PHONE)
# (43, 4): which gestures each phone asks for
GESTURE_TABLE = np.stack([np.isin(np.arange(len(PHONES)), indices(g)) for g in GESTURE_PHONES], 1)


def frame_labels(phones: tuple[tuple[str, float, float], ...], frames: int, start_s: float = 0.0) -> np.ndarray:
    """Phone index int64 (frames,) at the middle of each 20 ms frame from `start_s` on; `sil` outside."""
    centres = start_s + (np.arange(frames) + 0.5) * FRAME_S
    ends = np.array([end for _, _, end in phones])
    names = np.array([PHONE_INDEX[name] for name, _, _ in phones] + [SIL])
    labels = names[np.searchsorted(ends, centres, "right")]
    return np.where(centres < phones[0][1], SIL, labels)
