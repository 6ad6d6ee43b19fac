"""From samples to light: the second half of the head renderer, one pixel row at a time.

Where the head rests, what shows the same unchanged triangles as in the last picture keeps its light (`compare`).

A pixel whose four samples see the same piece of surface is shaded once, at its centre. Elsewhere its
samples are grouped by kind of surface and nearness, every group is shaded once and weighs as many
quarters as it has samples: silhouettes, lids and lips are smooth at the price of a few per cent of
the pixels. `layers` then blends thin things over the result.
"""

import math

import numpy as np

from engine.render.eye_shading import shade_eye
from engine.render.hair_shading import THICK, shade_hair
from engine.render.kernel import inlined, kernel
from engine.render.mouth_shading import shade_mouth
from engine.render.shading import CLOTH, EYE, HAIR, SKIN, SKIN_LIGHT
from engine.render.skin_shading import shade_cloth, shade_skin
from engine.render.visibility import ID_BITS, ID_MASK, SAMPLE_X, nearness

_F = np.float32
FIELDS = 12  # per vertex: what `shading.light_vertices` writes
JUMP_M = _F(0.004)  # samples of one pixel further apart than this belong to different surfaces
BLENDED = np.int32(-1)  # in place of a sample: its pixel's light is no longer the surface's own
LIGHT_STEP = _F(0.2)  # and so do those that differ that much in light: lips that touch are at one depth


@kernel
def set_up(screen, triangles, kinds, vertex, begin, end, plane):
    """What pixels ask of triangles begin .. end - 1, each in half a cache line: plane float32 (F, 8).

    Corner 0 on the screen; the two barycentric weights' steps to the right and down; the corner's light; the kind.
    """
    for t in range(begin, end):
        i0, i1, i2 = np.uintp(triangles[t, 0]), np.uintp(triangles[t, 1]), np.uintp(triangles[t, 2])
        x0, y0 = screen[i0, 0], screen[i0, 1]
        x1, y1, x2, y2 = screen[i1, 0] - x0, screen[i1, 1] - y0, screen[i2, 0] - x0, screen[i2, 1] - y0
        area = x1 * y2 - x2 * y1
        scale = _F(1.0) / area if area != _F(0.0) else _F(0.0)
        plane[t, 0], plane[t, 1] = x0, y0
        plane[t, 2], plane[t, 3], plane[t, 4], plane[t, 5] = y2 * scale, -x2 * scale, -y1 * scale, x1 * scale
        plane[t, 6], plane[t, 7] = vertex[i0, 0], _F(kinds[t])


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


@inlined
def _is_smooth(k0, k1, k2, k3, plane, ruler):
    """Whether four samples of several triangles show one piece of surface: kind, nearness, light alike."""
    f0, f1, f2, f3 = k0 & ID_MASK, k1 & ID_MASK, k2 & ID_MASK, k3 & ID_MASK
    alike = False
    if f0 > 0 and f1 > 0 and f2 > 0 and f3 > 0:
        u0, u1, u2, u3 = np.uintp(f0 - 1), np.uintp(f1 - 1), np.uintp(f2 - 1), np.uintp(f3 - 1)
        kind = plane[u0, 7]
        if plane[u1, 7] == kind and plane[u2, 7] == kind and plane[u3, 7] == kind:
            spread = _F((max(k0, k1, k2, k3) >> ID_BITS) - (min(k0, k1, k2, k3) >> ID_BITS)) / ruler[1]
            near = nearness(k0, ruler)
            l0, l1, l2, l3 = plane[u0, 6], plane[u1, 6], plane[u2, 6], plane[u3, 6]
            change = max(l0, l1, l2, l3) - min(l0, l1, l2, l3)
            alike = spread < JUMP_M * near * near and change < LIGHT_STEP
    return alike


