"""Beards: a dense undergrowth on the skin and locks rooted in it, bound to cheeks, chin and upper lip.

They follow the jaw and the lips since every lock hangs on the skin below it; the lips themselves stay free.
"""

from dataclasses import dataclass

import numpy as np

from engine.assets.head_build.hair_cards import Tuft, add_cards
from engine.assets.head_build.hair_scalp import Scalp, smoothstep, unit
from engine.assets.head_build.wear import Bare
from engine.render.face_model import MASKS, REGION
from engine.render.hair_paint import FUZZ, TILE, TILES

MOUTH = np.array([0.0, -0.0268, 0.096])  # metres: between the lips


@dataclass(frozen=True, slots=True)
class Cut:
    """locks: how many, of how many points and metres wide; chin, cheek and lip: their length in metres; off: how
    much they stand off the skin."""

    locks: int
    steps: int
    width: float
    chin: float
    cheek: float
    lip: float
    off: float


CUTS = {"short": Cut(620, 4, 0.0043, 0.010, 0.008, 0.008, 0.30), "full": Cut(560, 5, 0.0058, 0.034, 0.017, 0.011, 0.45)}
# Middle of the right half of the moustache on the mean face (x, y), from the philtrum round the corner of the mouth.
MOUSTACHE = np.array([(0.000, -0.0165), (0.014, -0.0180), (0.027, -0.0245), (0.036, -0.0350)])


def density(bare: Bare) -> np.ndarray:
    """(V,) how thickly a beard grows at a vertex of the head, 0 to 1: the stubble mask without lips and neck."""
    head = bare.tensors
    grow = head["masks"][:, MASKS.index("stubble")].astype(float)
    lips = head["masks"][:, MASKS.index("lips")].astype(float)
    x, y = np.abs(head["mean"][:, 0]), head["mean"][:, 1]
    strip = np.stack([np.interp(np.linspace(0, 3, 40), range(4), MOUSTACHE[:, k]) for k in range(2)], -1)
    away = np.linalg.norm(np.stack([x, y], -1)[:, None] - strip[None], axis=2).min(1)
    grow = np.maximum(grow, smoothstep(0.0085, 0.0045, away) * (head["mean"][:, 2] > 0.06))
    grow = grow * (1 - smoothstep(0.15, 0.50, lips)) * smoothstep(-0.092, -0.078, y)
    corner = np.abs(head["mean"] - MOUTH) / [0.027, 0.0060, 0.03]
    return grow * smoothstep(0.9, 1.15, np.linalg.norm(corner, axis=1))


def build(bare: Bare, scalp: Scalp, cut: Cut) -> Tuft:
    """One beard."""
    rng = np.random.default_rng(59)
    tuft = Tuft()
    grow = density(bare)
    _undergrowth(tuft, scalp, grow)
    corner = scalp.outer[(grow[scalp.outer] > 0.12).all(1)]
    first, second = (scalp.mean[corner[:, k]] - scalp.mean[corner[:, 0]] for k in (1, 2))
    area = np.linalg.norm(np.cross(first, second), axis=1)
    middle = scalp.mean[corner].mean(1)
    lip = smoothstep(-0.026, -0.021, middle[:, 1]) * smoothstep(0.034, 0.028, np.abs(middle[:, 0]))
    front = (1 + 0.6 * smoothstep(0.03, 0.09, middle[:, 2]) + 2.2 * lip) * (0.35 + 0.65 * grow[corner].mean(1))
    pick = rng.choice(len(corner), cut.locks, p=area * front / (area * front).sum())
    share = rng.dirichlet([1, 1, 1], cut.locks)[..., None]
    root = (scalp.mean[corner[pick]] * share).sum(1)
    normal = unit((scalp.normals[corner[pick]] * share).sum(1))
    thick = (grow[corner[pick]] * share[..., 0]).sum(1)
    _locks(tuft, rng, root, normal, thick, cut)
    return tuft


