"""Long hair: parted off the middle, down both sides of the face to the shoulders, some of it in front of them."""

import numpy as np

from engine.assets.head_build.hair_cards import Tuft, add_cards, add_sheet
from engine.assets.head_build.hair_scalp import CENTRE, Scalp, smoothstep, unit

PART = 0.010  # metres: the parting lies on the subject's left
COLUMNS, ROWS = 26, 20
FALL = -0.150  # metres: how low the hair hangs in front
STEPS = 40


def guides(scalp: Scalp, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Strands (COLUMNS, ROWS, 3) of one side (+1 the subject's left) from front to back, and how far from the
    face each is, 0 beside it .. 1 in the middle of the back."""
    t = np.linspace(0, 1, COLUMNS)
    # Roots along the parting, from the forehead over the crown to the nape.
    polar0 = scalp.limit(np.zeros(1))[0] * 0.985
    nape = scalp.limit(np.array([np.pi]))[0] * 0.80
    turn = polar0 + (-nape - polar0) * t**1.15
    azimuth, polar = np.where(turn >= 0, 0.0, np.pi), np.abs(turn)
    root = scalp.over(azimuth, polar, 0.002)
    root[:, 0] = PART * (1 - smoothstep(0.25, 0.55, t)) + side * 0.0004
    a, p = scalp.polar(root)
    root = scalp.over(a, p, 0.003)
    point, paths = root.copy(), [root]
    length = 0.365 - 0.015 * t
    thick = 0.010 + 0.009 * smoothstep(0.0, 0.35, t)
    for k in range(1, STEPS):
        s = k / (STEPS - 1)
        high, normal = scalp.height(point)
        on_head = smoothstep(-0.035, 0.02, point[:, 1])[:, None]
        aside = np.stack([np.full(COLUMNS, side * 1.0), np.full(COLUMNS, -0.45), -0.26 + 0.40 * (0.12 - t)], -1)
        down = np.stack([side * (0.13 - 0.30 * (point[:, 1] < -0.02)) * np.ones(COLUMNS), np.full(COLUMNS, -1.0),
                         0.10 * (1 - 2 * t)], -1)  # fmt: skip
        along = smoothstep(0.02, 0.30, np.array([s]))[0]
        ahead = aside * (1 - along) * on_head + down * (along * on_head + (1 - on_head))
        into = np.minimum((ahead * normal).sum(-1, keepdims=True), 0)
        ahead = ahead - normal * into * (high < 0.03)[:, None]
        point = point + unit(ahead) * (length / (STEPS - 1))[:, None]
        lift = 0.004 + thick * smoothstep(0.0, 0.18, np.array([s]))[0] + 0.006 * smoothstep(0.6, 1.0, np.array([s]))[0]
        point = scalp.clear(point, lift)
        paths.append(point)
    path = np.stack(paths, 1)
    rows = np.linspace(0, STEPS - 1, ROWS)
    low = rows.astype(int).clip(0, STEPS - 2)
    path = path[:, low] + (path[:, low + 1] - path[:, low]) * (rows - low)[None, :, None]
    for _ in range(2):  # neighbours fall alike
        path[1:-1, 1:] = 0.25 * path[:-2, 1:] + 0.5 * path[1:-1, 1:] + 0.25 * path[2:, 1:]
    for _ in range(3):  # and without kinks
        path[:, 1:-1] = 0.25 * path[:, :-2] + 0.5 * path[:, 1:-1] + 0.25 * path[:, 2:]
    return path, t


def between(path: np.ndarray, column: np.ndarray, first: np.ndarray, last: np.ndarray, steps: int) -> np.ndarray:
    """Strands (n, steps, 3) at fractional columns (n,), from row share `first` to `last` (n,)."""
    columns, rows = path.shape[:2]
    c = np.clip(column, 0, columns - 1.001)
    i, f = c.astype(int), (c % 1)[:, None, None]
    strip = path[i] * (1 - f) + path[i + 1] * f
    at = (first[:, None] + (last - first)[:, None] * np.linspace(0, 1, steps)[None]) * (rows - 1)
    at = np.clip(at, 0, rows - 1.001)
    r, g = at.astype(int), (at % 1)[..., None]
    n = np.arange(len(column))[:, None]
    return strip[n, r] * (1 - g) + strip[n, r + 1] * g


def shoulders(points: np.ndarray) -> np.ndarray:
    """Share (...,) by which hair follows the shoulders instead of the head."""
    return 0.75 * smoothstep(-0.075, -0.150, points[..., 1])


def build(scalp: Scalp) -> Tuft:
    """Two sheets that meet at the parting, locks over them, strands at face, parting and ends."""
    rng = np.random.default_rng(43)
    tuft = Tuft()
    for side in (1, -1):
        path, t = guides(scalp, side)
        outward = unit(path - (CENTRE + np.array([0.0, -0.06, -0.01])) * [1, 0, 1] - path * [0, 1, 0] * 0.75)
        groove = 0.0016 * np.sin(t * 47 + side)[:, None] * smoothstep(0.05, 0.4, np.linspace(0, 1, ROWS))[None]
        sheet = path + outward * groove[..., None]
        foot = path[:, :1]
        foot = np.repeat(foot, ROWS, 1)
        span = (0.0, 0.5) if side > 0 else (1.0, 0.5)
        add_sheet(tuft, sheet, foot, span, shade=0.92, rest=shoulders(sheet), repeat=2)
        bottom = smoothstep(1.0, 0.8, np.linspace(0, 1, ROWS))[None]
        inner = sheet - outward * (0.006 * smoothstep(0.0, 0.2, t)[:, None] * bottom)[..., None]
        add_lining(tuft, inner, foot)
        n = 44  # locks
        first = rng.uniform(0.12, 0.60, n)
        column = rng.uniform(0, COLUMNS - 1, n) * rng.random(n) ** 0.4
        _cards(tuft, rng, path, column, first, first + 0.26, (0, 12), 0.0030,
               rng.uniform(0.008, 0.011, n))  # fmt: skip
        n = 30  # ends, ragged
        _cards(tuft, rng, path, rng.uniform(0, COLUMNS - 1, n), rng.uniform(0.80, 0.86, n), np.full(n, 1.0), (8, 15),
               0.004, rng.uniform(0.009, 0.013, n), beyond=0.016)  # fmt: skip
        n = 22  # beside the face
        first = rng.uniform(0.05, 0.75, n)
        _cards(tuft, rng, path, rng.uniform(-0.3, 0.6, n), first, first + 0.25, (8, 15), 0.004,
               rng.uniform(0.006, 0.010, n))  # fmt: skip
        n = 34  # over the parting
        _cards(tuft, rng, path, rng.uniform(0, 13, n), np.zeros(n), rng.uniform(0.08, 0.16, n), (4, 12), 0.0010,
               rng.uniform(0.005, 0.008, n), rooted=True)  # fmt: skip
    return tuft


def add_lining(tuft: Tuft, inner: np.ndarray, foot: np.ndarray) -> None:
    """The inside of a sheet, seen behind the neck: the same grid, coarser, turned round and dark."""
    coarse = inner[::3, ::2]
    add_sheet(tuft, coarse, foot[::3, ::2], (0.0, 0.5), shade=0.45, rest=shoulders(coarse))
    tuft.triangles[-1] = tuft.triangles[-1][:, ::-1]


def _cards(tuft, rng, path, column, first, last, tiles, lift, width, beyond=0.0, rooted=False):
    n, steps = len(column), 7
    points = between(path, column, first, last, steps)
    centre = np.array([0.0, 0.0, -0.005])
    outward = unit((points - centre) * [1.0, 0.5, 1.0])
    s = np.linspace(0, 1, steps)[None, :, None]
    points = points + outward * (0.0006 + rng.uniform(0.15, 1.0, (n, 1, 1)) * lift * np.clip(s / 0.3, 0.1, 1))
    wave = 0.0022 * np.sin(2 * np.pi * (s * rng.uniform(0.6, 1.3, (n, 1, 1)) + rng.random((n, 1, 1))))
    points = points + np.cross(unit(np.gradient(points, axis=1)), outward) * wave * np.clip(s / 0.3, 0, 1)
    points = points + np.array([0.0, -1.0, 0.0]) * beyond * rng.uniform(0.2, 1, (n, 1, 1)) * s**2
    alpha = np.clip(s[..., 0] / 0.25, 0.7 if rooted else 0.0, 1) * np.ones((n, 1))
    shade = (0.95 + 0.10 * s[..., 0]) * rng.uniform(0.90, 1.06, (n, 1))
    tilt = unit(outward + rng.normal(0, 0.2, (n, 1, 3)))
    root = between(path, column, np.zeros(n), np.full(n, 1e-3), 2)[:, 0]
    add_cards(tuft, points, tilt, width, rng.integers(*tiles, n), root, alpha, shade, rest=shoulders(points))
