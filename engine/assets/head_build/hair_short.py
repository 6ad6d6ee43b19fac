"""Short hair: parted on the subject's right and swept over to the left, close at ears and nape."""

import numpy as np

from engine.assets.head_build.hair_cards import Tuft, add_cards, add_hem, add_sheet
from engine.assets.head_build.hair_comb import comb, scatter
from engine.assets.head_build.hair_scalp import Scalp, smoothstep, unit

PART = -0.026  # metres: x of the parting
COLUMNS, ROWS = 72, 15
INSET = 0.975  # share of the way to the hairline where the sheet ends; cards grow over the rest


def volume(azimuth: np.ndarray, polar: np.ndarray, scalp: Scalp) -> np.ndarray:
    """Thickness of the hair in metres over the scalp."""
    share = np.clip(polar / scalp.limit(azimuth), 0, 1.2)
    inner = np.maximum(1.0 - share, 0)
    front = np.exp(-((azimuth / 0.95) ** 2))
    x = np.sin(polar) * np.sin(azimuth)
    top = smoothstep(1.35, 0.55, polar)
    side = 0.0085 + 0.0155 * np.maximum(top, 0.9 * front)
    rise = 1 - np.exp(-inner / (0.055 * front + 0.20 * (1 - front)))
    quiff = 0.008 * front * np.exp(-(((share - 0.80) / 0.16) ** 2)) * smoothstep(-0.55, 0.15, x)
    clump = 0.0011 * np.sin(azimuth * 15 + 5 * share) + 0.0008 * np.sin(azimuth * 27 + 1.3 - 6 * share)
    parting = 1 - 0.45 * np.exp(-(((x * 0.09 - PART) / 0.006) ** 2)) * smoothstep(0.2, 0.6, share) * front
    return 0.0012 + rise * (side + quiff + clump * smoothstep(0.1, 0.4, share)) * parting


def field(point: np.ndarray) -> np.ndarray:
    """Where hair points at a place of the scalp."""
    x, y, z = point[:, 0], point[:, 1], point[:, 2]
    up = unit(point - np.array([0.0, 0.05, -0.001]))[:, 1]
    top = smoothstep(0.30, 0.75, up + 0.25 * smoothstep(0.05, 0.09, z))[:, None]
    over = np.where(x < PART, -1.0, 1.0) * smoothstep(0.0, 0.008, np.abs(x - PART))
    crown = np.stack([0.95 * over, 0.18 + 0 * y, -0.30 - 0.5 * smoothstep(0.04, -0.04, z)], -1)
    down = np.stack([0.1 * np.sign(x), -1.0 + 0 * y, -0.30 + 0 * z], -1)
    front = smoothstep(0.070, 0.095, z)[:, None]  # at the forehead hair grows up before it falls aside
    crown = crown + front * np.array([0.0, 0.9, -0.4])
    return top * crown + (1 - top) * down


def build(scalp: Scalp) -> Tuft:
    """Sheet, body cards, hairline cards and strays of the style."""
    rng = np.random.default_rng(41)
    tuft = Tuft()
    start = np.linspace(-np.pi, np.pi, COLUMNS, endpoint=False)[:, None]
    share = np.linspace(0.012, 1, ROWS)[None] ** 0.8 * INSET
    azimuth = start + 0.50 * np.exp(-((start / 1.0) ** 2)) * share**2
    polar = share * scalp.limit(azimuth)
    sheet = scalp.over(azimuth, polar, volume(azimuth, polar, scalp))
    add_sheet(tuft, sheet, scalp.over(azimuth, polar, 0.0), (0.0, 1.0), closed=True, shade=0.90, repeat=2)
    rim = [scalp.over(azimuth[:, -1], share * scalp.limit(azimuth[:, -1]), 0.0006) for share in (INSET - 0.03, 1.02)]
    add_hem(tuft, sheet[:, -1], rim[1], rim[0], 0.9)

    # Body: locks that lie on the volume, their roots hidden in it.
    steps = 6
    a, p = scatter(scalp, 210, rng, (0.0, 0.93))
    lay(tuft, scalp, rng, a, p, field, rng.uniform(0.026, 0.046, len(a)), steps, rng.uniform(0.0075, 0.0115, len(a)),
        (0, 11), (0.0004, 0.0030), volume)  # fmt: skip
    # Hairline: from the forehead up and over, at temples, ears and nape down.
    a = np.concatenate([rng.uniform(-0.95, 0.95, 95), rng.uniform(-np.pi, np.pi, 110)])
    ahead = np.exp(-((a / 0.85) ** 4))
    p = scalp.limit(a) * (ahead * rng.uniform(0.962, 1.008, len(a)) + (1 - ahead) * rng.uniform(0.88, 0.965, len(a)))
    lay(tuft, scalp, rng, a, p, field, rng.uniform(0.016, 0.030, len(a)), steps, rng.uniform(0.0045, 0.0075, len(a)),
        (6, 13), (0.0002, 0.0012), volume, from_skin=True)  # fmt: skip
    # Strays that break the outline.
    a, p = scatter(scalp, 70, rng, (0.0, 0.85))
    lay(tuft, scalp, rng, a, p, field, rng.uniform(0.03, 0.05, len(a)), steps, rng.uniform(0.008, 0.012, len(a)),
        (12, 15), (0.0015, 0.0065), volume)  # fmt: skip
    return tuft


def lay(tuft, scalp, rng, azimuth, polar, field, length, steps, width, tiles, lift, volume, from_skin=False,
        sway=0.18, shade=1.0):  # fmt: skip
    """Cards from roots over the volume. tiles: range of tiles; lift: metres over the sheet at root and tip."""
    n = len(azimuth)
    turn = rng.normal(0, sway, (n, 1))

    def leaning(point):
        ahead = field(point)
        return ahead + turn * np.cross(unit(point - [0.0, 0.05, 0.0]), ahead)

    a, p = comb(scalp, azimuth, polar, leaning, length, steps)
    s = np.linspace(0, 1, steps)[None]
    high = volume(a, p, scalp) if volume.__code__.co_argcount == 3 else volume(a, p)
    rise = smoothstep(0, 0.6, s) if from_skin else smoothstep(-0.35, 0.30, s)
    free = rng.uniform(0.5, 1.0, (n, 1))
    height = 0.0005 + high * rise + lift[0] + free * (lift[1] - lift[0]) * s**1.3
    points = scalp.over(a, p, height)
    outward = scalp.ray(a, p) + rng.normal(0, 0.22, (n, 1, 3))
    alpha = np.clip(s / 0.22, 0.0 if not from_skin else 0.55, 1) * np.ones((n, 1))
    dark = shade * (0.90 + 0.18 * s) * rng.uniform(0.90, 1.06, (n, 1))
    pick = rng.integers(tiles[0], tiles[1], n)
    add_cards(tuft, points, unit(outward), width, pick, scalp.over(azimuth, polar, 0.0), alpha, dark)
