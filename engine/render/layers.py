"""Thin things blended over the shaded head: brows and lashes."""

import math

import numpy as np

from engine.render import shading
from engine.render.kernel import kernel
from engine.render.shading import LASHES
from engine.render.surface import FIELDS
from engine.render.visibility import ID_BITS, NEAR_SCALE, PAD, SAMPLE_X

_F = np.float32


@kernel
def overlay(samples, triangles, faces, kinds, screen, vertex, hair, field, veil, light):
    """Blend thin things over the picture: faces int32 (n,) are their triangles, field scratch (8,).

    veil float32 (H, W, 4), all zero before and after: colour times opacity, and opacity. It is summed up
    first, since a pixel may be shared by several triangles of one layer.
    """
    reach_left, reach_top, reach_right, reach_bottom = samples.shape[1], samples.shape[0], 0, 0
    height, width = samples.shape[0], samples.shape[1] - PAD
    for f in faces:
        i0, i1, i2 = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        x0, y0, n0 = screen[i0, 0], screen[i0, 1], screen[i0, 2]
        x1, y1, n1 = screen[i1, 0], screen[i1, 1], screen[i1, 2]
        x2, y2, n2 = screen[i2, 0], screen[i2, 1], screen[i2, 2]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        kind = kinds[f]
        if (kind != LASHES and area > 0) or not (abs(area) > _F(1e-4) and n0 > 0 and n1 > 0 and n2 > 0):
            continue
        scale = _F(1.0) / area
        left, right = max(int(min(x0, x1, x2)), 0), min(int(max(x0, x1, x2)), width - 1)
        top, bottom = max(int(min(y0, y1, y2)), 0), min(int(max(y0, y1, y2)), height - 1)
        # Brows lie 0.6 mm over the skin, lashes grow out of it: forgive a little.
        bias = _F(0.0015) if kind == LASHES else _F(0.0008)
        for row in range(top, bottom + 1):
            for col in range(left, right + 1):
                s0 = s1 = s2 = _F(0.0)
                covered = 0
                for k in range(4):
                    x = _F(col) + SAMPLE_X[k] - x0
                    y = _F(row) + _F(k) * _F(0.25) + _F(0.125) - y0
                    b1 = (x * (y2 - y0) - (x2 - x0) * y) * scale
                    b2 = ((x1 - x0) * y - x * (y1 - y0)) * scale
                    b0 = _F(1.0) - b1 - b2
                    if b0 < 0 or b1 < 0 or b2 < 0:
                        continue
                    near = b0 * n0 + b1 * n1 + b2 * n2
                    if near + bias * near * near < _F(samples[row, col, k] >> ID_BITS) * _F(1.0 / NEAR_SCALE):
                        continue
                    s0, s1, s2 = s0 + b0, s1 + b1, s2 + b2
                    covered += 1
                if covered == 0:
                    continue
                share = _F(1.0) / _F(covered)
                for j in range(FIELDS):
                    field[j] = (s0 * vertex[i0, j] + s1 * vertex[i1, j] + s2 * vertex[i2, j]) * share
                r, g, b, alpha = _cover(kind, field, hair)
                alpha *= _F(0.25) * _F(covered)
                veil[row, col, 0] += r * alpha
                veil[row, col, 1] += g * alpha
                veil[row, col, 2] += b * alpha
                veil[row, col, 3] += alpha
        reach_left, reach_top = min(reach_left, left), min(reach_top, top)
        reach_right, reach_bottom = max(reach_right, right + 1), max(reach_bottom, bottom + 1)
    for row in range(reach_top, reach_bottom):
        for col in range(reach_left, reach_right):
            alpha = veil[row, col, 3]
            if alpha > 0:
                bare, scale = max(_F(1.0) - alpha, _F(0.0)), _F(1.0) / max(alpha, _F(1.0))
                for k in range(3):
                    light[row, col, k] = light[row, col, k] * bare + veil[row, col, k] * scale
                    veil[row, col, k] = 0.0
                veil[row, col, 3] = 0.0


@kernel
def _cover(kind, field, hair):
    """Colour and opacity of brows and lashes: a runs along the lid or brow, b across, c is opacity."""
    a, b, c = field[4], field[5], field[6]
    if kind != LASHES:
        # Hairs lean outwards.
        hairs, _, _, _ = shading.sample4(hair, _F(0.30) + a * _F(0.120) - b * _F(0.028), _F(0.5))
        alpha = shading.smooth(_F(0.0), _F(1.0), c * _F(1.30) - hairs * _F(0.40)) * (_F(0.98) - _F(0.36) * hairs)
        return _F(0.045) * field[0], _F(0.028) * field[1], _F(0.020) * field[2], alpha
    fringe = _F(0.86) + _F(0.16) * math.sin(a * _F(9000.0))
    return _F(0.020), _F(0.014), _F(0.011), shading.clamp01(c * fringe)
