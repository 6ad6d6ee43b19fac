"""Colours drawn out into what is transparent: coded colour is coarser than coded alpha, and would fringe else."""

from itertools import pairwise

import numpy as np

from engine.render.kernel import kernel

STEPS = 4  # halvings: colour reaches 16 pixels into what is transparent
_F = np.float32


@kernel
def _weigh(rgba, out):
    """Blocks of 2 x 2 pixels of uint8 (H, W, 4) as sums of colour by opacity, and of opacity: (H / 2, W / 2, 4)."""
    height, width = rgba.shape[0], rgba.shape[1]
    out[:] = _F(0.0)
    for row in range(height):
        for col in range(width):
            weight = _F(rgba[row, col, 3])
            if weight > _F(0.0):
                r, c = np.uintp(row >> 1), np.uintp(col >> 1)
                for k in range(3):
                    out[r, c, k] += _F(rgba[row, col, k]) * weight
                out[r, c, 3] += weight


@kernel
def _halve(fine, coarse):
    for row in range(coarse.shape[0]):
        for col in range(coarse.shape[1]):
            for k in range(4):
                coarse[row, col, k] = (fine[2 * row, 2 * col, k] + fine[2 * row + 1, 2 * col, k]
                                       + fine[2 * row, 2 * col + 1, k] + fine[2 * row + 1, 2 * col + 1, k])  # fmt: skip


@kernel
def _fill(coarse, fine):
    """Blocks without any weight take the sums of the coarser block they lie in."""
    for row in range(fine.shape[0]):
        for col in range(fine.shape[1]):
            if fine[row, col, 3] == _F(0.0):
                for k in range(4):
                    fine[row, col, k] = coarse[row >> 1, col >> 1, k]


@kernel
def _colour(sums, out):
    """Clear pixels of out uint8 (H, W, 4) take the mean colour of their block."""
    for row in range(out.shape[0]):
        for col in range(out.shape[1]):
            if out[row, col, 3] == 0:
                r, c = np.uintp(row >> 1), np.uintp(col >> 1)
                scale = _F(1.0) / max(sums[r, c, 3], _F(1.0))
                for k in range(3):
                    out[row, col, k] = np.uint8(sums[r, c, k] * scale + _F(1e-3))


def bleed(rgba: np.ndarray) -> np.ndarray:
    """The same picture uint8 (H, W, 4) with the colours of its edges drawn out into what is transparent.

    Means over ever larger blocks, weighted by opacity; a clear pixel takes the smallest block that has any.
    """
    out = rgba.copy()
    height, width = (-(-n // 2**STEPS) * 2**STEPS for n in rgba.shape[:2])
    levels = [np.empty((height >> k, width >> k, 4), np.float32) for k in range(1, STEPS + 1)]
    _weigh(rgba, levels[0])
    for fine, coarse in pairwise(levels):
        _halve(fine, coarse)
    for coarse, fine in zip(levels[:0:-1], levels[-2::-1], strict=True):
        _fill(coarse, fine)
    _colour(levels[0], out)
    return out
