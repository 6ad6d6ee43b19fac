"""Long hair: parted off the middle, swept off the face over the ears, falling in wavy locks before and behind.

One side is a sheet of COLUMNS strands: on the head they run from the parting to the level of the ears, below they
fall round the neck. Columns gather in locks that stand out from each other, wave and end in points of their own.
"""

import numpy as np

from engine.assets.head_build.hair_cards import Tuft, add_cards, add_guides, add_sheet
from engine.assets.head_build.hair_scalp import CENTRE, Scalp, smoothstep, unit

PART = 0.012  # metres: the parting lies on the subject's left
COLUMNS, ROWS = 42, 23
LOCK = 6  # columns of a lock
LEVEL = 0.036  # metres: height at which hair leaves the head and falls
FALL = (-0.190, -0.165)  # metres: where locks end, in front and in the back
LINED = 21  # rows that have a lining
BODY = 0.40  # share of the rows that lie on the head


def guides(scalp: Scalp, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Smooth strands (COLUMNS, ROWS, 3) of one side (+1 the subject's left) from the face to the middle of the back,
    before they gather in locks, and t (COLUMNS,): 0 beside the face .. 1 in the middle of the back."""
    t = np.linspace(0, 1, COLUMNS)
    front, back = scalp.limit(np.zeros(1))[0] * 0.985, scalp.limit(np.array([np.pi]))[0] * 0.55
    turn = front - (back + front) * t**1.2
    root = scalp.over(np.where(turn >= 0, 0.0, np.pi), np.abs(turn), 0.002)
    zigzag = 0.0008 * np.sin(t * 21) * np.sin(t * 9 + 1)
    root[:, 0] = (PART + zigzag) * (1 - smoothstep(0.30, 0.60, t)) - side * 0.0006
    first = unit(root - CENTRE)
    around = np.radians(54 + 124 * t**0.95)
    last = np.stack([side * np.sin(around), np.zeros(COLUMNS), np.cos(around)], -1)
    last = unit(last * [1.0, 1.0, 1.05] + [0.0, (LEVEL - CENTRE[1]) / 0.085, -0.08])
    on_head = int(ROWS * BODY)
    s = np.linspace(0, 1, on_head)[None, :, None]
    angle = np.arccos(np.clip((first * last).sum(-1), -1, 1))[:, None, None]
    ray = (np.sin((1 - s) * angle) * first[:, None] + np.sin(s * angle) * last[:, None]) / np.sin(angle)
    a, p = scalp.polar(CENTRE + ray)
    full = 0.013 + 0.010 * smoothstep(0.0, 0.35, t)[:, None]
    rise = smoothstep(-0.06, 0.20, s[..., 0]) * (0.85 + 0.15 * s[..., 0])
    head = scalp.over(a, p, 0.0030 + full * rise)
    path = np.concatenate([head, _fall(scalp, head[:, -1], t, side)], 1)
    for _ in range(6):  # without kinks
        path[:, 1:-1] = 0.25 * path[:, :-2] + 0.5 * path[:, 1:-1] + 0.25 * path[:, 2:]
    return path, t


def _fall(scalp: Scalp, top: np.ndarray, t: np.ndarray, side: int) -> np.ndarray:
    """What hangs below points top (n, 3): close to the neck, then over the shoulder or down the back."""
    rows = ROWS - int(ROWS * BODY)
    s = np.linspace(0, 1, rows + 1)[None, 1:]
    end = FALL[0] + (FALL[1] - FALL[0]) * smoothstep(0.3, 0.6, t)
    y = top[:, 1:2] + (end[:, None] - top[:, 1:2]) * s
    ahead = smoothstep(0.62, 0.20, t)[:, None]  # falls before the shoulder
    # Beside the face it follows the cheek inwards, further back it stands off.
    x = top[:, :1] + side * 0.014 * smoothstep(0.0, 0.5, s) * np.abs(top[:, :1]) / 0.09
    across = 0.034 + (0.112 - 0.034) * smoothstep(0.0, 0.50, t)[:, None]
    x = x + (side * across - x) * ahead * smoothstep(-0.1, 0.75, s) * (1 - 0.25 * smoothstep(0.75, 1, s))
    z = top[:, 2:] + 0.042 * ahead * smoothstep(0.15, 1.0, s) - 0.012 * (1 - ahead) * smoothstep(0.3, 1, s)
    points = np.stack([x, y, z], -1)
    return scalp.clear(points, 0.006 + 0.006 * t[:, None] + 0.004 * s)


def locks(path: np.ndarray, t: np.ndarray, outward: np.ndarray, rng: np.random.Generator
          ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """The strands gathered in locks, how open (columns, rows) each of their points is to the light, and where
    (columns - 1, rows - 1) neighbours have parted."""
    n, rows = path.shape[:2]
    s = np.linspace(0, 1, rows)[None]
    column = np.arange(n)
    cut = np.cumsum(np.r_[0, rng.integers(LOCK - 2, LOCK + 3, n)])
    cut = np.r_[cut[cut < n - 2], n]
    of = np.searchsorted(cut, column, "right") - 1
    middle, half = 0.5 * (cut[of] + cut[of + 1] - 1), np.maximum(0.5 * (cut[of + 1] - cut[of]), 1)
    within = (column - middle) / half  # -1 .. 1 across the lock
    away = rng.normal(0, 1, len(cut))[of][:, None]
    # Ends: a lock is as long as chance will have it, longest in its middle, and its strands meet there.
    shorter = (rng.uniform(0, 0.10, len(cut))[of] + 0.05 * np.abs(within) ** 1.5)[:, None]
    at = s * (1 - shorter * smoothstep(0.35, 1.0, s)) * (rows - 1)
    r = np.clip(at.astype(int), 0, rows - 2)
    f = (at - r)[..., None]
    out = path[column[:, None], r] * (1 - f) + path[column[:, None], r + 1] * f
    low = np.clip(middle, 0, n - 1.001)
    i, g = low.astype(int), (low % 1)[:, None, None]
    core = out[i] * (1 - g) + out[np.minimum(i + 1, n - 1)] * g
    meet = (0.10 * smoothstep(0.3, 0.7, s) + 0.72 * smoothstep(0.80, 1.0, s))[..., None]
    out = out + (core - out) * meet
    # Waves, alike in neighbours, that begin below the ears.
    sway = np.cross(unit(np.gradient(path, axis=1)), outward)
    turn = 2 * np.pi * (1.9 * s + 0.08 * away + 0.8 * t[:, None])
    size = 0.0115 * smoothstep(0.30, 0.75, s)
    out = out + sway * (size * np.sin(turn))[..., None] + outward * (0.6 * size * np.cos(turn + 0.7 * away))[..., None]
    ridge = np.sqrt(np.clip(1 - within**2, 0, 1))[:, None] - 0.75
    grow = smoothstep(0.02, 0.30, s)
    out = out + outward * ((0.0042 * ridge + 0.0014 * away) * grow)[..., None]
    torn = (of[1:] != of[:-1])[:, None] & (s[:, 1:] > rng.uniform(0.80, 0.93, n - 1)[:, None])
    return out, 1 - (1 - smoothstep(-0.75, 0.05, ridge)) * 0.55 * grow, torn


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
        sheet, open_, torn = locks(path, t, outward, rng)
        foot = np.repeat(path[:, :1], ROWS, 1)
        span = (0.0, 0.5) if side > 0 else (1.0, 0.5)
        s = np.linspace(0, 1, ROWS)[None]
        alpha = 0.66 + 0.34 * smoothstep(0.0, 0.06, s) * np.ones((COLUMNS, 1))
        shade = open_ * (0.80 + 0.20 * smoothstep(0.0, 0.35, s))
        add_sheet(tuft, sheet, foot, span, shade=shade, rest=shoulders(sheet), repeat=2, alpha=alpha, torn=torn)
        bottom = smoothstep(1.0, 0.8, s)
        inner = sheet - outward * (0.006 * smoothstep(0.0, 0.2, t)[:, None] * bottom)[..., None]
        add_lining(tuft, inner, foot)
        _strands(tuft, rng, sheet)
        n = 190  # the whole sheet in hairs, for renderers that draw those
        first = np.concatenate([np.zeros(50), rng.uniform(0.0, 0.72, n - 50)])
        column, last = rng.uniform(0, COLUMNS - 1, n), np.minimum(first + rng.uniform(0.30, 0.45, n), 1.0)
        add_guides(tuft, between(sheet, column, first, last, 12), path[column.astype(int), 0], np.full(n, 0.012))
    _roots(tuft, scalp)
    return tuft


def _roots(tuft: Tuft, scalp: Scalp) -> None:
    """A strip under the parting: dark roots where the two sides leave a gap."""
    left, right = (guides(scalp, side)[0][4:-6, 2] for side in (1, -1))
    s = np.linspace(0, 1, 7)[None, :, None]
    a, p = scalp.polar(left[:, None] * (1 - s) + right[:, None] * s)
    strip = scalp.over(a, p, 0.0022)
    add_sheet(tuft, strip, scalp.over(a, p, 0.0), (0.05, 0.45), shade=0.62)


def _strands(tuft: Tuft, rng: np.random.Generator, sheet: np.ndarray) -> None:
    """Cards over one side's sheet."""
    n = 28  # locks
    first = rng.uniform(0.06, 0.62, n)
    column = (COLUMNS - 1) * rng.uniform(0, 1, n) ** 1.4
    _cards(tuft, rng, sheet, column, first, first + rng.uniform(0.26, 0.40, n), (0, 12), 0.0025,
           rng.uniform(0.008, 0.012, n))  # fmt: skip
    n = 26  # ends, ragged
    _cards(tuft, rng, sheet, (COLUMNS - 1) * rng.uniform(0, 1, n) ** 1.3, rng.uniform(0.72, 0.86, n), np.full(n, 1.0),
           (6, 14), 0.005, rng.uniform(0.008, 0.013, n), beyond=0.026)  # fmt: skip
    n = 18  # beside the face
    first = rng.uniform(0.04, 0.70, n)
    _cards(tuft, rng, sheet, rng.uniform(-0.3, 1.6, n), first, first + rng.uniform(0.2, 0.35, n), (8, 15), 0.004,
           rng.uniform(0.006, 0.010, n), astray=0.004)  # fmt: skip
    n = 20  # over the parting
    _cards(tuft, rng, sheet, rng.uniform(0, 24, n), np.zeros(n), rng.uniform(0.10, 0.20, n), (4, 13), 0.0012,
           rng.uniform(0.005, 0.008, n), rooted=True)  # fmt: skip


def add_lining(tuft: Tuft, inner: np.ndarray, foot: np.ndarray) -> None:
    """The inside of a sheet, seen behind the neck: the same grid, coarser, turned round and dark."""
    coarse = inner[::3, :LINED:2]
    add_sheet(tuft, coarse, foot[::3, :LINED:2], (0.0, 0.5), shade=0.17, rest=shoulders(coarse))
    tuft.triangles[-1] = tuft.triangles[-1][:, ::-1]


def _cards(tuft, rng, path, column, first, last, tiles, lift, width, beyond=0.0, rooted=False, astray=0.0):
    n, steps = len(column), 7
    points = between(path, column, first, np.minimum(last, 1.0), steps)
    centre = np.array([0.0, 0.0, -0.005])
    outward = unit((points - centre) * [1.0, 0.5, 1.0])
    s = np.linspace(0, 1, steps)[None, :, None]
    points = points + outward * (0.0006 + rng.uniform(0.15, 1.0, (n, 1, 1)) * lift * np.clip(s / 0.3, 0.1, 1))
    wave = 0.0022 * np.sin(2 * np.pi * (s * rng.uniform(0.6, 1.3, (n, 1, 1)) + rng.random((n, 1, 1))))
    wave = wave + astray * rng.normal(0, 1, (n, 1, 1)) * s**1.5
    points = points + np.cross(unit(np.gradient(points, axis=1)), outward) * wave * np.clip(s / 0.3, 0, 1)
    points = points + np.array([0.0, -1.0, 0.0]) * beyond * rng.uniform(0.1, 1, (n, 1, 1)) * s**2
    alpha = np.clip(s[..., 0] / 0.25, 0.7 if rooted else 0.0, 1) * np.ones((n, 1))
    shade = (0.95 + 0.10 * s[..., 0]) * rng.uniform(0.90, 1.06, (n, 1))
    tilt = unit(outward + rng.normal(0, 0.12, (n, 1, 3)))
    root = between(path, column, np.zeros(n), np.full(n, 1e-3), 2)[:, 0]
    add_cards(tuft, points, tilt, width, rng.integers(*tiles, n), root, alpha, shade, rest=shoulders(points))
