"""Skin as what colours it: maps of melanin and blood, turned into colour by absorption.

Light passes the epidermis (melanin) twice and comes back from the dermis (blood):

    colour = FLOOR + (BARE - FLOOR) exp(-melanin MELANIN) exp(-(blood - 0.5) BLOOD)

per red, green, blue. BARE, FLOOR and MELANIN are fitted to seven swatches of human skin from very light to very
dark (the two of a ColorChecker among them; 8 bytes of 255 off at most), so no tone turns orange: melanin takes
blue first, but red is lost too. BLOOD follows haemoglobin, which takes green most.
"""

from functools import lru_cache

import numpy as np

from engine.render.face_model import FaceModel
from engine.render.paint import SKIN_SIZE, noise, pack, unwrap
from engine.render.relief import SLOPE, slopes, wrinkle_depth
from engine.render.scene import Skin

BARE = np.array([0.934, 0.664, 0.540])
FLOOR = np.array([0.000, 0.011, 0.012])
MELANIN = np.array([0.642, 0.838, 1.000])
BLOOD = np.array([0.10, 0.60, 0.50])
MOST = 4.9  # optical density of melanin 1
ROOTS = 0.8  # how much of the scalp is covered by the hairs that grow from it


def density(melanin: float) -> float:
    """Optical density in blue of `Skin.melanin` 0..1: steps look alike to the eye."""
    return MOST * melanin**1.35


def colour(melanin: np.ndarray | float, blood: np.ndarray | float) -> np.ndarray:
    """Linear colour (..., 3) of a density of melanin and a share of blood (0.5 is a healthy mean)."""
    m, b = np.asarray(melanin, np.float32)[..., None], np.asarray(blood, np.float32)[..., None]
    passed = np.exp(-m * MELANIN.astype(np.float32) - (b - 0.5) * BLOOD.astype(np.float32))
    return FLOOR + (BARE - FLOOR) * passed


def mean_colour(skin: Skin) -> np.ndarray:
    """Linear colour (3,) of the plain skin of somebody's cheek."""
    return colour(density(skin.melanin), 0.15 + 0.7 * skin.blood)


def forehead_colour(skin: Skin) -> np.ndarray:
    """Linear colour (3,) of the skin at the hairline, as `paint_skin` paints it on average."""
    return colour(1.04 * density(skin.melanin), 0.05 + 0.7 * skin.blood)


def lip_colour(skin: Skin) -> np.ndarray:
    """Linear colour (3,): more blood near the surface, and paint if any."""
    bare = colour(0.26 + density(skin.melanin) * 0.95, 0.52 + 0.62 * skin.blood + 0.5 * skin.lips)
    return bare + (bare * [0.95, 0.62, 0.68] - bare) * skin.lips


