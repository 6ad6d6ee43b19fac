"""Tied hair: drawn back from a tight hairline to a knot high on the back of the head, a few strands loose."""

import numpy as np

from engine.assets.head_build.hair_cards import Tuft, add_cards, add_guides, add_hem, add_sheet
from engine.assets.head_build.hair_scalp import CENTRE, Scalp, smoothstep, unit

COLUMNS, ROWS = 84, 12
KNOT = CENTRE + np.array([0.0, 0.094, -0.056])  # middle of the bun
RADIUS = 0.034
SINK = 0.020  # how far the drawn hair ends inside the bun


def drawn(scalp: Scalp, azimuth: np.ndarray, start: float | np.ndarray, rows: int, lift: float | np.ndarray,
          stop: float = 1.0) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Strands (n, rows, 3) from the hairline at azimuth (n,) over the scalp to the knot, and their outward."""
    root = unit(scalp.ray(azimuth, scalp.limit(azimuth) * start))
    end = unit(KNOT - CENTRE)
    s = stop * np.linspace(0, 1, rows)[None, :, None] ** 1.35
    angle = np.arccos(np.clip((root * end).sum(-1), -1, 1))[:, None, None]
    ray = (np.sin((1 - s) * angle) * root[:, None] + np.sin(s * angle) * end) / np.sin(angle)
    a, p = scalp.polar(CENTRE + ray)
    swell = 0.0007 + 0.0093 * smoothstep(0.0, 0.30, s[..., 0]) + 0.004 * smoothstep(0.3, 0.8, s[..., 0])
    return scalp.over(a, p, swell + lift), ray


def line(azimuth: np.ndarray) -> np.ndarray:
    """Where the drawn hair begins (n,), as a share of the hairline: a low peak in the middle, round temples, and
    before the ears less than hair that is worn short."""
    aside = np.abs(azimuth)
    peak, corner = 0.014 * np.exp(-((aside / 0.16) ** 2)), 0.022 * np.exp(-(((aside - 0.50) / 0.20) ** 2))
    return 0.978 + peak - corner - 0.035 * np.exp(-(((aside - 1.30) / 0.16) ** 2))


def _baby(tuft: Tuft, scalp: Scalp, rng: np.random.Generator) -> None:
    """The hairline itself: fine hairs before the thick of it, each fading in from the skin, here more, there less."""
    n, steps = 180, 5
    azimuth = np.concatenate([rng.uniform(-1.35, 1.35, 140), rng.uniform(-np.pi, np.pi, 40)])
    azimuth += 0.05 * np.sin(azimuth * 17 + 1)  # in groups
    start = line(azimuth) + rng.triangular(-0.02, 0.022, 0.065, n)
    points, ray = drawn(scalp, azimuth, start, steps, rng.uniform(-0.0008, 0.0006, (n, 1)), 0.20)
    lean = 0.0045 * rng.normal(0, 1, (n, 1)) * np.linspace(1, 0, steps)[None] ** 1.5  # their roots grow every way
    points = points + np.cross(unit(np.gradient(points, axis=1)), ray) * lean[..., None]
    s = np.linspace(0, 1, steps)[None]
    alpha = np.clip(np.minimum(s / 0.45, (1 - s) / 0.25), 0.0, 1) * rng.uniform(0.45, 1.0, (n, 1))
    shade = rng.uniform(0.92, 1.06, (n, 1)) * np.ones((1, steps))
    root = scalp.over(azimuth, scalp.limit(azimuth) * 0.98, 0.0)
    tilt = unit(ray + rng.normal(0, 0.10, (n, 1, 3)))
    add_cards(tuft, points, tilt, rng.uniform(0.004, 0.008, n), rng.integers(8, 15, n), root, alpha, shade)


def build(scalp: Scalp) -> Tuft:
    """The drawn sheet, the bun, cards over both, baby hairs at the hairline, loose strands at the temples."""
    rng = np.random.default_rng(47)
    tuft = Tuft()
    around = np.linspace(-np.pi, np.pi, COLUMNS, endpoint=False)
    s = np.linspace(0, 1, ROWS)[None] ** 1.35
    wave = 0.6 * np.sin(around * 19 + 2 * np.sin(around * 3)) + 0.4 * np.sin(around * 31 + 1)
    groove = (0.0003 + 0.0011 * smoothstep(0.0, 0.4, s)) * wave[:, None]
    ragged = 0.5 * np.sin(around * 14 + 2 * np.sin(around * 5)) + 0.5 * np.sin(around * 23 + 3 * np.sin(around * 7))
    begin = line(around) + 0.005 * ragged + 0.004 * rng.normal(0, 1, COLUMNS)
    sheet, _ = drawn(scalp, around, begin, ROWS, groove)
    foot = scalp.over(around, scalp.limit(around) * begin, 0.0)
    # Thin at its edge and at some places thinner than at others: skin shows between the hairs.
    sparse = np.clip(0.5 + 0.35 * np.sin(around * 9 + 2 * np.sin(around * 4)) + 0.3 * rng.normal(0, 1, COLUMNS), 0, 1)
    edge = (0.56 - 0.10 * sparse)[:, None]
    thin = edge + (1 - edge) * smoothstep(0.0, (0.06 + 0.10 * sparse)[:, None], s)
    shade = (0.94 + 0.10 * np.minimum(wave, 0))[:, None] * (1.0 - 0.12 * smoothstep(0.35, 0.9, s))
    shade = shade * (0.88 + 0.12 * smoothstep(0.0, 0.10, s))  # as the skin below it is in its shadow
    add_sheet(tuft, sheet, np.repeat(foot[:, None], ROWS, 1), (0.0, 1.0), closed=True, shade=shade, repeat=2,
              alpha=thin)  # fmt: skip
    bare = scalp.over(around, scalp.limit(around) * (begin + 0.055 + 0.01 * ragged), 0.0005)
    within = scalp.over(around, scalp.limit(around) * (begin - 0.02), 0.0014)  # a little over the edge of the sheet
    add_hem(tuft, within, bare, foot, 0.20)
    _bun(tuft, scalp, rng)
    n = 50
    azimuth = rng.uniform(-np.pi, np.pi, n)
    points, ray = drawn(scalp, azimuth, rng.uniform(0.6, 0.99, n), 6, rng.uniform(0.0002, 0.0016, (n, 1)), 0.7)
    _cards(tuft, scalp, rng, points, ray, azimuth, (0, 11), rng.uniform(0.006, 0.009, n), 0.0)
    _baby(tuft, scalp, rng)
    n = 240  # the whole sheet in hairs, for renderers that draw those
    azimuth = rng.uniform(-np.pi, np.pi, n)
    begin = np.concatenate([line(azimuth[:90]) * rng.uniform(0.98, 1.02, 90), rng.uniform(0.35, 0.95, n - 90)])
    points, _ = drawn(scalp, azimuth, begin, 12, rng.uniform(0.0001, 0.0012, (n, 1)), 0.72)
    root = scalp.over(azimuth, scalp.limit(azimuth) * 0.98, 0.0)
    add_guides(tuft, points, root, np.full(n, 0.011))
    _flyaways(tuft, scalp, rng)
    _loose(tuft, scalp, rng)
    return tuft


def _cards(tuft, scalp, rng, points, ray, azimuth, tiles, width, first):
    n, steps = points.shape[:2]
    s = np.linspace(0, 1, steps)[None]
    alpha = np.clip(np.minimum(s / 0.2, (1 - s) / 0.2 + 0.2), first, 1) * np.ones((n, 1))
    shade = 1.0 * rng.uniform(0.92, 1.06, (n, 1)) * np.ones((1, steps))
    tilt = unit(ray + rng.normal(0, 0.15, (n, 1, 3)))
    root = scalp.over(azimuth, scalp.limit(azimuth) * 0.98, 0.0)
    add_cards(tuft, points, tilt, width, rng.integers(*tiles, n), root, alpha, shade)


def _bun(tuft: Tuft, scalp: Scalp, rng: np.random.Generator) -> None:
    """A ball of wound hair: an opaque sheet whose columns run round it, and locks wound over it."""
    axis = unit(KNOT - CENTRE)
    side = unit(np.cross(axis, [1.0, 0.0, 0.0]))
    other = np.cross(axis, side)

    def ball(turn, polar, radius):
        flat = np.cos(turn)[..., None] * side + np.sin(turn)[..., None] * other
        ray = np.sin(polar)[..., None] * flat + 0.80 * np.cos(polar)[..., None] * axis
        return KNOT + ray * np.asarray(radius)[..., None], unit(ray)

    polar, turn = np.meshgrid(np.linspace(0.06, 2.5, 15), np.linspace(0, 2 * np.pi, 26), indexing="ij")
    twist = turn + 0.9 * polar
    radius = RADIUS * (1 + 0.05 * np.sin(5 * twist + 3 * polar) + 0.03 * np.sin(9 * twist))
    points, _ = ball(turn, polar, radius)
    foot = scalp.over(*scalp.polar(KNOT[None]), 0.0)[0]
    add_sheet(tuft, points, np.broadcast_to(foot, points.shape), (0.0, 1.0), shade=0.88)
    n, steps = 46, 8
    s = np.linspace(0, 1, steps)[None]
    start, lean = rng.uniform(0, 2 * np.pi, (n, 1)), rng.choice([-1.0, 1.0], (n, 1), p=[0.25, 0.75])
    turn = start + lean * s * rng.uniform(1.2, 2.4, (n, 1))
    polar = rng.uniform(0.25, 1.6, (n, 1)) + (s - 0.5) * rng.uniform(-0.5, 0.9, (n, 1))
    points, ray = ball(turn, polar, RADIUS * (1.03 + 0.10 * rng.random((n, 1)) * np.sin(np.pi * s)))
    alpha = np.clip(np.minimum(s, 1 - s) / 0.2, 0, 1) * np.ones((n, 1))
    shade = rng.uniform(0.88, 1.06, (n, 1)) * np.ones((1, steps))
    tilt = unit(ray + rng.normal(0, 0.15, (n, 1, 3)))
    add_cards(tuft, points, tilt, rng.uniform(0.007, 0.011, n), rng.integers(0, 14, n),
              np.broadcast_to(foot, (n, 3)), alpha, shade, taper=0.8)  # fmt: skip


def _flyaways(tuft: Tuft, scalp: Scalp, rng: np.random.Generator) -> None:
    """Single hairs that rise from the drawn hair and break its outline."""
    n, steps = 34, 6
    azimuth = rng.uniform(-np.pi, np.pi, n)
    s = np.linspace(0, 1, steps)[None]
    high = rng.uniform(0.002, 0.007, (n, 1)) * np.sin(np.pi * np.minimum(s * 0.8, 1))
    points, ray = drawn(scalp, azimuth, rng.uniform(0.45, 0.95, n), steps, high, 0.6)
    _cards(tuft, scalp, rng, points, ray, azimuth, (12, 15), rng.uniform(0.005, 0.008, n), 0.0)


def _loose(tuft: Tuft, scalp: Scalp, rng: np.random.Generator) -> None:
    """Strands that have come free before the ears and hang beside the face."""
    n, steps = 10, 8
    side = np.where(np.arange(n) % 2 == 0, 1.0, -1.0)
    azimuth = side * rng.uniform(0.80, 1.05, n)
    point = scalp.over(azimuth, scalp.limit(azimuth) * 0.985, 0.002)
    root, paths = point.copy(), [point]
    length = rng.uniform(0.05, 0.085, n)
    for k in range(1, steps):
        s = k / (steps - 1)
        ahead = np.stack([side * (0.55 - 0.75 * s), np.full(n, -0.9), 0.45 - 0.75 * s + 0 * side], -1)
        point = scalp.clear(point + unit(ahead) * (length / (steps - 1))[:, None], 0.002 + 0.006 * s)
        paths.append(point)
    points = np.stack(paths, 1)
    s = np.linspace(0, 1, steps)[None]
    outward = unit((points - CENTRE) * [0.6, 0.2, 0.4] + [0.0, 0.0, 0.06] + rng.normal(0, 0.01, (n, 1, 3)))
    add_cards(tuft, points, outward, rng.uniform(0.003, 0.0055, n), rng.integers(12, 15, n), root,
              np.clip(s / 0.15, 0.2, 1) * np.ones((n, 1)), np.ones((n, steps)))  # fmt: skip
