"""Skin and cloth: painted maps in light that pores, wrinkles and folds bend; fields of `shading.light_vertices`."""

import numpy as np

from engine.render.kernel import inlined
from engine.render.paint import CLOTH_SIZE, CLOTH_SLOPE
from engine.render.relief import SLOPE
from engine.render.shading import CLOTH_SECOND, CLOTH_TONE, LIP, smooth
from engine.render.texels import lane, sample8

_F = np.float32


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
    # Down at the edge catches the light in the colour of the skin below it.
    rim_r, rim_g, rim_b = rim * (_F(0.45) + r), rim * (_F(0.45) + g), rim * (_F(0.45) + b)
    r, g, b = r * f[0] * bend, g * f[1] * bend, b * f[2] * bend
    # What a groove swallows is blue and green before red.
    r, g, b = r * (_F(1.0) - _F(0.38) * hollow), g * (_F(1.0) - _F(0.55) * hollow), b * (_F(1.0) - _F(0.58) * hollow)
    return r + add * _F(1.05) + rim_r, g + add * _F(0.97) + rim_g, b + add * _F(0.87) + rim_b


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
