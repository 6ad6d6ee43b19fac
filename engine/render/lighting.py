"""The light of a scene as one small table that the kernels read."""

import math

import numpy as np

from engine.render.scene import Light

# Rows of the table: directions towards the lights (unit), their colours, the sky above and the ground below,
# and the directions half way between a light and the viewer, for the shine.
KEY, FILL, RIM, KEY_COLOUR, FILL_COLOUR, RIM_COLOUR, SKY, GROUND, KEY_HALF, FILL_HALF = range(10)

_FILL = (0.800, 0.100, 0.592)
_RIM = (0.640, 0.420, -0.643)
_COLOURS = {
    KEY_COLOUR: (1.16, 1.13, 1.08), FILL_COLOUR: (0.26, 0.29, 0.34), RIM_COLOUR: (0.60, 0.64, 0.70),
    SKY: (0.43, 0.455, 0.50), GROUND: (0.28, 0.262, 0.25),
}  # fmt: skip
_WARMTH = np.array([0.16, 0.0, -0.24])  # what warmth 1 does to the logarithm of the key's colour


def towards(azimuth: float, elevation: float) -> np.ndarray:
    """Unit vector from the head to a light: azimuth to the viewer's right +, elevation up +, in degrees."""
    a, e = math.radians(azimuth), math.radians(elevation)
    return np.array([math.sin(a) * math.cos(e), math.sin(e), math.cos(a) * math.cos(e)])


def lamp_table(light: Light) -> np.ndarray:
    """float32 (10, 3), rows as named above; linear light, strengths and exposure included.

    Fill and rim stand opposite to the key: they change sides with it.
    """
    out = np.zeros((10, 3))
    side = 1.0 if light.key_azimuth <= 0 else -1.0
    out[KEY] = towards(light.key_azimuth, light.key_elevation)
    out[FILL], out[RIM] = np.array(_FILL) * [side, 1, 1], np.array(_RIM) * [side, 1, 1]
    for row, strength in (
        (KEY_COLOUR, light.key), (FILL_COLOUR, light.fill), (RIM_COLOUR, light.rim), (SKY, light.sky),
        (GROUND, light.sky),
    ):  # fmt: skip
        out[row] = np.array(_COLOURS[row]) * strength * light.exposure
    out[KEY_COLOUR] *= np.exp(_WARMTH * light.warmth)
    for half, source in ((KEY_HALF, KEY), (FILL_HALF, FILL)):
        middle = out[source] + [0, 0, 1]
        out[half] = middle / np.linalg.norm(middle)
    return out.astype(np.float32)
