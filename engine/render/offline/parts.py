"""Teeth, tongue, the inside of the mouth, cloth and the dense ground below the hair: colour, roughness, gloss."""

import numpy as np

from engine.render.paint import CLOTH_SLOPE
from engine.render.shading import CAVITY, CLOTH, HAIR, TEETH, TONGUE
from engine.render.wardrobe import Looks

FOLDS = 1.5  # of the slope that the live renderer shows: light here knows where it comes from
_TOOTH, _TONGUE, _WALL = (0.80, 0.77, 0.71), (0.50, 0.19, 0.18), (0.33, 0.085, 0.078)


def colours(kind: np.ndarray, field: np.ndarray, place: np.ndarray, looks: Looks, second: np.ndarray,
            bare: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """Albedo float32 (n, 3), roughness (n, 2), gloss (n,) of points that are neither skin nor eye.

    kind uint8 (n,); field (n, 7); place (n, 3) metres; second bool (n,): the second colour of a dress; bare: how
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
    tone = 0.86 + 0.28 / 255 * _tile(looks.cloth, field[cloth, :2].astype(np.float64))[:, 2:3]
    albedo[cloth] = np.where(second[cloth, None], looks.tints[2], looks.tints[1]) * tone * _weave(place[cloth])[:, None]
    rough[cloth] = 0.9
    hair = kind == HAIR
    grey = min(1.15 * float(looks.look[7]), 1.0)
    albedo[hair] = (looks.look[:3] + (looks.look[8:11] - looks.look[:3]) * grey) * bare
    melt = np.clip(1 - field[hair, 2:3] * 1.6, 0, 1)
    albedo[hair] = albedo[hair] * (1 - melt) + looks.tints[4] * melt
    return albedo, rough, gloss


def fold(kind: np.ndarray, normal: np.ndarray, field: np.ndarray, cloth: np.ndarray) -> None:
    """Bend the normals (n, 3) of cloth by the tile of folds, uint8 (h, w, 4), in place."""
    at = np.flatnonzero(kind == CLOTH)
    tile = _tile(cloth, field[at, :2].astype(np.float64))
    slope = (tile[:, :2] - 128) * (FOLDS * CLOTH_SLOPE / 127)
    n = normal[at].astype(np.float64)
    level = np.sqrt(n[:, 0] ** 2 + n[:, 2] ** 2 + 1e-6)
    across = np.stack([n[:, 2] / level, np.zeros(len(n)), -n[:, 0] / level], 1)
    n -= slope[:, :1] * across + slope[:, 1:2] * np.cross(n, across)
    normal[at] = n / np.linalg.norm(n, axis=1, keepdims=True)


def _tile(picture: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """Bilinear look-up (n, 4) in a picture that repeats."""
    rows, columns = picture.shape[:2]
    x, y = uv[:, 0] * columns - 0.5, uv[:, 1] * rows - 0.5
    c, r = np.floor(x).astype(int), np.floor(y).astype(int)
    fx, fy = (x - c)[:, None], (y - r)[:, None]
    c, r, c1, r1 = c % columns, r % rows, (c + 1) % columns, (r + 1) % rows
    top = picture[r, c] * (1 - fx) + picture[r, c1] * fx
    return top * (1 - fy) + (picture[r1, c] * (1 - fx) + picture[r1, c1] * fx) * fy


def light_mouth(kind: np.ndarray, field: np.ndarray, around: np.ndarray, share: np.ndarray, light: np.ndarray) -> None:
    """What happens to light (n, 3) inside the mouth, in place: enamel and tongue scatter it, the depth swallows it.

    around (n, 3): light outside; share (n,): of the sky that is open; field 3: metres behind the front teeth.
    """
    for part, tint in ((TEETH, (0.60, 0.58, 0.54)), (TONGUE, (0.34, 0.28, 0.27))):
        at = kind == part
        light[at] += around[at] * np.sqrt(share[at, None]) * tint
    inside = np.isin(kind, (TEETH, TONGUE, CAVITY))
    light[inside] *= np.exp(-np.maximum(field[inside, 3:4] - 0.006, 0) * 26)


def _weave(place: np.ndarray) -> np.ndarray:
    """A knit: 1 on the yarn, darker between; far too fine to see but for its unevenness."""
    x, y = place[:, 0] * 2600, place[:, 1] * 2600
    return 0.93 + 0.07 * np.sin(x) * np.sin(y + 1.3 * np.sin(x * 0.05)) + 0.03 * np.sin(x * 0.031 + y * 0.017)


def _step(low: float, high: float, x: np.ndarray) -> np.ndarray:
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)
