"""Short hair: clipped at sides and nape, longer on top, where it is swept from a side parting up and over."""

import numpy as np

from engine.assets.head_build.hair_cards import Tuft, add_cards, add_hem, add_sheet
from engine.assets.head_build.hair_comb import comb, scatter
from engine.assets.head_build.hair_scalp import Scalp, smoothstep, unit

COLUMNS, ROWS = 76, 16
INSET = 0.985  # share of the way to the hairline where the sheet ends
PART = -0.034  # metres: x at which the sweep begins, on the subject's right


def top(azimuth: np.ndarray, polar: np.ndarray) -> np.ndarray:
    """1 where hair is long: the crown down to the forehead; 0 where it is clipped, at sides and nape."""
    ahead = np.exp(-((azimuth / 0.78) ** 4))
    edge = 0.92 + 0.75 * ahead - 0.16 * np.cos(azimuth)
    return smoothstep(edge + 0.34, edge - 0.34, polar)


def volume(azimuth: np.ndarray, polar: np.ndarray, scalp: Scalp) -> np.ndarray:
    """Thickness of the hair in metres over the scalp."""
    share = np.clip(polar / scalp.limit(azimuth), 0, 1.2)
    inner = np.maximum(1.0 - share, 0)
    front = np.exp(-((azimuth / 0.80) ** 2))
    x = np.sin(polar) * np.sin(azimuth)
    long_ = top(azimuth, polar)
    crown = 0.0130 + 0.0085 * front * smoothstep(0.45, 0.85, share)
    quiff = 0.0055 * front * np.exp(-(((share - 0.84) / 0.13) ** 2)) * smoothstep(-0.50, 0.20, x)
    clump = 0.0013 * np.sin(azimuth * 13 + 7 * share) + 0.0009 * np.sin(azimuth * 23 + 1.3 - 6 * share)
    side = 0.0028 + 0.0040 * smoothstep(0.0, 0.45, inner)
    rise = 1 - np.exp(-inner / (0.060 * front + 0.10 * (1 - front)))
    return 0.0008 + rise * (side + long_ * (crown - side + quiff + clump * smoothstep(0.1, 0.4, share)))


def field(point: np.ndarray) -> np.ndarray:
    """Where hair points at a place of the scalp."""
    x, y, z = point[:, 0], point[:, 1], point[:, 2]
    up = unit(point - np.array([0.0, 0.05, -0.001]))[:, 1]
    high = smoothstep(0.25, 0.70, up + 0.25 * smoothstep(0.05, 0.09, z))[:, None]
    over = np.where(x < PART, -0.4, 1.0) * smoothstep(0.0, 0.012, np.abs(x - PART))
    crown = np.stack([0.95 * over, 0.18 + 0 * y, -0.30 - 0.5 * smoothstep(0.04, -0.04, z)], -1)
    down = np.stack([0.1 * np.sign(x), -1.0 + 0 * y, -0.30 + 0 * z], -1)
    front = smoothstep(0.070, 0.095, z)[:, None]  # at the forehead hair grows up before it falls aside
    crown = crown + front * np.array([0.0, 0.9, -0.4])
    return high * crown + (1 - high) * down


