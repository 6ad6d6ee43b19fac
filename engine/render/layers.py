"""Thin things blended over the shaded head: brows and lashes, then cards of strands."""

import math

import numpy as np

from engine.render import hair_shading, shading, texels
from engine.render.kernel import inlined, kernel
from engine.render.shading import LASHES
from engine.render.surface import BLENDED, FIELDS
from engine.render.visibility import ID_BITS, ID_MASK, PAD, SAMPLE_X, nearness

_F = np.float32


@kernel
def overlay(samples, triangles, faces, kinds, screen, vertex, brow, look, ruler, field, first, stop, veil, light,
            before):  # fmt: skip
    """Blend thin things over rows first .. stop - 1: faces int32 (n,) are their triangles, field scratch (12,).

    veil float32 (H, W, 4), all zero before and after: colour times opacity, and opacity. It is summed up
    first, since a pixel may be shared by several triangles of one layer. before: see `surface.draw`; what is
    blended here has to be shaded again.
    """
    reach_left, reach_top, reach_right, reach_bottom = samples.shape[1], samples.shape[0], 0, 0
    width = samples.shape[1] - PAD
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
        top, bottom = max(int(min(y0, y1, y2)), first), min(int(max(y0, y1, y2)), stop - 1)
        if top > bottom:
            continue
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
                    if near + bias * near * near < nearness(samples[row, col, k], ruler):
                        continue
                    s0, s1, s2 = s0 + b0, s1 + b1, s2 + b2
                    covered += 1
                if covered == 0:
                    continue
                share = _F(1.0) / _F(covered)
                for j in range(FIELDS):
                    field[j] = (s0 * vertex[i0, j] + s1 * vertex[i1, j] + s2 * vertex[i2, j]) * share
                r, g, b, alpha = _cover(kind, field, brow, look)
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
                before[row, col, 0] = BLENDED


@kernel
def _cover(kind, field, brow, look):
    """Colour and opacity of brows and lashes: a runs along the lid or brow, b across, c is opacity."""
    a, b, c = field[4], field[5], field[6]
    if kind != LASHES:
        tone, alpha, _, _ = texels.sample4(brow, a, b)
        alpha = min(alpha * min(c * _F(3.0), _F(1.0)) * look[11], _F(1.0))
        dark = _F(0.30) + _F(0.60) * tone
        return look[0] * dark * field[0], look[1] * dark * field[1], look[2] * dark * field[2], alpha
    # Lashes stand in tufts that taper and fan out from the middle of the lid.
    at = a * _F(760.0) * (_F(1.0) - _F(0.10) * b)
    aside = abs(at - math.floor(at) - _F(0.5)) * _F(2.0)
    thick = _F(1.25) - _F(1.0) * b
    tuft = _F(1.0) - shading.smooth(thick - _F(0.35), thick + _F(0.25), aside)
    return _F(0.016), _F(0.012), _F(0.010), shading.clamp01(c * _F(1.25) * (_F(0.15) + _F(0.85) * tuft))


@inlined
def _plane(vertex, field, i0, i1, i2, b1x, b1y, b2x, b2y):
    """A field of three vertices as a plane: its value at the first, its steps to the right and down."""
    a, b, c = vertex[i0, field], vertex[i1, field] - vertex[i0, field], vertex[i2, field] - vertex[i0, field]
    return a, b * b1x + c * b2x, b * b1y + c * b2y


