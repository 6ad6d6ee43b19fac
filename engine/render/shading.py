"""Light on the head: what colour a surface point has. Plain functions of numbers, compiled by numba.

Space is the camera's (x right, y up, z to the viewer), light is linear, white is 1. Skin scatters, so
its light wraps round the edge of the shadow, red further than blue. The key's shadow is cast anew for every
picture (`shadow.py`); dents are dark by the baked occlusion, mouth and eyes by how near the lips and lids are.
"""

import math

import numpy as np

from engine.render import hair_shading
from engine.render.kernel import inlined, kernel
from engine.render.lighting import (
    FILL,
    FILL_COLOUR,
    FILL_HALF,
    GROUND,
    KEY,
    KEY_COLOUR,
    KEY_HALF,
    RIM,
    RIM_COLOUR,
    SKY,
)  # fmt: skip
from engine.render.paint import CLOTH_SIZE, CLOTH_SLOPE
from engine.render.relief import SLOPE

_F = np.float32
TEXEL_PAD = 8  # unused columns of a texel map: rows of a power of two bytes share a cache set
IRIS = _F(0.43)  # sine of the angle between the gaze and the iris's rim
# Rows of the colours a person brings along, linear: see `wardrobe.colours`.
HAIR_TONE, CLOTH_TONE, CLOTH_SECOND, LIP, SKIN_LIGHT = range(5)
SKIN, EYE, TEETH, TONGUE, CAVITY, HAIR, CLOTH, LASHES, BROWS, STRANDS = range(10)  # kinds of surface


@inlined
def clamp01(x):
    return min(max(x, _F(0.0)), _F(1.0))


@inlined
def smooth(low, high, x):
    t = min(max((x - low) / (high - low), _F(0.0)), _F(1.0))
    return t * t * (_F(3.0) - _F(2.0) * t)


@inlined
def power16(x):
    x = x * x
    x = x * x
    x = x * x
    return x * x


@inlined
def wrapped(cosine, wrap):
    return max(cosine + wrap, _F(0.0)) / (_F(1.0) + wrap)


@inlined
def sample4(image, u, v):
    """Bilinear, clamped look-up in uint8 (h, w, 4): four numbers 0..1."""
    height, width = image.shape[0], image.shape[1]
    x = min(max(u * _F(width) - _F(0.5), _F(0.0)), _F(width - 1.001))
    y = min(max(v * _F(height) - _F(0.5), _F(0.0)), _F(height - 1.001))
    c, r = np.int64(x), np.int64(y)
    fx, fy = x - _F(c), y - _F(r)
    a, b = (_F(1.0) - fx) * (_F(1.0) - fy), fx * (_F(1.0) - fy)
    d, e = (_F(1.0) - fx) * fy, fx * fy
    k, r0, r1 = _F(1.0 / 255.0), np.uintp(r), np.uintp(r + 1)
    c0, c1 = np.uintp(c), np.uintp(c + 1)
    p0 = (_F(image[r0, c0, 0]) * a + _F(image[r0, c1, 0]) * b + _F(image[r1, c0, 0]) * d
          + _F(image[r1, c1, 0]) * e) * k
    p1 = (_F(image[r0, c0, 1]) * a + _F(image[r0, c1, 1]) * b + _F(image[r1, c0, 1]) * d
          + _F(image[r1, c1, 1]) * e) * k
    p2 = (_F(image[r0, c0, 2]) * a + _F(image[r0, c1, 2]) * b + _F(image[r1, c0, 2]) * d
          + _F(image[r1, c1, 2]) * e) * k
    p3 = (_F(image[r0, c0, 3]) * a + _F(image[r0, c1, 3]) * b + _F(image[r1, c0, 3]) * d
          + _F(image[r1, c1, 3]) * e) * k
    return p0, p1, p2, p3


