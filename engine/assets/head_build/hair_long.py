"""Long hair: parted off the middle, swept off the face over the ears, falling in wavy locks before and behind.

One side is a sheet of COLUMNS strands: on the head they run from the parting to the level of the ears, below they
fall round the neck. Columns gather in locks that stand out from each other, wave and end in points of their own.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from engine.assets.head_build.hair_cards import Tuft, add_cards, add_guides, add_sheet
from engine.assets.head_build.hair_scalp import CENTRE, Scalp, smoothstep, unit

PART = 0.012  # metres: the parting lies on the subject's left
COLUMNS, ROWS = 31, 21
LOCK = 3  # columns of a lock
GATHER = 0.68  # share of the rows from which the strands of a lock draw together
LEVEL = 0.036  # metres: height at which hair leaves the head and falls
FALL = (-0.190, -0.165)  # metres: where locks end, in front and in the back
BODY = 0.40  # share of the rows that lie on the head


@dataclass(frozen=True, slots=True)
class Locks:
    """strands and outward (columns, rows, 3); open_ (columns, rows): how open to the light; torn bool (columns - 1,
    rows - 1): where neighbours are not joined; column (columns,) of `guides`, lock (columns,), t (columns,)."""

    strands: np.ndarray
    outward: np.ndarray
    open_: np.ndarray
    torn: np.ndarray
    column: np.ndarray
    lock: np.ndarray
    t: np.ndarray


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
    around = np.radians(49 + 129 * t**0.92)
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
    x = top[:, :1] + side * 0.010 * smoothstep(0.0, 0.5, s) * np.abs(top[:, :1]) / 0.09
    across = 0.034 + (0.112 - 0.034) * smoothstep(0.0, 0.50, t)[:, None]
    x = x + (side * across - x) * ahead * smoothstep(-0.1, 0.75, s) * (1 - 0.25 * smoothstep(0.75, 1, s))
    z = top[:, 2:] + 0.042 * ahead * smoothstep(0.15, 1.0, s) - 0.012 * (1 - ahead) * smoothstep(0.3, 1, s)
    points = np.stack([x, y, z], -1)
    return scalp.clear(points, 0.006 + 0.006 * t[:, None] + 0.004 * s)


def locks(path: np.ndarray, t: np.ndarray, outward: np.ndarray, rng: np.random.Generator) -> Locks:
    """The strands gathered in locks that end in points, longest in the middle of a lock.

    The strand between two locks belongs to both: above they share its way, below they part from one point.
    """
    n, rows = path.shape[:2]
    cut = np.cumsum(np.r_[0, rng.integers(LOCK - 1, LOCK + 3, n)])
    cut = np.r_[cut[cut < n - 2], n - 1]
    column = np.concatenate([np.arange(a, b + 1) for a, b in pairwise(cut)])
    of = np.repeat(np.arange(len(cut) - 1), np.diff(cut) + 1)
    path, t, outward = path[column], t[column], outward[column]
    s = np.linspace(0, 1, rows)[None]
    middle, half = 0.5 * (cut[of] + cut[of + 1]), 0.5 * (cut[of + 1] - cut[of])
    within = (column - middle) / half  # -1 .. 1 across the lock
    own = rng.normal(0, 1, len(cut) - 1)
    away = np.interp(column, 0.5 * (cut[1:] + cut[:-1]), own)[:, None]  # alike on both sides of a parting
    shorter = (rng.uniform(0.04, 0.16, len(cut) - 1)[of] + 0.06 * np.abs(within) ** 1.5)[:, None]
    share = s * (1 - shorter * smoothstep(0.50, 1.0, s))
    out, side = along(path, share), unit(np.gradient(path, axis=1))
    # Waves, alike in neighbours, that begin below the ears.
    turn = 2 * np.pi * (1.9 * share + 0.08 * away + 0.8 * t[:, None])
    size = 0.0105 * smoothstep(0.30, 0.75, share)
    out = out + along(np.cross(side, outward), share) * (size * np.sin(turn))[..., None]
    out = out + outward * (0.6 * size * np.cos(turn + 0.7 * away))[..., None]
    first = np.searchsorted(of, np.arange(len(cut) - 1))
    core = np.stack([out[a : a + c + 1].mean(0) for a, c in zip(first, np.diff(cut), strict=True)])[of]
    gather = 0.97 * smoothstep(GATHER, 1.0, s) ** 1.3
    out = out + (core - out) * gather[..., None]
    ridge = np.sqrt(np.clip(1 - within**2, 0, 1))[:, None] - 0.75
    grow = smoothstep(0.02, 0.30, s)
    bulge = 0.0042 * ridge + 0.0012 * own[of][:, None] * (1 - within**2)[:, None]
    out = out + outward * (bulge * grow * (1 - 0.8 * gather))[..., None]
    open_ = 1 - (1 - smoothstep(-0.75, 0.05, ridge)) * 0.50 * grow
    torn = np.broadcast_to((of[1:] != of[:-1])[:, None], (len(of) - 1, rows - 1))
    return Locks(out, outward, open_, torn, column, of, t)


def along(path: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Points (n, k, 3) of strands (n, rows, 3) at shares (n, k) of their length."""
    rows = path.shape[1]
    at = np.clip(share * (rows - 1), 0, rows - 1.001)
    r, f = at.astype(int), (at % 1)[..., None]
    n = np.arange(len(path))[:, None]
    return path[n, r] * (1 - f) + path[n, r + 1] * f


