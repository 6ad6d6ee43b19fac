"""What is seen at every sample: a z-buffer over the big picture, then a list of the surface points in it."""

import math
from dataclasses import dataclass

import numpy as np

from engine.render.kernel import kernel

_F = np.float32


@dataclass(slots=True)
class Points:
    """The seen samples, n of them. at int64 (n,): number in the flattened big picture; face int32 (n,) triangle;
    place and normal float32 (n, 3) in metres and unit; field float32 (n, k) interpolated vertex numbers."""

    at: np.ndarray
    face: np.ndarray
    place: np.ndarray
    normal: np.ndarray
    field: np.ndarray


@kernel
def cover(screen, triangles, drawn, near, face):
    """Draw triangles int32 (F, 3) where drawn uint8 (F,) is 1 (2: both sides) into near float32 (R, C) and face int32
    (R, C) (number + 1, 0 nothing). screen float32 (V, 3): column, row, nearness, not drawn when <= 0."""
    rows, columns = near.shape
    for f in range(len(triangles)):
        if drawn[f] == 0:
            continue
        i0, i1, i2 = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        x0, y0, n0 = screen[i0, 0], screen[i0, 1], screen[i0, 2]
        x1, y1, n1 = screen[i1, 0] - x0, screen[i1, 1] - y0, screen[i1, 2]
        x2, y2, n2 = screen[i2, 0] - x0, screen[i2, 1] - y0, screen[i2, 2]
        area = x1 * y2 - x2 * y1
        if not (abs(area) > _F(1e-6) and n0 > 0 and n1 > 0 and n2 > 0) or (area > 0 and drawn[f] == 1):
            continue
        scale = _F(1.0) / area
        left = max(int(x0 + min(_F(0.0), x1, x2) - _F(0.5)), 0)
        right = min(int(x0 + max(_F(0.0), x1, x2) + _F(0.5)), columns - 1)
        top = max(int(y0 + min(_F(0.0), y1, y2) - _F(0.5)), 0)
        bottom = min(int(y0 + max(_F(0.0), y1, y2) + _F(0.5)), rows - 1)
        for row in range(top, bottom + 1):
            y = _F(row) + _F(0.5) - y0
            for col in range(left, right + 1):
                x = _F(col) + _F(0.5) - x0
                b1, b2 = (x * y2 - x2 * y) * scale, (x1 * y - x * y1) * scale
                b0 = _F(1.0) - b1 - b2
                if b0 >= _F(-1e-4) and b1 >= _F(-1e-4) and b2 >= _F(-1e-4):
                    n = b0 * n0 + b1 * n1 + b2 * n2
                    if n > near[row, col]:
                        near[row, col] = n
                        face[row, col] = f + 1


@kernel
def _gather(at, face, width, screen, triangles, points, normals, fields, place, normal, field):
    for k in range(len(at)):
        f = face[k]
        i0, i1, i2 = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        x0, y0 = screen[i0, 0], screen[i0, 1]
        x1, y1, x2, y2 = screen[i1, 0] - x0, screen[i1, 1] - y0, screen[i2, 0] - x0, screen[i2, 1] - y0
        x, y = _F(at[k] % width) + _F(0.5) - x0, _F(at[k] // width) + _F(0.5) - y0
        scale = _F(1.0) / (x1 * y2 - x2 * y1)
        b1, b2 = (x * y2 - x2 * y) * scale, (x1 * y - x * y1) * scale
        # Weights on the screen become weights in space.
        w0, w1, w2 = (_F(1.0) - b1 - b2) * screen[i0, 2], b1 * screen[i1, 2], b2 * screen[i2, 2]
        scale = _F(1.0) / (w0 + w1 + w2)
        w0, w1, w2 = w0 * scale, w1 * scale, w2 * scale
        size = _F(1e-12)
        for j in range(3):
            place[k, j] = w0 * points[i0, j] + w1 * points[i1, j] + w2 * points[i2, j]
            normal[k, j] = w0 * normals[i0, j] + w1 * normals[i1, j] + w2 * normals[i2, j]
            size += normal[k, j] * normal[k, j]
        size = _F(1.0) / math.sqrt(size)
        for j in range(3):
            normal[k, j] *= size
        for j in range(fields.shape[1]):
            field[k, j] = w0 * fields[i0, j] + w1 * fields[i1, j] + w2 * fields[i2, j]


def collect(face: np.ndarray, screen: np.ndarray, triangles: np.ndarray, points: np.ndarray, normals: np.ndarray,
            fields: np.ndarray) -> Points:  # fmt: skip
    """The seen samples of a picture drawn by `cover`, with vertex numbers float32 (V, k) interpolated."""
    at = np.flatnonzero(face.ravel())
    seen = face.ravel()[at] - 1
    n = len(at)
    out = Points(at, seen, np.empty((n, 3), np.float32), np.empty((n, 3), np.float32),
                 np.empty((n, fields.shape[1]), np.float32))  # fmt: skip
    _gather(at, seen, face.shape[1], screen, triangles, points, normals, fields, out.place, out.normal, out.field)
    return out