@inlined
def sample8(image, u, v):
    """Bilinear, clamped look-up of eight bytes at once: image uint64 (h, w) -> bytes 0, 2, 4, 6 and 1, 3, 5, 7.

    Each of the two numbers holds four lanes of 16 bits, a byte and eight bits behind its point: weights are whole
    numbers that sum to 256, so lanes never run over and one multiplication serves four of them.
    """
    height, width = image.shape[0], image.shape[1] - TEXEL_PAD
    x = np.int64(min(max(u * _F(width * 256) - _F(128.0), _F(0.0)), _F(width * 256 - 258)))
    y = np.int64(min(max(v * _F(height * 256) - _F(128.0), _F(0.0)), _F(height * 256 - 258)))
    c, r, fx, fy = np.uintp(x >> 8), np.uintp(y >> 8), x & 255, y & 255
    one, mask, eight = np.uintp(1), np.uint64(0x00FF00FF00FF00FF), np.uint64(8)
    w3 = (fx * fy) >> 8
    w1, w2 = fx - w3, fy - w3
    a, b, d, e = np.uint64(256 - fx - w2), np.uint64(w1), np.uint64(w2), np.uint64(w3)
    p, q, s, t = image[r, c], image[r, c + one], image[r + one, c], image[r + one, c + one]
    even = (p & mask) * a + (q & mask) * b + (s & mask) * d + (t & mask) * e
    odd = ((p >> eight) & mask) * a + ((q >> eight) & mask) * b + ((s >> eight) & mask) * d + ((t >> eight) & mask) * e
    return even, odd


@inlined
def lane(lanes, k):
    """Lane k of `sample8` as a number 0..1."""
    return _F(np.int64((lanes >> np.uint64(16 * k)) & np.uint64(0xFFFF))) * _F(1.0 / 65280.0)


@inlined
def diffuse(nx, ny, nz, occlusion, seen, wrap_r, wrap_g, wrap_b, lamps):
    """Light that reaches a scattering surface; seen: share of the key light that arrives."""
    key = nx * lamps[KEY, 0] + ny * lamps[KEY, 1] + nz * lamps[KEY, 2]
    fill = nx * lamps[FILL, 0] + ny * lamps[FILL, 1] + nz * lamps[FILL, 2]
    up = _F(0.5) + _F(0.5) * ny
    # Light that bounces inside a dent is warm: red is lost last.
    dark = _F(1.0) - occlusion
    o_r, o_g, o_b = _F(1.0) - _F(0.75) * dark, _F(1.0) - _F(0.92) * dark, _F(1.0) - _F(0.96) * dark
    # So is the edge of a shadow on what scatters: the wider the wrap, the more light seeps into it.
    edge = seen * (_F(1.0) - seen)
    s_r, s_g, s_b = seen + wrap_r * edge * _F(1.6), seen + wrap_g * edge * _F(0.8), seen + wrap_b * edge * _F(0.3)
    r = wrapped(key, wrap_r) * lamps[KEY_COLOUR, 0] * s_r + wrapped(fill, _F(0.4)) * lamps[FILL_COLOUR, 0] * o_r
    g = wrapped(key, wrap_g) * lamps[KEY_COLOUR, 1] * s_g + wrapped(fill, _F(0.4)) * lamps[FILL_COLOUR, 1] * o_g
    b = wrapped(key, wrap_b) * lamps[KEY_COLOUR, 2] * s_b + wrapped(fill, _F(0.4)) * lamps[FILL_COLOUR, 2] * o_b
    r += (lamps[GROUND, 0] + (lamps[SKY, 0] - lamps[GROUND, 0]) * up) * o_r
    g += (lamps[GROUND, 1] + (lamps[SKY, 1] - lamps[GROUND, 1]) * up) * o_g
    b += (lamps[GROUND, 2] + (lamps[SKY, 2] - lamps[GROUND, 2]) * up) * o_b
    return r, g, b


@inlined
def slant(nx, ny, nz, seen, light, lamps):
    """How light changes where the surface rises towards the left (T) or up (B), as shares of all light."""
    level = math.sqrt(nx * nx + nz * nz + _F(1e-6))
    tx, tz = nz / level, -nx / level
    bx, by, bz = ny * tz, nz * tx - nx * tz, -ny * tx
    key, fill = lamps[KEY_COLOUR, 1] * seen, lamps[FILL_COLOUR, 1]
    t = (lamps[KEY, 0] * tx + lamps[KEY, 2] * tz) * key + (lamps[FILL, 0] * tx + lamps[FILL, 2] * tz) * fill
    b = (lamps[KEY, 0] * bx + lamps[KEY, 1] * by + lamps[KEY, 2] * bz) * key + by * _F(0.5) * lamps[SKY, 1]
    return t / (light + _F(0.05)), b / (light + _F(0.05))


@inlined
def shine(nx, ny, nz, lamps):
    """Broad and tight reflection of the key and the fill light (16th and 64th power)."""
    h = max(nx * lamps[KEY_HALF, 0] + ny * lamps[KEY_HALF, 1] + nz * lamps[KEY_HALF, 2], _F(0.0))
    k = max(nx * lamps[FILL_HALF, 0] + ny * lamps[FILL_HALF, 1] + nz * lamps[FILL_HALF, 2], _F(0.0))
    broad, soft = power16(h), power16(k)
    tight = broad * broad
    key = lamps[KEY_COLOUR, 1] * _F(1 / 0.97)
    return key * broad + _F(0.25 / 0.25) * lamps[FILL_COLOUR, 1] * soft, key * tight * tight


