"""Soft shadow of the key light: a small depth map seen from it, looked up once per vertex.

The head's mesh is as dense as the shadow of a soft lamp is smooth, so light that arrives is a number per vertex
that pixels interpolate. It is worked out anew for every picture: shadows move with the head and the jaw.
"""

import math

import numpy as np

from engine.render.kernel import inlined, kernel

PIXELS = 160
SPAN_M = 0.44  # what the map shows around its centre
CENTRE = (0.0, 0.01, 0.02)
_F = np.float32
_FAR = _F(-1e3)
_LIFT_M, _BIAS_M, _BLUR_M = _F(0.0025), _F(0.0035), _F(0.0030)
_REACH_M = _F(0.075)  # how far before a surface an obstacle is looked for


def frame(towards: np.ndarray, pixels: int = PIXELS, span_m: float = SPAN_M) -> np.ndarray:
    """float32 (3, 4): rows take a point (x, y, z, 1) to the map's column, its row, and metres towards the light.

    The map has pixels x pixels and shows span_m around CENTRE.
    """
    other = np.array([0.0, 1.0, 0.0]) if abs(towards[1]) < 0.9 else np.array([0.0, 0.0, 1.0])
    side = np.cross(other, towards)
    side /= np.linalg.norm(side)
    up = np.cross(towards, side)
    scale = pixels / span_m
    rows = np.stack([side * scale, -up * scale, towards])
    shift = -rows @ np.array(CENTRE) + [pixels / 2, pixels / 2, 0]
    return np.concatenate([rows, shift[:, None]], 1).astype(np.float32)


def pattern(count: int = 16) -> np.ndarray:
    """Points spread evenly over the unit disc, float32 (count, 2)."""
    k = np.arange(count) + 0.5
    turn = k * math.pi * (3 - math.sqrt(5))
    return (np.sqrt(k / count)[:, None] * np.stack([np.cos(turn), np.sin(turn)], 1)).astype(np.float32)


@kernel
def cast(points, triangles, frame, seen_from, depth):
    """Depth map of triangles int32 (n, 3) of points float32 (V, 3): depth float32 (P, P), the nearest wins.

    seen_from float32 (V, 3): the points in the map's frame, written here and read by `receive`.
    """
    depth[:] = _FAR
    size = depth.shape[0]
    for v in range(len(points)):
        x, y, z = points[v, 0], points[v, 1], points[v, 2]
        for k in range(3):
            seen_from[v, k] = frame[k, 0] * x + frame[k, 1] * y + frame[k, 2] * z + frame[k, 3]
    for t in range(len(triangles)):
        i0, i1, i2 = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        x0, y0, z0 = seen_from[i0, 0], seen_from[i0, 1], seen_from[i0, 2]
        x1, y1, z1 = seen_from[i1, 0], seen_from[i1, 1], seen_from[i1, 2]
        x2, y2, z2 = seen_from[i2, 0], seen_from[i2, 1], seen_from[i2, 2]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if not area < _F(-1e-3):  # turned away from the light
            continue
        left, right = int(max(min(x0, x1, x2) + _F(0.45), _F(0.0))), int(min(max(x0, x1, x2) - _F(0.45), _F(size - 1)))
        top, bottom = int(max(min(y0, y1, y2) + _F(0.45), _F(0.0))), int(min(max(y0, y1, y2) - _F(0.45), _F(size - 1)))
        scale = _F(1.0) / area
        for row in range(top, bottom + 1):
            y = _F(row) + _F(0.5) - y0
            for col in range(left, right + 1):
                x = _F(col) + _F(0.5) - x0
                b1 = (x * (y2 - y0) - (x2 - x0) * y) * scale
                b2 = ((x1 - x0) * y - x * (y1 - y0)) * scale
                b0 = _F(1.0) - b1 - b2
                if b0 > _F(-0.02) and b1 > _F(-0.02) and b2 > _F(-0.02):
                    z = b0 * z0 + b1 * z1 + b2 * z2
                    if z > depth[row, col]:
                        depth[row, col] = z


@inlined
def _at(depth, x, y):
    size = depth.shape[0]
    col, row = int(min(max(x, _F(0.0)), _F(size - 1))), int(min(max(y, _F(0.0)), _F(size - 1)))
    return depth[np.uintp(row), np.uintp(col)]


@kernel
def receive(seen_from, normals, receivers, frame, depth, taps, softness, out):
    """Share of the key light that arrives at each of receivers int32 (n,): out float32 (V,), 0 to 1.

    Obstacles are looked for around the point first; the farther they are, the wider the shadow's edge
    (softness: tangent of the lamp's angular radius). taps of `pattern`.
    """
    scale = _F(depth.shape[0]) / _F(SPAN_M)
    for i in receivers:
        nx, ny, nz = normals[i, 0], normals[i, 1], normals[i, 2]
        facing = frame[2, 0] * nx + frame[2, 1] * ny + frame[2, 2] * nz
        if facing < _F(-0.32):
            out[i] = _F(1.0)  # and yet dark: it looks away
            continue
        # Start a little above the surface, or it would shade itself.
        x = seen_from[i, 0] + _LIFT_M * (frame[0, 0] * nx + frame[0, 1] * ny + frame[0, 2] * nz)
        y = seen_from[i, 1] + _LIFT_M * (frame[1, 0] * nx + frame[1, 1] * ny + frame[1, 2] * nz)
        z = seen_from[i, 2] + _LIFT_M * facing + _BIAS_M
        wide = _F(0.016) * scale
        found, above = _F(0.0), _F(0.0)
        for k in range(len(taps)):
            over = _at(depth, x + taps[k, 0] * wide, y + taps[k, 1] * wide) - z
            if over > _F(0.0):
                found += _F(1.0)
                above += min(over, _REACH_M)
        if found == _F(0.0):
            out[i] = _F(1.0)
            continue
        radius = min(max(above / found * softness, _F(0.004)), _F(0.022)) * scale
        shaded = _F(0.0)
        for k in range(len(taps)):
            over = _at(depth, x + taps[k, 0] * radius, y + taps[k, 1] * radius) - z
            shaded += min(max(over / _BLUR_M + _F(0.5), _F(0.0)), _F(1.0))
        # Near the edge of the light a surface is dim by itself; the map is too coarse to tell there.
        sure = min(max((facing + _F(0.32)) * _F(2.4), _F(0.0)), _F(1.0))
        out[i] = _F(1.0) - sure * shaded / _F(len(taps))
