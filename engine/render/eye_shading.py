"""The eye: a ball with a painted iris, in the shadow of its lids."""

import math

import numpy as np

from engine.render.kernel import inlined, kernel
from engine.render.lighting import FILL_COLOUR, FILL_HALF, KEY, KEY_COLOUR, KEY_HALF, SKY
from engine.render.shading import EYE, clamp01, smooth, wrapped
from engine.render.texels import sample4
from engine.render.visibility import reach

_F = np.float32
IRIS = _F(0.455)  # sine of the angle between the gaze and the iris's rim


@kernel
def shade_eye(f, samples, kinds, row, col, mm, iris, lamps):
    """Light of a point of a ball with interpolated fields f (12,); mm: millimetres a pixel spans.

    How near the lids are decides the shade: they are looked for in the picture itself.
    """
    tall, wide = int(_F(18.0) / mm), int(_F(9.0) / mm)
    above = _F(reach(samples, kinds, EYE, EYE, row, col, -1, 0, tall)) * mm
    below = _F(reach(samples, kinds, EYE, EYE, row, col, 1, 0, tall)) * mm
    nose = -1 if f[7] > 0 else 1  # the left eye's inner corner is to the viewer's left
    inner = _F(reach(samples, kinds, EYE, EYE, row, col, 0, nose, wide)) * mm
    outer = _F(reach(samples, kinds, EYE, EYE, row, col, 0, -nose, wide)) * mm
    lid = _F(1.0) - _F(0.74) * math.exp(-above * _F(0.34)) - _F(0.20) * math.exp(-below * _F(0.85))
    lid *= (_F(1.0) - _F(0.42) * math.exp(-outer * _F(0.34))) * (_F(1.0) - _F(0.38) * math.exp(-inner * _F(0.34)))
    corner = _F(1.0) - smooth(_F(0.9), _F(3.1), inner)
    tear = _F(1.0) - smooth(_F(0.5), _F(1.3), below)
    return _ball(f, lid, corner, tear, iris, lamps)


@inlined
def _ball(f, lid, corner, tear, iris, lamps):
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
    r, g, b = _F(0.47) - _F(0.02) * vein, _F(0.448) - _F(0.08) * vein, _F(0.435) - _F(0.11) * vein
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
        lit = pupil * max(bowl, _F(0.3)) * _F(1.25) * (_F(1.0) - _F(0.55) * smooth(_F(0.80), _F(1.0), radius))
        r += (ir * ir * lit + _F(0.003) - r) * inside
        g += (ig * ig * lit + _F(0.003) - g) * inside
        b += (ib * ib * lit + _F(0.004) - b) * inside
    corner *= smooth(_F(0.46), _F(0.75), rho)  # the caruncle lies beside the iris, not on it
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
    add += tear * (_F(0.09) * lamps[SKY, 1] + _F(0.10) * key) + corner * _F(0.04)
    return r + add, g + add, b + add
