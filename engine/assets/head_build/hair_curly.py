"""Curly hair: a cloud of coils round the head, its outline broken by single curls."""

import numpy as np

from engine.assets.head_build.hair_cards import Tuft, add_cards, add_hem, add_sheet
from engine.assets.head_build.hair_comb import bent, comb, scatter
from engine.assets.head_build.hair_scalp import Scalp, smoothstep, unit

COLUMNS, ROWS, INSET = 64, 15, 0.975


def volume(azimuth: np.ndarray, polar: np.ndarray, scalp: Scalp) -> np.ndarray:
    """Thickness of the hair in metres over the scalp: full on top and at the sides, lumpy as curls are."""
    share = np.clip(polar / scalp.limit(azimuth), 0, 1.2)
    front = np.exp(-((azimuth / 0.9) ** 2))
    rise = 1 - np.exp(-np.maximum(1.0 - share, 0) / (0.17 * front + 0.15 * (1 - front)))
    lump = np.sin(11 * azimuth + 4 * np.sin(9 * polar)) * np.sin(15 * polar + 2 * np.sin(7 * azimuth))
    fine = np.sin(23 * azimuth + 3 * np.sin(17 * polar)) * np.sin(27 * polar + 2 * np.sin(19 * azimuth))
    calm = smoothstep(0.06, 0.25, polar)
    return 0.0015 + rise * (0.0275 + 0.0035 * np.cos(polar) + calm * (0.0035 * lump + 0.0018 * fine))


def field(point: np.ndarray) -> np.ndarray:
    """Away from the whorl and down."""
    out = unit(point - np.array([0.0, 0.125, -0.03]))
    return out + np.array([0.0, -0.35, 0.1])


def build(scalp: Scalp) -> Tuft:
    """A lumpy sheet, coils all over it, springs at the hairline and beyond the outline."""
    rng = np.random.default_rng(53)
    tuft = Tuft()
    start = np.linspace(-np.pi, np.pi, COLUMNS, endpoint=False)[:, None]
    share = np.linspace(0.012, 1, ROWS)[None] ** 0.85 * INSET
    azimuth, polar = np.broadcast_arrays(start, share * scalp.limit(start))
    sheet = scalp.over(azimuth, polar, volume(azimuth, polar, scalp))
    thick = volume(azimuth, polar, scalp)
    hollow = 0.5 * (np.roll(thick, 1, 0) + np.roll(thick, -1, 0)) - thick  # between the lumps it is dark
    shade = 0.42 - 0.16 * np.clip(hollow / 0.0015, -1, 1)
    alpha = 0.74 + 0.26 * smoothstep(1.0, 0.95, share / INSET) * np.ones_like(polar)
    add_sheet(tuft, sheet, scalp.over(azimuth, polar, 0.0), (0.0, 1.0), closed=True, shade=shade, alpha=alpha, repeat=2,
              ruffle=rng.normal(0, 1, (COLUMNS * ROWS, 2)) * [0.022, 0.012])  # fmt: skip
    rim = [scalp.over(start[:, 0], x * scalp.limit(start[:, 0]), 0.0006) for x in (0.94, 1.02)]
    add_hem(tuft, sheet[:, -1], rim[1], rim[0], 0.28)
    a, p = scatter(scalp, 280, rng, (0.0, 0.98))
    _coils(tuft, scalp, rng, a, p, 0.020, 0.0034, 1.2, (0, 12), (-0.001, 0.0045), 0.0080)
    a = np.concatenate([rng.uniform(-1.3, 1.3, 110), rng.uniform(-np.pi, np.pi, 40)])
    p = scalp.limit(a) * rng.uniform(0.930, 1.008, len(a))
    _coils(tuft, scalp, rng, a, p, 0.016, 0.0028, 1.3, (4, 13), (0.0, 0.003), 0.0066, from_skin=True)
    a, p = scatter(scalp, 100, rng, (0.0, 0.96))
    _coils(tuft, scalp, rng, a, p, 0.022, 0.0045, 1.5, (8, 14), (0.0, 0.007), 0.0075)
    return tuft


def _coils(tuft, scalp, rng, azimuth, polar, length, size, waves, tiles, lift, width, from_skin=False):
    n, steps = len(azimuth), 5
    turn = rng.normal(0, 0.9, (n, 1))

    def astray(point):
        ahead = unit(field(point))
        return np.cos(turn) * ahead + np.sin(turn) * np.cross(unit(point - [0.0, 0.05, 0.0]), ahead)

    a, p = comb(scalp, azimuth, polar, astray, length * rng.uniform(0.7, 1.2, n), steps)
    s = np.linspace(0, 1, steps)[None]
    high = volume(a, p, scalp)
    if from_skin:
        high = np.maximum(high, 0.010 * s)
    rise = smoothstep(0.0, 0.5, s) if from_skin else 1.0
    height = high * rise + lift[0] + rng.uniform(0.2, 1.0, (n, 1)) * (lift[1] - lift[0]) * s
    points = scalp.over(a, p, np.maximum(height, 0.0004))
    outward = scalp.ray(a, p)
    points = bent(points, outward, waves, size * rng.uniform(0.6, 1.3, n), rng.uniform(0, 2 * np.pi, n), lift=0.75)
    alpha = np.clip(np.minimum(s / 0.15, (1 - s) / 0.15 + 0.3), 0.5 if from_skin else 0.0, 1) * np.ones((n, 1))
    shade = rng.uniform(0.62, 0.98, (n, 1)) * np.ones((1, steps))
    tilt = unit(outward + rng.normal(0, 0.15, (n, 1, 3)))
    add_cards(tuft, points, tilt, width * rng.uniform(0.8, 1.2, n), rng.integers(*tiles, n),
              scalp.over(azimuth, polar, 0.0), alpha, shade, taper=0.7)  # fmt: skip