def _locks(tuft, rng, root, normal, thick, cut: Cut) -> None:
    n, steps = len(root), cut.steps
    aside = np.sign(root[:, 0]) * smoothstep(0.001, 0.006, np.abs(root[:, 0]))
    lip = smoothstep(-0.024, -0.018, root[:, 1]) * smoothstep(0.034, 0.024, np.abs(root[:, 0]))
    below = smoothstep(-0.035, -0.050, root[:, 1]) * smoothstep(0.055, 0.025, np.abs(root[:, 0]))
    length = cut.cheek + (cut.chin - cut.cheek) * below
    length = (length + (cut.lip - length) * lip) * rng.uniform(0.75, 1.15, n) * (0.55 + 0.45 * thick)
    length = length * (1 - 0.35 * lip * (1 - np.abs(aside)))  # in the middle they would hang over the lip
    over_lip = np.stack([0.95 * aside, np.full(n, -0.55), np.full(n, -0.05)], -1)
    down = np.stack([-0.12 * aside * below, np.full(n, -1.0), np.full(n, -0.12)], -1)
    ahead = down + (over_lip - down) * lip[:, None] + rng.normal(0, 0.14, (n, 3))
    ahead = unit(ahead - normal * (ahead * normal).sum(1, keepdims=True))
    s = np.linspace(0, 1, steps)[None, :, None]
    off = cut.off * (1 - 0.45 * lip)[:, None, None]
    rise = off * (1.15 * s - 0.75 * s**2)
    reach = length[:, None, None]
    points = root[:, None] + reach * (ahead[:, None] * s + normal[:, None] * rise) + normal[:, None] * 0.0004
    points = points + (below[:, None, None] * reach * 0.30 * s**2) * np.array([0.0, -1.0, 0.0])
    curl = 0.05 * reach * np.sin(2 * np.pi * (s * rng.uniform(0.5, 1.2, (n, 1, 1)) + rng.random((n, 1, 1)))) * s
    points = points + np.cross(ahead, normal)[:, None] * curl
    outward = unit(np.repeat(normal[:, None], steps, 1) + rng.normal(0, 0.15, (n, 1, 3)))
    width = cut.width * rng.uniform(0.75, 1.2, n) * (0.7 + 0.3 * thick)
    alpha = np.clip(s[..., 0] / 0.2, 0.3, 1) * smoothstep(0.0, 0.8, thick)[:, None]
    shade = (0.80 + 0.22 * s[..., 0]) * rng.uniform(0.88, 1.06, (n, 1))
    # Towards its border a beard thins out: single hairs instead of locks.
    tiles = np.where(thick > rng.uniform(0.2, 0.75, n), rng.integers(0, 12, n), rng.integers(12, 15, n))
    add_cards(tuft, points, outward, width, tiles, root, alpha, shade, taper=0.7)


def _undergrowth(tuft: Tuft, scalp: Scalp, grow: np.ndarray) -> None:
    """The skin's own triangles a hair's breadth above it, covered with fuzz where the beard grows."""
    kept = scalp.outer[(grow[scalp.outer] > 0.02).any(1)]
    used, local = np.unique(kept, return_inverse=True)
    points = scalp.mean[used] + scalp.normals[used] * 0.0008
    low, high = (FUZZ * TILE + 1) / (TILES * TILE), (FUZZ * TILE + TILE - 1) / (TILES * TILE)
    back_and_forth = np.abs((points[:, 0] / 0.022 + 0.3) % 2 - 1)
    fall = (points[:, 1].max() - points[:, 1]) / np.ptp(points[:, 1])  # hairs point down
    uv = np.stack([low + (high - low) * back_and_forth, 0.02 + 0.96 * fall], -1)
    thick = smoothstep(0.04, 0.60, grow[used])
    tuft.add(points, local.reshape(-1, 3), uv, thick, REGION["strands"], 0.58, scalp.mean[used], 0.0)
