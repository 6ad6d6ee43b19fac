"""Which triangle is seen where, at four samples per pixel: the first half of the head renderer.

The samples lie on a rotated grid, so that near-level and near-upright edges get four steps. Sample
k of pixel (r, c) is taken at y = r + (k + 0.5) / 4 and x = c + SAMPLE_X[k]. **Row 0 is the top** here
(unlike nvdiffrast's pictures).

A sample is one int32: nearness (1 / depth, linear on the screen) as a fixed-point number above, the
triangle's number + 1 below, so that "the nearest wins" is a maximum, which a vector unit does without
branches; 0 is nothing. Its 16 bits of nearness count from `Camera.ruler`'s lowest one in its steps: 0.02 mm in a
portrait. (With int64 this took a third longer, and everything that reads samples waited for twice the memory.)
"""

import numpy as np
import torch

from engine.render.camera import NEAR_STEPS
from engine.render.kernel import inlined, kernel

SAMPLES = 4
SAMPLE_X = np.array([0.375, 0.875, 0.125, 0.625], np.float32)
PAD = 3  # unused columns: a block may reach over; and rows of a power of two bytes would share a cache set
ID_BITS = 15
ID_MASK = (1 << ID_BITS) - 1
MOST = ID_MASK  # triangles that have a number
_NEAREST = np.float32(NEAR_STEPS - 1)
_FAR = np.float32(1e9)
_SLACK = np.float32(1e-4)  # pixels by which triangles overlap, so that shared edges leave no crack
# Triangles are drawn in blocks of four pixels of a row, sixteen samples, all alike: where a sample lies in its block.
_BLOCK = 4
_LANE_X = (np.tile(SAMPLE_X, _BLOCK) + np.repeat(np.arange(_BLOCK), SAMPLES)).astype(np.float32)
_LANE_Y = np.tile(np.arange(SAMPLES) * 0.25 + 0.125, _BLOCK).astype(np.float32)


def no_spans(slots: int, size: int) -> torch.Tensor:
    """Spans of rows that nothing has touched, int32 (S, H, 2)."""
    return torch.tensor([size, 0], dtype=torch.int32).repeat(slots, size, 1)


