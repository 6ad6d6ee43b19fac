"""From samples to light: the second half of the head renderer, one pixel row at a time.

A pixel whose four samples see the same piece of surface is shaded once, at its centre. Elsewhere its
samples are grouped by kind of surface and nearness, every group is shaded once and weighs as many
quarters as it has samples: silhouettes, lids and lips are smooth at the price of a few per cent of
the pixels. `layers` then blends thin things over the result.
"""

import math

import numpy as np

from engine.render import hair_shading, shading
from engine.render.kernel import inlined, kernel
from engine.render.shading import CAVITY, CLOTH, EYE, HAIR, SKIN, TEETH, TONGUE
from engine.render.visibility import ID_BITS, ID_MASK, NEAR_SCALE, SAMPLE_X

_F = np.float32
FIELDS = 12  # per vertex: what `shading.light_vertices` writes
JUMP_M = _F(0.004)  # samples of one pixel further apart than this belong to different surfaces
LIGHT_STEP = _F(0.2)  # and so do those that differ that much in light: lips that touch are at one depth


@inlined
def _planes(screen, i0, i1, i2):
    """Two barycentric weights as planes over the screen: corner, then their slopes over x and y."""
    x0, y0 = screen[i0, 0], screen[i0, 1]
    x1, y1, x2, y2 = screen[i1, 0] - x0, screen[i1, 1] - y0, screen[i2, 0] - x0, screen[i2, 1] - y0
    scale = _F(1.0) / (x1 * y2 - x2 * y1)
    return x0, y0, y2 * scale, -x2 * scale, -y1 * scale, x1 * scale


@inlined
def _weights(x, y, b1x, b1y, b2x, b2y):
    """Barycentric weights of a point seen from the corner, drawn into the triangle where they leave it."""
    b1, b2 = x * b1x + y * b1y, x * b2x + y * b2y
    b0 = _F(1.0) - b1 - b2
    if b0 < _F(0.0) or b1 < _F(0.0) or b2 < _F(0.0):
        b0, b1, b2 = max(b0, _F(0.0)), max(b1, _F(0.0)), max(b2, _F(0.0))
        scale = _F(1.0) / (b0 + b1 + b2)
        b0, b1, b2 = b0 * scale, b1 * scale, b2 * scale
    return b0, b1, b2


@kernel
def _reach(samples, kinds, row, col, down, right, inside, farthest):
    """Pixels from (row, col) along (down, right) to the first one of another kind than eye (or mouth)."""
    for d in range(1, farthest):
        r, c = row + down * d, col + right * d
        if r < 0 or r >= samples.shape[0] or c < 0 or c >= samples.shape[1]:
            return d
        face = samples[r, c, 1] & ID_MASK
        if face == 0:
            return d
        kind = kinds[face - 1]
        if inside == EYE:
            if kind != EYE:
                return d
        elif kind < TEETH or kind > CAVITY:
            return d
    return farthest