@kernel
def draw(samples, spans, first, stop, triangles, kinds, plane, vertex, skin, wrinkles, iris, cloth, hair, look,
         tints, lamps, mm, ruler, face_of, near_of, light, reuse, still, before):  # fmt: skip
    """Shade the covered pixels of rows first .. stop - 1: light float32 (H, W, 3), linear; an edge holds its share.

    spans int32 (H, 2): where something is in each row. kinds uint8 (F,), plane float32 (F, 8) of `set_up`, vertex
    float32 (V, 12). skin and wrinkles: texels and creases of `wardrobe.Looks`; hair and look: see `hair_paint`.
    mm: millimetres a pixel spans at the face; ruler: `Camera.ruler`. face_of int64 (4,), near_of float32 (4,): scratch.
    reuse: pixels whose samples are as in before, int32 as they, and whose triangles are all still, uint8 (F,) of
    `compare`, keep the light that they have (eyes and mouths look around them: not they).
    """
    last = np.int64(-1)  # neighbours mostly see the same triangle: its set-up is kept
    kind, i0, i1, i2 = np.uint8(0), np.uintp(0), np.uintp(0), np.uintp(0)
    x0 = y0 = b1x = b1y = b2x = b2y = _F(0.0)
    for row in range(first, stop):
        for col in range(spans[row, 0], spans[row, 1]):
            r, c = np.uintp(row), np.uintp(col)
            k0, k1, k2, k3 = samples[r, c, 0], samples[r, c, 1], samples[r, c, 2], samples[r, c, 3]
            f0, f1, f2, f3 = k0 & ID_MASK, k1 & ID_MASK, k2 & ID_MASK, k3 & ID_MASK
            if (f0 | f1 | f2 | f3) == 0:
                continue
            if (reuse and k0 == before[r, c, 0] and k1 == before[r, c, 1] and k2 == before[r, c, 2]
                    and k3 == before[r, c, 3] and f0 > 0 and f1 > 0 and f2 > 0 and f3 > 0
                    and still[f0 - 1] and still[f1 - 1] and still[f2 - 1] and still[f3 - 1]):  # fmt: skip
                continue
            whole = f0 == f1 and f0 == f2 and f0 == f3
            if not whole:
                whole = _is_smooth(k0, k1, k2, k3, plane, ruler)
            if not whole:
                face_of[0], face_of[1], face_of[2], face_of[3] = f0, f1, f2, f3
                near_of[0], near_of[1] = nearness(k0, ruler), nearness(k1, ruler)
                near_of[2], near_of[3] = nearness(k2, ruler), nearness(k3, ruler)
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
                    x0, y0 = plane[at, 0], plane[at, 1]
                    b1x, b1y, b2x, b2y = plane[at, 2], plane[at, 3], plane[at, 4], plane[at, 5]
                x, y, covered = SAMPLE_X[k], _F(k) * _F(0.25) + _F(0.125), 1
                if whole:
                    x, y, covered = _F(0.5), _F(0.5), 4
                else:
                    jump = JUMP_M * near_of[k] * near_of[k]
                    for j in range(k + 1, 4):
                        other = face_of[j]
                        if other <= 0 or kinds[other - 1] != kind or abs(near_of[j] - near_of[k]) >= jump:
                            continue
                        if abs(plane[other - 1, 6] - vertex[i0, 0]) < LIGHT_STEP:
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
                    shade_r, shade_g, shade_b = shade_skin(field, skin, wrinkles, tints)
                elif kind == HAIR:
                    shade_r, shade_g, shade_b = shade_hair(field, hair, look, tints[SKIN_LIGHT])
                elif kind == CLOTH:
                    shade_r, shade_g, shade_b = shade_cloth(field, cloth, tints)
                elif kind == EYE:
                    shade_r, shade_g, shade_b = shade_eye(field, samples, kinds, row, col, mm, iris, lamps)
                else:
                    shade_r, shade_g, shade_b = shade_mouth(kind, field, samples, kinds, row, col, mm)
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
def compare(screen, vertex, triangles, kinds, earlier, changed, still):
    """Which triangles lie and shine as in the last picture: still uint8 (F,), 1 for skin, hair and cloth that does.

    earlier float32 (V, 3 + FIELDS) holds the last picture's screen and vertex, and takes this one's. changed uint8
    (V,): scratch.
    """
    for v in range(len(screen)):
        moved = False
        for k in range(3):
            moved |= earlier[v, k] != screen[v, k]
            earlier[v, k] = screen[v, k]
        for k in range(FIELDS):
            moved |= earlier[v, 3 + k] != vertex[v, k]
            earlier[v, 3 + k] = vertex[v, k]
        changed[v] = moved
    for t in range(len(triangles)):
        calm = not (changed[triangles[t, 0]] or changed[triangles[t, 1]] or changed[triangles[t, 2]])
        still[t] = calm and (kinds[t] == SKIN or kinds[t] == HAIR or kinds[t] == CLOTH)


