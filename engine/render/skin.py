"""Skin as what colours it: maps of melanin and blood, turned into colour by absorption.

Light passes the epidermis (melanin) twice and comes back from the dermis (blood):

    colour = FLOOR + (BARE - FLOOR) exp(-melanin MELANIN) exp(-(blood - 0.5) BLOOD)

per red, green, blue. BARE, FLOOR and MELANIN are fitted to seven swatches of human skin from very light to very
dark (the two of a ColorChecker among them; 8 bytes of 255 off at most), so no tone turns orange: melanin takes
blue first, but red is lost too. BLOOD follows haemoglobin, which takes green most.
"""

import numpy as np

from engine.render.scene import Skin

BARE = np.array([0.934, 0.655, 0.542])
FLOOR = np.array([0.000, 0.011, 0.013])
MELANIN = np.array([0.638, 0.848, 1.000])
BLOOD = np.array([0.10, 0.60, 0.50])
MOST = 4.9  # optical density of melanin 1


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


def lip_colour(skin: Skin) -> np.ndarray:
    """Linear colour (3,): more blood near the surface, and paint if any."""
    bare = colour(0.30 + density(skin.melanin) * 0.95, 1.15 + 0.7 * skin.blood)
    return bare + (bare * [0.95, 0.62, 0.68] - bare) * skin.lips
