"""Teeth, tongue, the inside of the mouth, cloth and the dense ground below the hair: colour, roughness, gloss."""

import numpy as np

from engine.render.shading import CAVITY, CLOTH, HAIR, TEETH, TONGUE
from engine.render.wardrobe import Looks

_TOOTH, _TONGUE, _WALL = (0.80, 0.76, 0.67), (0.50, 0.19, 0.18), (0.33, 0.085, 0.078)


def colours(kind: np.ndarray, field: np.ndarray, place: np.ndarray, looks: Looks, second: np.ndarray,
            bare: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """Albedo float32 (n, 3), roughness (n, 2), gloss (n,) of points that are neither skin nor eye.

    kind uint8 (n,); field (n, 6); place (n, 3) metres; second bool (n,): the second colour of a dress; bare: how
    bright the ground below the strands is, 1 when there are none.
    """
    n = len(kind)
    albedo, rough, gloss = np.zeros((n, 3), np.float32), np.full((n, 2), 0.5, np.float32), np.zeros(n, np.float32)
    teeth, tongue, wall = kind == TEETH, kind == TONGUE, kind == CAVITY
    between = np.abs(field[:, 0] - np.round(field[:, 0]))
    gap = 0.55 + 0.45 * _step(0.0, 0.10, between)
    root = 0.80 + 0.20 * _step(0.0, 0.45, field[:, 1])
    albedo[teeth] = np.array(_TOOTH) * (gap * root)[teeth, None]
    albedo[tongue], albedo[wall] = _TONGUE, _WALL
    rough[teeth], gloss[teeth] = (0.40, 0.18), 1.3
    rough[tongue | wall], gloss[tongue | wall] = (0.42, 0.24), 0.9
    cloth = kind == CLOTH
    albedo[cloth] = np.where(second[cloth, None], looks.tints[2], looks.tints[1]) * _weave(place[cloth])[:, None]
    rough[cloth] = 0.9
    hair = kind == HAIR
    grey = min(1.15 * float(looks.look[7]), 1.0)
    albedo[hair] = (looks.look[:3] + (looks.look[8:11] - looks.look[:3]) * grey) * bare
    melt = np.clip(1 - field[hair, 2:3] * 1.6, 0, 1)
    albedo[hair] = albedo[hair] * (1 - melt) + looks.tints[4] * melt
    return albedo, rough, gloss


def _weave(place: np.ndarray) -> np.ndarray:
    """A knit: 1 on the yarn, darker between; far too fine to see but for its unevenness."""
    x, y = place[:, 0] * 2600, place[:, 1] * 2600
    return 0.93 + 0.07 * np.sin(x) * np.sin(y + 1.3 * np.sin(x * 0.05)) + 0.03 * np.sin(x * 0.031 + y * 0.017)


def _step(low: float, high: float, x: np.ndarray) -> np.ndarray:
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)
