"""The scene's light as many directions: discs for key, fill and rim, a whole sky.

Colours are such that a white surface shows the sum of colour x cosine, as with the live renderer's lamps.
"""

import math
from dataclasses import dataclass

import numpy as np

from engine.render.lighting import (
    FILL,
    FILL_COLOUR,
    GROUND,
    KEY,
    KEY_COLOUR,
    RIM,
    RIM_COLOUR,
    SKY,
)

COUNTS = {"key": 26, "fill": 7, "rim": 7, "sky": 48}
FILL_RADIUS, RIM_RADIUS = 0.38, 0.22  # tangents of the lamps' angular radii
# Share of a lamp that is mirrored: grazing light from behind would paint white patches on cheek and nose.
SHINE = {"key": 1.0, "fill": 0.8, "rim": 0.22}


@dataclass(frozen=True, slots=True)
class Lights:
    """towards float32 (L, 3) unit; colour float32 (L, 3); shines float32 (L,): how far it is mirrored, sky 0."""

    towards: np.ndarray
    colour: np.ndarray
    shines: np.ndarray


def make_lights(lamps: np.ndarray, softness_deg: float) -> Lights:
    """All directions for a table of `lighting.lamp_table`."""
    table = lamps.astype(np.float64)
    towards, colour, shines = [], [], []
    for name, row, tint, radius in (
        ("key", KEY, KEY_COLOUR, math.tan(math.radians(max(softness_deg, 0.5)))),
        ("fill", FILL, FILL_COLOUR, FILL_RADIUS), ("rim", RIM, RIM_COLOUR, RIM_RADIUS),
    ):  # fmt: skip
        way = _disc(table[row], radius, COUNTS[name])
        towards.append(way)
        colour.append(np.tile(table[tint] / len(way), (len(way), 1)))
        shines += [SHINE[name]] * len(way)
    sky = _sphere(COUNTS["sky"])
    up = np.clip(0.5 + 0.75 * sky[:, 1:2], 0, 1)
    towards.append(sky)
    colour.append((table[GROUND] + (table[SKY] - table[GROUND]) * up) * 4 / len(sky))
    shines += [0.0] * len(sky)
    return Lights(
        np.concatenate(towards).astype(np.float32), np.concatenate(colour).astype(np.float32),
        np.array(shines, np.float32),
    )


def _disc(middle: np.ndarray, radius: float, count: int) -> np.ndarray:
    side = np.cross([0.0, 1.0, 0.0], middle)
    side /= np.linalg.norm(side)
    up = np.cross(middle, side)
    k = np.arange(count) + 0.5
    turn, far = k * math.pi * (3 - math.sqrt(5)), np.sqrt(k / count) * radius
    out = middle + (far * np.cos(turn))[:, None] * side + (far * np.sin(turn))[:, None] * up
    return out / np.linalg.norm(out, axis=1, keepdims=True)


def _sphere(count: int) -> np.ndarray:
    k = np.arange(count) + 0.5
    y = 1 - 2 * k / count
    turn, level = k * math.pi * (3 - math.sqrt(5)), np.sqrt(1 - y * y)
    return np.stack([level * np.cos(turn), y, level * np.sin(turn)], 1)