@kernel
def _shade(kind, f, samples, kinds, row, col, scale, iris, lamps):
    """Light of a point of an eye or inside the mouth with interpolated fields f (12,)."""
    if kind == EYE:
        above = _F(_reach(samples, kinds, row, col, -1, 0, EYE, 24)) * scale
        below = _F(_reach(samples, kinds, row, col, 1, 0, EYE, 24)) * scale
        nose = -1 if f[7] > 0 else 1  # the left eye's inner corner is to the viewer's left
        inner = _F(_reach(samples, kinds, row, col, 0, nose, EYE, 12)) * scale
        outer = _F(_reach(samples, kinds, row, col, 0, -nose, EYE, 12)) * scale
        lid = _F(1.0) - _F(0.70) * math.exp(-above * _F(0.27)) - _F(0.16) * math.exp(-below * _F(0.7))
        lid *= (_F(1.0) - _F(0.34) * math.exp(-outer * _F(0.30))) * (_F(1.0) - _F(0.30) * math.exp(-inner * _F(0.30)))
        corner = _F(1.0) - shading.smooth(_F(1.2), _F(4.2), inner)
        tear = _F(1.0) - shading.smooth(_F(1.0), _F(2.2), below)
        return shading.shade_eye(f, lid, corner, tear, iris, lamps)
    above = _F(_reach(samples, kinds, row, col, -1, 0, TEETH, 40)) * scale
    below = _F(_reach(samples, kinds, row, col, 1, 0, TEETH, 40)) * scale
    left = _F(_reach(samples, kinds, row, col, 0, -1, TEETH, 48)) * scale
    right = _F(_reach(samples, kinds, row, col, 0, 1, TEETH, 48)) * scale
    depth = f[7]  # metres behind the front teeth
    # A narrow slit lets little light in, a round hole behind pushed-out lips even less.
    room = _F(1.0) - math.exp(-(above + below) * _F(0.26))
    room *= _F(0.16) + _F(0.84) * shading.smooth(_F(16.0), _F(48.0), left + right)
    lip = _F(1.0) - _F(0.55) * math.exp(-above * _F(0.34)) - _F(0.15) * math.exp(-below * _F(0.5))
    side = _F(1.0) - _F(0.45) * math.exp(-min(left, right) * _F(0.16))
    light = room * lip * side * math.exp(-max(depth - _F(0.004), _F(0.0)) * _F(42.0))
    if kind == TEETH:
        # f[4] counts teeth along the arch, so gaps lie at whole numbers; f[5] is 0 at the gum, 1 at the edge.
        between = abs(f[4] - math.floor(f[4] + _F(0.5)))
        gap = (_F(1.0) - _F(0.42) * (_F(1.0) - shading.smooth(_F(0.0), _F(0.12), between))) * (
            _F(0.74) + _F(0.26) * shading.smooth(_F(0.0), _F(0.5), f[5]))
        # Thin edges let the dark behind them through, necks are yellow.
        thin, neck = shading.smooth(_F(0.72), _F(1.0), f[5]), _F(1.0) - shading.smooth(_F(0.0), _F(0.45), f[5])
        return shading.shade_wet(f, (_F(0.66) - _F(0.13) * thin) * gap, (_F(0.62) - _F(0.10) * thin) * gap,
                                 (_F(0.54) - _F(0.05) * thin - _F(0.10) * neck) * gap, light, _F(0.8))  # fmt: skip
    if kind == TONGUE:
        return shading.shade_wet(f, _F(0.44), _F(0.155), _F(0.145), light * _F(0.85), _F(0.55))
    if f[6] > _F(0.5):  # gums
        return shading.shade_wet(f, _F(0.42), _F(0.165), _F(0.155), light, _F(0.6))
    return shading.shade_wet(f, _F(0.30), _F(0.075), _F(0.068), light * _F(0.60), _F(0.1))


@inlined
def _is_smooth(k0, k1, k2, k3, triangles, kinds, vertex):
    """Whether four samples of several triangles show one piece of surface: kind, nearness, light alike."""
    f0, f1, f2, f3 = k0 & ID_MASK, k1 & ID_MASK, k2 & ID_MASK, k3 & ID_MASK
    alike = False
    if f0 > 0 and f1 > 0 and f2 > 0 and f3 > 0:
        u0, u1, u2, u3 = np.uintp(f0 - 1), np.uintp(f1 - 1), np.uintp(f2 - 1), np.uintp(f3 - 1)
        kind = kinds[u0]
        if kinds[u1] == kind and kinds[u2] == kind and kinds[u3] == kind:
            spread = _F((max(k0, k1, k2, k3) >> ID_BITS) - (min(k0, k1, k2, k3) >> ID_BITS)) * _F(1.0 / NEAR_SCALE)
            near = _F(k0 >> ID_BITS) * _F(1.0 / NEAR_SCALE)
            l0, l1 = vertex[np.uintp(triangles[u0, 0]), 0], vertex[np.uintp(triangles[u1, 0]), 0]
            l2, l3 = vertex[np.uintp(triangles[u2, 0]), 0], vertex[np.uintp(triangles[u3, 0]), 0]
            change = max(l0, l1, l2, l3) - min(l0, l1, l2, l3)
            alike = spread < JUMP_M * near * near and change < LIGHT_STEP
    return alike