@inlined
def edge_light(nx, ny, nz, occlusion, lamps):
    """What the light behind the head adds where the surface turns away."""
    turn = _F(1.0) - clamp01(nz)
    turn = turn * turn * turn
    turn *= lamps[RIM_COLOUR, 1] * _F(1 / 0.55)
    return turn * clamp01(nx * lamps[RIM, 0] + ny * lamps[RIM, 1] + nz * lamps[RIM, 2] + _F(0.35)) * occlusion


@kernel
def light_vertices(points, normals, kinds, along, fixed, seen_of, creased, lamps, out):
    """Light at every vertex, which pixels only interpolate: it changes slowly, the mesh is dense.

    points and normals float32 (V, 3), kinds uint8 (V,), along int32 (V, 2) two vertices of a hair's strand,
    fixed float32 (V, 5) = a, b, c, d, occlusion, seen_of float32 (V,) the share of the key light that arrives,
    creased float32 (V,) how far wrinkles show, lamps of `lighting.lamp_table`. out float32 (V, 12): red, green,
    blue light and shine, then a, b, c, and d (inside the mouth) or edge light, two slants of the light, creased,
    share of the key. Hair: see `hair_shading`.
    Eyes are lit per pixel: 0 to 2 their normal, 4 to 6 the direction from the ball's centre.
    """
    for i in range(len(normals)):
        nx, ny, nz, occlusion = normals[i, 0], normals[i, 1], normals[i, 2], fixed[i, 4]
        seen = seen_of[i]
        kind = kinds[i]
        r, g, b, spec, last = nx, ny, nz, _F(0.0), fixed[i, 3]
        slant_t, slant_b = _F(0.0), _F(0.0)
        broad, tight = shine(nx, ny, nz, lamps)
        if kind == SKIN:
            r, g, b = diffuse(nx, ny, nz, occlusion, seen, _F(0.34), _F(0.21), _F(0.15), lamps)
            lit = occlusion * (_F(0.25) + _F(0.75) * seen)
            spec = (broad * _F(0.025) + tight * _F(0.048)) * lit
            last = edge_light(nx, ny, nz, occlusion, lamps)
            slant_t, slant_b = slant(nx, ny, nz, seen, g, lamps)
        elif kind in (HAIR, STRANDS):
            tx, ty, tz = hair_shading.direction(points, along[i, 0], along[i, 1])
            spec = tx * lamps[KEY_HALF, 0] + ty * lamps[KEY_HALF, 1] + tz * lamps[KEY_HALF, 2]
            key = nx * lamps[KEY, 0] + ny * lamps[KEY, 1] + nz * lamps[KEY, 2]
            last = smooth(_F(-0.25), _F(0.45), key) * (_F(0.15) + _F(0.85) * seen) * occlusion * lamps[KEY_COLOUR, 1]
            fibre = _F(0.72) + _F(0.38) * hair_shading.across(tx, ty, tz, lamps, KEY)
            # Light from behind runs through the thin edge of the hair.
            rim = edge_light(nx, ny, nz, occlusion, lamps) * _F(1.6) * hair_shading.across(tx, ty, tz, lamps, RIM)
            r, g, b = diffuse(nx, ny, nz, occlusion, seen, _F(0.30), _F(0.26), _F(0.22), lamps)
            r, g, b = r * fibre + rim, g * fibre + rim, b * fibre + rim
        elif kind == CLOTH:
            r, g, b = diffuse(nx, ny, nz, occlusion, seen, _F(0.15), _F(0.15), _F(0.15), lamps)
            last = edge_light(nx, ny, nz, occlusion, lamps)
            slant_t, slant_b = slant(nx, ny, nz, seen, g, lamps)
        elif TEETH <= kind <= CAVITY:
            r, g, b = diffuse(nx, ny, nz, _F(1.0), _F(1.0), _F(0.6), _F(0.6), _F(0.6), lamps)
            spec = broad * _F(0.05) + tight * _F(0.35)
        elif kind == BROWS:
            r, g, b = diffuse(nx, ny, nz, occlusion, seen, _F(0.30), _F(0.30), _F(0.30), lamps)
        out[i, 0], out[i, 1], out[i, 2], out[i, 3] = r, g, b, spec
        out[i, 4], out[i, 5], out[i, 6], out[i, 7] = fixed[i, 0], fixed[i, 1], fixed[i, 2], last
        out[i, 8], out[i, 9], out[i, 10], out[i, 11] = slant_t, slant_b, creased[i], seen
        if kind == STRANDS:  # cards on the far side are hidden: fade them before they are
            out[i, 6] *= smooth(_F(-0.50), _F(-0.10), nz)


