"""Phone timings to frame labels, and back to the figures that lip-readers care about."""

from collections.abc import Sequence

import numpy as np

from engine.features.phones import (
    GESTURE_PHONES,
    PHONE39_OF_PHONE,
    PHONE_INDEX,
    PHONES,
    SIL,
    VISEME_OF_PHONE,
    indices,
)

__all__ = [
    "FRAME_S", "GESTURE_TABLE", "PHONE39_TABLE", "PHONES", "VISEME_OF", "VISEME_TABLE", "frame_labels", "labels_at",
]  # fmt: skip

FRAME_S = 0.02
VISEME_TABLE = np.array(VISEME_OF_PHONE)
PHONE39_TABLE = np.array(PHONE39_OF_PHONE)
# (43, 12): which viseme each phone belongs to
VISEME_OF = np.eye(VISEME_TABLE.max() + 1, dtype=np.float32)[VISEME_TABLE]
# (43, 4): which gestures each phone asks for
GESTURE_TABLE = np.stack([np.isin(np.arange(len(PHONES)), indices(g)) for g in GESTURE_PHONES], 1)


def frame_labels(phones: tuple[tuple[str, float, float], ...], frames: int, start_s: float = 0.0) -> np.ndarray:
    """Phone index int64 (frames,) at the middle of each 20 ms frame from `start_s` on; `sil` outside."""
    return labels_at([(PHONE_INDEX[name], a, b) for name, a, b in phones], frames, SIL, start_s)


def labels_at(spans: Sequence[tuple[int, float, float]], frames: int, outside: int, start_s: float = 0.0) -> np.ndarray:
    """The number of the gapless span (number, start s, end s) at the middle of each 20 ms frame, int64 (frames,)."""
    centres = start_s + (np.arange(frames) + 0.5) * FRAME_S
    ends = np.array([end for _, _, end in spans])
    names = np.array([number for number, _, _ in spans] + [outside])
    labels = names[np.searchsorted(ends, centres, "right")]
    return np.where(centres < spans[0][1], outside, labels)