@kernel
def draw(samples, box, triangles, kinds, screen, vertex, skin, wrinkles, iris, cloth, hair, look,
         tints, lamps, face_of, near_of, light):  # fmt: skip
    """Shade the covered pixels of box: light float32 (H, W, 3), linear; an edge pixel holds its share.

    kinds uint8 (F,), screen float32 (V, 3), vertex float32 (V, 12).
    skin and wrinkles: texels and creases of `wardrobe.Looks`; hair and look: see
    `hair_paint`. face_of int64 (4,), near_of float32 (4,): scratch.
    """
    scale = _F(512.0) / _F(samples.shape[0])
    to_near = _F(1.0 / NEAR_SCALE)
    last = np.int64(-1)  # neighbours mostly see the same triangle: its set-up is kept
    kind, i0, i1, i2 = np.uint8(0), np.uintp(0), np.uintp(0), np.uintp(0)
    x0 = y0 = b1x = b1y = b2x = b2y = _F(0.0)
    for row in range(box[1], box[3]):
        for col in range(box[0], box[2]):
            r, c = np.uintp(row), np.uintp(col)
            k0, k1, k2, k3 = samples[r, c, 0], samples[r, c, 1], samples[r, c, 2], samples[r, c, 3]
            f0, f1, f2, f3 = k0 & ID_MASK, k1 & ID_MASK, k2 & ID_MASK, k3 & ID_MASK
            if (f0 | f1 | f2 | f3) == 0:
                continue
            whole = f0 == f1 and f0 == f2 and f0 == f3
            if not whole:
                whole = _is_smooth(k0, k1, k2, k3, triangles, kinds, vertex)
            if not whole:
                face_of[0], face_of[1], face_of[2], face_of[3] = f0, f1, f2, f3
                near_of[0], near_of[1] = _F(k0 >> ID_BITS) * to_near, _F(k1 >> ID_BITS) * to_near
                near_of[2], near_of[3] = _F(k2 >> ID_BITS) * to_near, _F(k3 >> ID_BITS) * to_near
            red = green = blue = _F(0.0)
            left = 4
            for k in range(4):
                face = f1 if whole else face_of[k]
                if face < 0:
                    continue
                if face == 0:
                    left -= 1
                    continue
                if face != last:
                    last, at = face, np.uintp(face - 1)
                    kind = kinds[at]
                    i0, i1, i2 = np.uintp(triangles[at, 0]), np.uintp(triangles[at, 1]), np.uintp(triangles[at, 2])
                    x0, y0, b1x, b1y, b2x, b2y = _planes(screen, i0, i1, i2)
                x, y, covered = SAMPLE_X[k], _F(k) * _F(0.25) + _F(0.125), 1
                if whole:
                    x, y, covered = _F(0.5), _F(0.5), 4
                else:
                    jump = JUMP_M * near_of[k] * near_of[k]
                    for j in range(k + 1, 4):
                        other = face_of[j]
                        if other <= 0 or kinds[other - 1] != kind or abs(near_of[j] - near_of[k]) >= jump:
                            continue
                        if abs(vertex[triangles[other - 1, 0], 0] - vertex[i0, 0]) < LIGHT_STEP:
                            x += SAMPLE_X[j]
                            y += _F(j) * _F(0.25) + _F(0.125)
                            covered += 1
                            face_of[j] = -1
                    x, y = x / _F(covered), y / _F(covered)
                b0, b1, b2 = _weights(_F(col) + x - x0, _F(row) + y - y0, b1x, b1y, b2x, b2y)
                # Spelt out and kept in registers: several numbers in one vector operation.
                field = (
                    b0 * vertex[i0, 0] + b1 * vertex[i1, 0] + b2 * vertex[i2, 0],
                    b0 * vertex[i0, 1] + b1 * vertex[i1, 1] + b2 * vertex[i2, 1],
                    b0 * vertex[i0, 2] + b1 * vertex[i1, 2] + b2 * vertex[i2, 2],
                    b0 * vertex[i0, 3] + b1 * vertex[i1, 3] + b2 * vertex[i2, 3],
                    b0 * vertex[i0, 4] + b1 * vertex[i1, 4] + b2 * vertex[i2, 4],
                    b0 * vertex[i0, 5] + b1 * vertex[i1, 5] + b2 * vertex[i2, 5],
                    b0 * vertex[i0, 6] + b1 * vertex[i1, 6] + b2 * vertex[i2, 6],
                    b0 * vertex[i0, 7] + b1 * vertex[i1, 7] + b2 * vertex[i2, 7],
                    b0 * vertex[i0, 8] + b1 * vertex[i1, 8] + b2 * vertex[i2, 8],
                    b0 * vertex[i0, 9] + b1 * vertex[i1, 9] + b2 * vertex[i2, 9],
                    b0 * vertex[i0, 10] + b1 * vertex[i1, 10] + b2 * vertex[i2, 10],
                    b0 * vertex[i0, 11] + b1 * vertex[i1, 11] + b2 * vertex[i2, 11],
                )
                if kind == SKIN:  # spelt out: a call would copy all its arrays' descriptors
                    shade_r, shade_g, shade_b = shading.shade_skin(field, skin, wrinkles, tints)
                elif kind == HAIR:
                    shade_r, shade_g, shade_b = hair_shading.shade_hair(field, hair, look, tints[shading.SKIN_LIGHT])
                elif kind == CLOTH:
                    shade_r, shade_g, shade_b = shading.shade_cloth(field, cloth, tints)
                else:
                    shade_r, shade_g, shade_b = _shade(kind, field, samples, kinds, row, col, scale, iris, lamps)
                weight = _F(covered) * _F(0.25)
                red += weight * shade_r
                green += weight * shade_g
                blue += weight * shade_b
                left -= covered
                if left <= 0:
                    break
            light[r, c, 0] = red
            light[r, c, 1] = green
            light[r, c, 2] = blue