@inlined
def shade_skin(f, skin, wrinkles, tints):
    """Colour from the painted map, light bent by pores and wrinkles; lips have their own colour and wetness."""
    even, odd = sample8(skin, f[4], f[5])
    r, g, b, gloss = lane(even, 0), lane(odd, 0), lane(even, 1), lane(odd, 1)
    dt, db = lane(even, 2) - _F(128 / 255), lane(odd, 2) - _F(128 / 255)
    r, g, b = r * r, g * g, b * b
    lip = smooth(_F(0.18), _F(0.82), f[6])
    r += (tints[LIP, 0] - r) * lip
    g += (tints[LIP, 1] - g) * lip
    b += (tints[LIP, 2] - b) * lip
    hollow = _F(0.0)
    folded = f[10] - _F(0.05)  # less is not worth a look
    if folded > _F(0.0):
        even, odd = sample8(wrinkles, f[4], f[5])
        dt, db = dt + (lane(even, 0) - _F(128 / 255)) * folded, db + (lane(odd, 0) - _F(128 / 255)) * folded
        hollow = (_F(1.0) - lane(even, 1)) * folded
    tilt = -(dt * f[8] + db * f[9]) * _F(2.0 * SLOPE)
    bend = min(max(_F(1.0) + tilt, _F(0.35)), _F(1.8))
    hollow = min(hollow, _F(1.0))
    add = f[3] * (_F(1.0) + _F(2.1) * lip) * gloss * _F(2.0) * max(_F(1.0) + _F(2.2) * tilt, _F(0.0))
    add *= _F(1.0) - _F(0.6) * hollow
    rim = f[7] * _F(0.07)
    r, g, b = r * f[0] * bend, g * f[1] * bend, b * f[2] * bend
    # What a groove swallows is blue and green before red.
    r, g, b = r * (_F(1.0) - _F(0.38) * hollow), g * (_F(1.0) - _F(0.55) * hollow), b * (_F(1.0) - _F(0.58) * hollow)
    return r + add * _F(1.05) + rim, g + add + rim, b + add * _F(0.94) + rim


