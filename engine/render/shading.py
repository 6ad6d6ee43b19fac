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

_F = np.float32
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
def light_vertices(points, normals, kinds, along, fixed, open_of, seen_of, creased, lamps, begin, end, out):
    """Light at vertices begin .. end - 1, which pixels only interpolate: it changes slowly, the mesh is dense.

    points and normals float32 (V, 3), kinds uint8 (V,), along int32 (V, 2) two vertices of a hair's strand,
    fixed float32 (V, 5) = a, b, c, d and occlusion at rest, open_of float32 (V,) occlusion in this pose, seen_of
    float32 (V,) the share of the key light that arrives, creased float32 (V,) how far wrinkles show,
    lamps of `lighting.lamp_table`. out float32 (V, 12): red, green, blue light and shine, then a, b, c, and d (inside
    the mouth) or edge light, two slants of the light, creased, share of the key. Hair: see `hair_shading`.
    Eyes are lit per pixel: 0 to 2 their normal, 4 to 6 the direction from the ball's centre.
    """
    for i in range(begin, end):
        nx, ny, nz, occlusion = normals[i, 0], normals[i, 1], normals[i, 2], open_of[i]
        seen = seen_of[i]
        kind = kinds[i]
        r, g, b, spec, last = nx, ny, nz, _F(0.0), fixed[i, 3]
        slant_t, slant_b = _F(0.0), _F(0.0)
        broad, tight = shine(nx, ny, nz, lamps)
        if kind == SKIN:
            seen *= _F(0.72) + _F(0.28) * occlusion  # no shadow map is as fine as a dent
            r, g, b = diffuse(nx, ny, nz, occlusion, seen, _F(0.34), _F(0.21), _F(0.15), lamps)
            # Light that comes back out of shaded skin has passed through flesh.
            shade = _F(1.0) - seen
            r, b = r * (_F(1.0) + _F(0.10) * shade), b * (_F(1.0) - _F(0.12) * shade)
            lit = occlusion * (_F(0.25) + _F(0.75) * seen)
            spec = (broad * _F(0.025) + tight * _F(0.048)) * lit
            last = edge_light(nx, ny, nz, occlusion, lamps)
            slant_t, slant_b = slant(nx, ny, nz, seen, g, lamps)
        elif kind in (HAIR, STRANDS):
            tx, ty, tz = hair_shading.direction(points, along[i, 0], along[i, 1])
            spec = tx * lamps[KEY_HALF, 0] + ty * lamps[KEY_HALF, 1] + tz * lamps[KEY_HALF, 2]
            key = nx * lamps[KEY, 0] + ny * lamps[KEY, 1] + nz * lamps[KEY, 2]
            last = smooth(_F(-0.25), _F(0.45), key) * (_F(0.15) + _F(0.85) * seen) * lamps[KEY_COLOUR, 1]
            last *= occlusion * occlusion  # what lies deep among others does not shine
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