@kernel
def develop(light, box, samples, veil, backdrop, table, out):
    """Scene light to sRGB bytes; where nothing was drawn the picture is exactly `backdrop`, uint8 (H, W, 3).

    A pixel that is partly background mixes bytes, not light, by quarters: a bright key colour mixed as
    light would swallow the edge and leave stairs. veil float32 (H, W, 4): its last number is the opacity of
    strands over such a pixel, and is cleared. out uint8 (H, W, 3).
    """
    top, bottom, left, right = max(box[1], 0), box[3], max(box[0], 0), box[2]
    steps = _F((len(table) - 1) / 2.0)
    most = len(table) - 1
    shown_flat, behind = out.reshape(-1), backdrop.reshape(-1)
    for i in range(len(shown_flat)):
        shown_flat[i] = behind[i]
    for row in range(top, bottom):
        for col in range(left, right):
            r, c = np.uintp(row), np.uintp(col)
            covered = ((1 if samples[r, c, 0] != 0 else 0) + (1 if samples[r, c, 1] != 0 else 0)
                       + (1 if samples[r, c, 2] != 0 else 0) + (1 if samples[r, c, 3] != 0 else 0))
            if covered == 4:
                for k in range(3):
                    at = min(int(max(light[r, c, k], _F(0.0)) * steps + _F(0.5)), most)
                    out[r, c, k] = table[np.uintp(at)]
                continue
            share = _F(0.25) * _F(covered)
            share += (_F(1.0) - share) * veil[r, c, 3]
            veil[r, c, 3] = _F(0.0)
            if share < _F(0.002):
                continue
            scale = steps / share
            for k in range(3):
                at = min(int(max(light[r, c, k], _F(0.0)) * scale + _F(0.5)), most)
                shown = _F(table[np.uintp(at)]) * share + _F(backdrop[r, c, k]) * (_F(1.0) - share)
                out[r, c, k] = np.uint8(shown + _F(0.5))