@inlined
def shade_eye(f, lid, corner, tear, iris, lamps):
    """Ball: its direction in its own frame (z along the gaze) decides the colour.

    lid 0 shadowed by lids and lashes .. 1 open; corner 1 at the inner corner, where the pink caruncle lies;
    tear 1 on the wet line along the lower lid.
    """
    norm = _F(1.0) / math.sqrt(f[0] * f[0] + f[1] * f[1] + f[2] * f[2] + _F(1e-12))
    nx, ny, nz = f[0] * norm, f[1] * norm, f[2] * norm
    norm = _F(1.0) / math.sqrt(f[4] * f[4] + f[5] * f[5] + f[6] * f[6] + _F(1e-12))
    dx, dy, dz = f[4] * norm, f[5] * norm, f[6] * norm
    rho = math.sqrt(dx * dx + dy * dy)  # sine of the angle from the axis
    vein = clamp01((rho - _F(0.45)) * _F(1.5))
    r, g, b = _F(0.55) - _F(0.02) * vein, _F(0.53) - _F(0.09) * vein, _F(0.515) - _F(0.12) * vein
    inside = _F(1.0) - smooth(_F(0.90), _F(1.04), rho / IRIS)
    if inside > _F(0.0) and dz > _F(0.0):
        # The iris lies behind the cornea, so it shifts against the rim where the eye looks aside.
        ix, iy = dx + (dx - nx) * _F(0.16), dy + (dy - ny) * _F(0.16)
        radius = math.sqrt(ix * ix + iy * iy) / IRIS
        turn = math.atan2(iy, ix) * _F(0.15915494) + _F(0.5)
        ir, ig, ib, _ = sample4(iris, turn, clamp01((radius - _F(0.36)) / _F(0.64)))
        pupil = smooth(_F(0.33), _F(0.42), radius)
        # The bowl of the iris is lit on the side away from the key light.
        bowl = _F(1.0) - (ix * lamps[KEY, 0] + iy * lamps[KEY, 1]) * (_F(1.1) / IRIS)
        lit = pupil * max(bowl, _F(0.3)) * _F(1.45) * (_F(1.0) - _F(0.55) * smooth(_F(0.80), _F(1.0), radius))
        r += (ir * ir * lit + _F(0.003) - r) * inside
        g += (ig * ig * lit + _F(0.003) - g) * inside
        b += (ib * ib * lit + _F(0.004) - b) * inside
    r, g, b = r + (_F(0.44) - r) * corner, g + (_F(0.19) - g) * corner, b + (_F(0.17) - b) * corner
    key = wrapped(nx * lamps[KEY, 0] + ny * lamps[KEY, 1] + nz * lamps[KEY, 2], _F(0.5)) * lamps[KEY_COLOUR, 1]
    light = (_F(1.15) * lamps[SKY, 1] + _F(0.62) * key) * lid
    # Shade on an eye is warm: it is light that has passed the lid.
    r, g, b = r * light, g * light * (_F(0.90) + _F(0.10) * lid), b * light * (_F(0.87) + _F(0.13) * lid)
    # The cornea bulges: its reflection of a window is nearer to the middle than a ball's would be.
    bulge = _F(0.55) * inside
    cx, cy = nx * (_F(1.0) - bulge) + dx * bulge * _F(1.9), ny * (_F(1.0) - bulge) + dy * bulge * _F(1.9)
    gx, gy = (cx - lamps[KEY_HALF, 0]) * _F(11.0), (cy - lamps[KEY_HALF, 1]) * _F(9.0)
    gx, gy = gx * gx, gy * gy
    spot = (_F(1.0) - smooth(_F(0.5), _F(1.6), gx * gx + gy * gy)) * lamps[KEY_COLOUR, 1]
    fx, fy = cx - lamps[FILL_HALF, 0] * _F(0.8), cy + _F(0.16)
    faint = (_F(1.0) - smooth(_F(0.05), _F(0.20), math.sqrt(fx * fx + fy * fy))) * lamps[FILL_COLOUR, 1]
    add = (spot * _F(1.0) + faint * _F(0.30)) * smooth(_F(0.15), _F(0.6), lid)
    add += tear * (_F(0.10) * lamps[SKY, 1] + _F(0.16) * key) + corner * _F(0.04)
    return r + add, g + add, b + add


@inlined
def shade_wet(f, r, g, b, light, gloss):
    """Teeth, tongue and the walls of the mouth: a colour, how much light gets in, a wet shine."""
    spec = f[3] * gloss * light
    warm = light * (_F(0.80) + _F(0.20) * light)  # what little light there is has come through lips
    return r * f[0] * light + spec, g * f[1] * warm + spec, b * f[2] * warm + spec


@inlined
def shade_cloth(f, cloth, tints):
    """Folds bend the light, the weave is uneven, fuzz catches light at the edge; f[6] is the second colour's share."""
    u, v = np.int64(f[4] * _F(CLOTH_SIZE)) & (CLOTH_SIZE - 1), np.int64(f[5] * _F(CLOTH_SIZE)) & (CLOTH_SIZE - 1)
    r, c = np.uintp(v), np.uintp(u)
    dt, db = _F(cloth[r, c, 0]) - _F(128.0), _F(cloth[r, c, 1]) - _F(128.0)
    bend = _F(1.0) - (dt * f[8] + db * f[9]) * _F(CLOTH_SLOPE / 127.0)
    bend = min(max(bend, _F(0.5)), _F(1.5)) * (_F(0.90) + _F(0.20 / 255.0) * _F(cloth[r, c, 2]))
    second, rim = f[6], f[7] * _F(0.12)
    r0 = tints[CLOTH_TONE, 0] + (tints[CLOTH_SECOND, 0] - tints[CLOTH_TONE, 0]) * second
    g0 = tints[CLOTH_TONE, 1] + (tints[CLOTH_SECOND, 1] - tints[CLOTH_TONE, 1]) * second
    b0 = tints[CLOTH_TONE, 2] + (tints[CLOTH_SECOND, 2] - tints[CLOTH_TONE, 2]) * second
    # Fuzz takes the colour of the cloth.
    return (r0 * f[0] * bend + rim * (_F(0.3) + r0), g0 * f[1] * bend + rim * (_F(0.3) + g0),
            b0 * f[2] * bend + rim * (_F(0.3) + b0))  # fmt: skip
