"""Inside the mouth: teeth, tongue, gums and walls, in what light the lips let in."""

import math

import numpy as np

from engine.render.kernel import inlined, kernel
from engine.render.shading import CAVITY, TEETH, TONGUE, smooth
from engine.render.visibility import reach

_F = np.float32


@kernel
def shade_mouth(kind, f, samples, kinds, row, col, scale):
    """Light of a point inside the mouth with interpolated fields f (12,); scale: 512 / pixels of the picture.

    How near the lips are decides the shade: they are looked for in the picture itself.
    """
    above = _F(reach(samples, kinds, TEETH, CAVITY, row, col, -1, 0, 40)) * scale
    below = _F(reach(samples, kinds, TEETH, CAVITY, row, col, 1, 0, 40)) * scale
    left = _F(reach(samples, kinds, TEETH, CAVITY, row, col, 0, -1, 48)) * scale
    right = _F(reach(samples, kinds, TEETH, CAVITY, row, col, 0, 1, 48)) * scale
    depth = f[7]  # metres behind the front teeth
    # A narrow slit lets little light in, a round hole behind pushed-out lips even less.
    room = _F(1.0) - math.exp(-(above + below) * _F(0.26))
    room *= _F(0.16) + _F(0.84) * smooth(_F(16.0), _F(48.0), left + right)
    lip = _F(1.0) - _F(0.55) * math.exp(-above * _F(0.34)) - _F(0.15) * math.exp(-below * _F(0.5))
    side = _F(1.0) - _F(0.45) * math.exp(-min(left, right) * _F(0.16))
    light = room * lip * side * math.exp(-max(depth - _F(0.004), _F(0.0)) * _F(42.0))
    if kind == TEETH:
        # f[4] counts teeth along the arch, so gaps lie at whole numbers; f[5] is 0 at the gum, 1 at the edge.
        between = abs(f[4] - math.floor(f[4] + _F(0.5)))
        gap = (_F(1.0) - _F(0.42) * (_F(1.0) - smooth(_F(0.0), _F(0.12), between))) * (
            _F(0.74) + _F(0.26) * smooth(_F(0.0), _F(0.5), f[5]))
        # Thin edges let the dark behind them through, necks are yellow.
        thin, neck = smooth(_F(0.72), _F(1.0), f[5]), _F(1.0) - smooth(_F(0.0), _F(0.45), f[5])
        return _wet(f, (_F(0.66) - _F(0.13) * thin) * gap, (_F(0.62) - _F(0.10) * thin) * gap,
                    (_F(0.54) - _F(0.05) * thin - _F(0.10) * neck) * gap, light, _F(0.8))  # fmt: skip
    if kind == TONGUE:
        return _wet(f, _F(0.44), _F(0.155), _F(0.145), light * _F(0.85), _F(0.55))
    if f[6] > _F(0.5):  # gums
        return _wet(f, _F(0.42), _F(0.165), _F(0.155), light, _F(0.6))
    return _wet(f, _F(0.30), _F(0.075), _F(0.068), light * _F(0.60), _F(0.1))


@inlined
def _wet(f, r, g, b, light, gloss):
    """Teeth, tongue and the walls of the mouth: a colour, how much light gets in, a wet shine."""
    spec = f[3] * gloss * light
    warm = light * (_F(0.80) + _F(0.20) * light)  # what little light there is has come through lips
    return r * f[0] * light + spec, g * f[1] * warm + spec, b * f[2] * warm + spec