@lru_cache(maxsize=2)
def _maps(face: FaceModel) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Over uv: masks (S, S, len(MASKS)), points of the mean face (S, S, 3), and (S, S) where texels are even: 1 .. 0
    where the map is drawn out so far that noise would be streaks."""
    faces = face.triangles[np.isin(face.triangle_region, (0, 1))]
    fields = unwrap(face.uv, face.mean, faces, np.concatenate([face.masks, face.mean], 1))
    points = fields[..., -3:]
    across, along = (np.linalg.norm(np.gradient(points, axis=axis), axis=-1) for axis in (1, 0))
    even = np.minimum(across, along) / np.maximum(np.maximum(across, along), 1e-9)
    return fields[..., :-3], points, np.clip((even - 0.40) / 0.3, 0, 1).astype(np.float32)


@lru_cache(maxsize=1)
def _grain() -> dict[str, np.ndarray]:
    """Noises float32 (S, S) from broad to fine."""
    cells = {"broad": (24, 40), "middle": (60, 90), "fine": (150, 210), "dots": (300, 330), "pores": (420, 440)}
    return {name: noise(SKIN_SIZE, SKIN_SIZE, size, 1 + k) for k, (name, size) in enumerate(cells.items())}


def _throat(points: np.ndarray) -> np.ndarray:
    """How deep (S, S) the skin lies 0 .. 1 in the notch between the collarbones, over them, and beside the two tendons
    that meet there: too small for the mesh. points (S, S, 3) of the mean face in metres."""
    x, y = np.abs(points[..., 0]), points[..., 1] + 0.121
    front = np.clip(points[..., 2] / 0.012, 0, 1)
    notch = np.exp(-((x / 0.0095) ** 2) - ((y + 0.004) / 0.010) ** 2)
    bone = 0.45 * np.exp(-(((y - 0.006 - 0.10 * x) / 0.006) ** 2)) * np.clip((x - 0.012) / 0.02, 0, 1)
    aside = x - (0.0135 + 0.26 * np.maximum(y, 0))
    tendon = 0.40 * np.exp(-((aside / 0.0045) ** 2)) * np.clip(y / 0.008, 0, 1) * np.clip((0.055 - y) / 0.03, 0, 1)
    return np.clip(notch + bone + tendon, 0, 1) * front


def paint_skin(face: FaceModel, skin: Skin, roots: np.ndarray | None = None) -> np.ndarray:
    """Skin colour and gloss, uint8 (1024, 1024, 4), row 0 at v = 0. Lips are coloured by the shader.

    roots: linear colour (3,) of the hair that grows from the scalp; None: a bald one.
    """
    masks, points, even = _maps(face)
    grain = {name: value * even for name, value in _grain().items()}
    lips, cheeks, nose, ears, lids, stubble, forehead, _, _, _, _, _, under_eye, scalp = np.moveaxis(masks, -1, 0)
    mottle = 0.8 * grain["broad"] + 0.5 * grain["middle"]
    front = np.clip((points[..., 2] - 0.03) / 0.04, 0, 1)
    around_mouth = np.clip(stubble, 0, 1)
    uneven = 0.6 + 0.9 * skin.age
    warm = np.clip(0.80 * cheeks + 0.60 * nose + 0.70 * ears, 0, 1)
    blood = 0.15 + 0.7 * skin.blood + (0.40 + 0.03 * mottle) * warm + uneven * (0.04 * mottle + 0.02 * grain["fine"])
    blood += 0.16 * lids + 0.06 * under_eye - 0.10 * forehead - 0.06 * around_mouth
    dense = density(skin.melanin)
    spread = 0.006 + 0.008 * dense
    melanin = dense * (1 + 0.04 * forehead - 0.05 * cheeks + 0.06 * lids + 0.05 * under_eye)
    melanin += spread * uneven * (mottle + grain["fine"]) + 0.09 * lids + 0.06 * under_eye * (1 + 1.5 * skin.age)
    melanin += 0.16 * skin.age * np.clip(grain["middle"] + 0.4 * grain["fine"] - 1.3, 0, 1)
    sunny = np.clip(0.9 * cheeks + nose + 0.35 * forehead + 0.25 * front, 0, 1) * (1 - lips) * (1 - lids)
    melanin += 1.1 * skin.freckles * sunny * np.clip(grain["dots"] * 1.2 + 0.5 * grain["middle"] - 1.1, 0, 1)
    shade = colour(np.maximum(melanin, 0), blood)
    shade *= 1 - _throat(points)[..., None] * np.array([0.36, 0.48, 0.52])
    # Melanin of shaved hair lies deep: light scattered above it is bluish.
    shadow = skin.stubble * np.clip(around_mouth * (0.85 + 0.25 * grain["pores"] + 0.1 * grain["middle"]), 0, 1.2)
    shade *= 1 - shadow[..., None] * np.array([0.42, 0.36, 0.29])
    # Lips have no pores but creases: their gloss is broken up more.
    gloss = 0.40 + 0.30 * nose + 0.10 * forehead - 0.06 * cheeks + 0.025 * grain["fine"] - 0.10 * shadow
    gloss = (0.35 + 1.55 * skin.gloss) * gloss
    gloss += (0.40 + 0.30 * skin.lips + 0.12 * grain["pores"] - gloss) * lips
    if roots is not None:  # between the hairs one sees more hair, and what skin there is lies in its shadow
        grown = np.clip((scalp * (1 + 0.10 * grain["fine"] + 0.08 * grain["dots"]) - 0.55) / 0.45, 0, 1)
        shade += (ROOTS * grown * grown * (3 - 2 * grown))[..., None] * (roots - shade)
        gloss *= 1 - 0.5 * grown
    return np.concatenate([pack(shade), np.clip(gloss * 255, 0, 255).astype(np.uint8)[..., None]], -1)


@lru_cache(maxsize=2)
def paint_relief(face: FaceModel) -> tuple[np.ndarray, np.ndarray]:
    """Maps of pores and of wrinkles, uint8 (1024, 1024, 4) each: slope along T, along B, open 255 .. 0 deep, 0."""
    masks, points, even = _maps(face)
    grain = {name: value * even for name, value in _grain().items()}
    x = points[..., 0]
    lips = masks[..., 0]
    rough = 0.55 + 0.45 * masks[..., 2] + 0.25 * masks[..., 1]
    skin = (1.2e-5 * grain["pores"] + 1.4e-5 * grain["dots"] + 3e-5 * grain["fine"]) * rough
    crease = np.sin(x * 2300 + 2.2 * grain["middle"]) * 0.6 + np.sin(x * 3700 + 3 * grain["broad"]) * 0.4
    height = skin * (1 - lips) + 0.6e-4 * lips * crease
    wrinkles = wrinkle_depth(points, face)
    return _relief(height, points, 5e-4), _relief(wrinkles, points, 8e-4)


def _relief(height: np.ndarray, points: np.ndarray, deepest: float) -> np.ndarray:
    slope = np.clip(slopes(height, points) / SLOPE, -1, 1) * 127 + 128
    depth = np.clip(1 + height / deepest, 0, 1) * 255
    return np.concatenate([slope, depth[..., None], np.zeros_like(depth)[..., None]], -1).astype(np.uint8)