def build(scalp: Scalp) -> Tuft:
    """Sheet, locks on top, fine hairs at the hairline, strays."""
    rng = np.random.default_rng(41)
    tuft = Tuft()
    start = np.linspace(-np.pi, np.pi, COLUMNS, endpoint=False)[:, None]
    share = (1 - (1 - np.linspace(0.010, 1, ROWS)[None]) ** 1.15) * INSET
    ragged = 1 + 0.006 * np.sin(start * 15 + 2 * np.sin(start * 4)) + 0.004 * rng.normal(0, 1, (COLUMNS, 1))
    azimuth = start + 0.50 * np.exp(-((start / 1.0) ** 2)) * share**2
    polar = share * scalp.limit(azimuth) * (1 + (ragged - 1) * share)
    sheet = scalp.over(azimuth, polar, volume(azimuth, polar, scalp))
    long_ = top(azimuth, polar)
    inner = 1 - share
    fade = 1 - 0.46 * smoothstep(0.36, 0.0, inner) * smoothstep(0.95, 1.35, np.abs(azimuth))
    alpha = (fade + (1 - fade) * long_) * (0.75 + 0.25 * smoothstep(0.0, 0.06, inner))
    shade = 0.78 + 0.12 * long_
    add_sheet(tuft, sheet, scalp.over(azimuth, polar, 0.0), (0.0, 1.0), closed=True, shade=shade, repeat=2,
              alpha=alpha)  # fmt: skip
    around = azimuth[:, -1]
    rim = [scalp.over(around, x * scalp.limit(around) * ragged[:, 0], 0.0005) for x in (INSET - 0.02, 1.025)]
    add_hem(tuft, sheet[:, -1], rim[1], rim[0], 0.36)

    # Body: locks that lie on the volume, their roots hidden in it.
    steps = 6
    a, p = scatter(scalp, 360, rng, (0.0, 0.90))
    keep = top(a, p) > 0.30
    a, p = a[keep], p[keep]
    length = (0.014 + 0.028 * top(a, p)) * rng.uniform(0.8, 1.2, len(a))
    lay(tuft, scalp, rng, a, p, field, length, steps, rng.uniform(0.0075, 0.0120, len(a)),
        (0, 12), (0.0004, 0.0030), volume, sway=0.14)  # fmt: skip
    # Hairline: from the forehead up and over, at temples, ears and nape down.
    a = np.concatenate([rng.uniform(-0.80, 0.80, 84), rng.uniform(-np.pi, np.pi, 40)])
    ahead = np.exp(-((a / 0.75) ** 4))
    p = scalp.limit(a) * (ahead * rng.uniform(0.955, 1.015, len(a)) + (1 - ahead) * rng.uniform(0.90, 0.985, len(a)))
    length = ahead * rng.uniform(0.018, 0.034, len(a)) + (1 - ahead) * rng.uniform(0.006, 0.012, len(a))
    lay(tuft, scalp, rng, a, p, field, length, steps, rng.uniform(0.0045, 0.0075, len(a)),
        (8, 15), (0.0002, 0.0010), volume, from_skin=True)  # fmt: skip
    # Clipped hair: short, all over sides and nape.
    a, p = scatter(scalp, 350, rng, (0.45, 0.97))
    keep = top(a, p) < 0.45
    a, p = a[keep], p[keep]
    lay(tuft, scalp, rng, a, p, field, rng.uniform(0.010, 0.016, len(a)), 4, rng.uniform(0.007, 0.011, len(a)),
        (0, 12), (0.0002, 0.0016), volume, sway=0.30, shade=0.95)  # fmt: skip
    # Strays that break the outline.
    a, p = scatter(scalp, 110, rng, (0.0, 0.85))
    keep = top(a, p) > 0.5
    a, p = a[keep], p[keep]
    lay(tuft, scalp, rng, a, p, field, rng.uniform(0.03, 0.05, len(a)), steps, rng.uniform(0.008, 0.012, len(a)),
        (12, 15), (0.0010, 0.0050), volume)  # fmt: skip
    return tuft


def lay(tuft, scalp, rng, azimuth, polar, field, length, steps, width, tiles, lift, volume, from_skin=False,
        sway=0.18, shade=1.0):  # fmt: skip
    """Cards from roots over the volume. tiles: range of tiles; lift: metres over the sheet at root and tip."""
    n = len(azimuth)
    # Neighbours lean alike: a lock is many cards.
    alike = np.sin(azimuth * 9 + 4 * np.sin(polar * 7)) * np.cos(polar * 11 + 2 * np.sin(azimuth * 5))
    turn = (sway * (1.3 * alike + 0.5 * rng.normal(0, 1, n)))[:, None]

    def leaning(point):
        ahead = field(point)
        return ahead + turn * np.cross(unit(point - [0.0, 0.05, 0.0]), ahead)

    a, p = comb(scalp, azimuth, polar, leaning, length, steps)
    s = np.linspace(0, 1, steps)[None]
    high = volume(a, p, scalp)
    rise = smoothstep(0, 0.6, s) if from_skin else smoothstep(-0.35, 0.30, s)
    free = rng.uniform(0.3, 1.0, (n, 1))
    height = 0.0005 + high * rise + lift[0] + free * (lift[1] - lift[0]) * s**1.3
    points = scalp.over(a, p, height)
    outward = scalp.ray(a, p) + rng.normal(0, 0.12, (n, 1, 3))
    alpha = np.clip(s / 0.22, 0.0 if not from_skin else 0.35, 1) * np.ones((n, 1))
    dark = shade * (0.84 + 0.24 * s) * rng.uniform(0.88, 1.06, (n, 1))
    pick = rng.integers(tiles[0], tiles[1], n)
    add_cards(tuft, points, unit(outward), width, pick, scalp.over(azimuth, polar, 0.0), alpha, dark)
