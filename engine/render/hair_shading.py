"""Light on hair. Plain functions of numbers, compiled by numba; space and units as in `shading`.

A fibre shines in a cone round its direction: two lobes along the strand, the first white and moved to the
root, the second coloured and moved to the tip (Marschner et al. 2003, as in Kajiya-Kay with two shifts).
A vertex carries the cosine between its strand and the half vector; every strand of the picture moves it a
little, which breaks the band of light into hairs.

Fields of a lit vertex: 0 to 2 light, 3 cosine, 4 and 5 uv, 6 opacity, 7 strength of the shine.
"""

import math

import numpy as np

from engine.render.kernel import inlined

_F = np.float32
CARD_NEAR = _F(0.0025)  # metres by which a card may lie under the surface it is laid on
STREAKS = _F(15.0 / 16.0)  # the last tile is fuzz, no strands for a sheet
THICK = _F(2.3)  # optical thickness of a card at density 1


@inlined
def direction(points, start, stop):
    """Unit direction of the strand at a vertex: from one neighbour along it to another."""
    x, y, z = points[stop, 0] - points[start, 0], points[stop, 1] - points[start, 1], points[stop, 2] - points[start, 2]
    scale = _F(1.0) / math.sqrt(x * x + y * y + z * z + _F(1e-16))
    return x * scale, y * scale, z * scale


@inlined
def gleam(cosine, shift, narrow):
    """A lobe round the cone of half vectors: 1 on it, 0 outside."""
    x = (cosine + shift) * narrow
    x = max(_F(1.0) - x * x, _F(0.0))
    return x * x


@inlined
def across(tx, ty, tz, lamps, row):
    """How much of a strand a light sees: the sine of the angle between them."""
    c = tx * lamps[row, 0] + ty * lamps[row, 1] + tz * lamps[row, 2]
    return math.sqrt(max(_F(1.0) - c * c, _F(0.0)))


@inlined
def strand_look(picture, level, u, v):
    """Light, strand, shift and density 0..1 of one level at uv: linear across, nearest along (it changes slowly)."""
    height, width = picture.shape[1], picture.shape[2]
    x = min(max(u * _F(width) - _F(0.5), _F(0.0)), _F(width - 1.001))
    c = np.int64(x)
    r = np.uintp(np.int64(min(max(v * _F(height), _F(0.0)), _F(height - 0.501))))
    f = x - _F(c)
    a, b = (_F(1.0) - f) * _F(1.0 / 255.0), f * _F(1.0 / 255.0)
    c0, c1 = np.uintp(c), np.uintp(c + 1)
    tone = _F(picture[level, r, c0, 0]) * a + _F(picture[level, r, c1, 0]) * b
    strand = _F(picture[level, r, c0, 1]) * a + _F(picture[level, r, c1, 1]) * b
    shift = _F(picture[level, r, c0, 2]) * a + _F(picture[level, r, c1, 2]) * b
    density = _F(picture[level, r, c0, 3]) * a + _F(picture[level, r, c1, 3]) * b
    return tone, strand, shift, density


@inlined
def lit_strand(r, g, b, cosine, strength, tone, strand, shift, look):
    """Colour of lit hair: r, g, b is the light, tone the strand's brightness; look: see `hair_paint.look`."""
    shade = _F(0.50) + tone
    # Grey hair is brown and white hairs side by side, most mixed in the middle; few white ones hardly show.
    grey = look[7]
    bleached = min(max(grey + (_F(0.5) - strand) * _F(3.2) * grey * (_F(1.0) - grey), _F(0.0)), _F(1.0))
    bleached *= bleached
    cr = (look[0] + (look[8] - look[0]) * bleached) * shade
    cg = (look[1] + (look[9] - look[1]) * bleached) * shade
    cb = (look[2] + (look[10] - look[2]) * bleached) * shade
    move = (shift - _F(0.5)) * _F(0.42)
    first = gleam(cosine, move - _F(0.09), _F(3.6)) * strength * look[6] * (_F(0.5) + shift)
    second = gleam(cosine, move + _F(0.16), _F(1.55)) * strength * _F(0.30) * tone
    return (cr * r + first + second * look[3], cg * g + first * _F(0.97) + second * look[4],
            cb * b + first * _F(0.93) + second * look[5])  # fmt: skip


@inlined
def shade_hair(f, picture, look, skin):
    """A point of the opaque shell; where f[6] is under 1 it melts into skin, whose colour is (3,) linear."""
    tone, strand, shift, _ = strand_look(picture, np.uintp(1), (f[4] - math.floor(f[4])) * STREAKS, f[5])
    r, g, b = lit_strand(f[0], f[1], f[2], f[3], f[7], tone, strand, shift, look)
    bare = _F(1.0) - min(max(f[6] * _F(2.0) - _F(0.42) - strand * _F(0.58), _F(0.0)), _F(1.0))
    if bare > _F(0.0):
        bare *= _F(1.0) - min(max((f[6] - _F(0.48)) * _F(2.4), _F(0.0)), _F(0.8))  # farther in, roots hide the skin
        r += (skin[0] * f[0] - r) * bare
        g += (skin[1] * f[1] - g) * bare
        b += (skin[2] * f[2] - b) * bare
    return r, g, b