def between(path: np.ndarray, column: np.ndarray, first: np.ndarray, last: np.ndarray, steps: int) -> np.ndarray:
    """Strands (n, steps, 3) at fractional columns (n,), from row share `first` to `last` (n,)."""
    c = np.clip(column, 0, len(path) - 1.001)
    i, f = c.astype(int), (c % 1)[:, None, None]
    share = first[:, None] + (last - first)[:, None] * np.linspace(0, 1, steps)[None]
    return along(path[i] * (1 - f) + path[i + 1] * f, share)


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
        made = locks(path, t, outward, rng)
        sheet, columns = made.strands, len(made.column)
        foot = np.repeat(path[made.column, :1], ROWS, 1)
        span = (0.0, 0.5) if side > 0 else (1.0, 0.5)
        s = np.linspace(0, 1, ROWS)[None]
        alpha = 0.66 + 0.34 * smoothstep(0.0, 0.06, s) * np.ones((columns, 1))
        shade = made.open_ * (0.80 + 0.20 * smoothstep(0.0, 0.35, s))
        add_sheet(tuft, sheet, foot, span, shade=shade, rest=shoulders(sheet), repeat=2, alpha=alpha, torn=made.torn)
        _lining(tuft, made, foot)
        _strands(tuft, rng, made)
        n = 150  # the whole sheet in hairs, for renderers that draw those
        first = np.concatenate([np.zeros(40), rng.uniform(0.0, 0.72, n - 40)])
        column, last = rng.uniform(0, columns - 1, n), np.minimum(first + rng.uniform(0.30, 0.45, n), 1.0)
        add_guides(tuft, between(sheet, column, first, last, 12), foot[column.astype(int), 0], np.full(n, 0.012))
    _roots(tuft, scalp)
    return tuft


def _lining(tuft: Tuft, made: Locks, foot: np.ndarray) -> None:
    """The inside of a sheet, seen beside face and neck: the same locks, coarser, turned round, in their own shadow.

    Behind the skull nobody sees it.
    """
    middle = np.r_[True, made.lock[1:] != made.lock[:-1]]
    ends = np.r_[middle[1:], True]
    at = np.flatnonzero(middle | ends | (np.arange(len(ends)) % LOCK == 2))
    rows = np.r_[0:ROWS:2]
    s = np.linspace(0, 1, ROWS)[None, rows]
    sheet, outward, t = made.strands[at][:, rows], made.outward[at][:, rows], made.t[at]
    deep = 0.006 * smoothstep(0.0, 0.2, t)[:, None] * smoothstep(1.0, 0.7, s)
    inner = sheet - outward * deep[..., None]
    torn = (made.lock[at][1:] != made.lock[at][:-1])[:, None] | ((t[1:, None] > 0.40) & (s[:, 1:] < BODY))
    shade = np.repeat(1.25 - 0.35 * smoothstep(0.0, 0.3, t)[:, None], len(rows), 1)
    add_sheet(tuft, inner, foot[at][:, rows], (0.0, 1.0), shade=shade, rest=shoulders(inner), repeat=2, torn=torn)
    tuft.triangles[-1] = tuft.triangles[-1][:, ::-1]


def _roots(tuft: Tuft, scalp: Scalp) -> None:
    """A strip under the parting: dark roots where the two sides leave a gap."""
    left, right = (guides(scalp, side)[0][3:-4, 2] for side in (1, -1))
    s = np.linspace(0, 1, 7)[None, :, None]
    a, p = scalp.polar(left[:, None] * (1 - s) + right[:, None] * s)
    strip = scalp.over(a, p, 0.0022)
    add_sheet(tuft, strip, scalp.over(a, p, 0.0), (0.05, 0.45), shade=0.62)