@kernel
def fill(screen, triangles, two_sided, ruler, top, bottom, samples, spans):
    """Draw triangles into rows top .. bottom - 1 of the sample buffers and widen `spans` to what was touched.

    screen: float32 (V, 3), x right and y down in pixels, nearness (> 0; other triangles are left out).
    triangles int32 (F, 3), at most MOST; two_sided uint8 (F,): 0 leaves out faces whose corners turn clockwise to
    the eye (front faces are counter-clockwise in space, thus clockwise with y down: negative area here).
    ruler float32 (2,): see `Camera.ruler`. samples int32 (H, W + PAD, 4). spans int32 (H, 2): of every row the first
    pixel and the one after the last, or W and 0.

    Most triangles are a few pixels wide. A block costs the same whatever it holds, without branches that the
    processor would guess wrong: half the time of walking from edge to edge (measured).
    """
    width, stride = samples.shape[1] - PAD, samples.shape[1] * SAMPLES
    zero, edge = np.float32(0.0), np.float32(width)
    high_y, low_y = np.float32(0.875), np.float32(0.125)  # of the samples in their row, and in their pixel
    flat = samples.reshape(-1)
    none = np.int32(0)
    for f in range(triangles.shape[0]):
        i0, i1, i2 = np.uintp(triangles[f, 0]), np.uintp(triangles[f, 1]), np.uintp(triangles[f, 2])
        x0, y0, n0 = screen[i0, 0], screen[i0, 1], screen[i0, 2]
        x1, y1, n1 = screen[i1, 0], screen[i1, 1], screen[i1, 2]
        x2, y2, n2 = screen[i2, 0], screen[i2, 1], screen[i2, 2]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if area > zero:
            if two_sided[f] == 0:
                continue
            x1, y1, n1, x2, y2, n2 = x2, y2, n2, x1, y1, n1
            area = -area
        if not (area < -_SLACK and n0 > zero and n1 > zero and n2 > zero):  # also leaves out NaN
            continue
        low, high = min(y0, y1, y2) - np.float32(2.5) * _SLACK, max(y0, y1, y2) + np.float32(2.5) * _SLACK
        first = max(int(min(max(low - high_y + np.float32(0.999), zero), np.float32(bottom))), top)
        last = int(min(max(high + high_y, zero), np.float32(bottom))) - 1
        if first > last:
            continue
        # Nearness in steps as a plane over the screen.
        n0, n1, n2 = (n0 - ruler[0]) * ruler[1], (n1 - ruler[0]) * ruler[1], (n2 - ruler[0]) * ruler[1]
        scale = np.float32(1.0) / area
        dx = ((n1 - n0) * (y2 - y0) - (n2 - n0) * (y1 - y0)) * scale
        dy = ((n2 - n0) * (x1 - x0) - (n1 - n0) * (x2 - x0)) * scale
        start = n0 - dx * x0 - dy * y0
        nearest, number = min(max(n0, n1, n2), _NEAREST), np.int32(f + 1)
        # Every edge bounds x by slope * y + at: from the left where it runs down, else from the right.
        # One side has one edge, the other two (a missing one bounds nothing), so rows need no branches.
        a_slope, a_at, b_slope, b_at = zero, -_FAR, zero, -_FAR
        c_slope, c_at, d_slope, d_at = zero, _FAR, zero, _FAR
        for side in range(3):
            if side == 0:
                xa, ya, xb, yb = x0, y0, x1, y1
            elif side == 1:
                xa, ya, xb, yb = x1, y1, x2, y2
            else:
                xa, ya, xb, yb = x2, y2, x0, y0
            if ya < yb:
                b_slope, b_at = a_slope, a_at
                a_slope = (xb - xa) / (yb - ya)
                a_at = xa - a_slope * ya - _SLACK
            elif ya > yb:
                d_slope, d_at = c_slope, c_at
                c_slope = (xb - xa) / (yb - ya)
                c_at = xa - c_slope * ya + _SLACK
        most_left, most_right = min(x0, x1, x2) - _SLACK, max(x0, x1, x2) + _SLACK
        for row in range(first, last + 1):
            y = np.float32(row)
            begin, end = most_left, most_right  # no sample of the row lies outside them
            begin = max(begin, min(a_slope * (y + low_y), a_slope * (y + high_y)) + a_at)
            begin = max(begin, min(b_slope * (y + low_y), b_slope * (y + high_y)) + b_at)
            end = min(end, max(c_slope * (y + low_y), c_slope * (y + high_y)) + c_at)
            end = min(end, max(d_slope * (y + low_y), d_slope * (y + high_y)) + d_at)
            from_col = int(min(max(begin - high_y + np.float32(0.999), zero), edge))
            to_col = int(min(max(end + high_y, zero), edge))
            if from_col >= to_col:
                continue
            r = np.uintp(row)
            spans[r, 0], spans[r, 1] = min(spans[r, 0], from_col), max(spans[r, 1], to_col)
            for col in range(from_col, to_col, _BLOCK):
                x, at = np.float32(col), row * stride + col * SAMPLES
                for j in range(_BLOCK * SAMPLES):
                    p, q = x + _LANE_X[j], y + _LANE_Y[j]
                    near = np.int32(max(min(start + dy * q + dx * p, nearest), zero))
                    key = np.int32(np.int32(near << ID_BITS) + number)  # numba widens what is not narrowed at once
                    inside = ((p >= a_slope * q + a_at) & (p >= b_slope * q + b_at) & (p <= c_slope * q + c_at)
                              & (p <= d_slope * q + d_at) & (q >= low) & (q <= high))
                    i = np.uintp(at + j)
                    flat[i] = max(flat[i], key if inside else none)


@kernel
def clear(samples, spans, top, bottom):
    """Empty rows top .. bottom - 1 of what the last picture touched."""
    width = samples.shape[1] - PAD
    for row in range(top, bottom):
        touched = samples[row, spans[row, 0] : spans[row, 1]]
        touched[:] = 0
        spans[row, 0], spans[row, 1] = width, 0


@inlined
def nearness(key, ruler):
    """Nearness in 1 / m of a sample that shows something."""
    return ruler[0] + np.float32(key >> ID_BITS) / ruler[1]


@kernel
def reach(samples, kinds, lowest, highest, row, col, down, right, farthest):
    """Pixels from (row, col) along (down, right) to the first that shows no kind of surface lowest .. highest.

    kinds uint8 (F,) of the triangles drawn; the answer is at most `farthest`.
    """
    for d in range(1, farthest):
        r, c = row + down * d, col + right * d
        if r < 0 or r >= samples.shape[0] or c < 0 or c >= samples.shape[1]:
            return d
        face = samples[r, c, 1] & ID_MASK
        if face == 0:
            return d
        kind = kinds[face - 1]
        if kind < lowest or kind > highest:
            return d
    return farthest
