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
    KEY_COLOUR: (1.36, 1.31, 1.24), FILL_COLOUR: (0.23, 0.26, 0.31), RIM_COLOUR: (0.60, 0.64, 0.70),
    SKY: (0.39, 0.415, 0.46), GROUND: (0.23, 0.212, 0.20),
}  # fmt: skip
_LEVEL = 0.86
_WARMTH = np.array([0.16, 0.0, -0.24])  # what warmth 1 does to the logarithm of the key's colour


def towards(azimuth: float, elevation: float) -> np.ndarray:
    """Unit vector from the head to a light: azimuth to the viewer's right +, elevation up +, in degrees."""
    a, e = math.radians(azimuth), math.radians(elevation)
    return np.array([math.sin(a) * math.cos(e), math.sin(e), math.cos(a) * math.cos(e)])


def exposure(skin_colour: np.ndarray) -> float:
    """As a photographer would: a little longer for a dark face, shorter for a pale one. Linear colour (3,)."""
    return float(np.clip((0.33 / skin_colour.mean()) ** 0.24, 0.85, 1.2))


def lamp_table(light: Light, exposed: float = 1.0) -> np.ndarray:
    """float32 (10, 3), rows as named above; linear light, strengths and exposure included.

    exposed: on top of the light's own exposure. Fill and rim stand opposite to the key: they change sides with it.
    """
    out = np.zeros((10, 3))
    side = 1.0 if light.key_azimuth <= 0 else -1.0
    out[KEY] = towards(light.key_azimuth, light.key_elevation)
    out[FILL], out[RIM] = np.array(_FILL) * [side, 1, 1], np.array(_RIM) * [side, 1, 1]
    for row, strength in (
        (KEY_COLOUR, light.key), (FILL_COLOUR, light.fill), (RIM_COLOUR, light.rim), (SKY, light.sky),
        (GROUND, light.sky),
    ):  # fmt: skip
        out[row] = np.array(_COLOURS[row]) * strength * light.exposure * exposed * _LEVEL
    out[KEY_COLOUR] *= np.exp(_WARMTH * light.warmth)
    for half, source in ((KEY_HALF, KEY), (FILL_HALF, FILL)):
        middle = out[source] + [0, 0, 1]
        out[half] = middle / np.linalg.norm(middle)
    return out.astype(np.float32)
