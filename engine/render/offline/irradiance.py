"""Light that arrives: for every direction a depth map of all that casts shadows, looked up by every point.

The shadow of a lamp is the sum of its many directions, so it is sharp where things touch and soft further away;
the sky's directions give occlusion. Shine is that of rough dielectrics (GGX, Walter et al. 2007) in two lobes.
"""

import math
from dataclasses import dataclass

import numpy as np

from engine.render.kernel import inlined, kernel
from engine.render.offline.lights import Lights
from engine.render.shadow import frame

PIXELS, SPAN_M = 576, 0.52
_F = np.float32
_FAR = _F(-1e3)
_BIAS_M = _F(0.0009)


@dataclass(slots=True)
class Receivers:
    """Points in the light, n of them: place, normal and eye (towards the viewer) float32 (n, 3); rough float32
    (n, 2): roughness of the broad and the tight lobe."""

    place: np.ndarray
    normal: np.ndarray
    eye: np.ndarray
    rough: np.ndarray


@kernel
def cast(points, triangles, frame, depth):
    """Depth map float32 (P, P) of triangles int32 (n, 3), both their sides; the nearest to the light wins."""
    depth[:] = _FAR
    size = depth.shape[0]
    for t in range(len(triangles)):
        i0, i1, i2 = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        x0, y0, z0 = _into(points, i0, frame)
        x1, y1, z1 = _into(points, i1, frame)
        x2, y2, z2 = _into(points, i2, frame)
        x1, y1, x2, y2 = x1 - x0, y1 - y0, x2 - x0, y2 - y0
        area = x1 * y2 - x2 * y1
        if not abs(area) > _F(1e-4):
            continue
        left, right = max(int(x0 + min(_F(0.0), x1, x2)), 0), min(int(x0 + max(_F(0.0), x1, x2)) + 1, size - 1)
        top, bottom = max(int(y0 + min(_F(0.0), y1, y2)), 0), min(int(y0 + max(_F(0.0), y1, y2)) + 1, size - 1)
        scale = _F(1.0) / area
        for row in range(top, bottom + 1):
            y = _F(row) + _F(0.5) - y0
            for col in range(left, right + 1):
                x = _F(col) + _F(0.5) - x0
                b1, b2 = (x * y2 - x2 * y) * scale, (x1 * y - x * y1) * scale
                b0 = _F(1.0) - b1 - b2
                if b0 >= _F(-0.01) and b1 >= _F(-0.01) and b2 >= _F(-0.01):
                    z = b0 * z0 + b1 * z1 + b2 * z2
                    if z > depth[row, col]:
                        depth[row, col] = z


@inlined
def _into(points, i, frame):
    x, y, z = points[i, 0], points[i, 1], points[i, 2]
    return (frame[0, 0] * x + frame[0, 1] * y + frame[0, 2] * z + frame[0, 3],
            frame[1, 0] * x + frame[1, 1] * y + frame[1, 2] * z + frame[1, 3],
            frame[2, 0] * x + frame[2, 1] * y + frame[2, 2] * z + frame[2, 3])  # fmt: skip


@inlined
def _open(depth, col, row, z):
    """1 where nothing lies before a point, 0 where something does, between them over a millimetre."""
    over = depth[np.uintp(row), np.uintp(col)] - z
    return min(max(_F(1.0) - over * _F(900.0), _F(0.0)), _F(1.0))


@inlined
def seen(depth, x, y, z):
    """Share of a light that passes: the four texels around, by nearness."""
    limit = _F(depth.shape[0] - 2)
    x, y = min(max(x - _F(0.5), _F(0.0)), limit), min(max(y - _F(0.5), _F(0.0)), limit)
    c, r = np.int64(x), np.int64(y)
    fx, fy = x - _F(c), y - _F(r)
    top = _open(depth, c, r, z) * (_F(1.0) - fx) + _open(depth, c + 1, r, z) * fx
    low = _open(depth, c, r + 1, z) * (_F(1.0) - fx) + _open(depth, c + 1, r + 1, z) * fx
    return top * (_F(1.0) - fy) + low * fy


@inlined
def ggx(nh, rough):
    a = rough * rough
    a = a * a
    d = nh * nh * (a - _F(1.0)) + _F(1.0)
    return a / (_F(math.pi) * d * d)


@kernel
def receive(place, normal, eye, rough, frame, depth, colour, shines, light, shine):
    """Add one direction's light float32 (n, 3) and shine float32 (n, 3), of strength `shines`, to all points."""
    lx, ly, lz = frame[2, 0], frame[2, 1], frame[2, 2]
    texel = _F(SPAN_M / PIXELS)
    for k in range(len(place)):
        nx, ny, nz = normal[k, 0], normal[k, 1], normal[k, 2]
        cosine = nx * lx + ny * ly + nz * lz
        if cosine <= _F(0.0):
            continue
        # Start above the surface, further where light grazes it, or it would shade itself.
        lift = texel * (_F(0.5) + _F(1.6) * math.sqrt(max(_F(1.0) - cosine * cosine, _F(0.0))))
        x, y, z = place[k, 0] + nx * lift, place[k, 1] + ny * lift, place[k, 2] + nz * lift
        col = frame[0, 0] * x + frame[0, 1] * y + frame[0, 2] * z + frame[0, 3]
        row = frame[1, 0] * x + frame[1, 1] * y + frame[1, 2] * z + frame[1, 3]
        passed = seen(depth, col, row, lx * x + ly * y + lz * z + frame[2, 3] + _BIAS_M)
        if passed <= _F(0.0):
            continue
        passed *= cosine
        for j in range(3):
            light[k, j] += passed * colour[j]
        if shines > _F(0.0):
            hx, hy, hz = lx + eye[k, 0], ly + eye[k, 1], lz + eye[k, 2]
            size = _F(1.0) / math.sqrt(hx * hx + hy * hy + hz * hz + _F(1e-9))
            nh = max((nx * hx + ny * hy + nz * hz) * size, _F(0.0))
            lh = max((lx * hx + ly * hy + lz * hz) * size, _F(0.05))
            fresnel = _F(1.0) - lh
            fresnel = fresnel * fresnel * fresnel * fresnel * fresnel
            fresnel = _F(0.028) + _F(0.972) * fresnel
            lobes = _F(0.65) * ggx(nh, rough[k, 0]) + _F(0.35) * ggx(nh, rough[k, 1])
            # Smith's masking, nearly: 1 / (4 (n.l)(n.v)) x G ~ 1 / (4 (l.h)^2) (Kelemen).
            add = shines * passed * fresnel * lobes * _F(math.pi) / (_F(4.0) * max(lh * lh, _F(0.1)))
            for j in range(3):
                shine[k, j] += add * colour[j]


def gather(points: np.ndarray, casters: np.ndarray, lights: Lights, at: Receivers) -> tuple[np.ndarray, np.ndarray]:
    """Light and shine float32 (n, 3) that reach the receivers past casters int32 (t, 3) of points (V, 3)."""
    light, shine = np.zeros_like(at.place), np.zeros_like(at.place)
    depth = np.empty((PIXELS, PIXELS), np.float32)
    for towards, colour, shines in zip(lights.towards, lights.colour, lights.shines, strict=True):
        view = frame(towards.astype(np.float64), PIXELS, SPAN_M)
        cast(points, casters, view, depth)
        receive(at.place, at.normal, at.eye, at.rough, view, depth, colour, shines, light, shine)
    return light, shine