@kernel
def strands(samples, triangles, faces, screen, vertex, picture, look, ruler, first, stop, spans, veil):
    """Sum up cards of strands in rows first .. stop - 1: faces int32 (n,) are their triangles; widens `spans`.

    Cards are summed up as optical thickness in veil float32 (H, W, 4), zero before, and `surface.develop` lays the
    sum over the picture at once: it does not ask for an order, so nothing has to be sorted and nothing pops when the
    head turns.
    """
    width = samples.shape[1] - PAD
    columns, lowest, steps = _F(picture.shape[2]), ruler[0], ruler[1]
    for f in faces:
        i0, i1, i2 = np.uintp(triangles[f, 0]), np.uintp(triangles[f, 1]), np.uintp(triangles[f, 2])
        if vertex[i0, 6] <= 0 and vertex[i1, 6] <= 0 and vertex[i2, 6] <= 0:
            continue
        x0, y0, n0 = screen[i0, 0], screen[i0, 1], screen[i0, 2]
        x1, y1, n1 = screen[i1, 0] - x0, screen[i1, 1] - y0, screen[i1, 2]
        x2, y2, n2 = screen[i2, 0] - x0, screen[i2, 1] - y0, screen[i2, 2]
        area = x1 * y2 - x2 * y1
        if not (abs(area) > _F(1e-3) and n0 > 0 and n1 > 0 and n2 > 0):
            continue
        top = max(int(math.ceil(y0 + min(_F(0.0), y1, y2) - _F(0.5))), first)
        bottom = min(int(math.floor(y0 + max(_F(0.0), y1, y2) - _F(0.5))), stop - 1)
        if top > bottom:
            continue
        scale = _F(1.0) / area
        low, high = max(int(x0 + min(_F(0.0), x1, x2)), 0), min(int(x0 + max(_F(0.0), x1, x2)), width - 1)
        b1x, b1y, b2x, b2y = y2 * scale, -x2 * scale, -y1 * scale, x1 * scale
        b0x, b0y = -b1x - b2x, -b1y - b2y
        # Everything is a plane over the screen: value at corner 0, and its steps to the right and down.
        r0, rx, ry = _plane(vertex, 0, i0, i1, i2, b1x, b1y, b2x, b2y)
        g0, gx, gy = _plane(vertex, 1, i0, i1, i2, b1x, b1y, b2x, b2y)
        l0, lx, ly = _plane(vertex, 2, i0, i1, i2, b1x, b1y, b2x, b2y)
        t0, tx, ty = _plane(vertex, 3, i0, i1, i2, b1x, b1y, b2x, b2y)
        u0, ux, uy = _plane(vertex, 4, i0, i1, i2, b1x, b1y, b2x, b2y)
        v0, vx, vy = _plane(vertex, 5, i0, i1, i2, b1x, b1y, b2x, b2y)
        c0, cx, cy = _plane(vertex, 6, i0, i1, i2, b1x, b1y, b2x, b2y)
        s0, sx, sy = _plane(vertex, 7, i0, i1, i2, b1x, b1y, b2x, b2y)
        nx, ny = ((n1 - n0) * b1x + (n2 - n0) * b2x) * steps, ((n1 - n0) * b1y + (n2 - n0) * b2y) * steps
        start = (n0 + hair_shading.CARD_NEAR * n0 * n0 - lowest) * steps
        # How many columns of the picture a pixel takes in, and so how much detail is left to show.
        finest = (ux * ux + uy * uy) * columns * columns
        level = np.uintp(0 if finest < _F(2.0) else 1 if finest < _F(8.0) else 2 if finest < _F(32.0) else 3)
        for row in range(top, bottom + 1):
            y = _F(row) + _F(0.5) - y0
            # Each weight is p + q x >= 0: a bound from the left or from the right.
            left, right = _F(low) + _F(0.5) - x0, _F(high) + _F(0.5) - x0
            for k in range(3):
                p = b1y * y if k == 0 else b2y * y if k == 1 else _F(1.0) + b0y * y
                q = b1x if k == 0 else b2x if k == 1 else b0x
                if q > _F(1e-9):
                    left = max(left, -p / q)
                elif q < _F(-1e-9):
                    right = min(right, -p / q)
                elif p < 0:
                    right = left - _F(2.0)
            begin, end = int(math.ceil(left + x0 - _F(0.5))), int(math.floor(right + x0 - _F(0.5)))
            if begin > end:
                continue
            spans[row, 0], spans[row, 1] = min(spans[row, 0], begin), max(spans[row, 1], end + 1)
            r_at, g_at, l_at, t_at, u_at = r0 + ry * y, g0 + gy * y, l0 + ly * y, t0 + ty * y, u0 + uy * y
            v_at, c_at, s_at, n_at = v0 + vy * y, c0 + cy * y, s0 + sy * y, start + ny * y
            for col in range(begin, end + 1):
                x = _F(col) + _F(0.5) - x0
                near = np.int32((np.int64(n_at + nx * x) << ID_BITS) | ID_MASK)
                r, c = np.uintp(row), np.uintp(col)
                free = ((1 if samples[r, c, 0] <= near else 0) + (1 if samples[r, c, 1] <= near else 0)
                        + (1 if samples[r, c, 2] <= near else 0) + (1 if samples[r, c, 3] <= near else 0))
                if free == 0:
                    continue
                tone, strand, shift, density = hair_shading.strand_look(picture, level, u_at + ux * x, v_at + vx * x)
                density *= (c_at + cx * x) * _F(0.25) * _F(free)
                if density < _F(0.02):
                    continue
                red, green, blue = hair_shading.lit_strand(
                    r_at + rx * x, g_at + gx * x, l_at + lx * x, t_at + tx * x, s_at + sx * x,
                    tone, strand, shift, look)  # fmt: skip
                veil[r, c, 0] += red * density
                veil[r, c, 1] += green * density
                veil[r, c, 2] += blue * density
                veil[r, c, 3] += density
