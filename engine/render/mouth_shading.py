"""Inside the mouth: teeth, tongue, gums and walls, in what light the lips let in."""

import math

import numpy as np

from engine.render.kernel import inlined, kernel
from engine.render.shading import CAVITY, TEETH, TONGUE, smooth
from engine.render.visibility import reach

_F = np.float32


@kernel
def shade_mouth(kind, f, samples, kinds, row, col, mm):
    """Light of a point inside the mouth with interpolated fields f (12,); mm: millimetres a pixel spans.

    How near the lips are decides the shade: they are looked for in the picture itself.
    """
    tall, wide = int(_F(30.0) / mm), int(_F(36.0) / mm)
    above = _F(reach(samples, kinds, TEETH, CAVITY, row, col, -1, 0, tall)) * mm
    below = _F(reach(samples, kinds, TEETH, CAVITY, row, col, 1, 0, tall)) * mm
    left = _F(reach(samples, kinds, TEETH, CAVITY, row, col, 0, -1, wide)) * mm
    right = _F(reach(samples, kinds, TEETH, CAVITY, row, col, 0, 1, wide)) * mm
    depth = f[7]  # metres behind the front teeth
    # A narrow slit lets little light in, a round hole behind pushed-out lips even less.
    room = _F(1.0) - math.exp(-(above + below) * _F(1.0))
    room *= _F(0.05) + _F(0.95) * smooth(_F(13.0), _F(40.0), left + right)
    lip = _F(1.0) - _F(0.36) * math.exp(-above * _F(0.70)) - _F(0.15) * math.exp(-below * _F(0.65))
    side = _F(1.0) - _F(0.45) * math.exp(-min(left, right) * _F(0.24))
    light = room * lip * side * math.exp(-max(depth - _F(0.004), _F(0.0)) * _F(42.0))
    if kind == TEETH:
        light = min(light * _F(1.18), _F(1.0))  # enamel passes light on
        # f[4] counts teeth along the arch, so gaps lie at whole numbers; f[5] is 0 at the gum, 1 at the edge.
        count, at = math.floor(f[4]), math.floor(f[4] + _F(0.5))
        between, thin = abs(f[4] - at), smooth(_F(0.72), _F(1.0), f[5])
        gap = _F(1.0) - _F(0.55) * (_F(1.0) - smooth(_F(0.0), _F(0.09) + _F(0.07) * thin, between))
        gap *= _F(0.84) + _F(0.16) * smooth(_F(0.0), _F(0.32), between)  # every tooth is round
        gap *= _F(0.72) + _F(0.28) * smooth(_F(0.0), _F(0.5), f[5])
        tone = _F(0.95) + _F(0.05) * math.sin(count * _F(2.4) + _F(0.6))  # no two alike
        away = max(abs(f[4]) - _F(0.8), _F(0.0))
        gap *= tone / (_F(1.0) + _F(0.04) * away * away)  # the arch runs back into the shade of the cheeks
        # Thin edges let the dark behind them through, necks and canines are yellow.
        neck = _F(1.0) - smooth(_F(0.0), _F(0.45), f[5]) + _F(0.5) * smooth(_F(1.6), _F(2.2), abs(f[4]))
        return _wet(f, (_F(0.68) - _F(0.09) * thin) * gap, (_F(0.635) - _F(0.07) * thin - _F(0.02) * neck) * gap,
                    (_F(0.52) - _F(0.03) * thin - _F(0.09) * neck) * gap, light, _F(0.7))  # fmt: skip
    if kind == TONGUE:
        return _wet(f, _F(0.54), _F(0.235), _F(0.215), light * _F(0.95), _F(0.55))
    if f[6] > _F(0.5):  # gums
        return _wet(f, _F(0.42), _F(0.165), _F(0.155), light, _F(0.6))
    # Cheeks behind the corners are red, the throat is dark.
    light = _F(0.010) + light * math.exp(-max(depth - _F(0.014), _F(0.0)) * _F(55.0))
    return _wet(f, _F(0.34), _F(0.105), _F(0.095), light, _F(0.25))


@inlined
def _wet(f, r, g, b, light, gloss):
    """Teeth, tongue and the walls of the mouth: a colour, how much light gets in, a wet shine."""
    spec = f[3] * gloss * light
    warm = light * (_F(0.80) + _F(0.20) * light)  # what little light there is has come through lips
    return r * f[0] * light + spec, g * f[1] * warm + spec, b * f[2] * warm + spec