def _strands(tuft: Tuft, rng: np.random.Generator, made: Locks) -> None:
    """Cards over one side's sheet."""
    sheet, columns = made.strands, len(made.column)
    n = 6  # locks; close to the sheet: what stands off it is seen edge-on at the outline, as dashes
    first = rng.uniform(0.06, 0.45, n)
    column = (columns - 1) * rng.uniform(0, 1, n) ** 1.4
    _cards(tuft, rng, sheet, column, first, first + rng.uniform(0.26, 0.40, n), (0, 12), 0.0,
           rng.uniform(0.006, 0.009, n))  # fmt: skip
    # Ends: what a lock dissolves into, and the thin hair where two locks part.
    start = np.flatnonzero(np.r_[True, made.lock[1:] != made.lock[:-1]])
    stop = np.r_[start[1:], columns] - 1
    ahead = made.t[start] < 0.7  # of the back the camera sees little
    column = np.concatenate([start + 0.25 * (stop - start), (start + 0.75 * (stop - start))[ahead]])
    n = len(column)
    _cards(tuft, rng, sheet, column + rng.normal(0, 0.15, n), rng.uniform(0.66, 0.73, n), np.full(n, 1.0), (0, 11),
           0.003, rng.uniform(0.011, 0.015, n), beyond=0.034, astray=0.004)  # fmt: skip
    column = np.concatenate([stop[:-1] + 0.2, stop[:-1][ahead[1:]] + 0.8])
    n = len(column)
    _cards(tuft, rng, sheet, column + rng.normal(0, 0.3, n), rng.uniform(0.60, 0.68, n), rng.uniform(0.90, 1.0, n),
           (0, 12), 0.001, rng.uniform(0.010, 0.014, n), beyond=0.024, astray=0.006)  # fmt: skip
    n = 7  # beside the face
    first = rng.uniform(0.10, 0.60, n)
    _cards(tuft, rng, sheet, rng.uniform(-0.3, 1.2, n), first, first + rng.uniform(0.25, 0.40, n), (8, 15), 0.004,
           rng.uniform(0.006, 0.009, n), astray=0.004)  # fmt: skip
    n = 12  # over the parting
    _cards(tuft, rng, sheet, rng.uniform(0, 18, n), np.zeros(n), rng.uniform(0.10, 0.20, n), (4, 13), 0.0012,
           rng.uniform(0.005, 0.008, n), rooted=True)  # fmt: skip


def _cards(tuft, rng, path, column, first, last, tiles, lift, width, beyond=0.0, rooted=False, astray=0.0):
    n, steps = len(column), 7
    points = between(path, column, first, np.minimum(last, 1.0), steps)
    centre = np.array([0.0, 0.0, -0.005])
    outward = unit((points - centre) * [1.0, 0.5, 1.0])
    s = np.linspace(0, 1, steps)[None, :, None]
    points = points + outward * (0.0003 + rng.uniform(0.15, 1.0, (n, 1, 1)) * lift * np.clip(s / 0.3, 0.1, 1))
    wave = 0.0022 * np.sin(2 * np.pi * (s * rng.uniform(0.6, 1.3, (n, 1, 1)) + rng.random((n, 1, 1))))
    wave = wave + astray * rng.normal(0, 1, (n, 1, 1)) * s**1.5
    points = points + np.cross(unit(np.gradient(points, axis=1)), outward) * wave * np.clip(s / 0.3, 0, 1)
    points = points + np.array([0.0, -1.0, 0.0]) * beyond * rng.uniform(0.1, 1, (n, 1, 1)) * s**2
    alpha = np.clip(s[..., 0] / 0.25, 0.7 if rooted else 0.0, 1) * np.ones((n, 1))
    shade = (0.95 + 0.10 * s[..., 0]) * rng.uniform(0.90, 1.06, (n, 1))
    # Turned a little to the front: a card that is seen edge-on is a row of dashes.
    tilt = unit(outward + [0.0, 0.0, 0.6] + rng.normal(0, 0.12, (n, 1, 3)))
    root = between(path, column, np.zeros(n), np.full(n, 1e-3), 2)[:, 0]
    add_cards(tuft, points, tilt, width, rng.integers(*tiles, n), root, alpha, shade, rest=shoulders(points))