@inlined
def _covered(samples, r, c):
    """How many of a pixel's four samples show something."""
    return ((1 if samples[r, c, 0] != 0 else 0) + (1 if samples[r, c, 1] != 0 else 0)
            + (1 if samples[r, c, 2] != 0 else 0) + (1 if samples[r, c, 3] != 0 else 0))  # fmt: skip


@inlined
def _veiled(light, veil, r, c, covered):
    """A pixel with strands laid over it: red, green, blue times its covered share, and that share; empties the veil.

    covered: of the surface's four samples.
    """
    red, green, blue, share = light[r, c, 0], light[r, c, 1], light[r, c, 2], _F(0.25) * _F(covered)
    total = veil[r, c, 3]
    if covered == 0:
        red = green = blue = _F(0.0)
    if total > _F(0.0):
        bare = math.exp(-total * THICK)
        scale = (_F(1.0) - bare) / total
        red = red * bare + veil[r, c, 0] * scale
        green = green * bare + veil[r, c, 1] * scale
        blue = blue * bare + veil[r, c, 2] * scale
        share += (_F(1.0) - share) * (_F(1.0) - bare)
        veil[r, c, 0] = veil[r, c, 1] = veil[r, c, 2] = veil[r, c, 3] = _F(0.0)
    return red, green, blue, share


@kernel
def develop(light, spans, samples, veil, backdrop, table, first, stop, out):
    """Scene light under the veil of strands to sRGB bytes in rows first .. stop - 1 of out, uint8 (H, W, 3).

    Where nothing was drawn the picture is exactly `backdrop`, uint8 (H, W, 3). A pixel that is partly background mixes
    bytes, not light, by quarters: a bright key colour mixed as light would swallow the edge and leave stairs.
    veil float32 (H, W, 4): see `layers.strands`; zero afterwards.
    """
    most, steps = len(table) - 1, _F((len(table) - 1) / 2.0)
    shown_flat, behind = out.reshape(-1), backdrop.reshape(-1)
    stride = 3 * out.shape[1]
    shown_flat, behind = shown_flat[first * stride : stop * stride], behind[first * stride : stop * stride]
    for i in range(len(shown_flat)):
        shown_flat[i] = behind[i]
    for row in range(first, stop):
        for col in range(spans[row, 0], spans[row, 1]):
            r, c = np.uintp(row), np.uintp(col)
            covered = _covered(samples, r, c)
            if covered == 4 and veil[r, c, 3] == _F(0.0):
                for k in range(3):
                    at = min(int(max(light[r, c, k], _F(0.0)) * steps + _F(0.5)), most)
                    out[r, c, k] = table[np.uintp(at)]
                continue
            red, green, blue, share = _veiled(light, veil, r, c, covered)
            if share < _F(0.002):
                continue
            scale = steps / share
            for k in range(3):
                value = red if k == 0 else green if k == 1 else blue
                at = min(int(max(value, _F(0.0)) * scale + _F(0.5)), most)
                shown = _F(table[np.uintp(at)]) * share + _F(backdrop[r, c, k]) * (_F(1.0) - share)
                out[r, c, k] = np.uint8(shown + _F(0.5))


@kernel
def cut_out(light, spans, samples, veil, table, first, stop, out):
    """As `develop`, with nothing behind: out uint8 (H, W, 4) holds the head's own colour and its share of the pixel."""
    most, steps = len(table) - 1, _F((len(table) - 1) / 2.0)
    out[first:stop] = 0
    for row in range(first, stop):
        for col in range(spans[row, 0], spans[row, 1]):
            r, c = np.uintp(row), np.uintp(col)
            red, green, blue, share = _veiled(light, veil, r, c, _covered(samples, r, c))
            if share < _F(0.002):
                continue
            for k in range(3):
                value = red if k == 0 else green if k == 1 else blue
                at = min(int(max(value, _F(0.0)) * (steps / share) + _F(0.5)), most)
                out[r, c, k] = table[np.uintp(at)]
            out[r, c, 3] = np.uint8(share * _F(255.0) + _F(0.5))
