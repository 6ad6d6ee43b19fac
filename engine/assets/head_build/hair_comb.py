"""How strands run: steps over the scalp along a field of directions, or free fall round the body."""

from collections.abc import Callable

import numpy as np

from engine.assets.head_build.hair_scalp import Scalp, unit

Field = Callable[[np.ndarray], np.ndarray]  # points (n, 3) to directions (n, 3)
Volume = Callable[[np.ndarray, np.ndarray], np.ndarray]  # azimuth and polar angle to metres over the scalp


def comb(scalp: Scalp, azimuth: np.ndarray, polar: np.ndarray, field: Field, length: np.ndarray, steps: int
         ) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Paths over the scalp from roots (n,): azimuth and polar angle (n, steps)."""
    point = scalp.over(azimuth, polar, 0.0)
    out_a, out_p = [azimuth], [polar]
    for _ in range(steps - 1):
        up = unit(point - np.array([0.0, 0.05, -0.001]))
        ahead = field(point)
        ahead = unit(ahead - up * (ahead * up).sum(-1, keepdims=True))
        a, p = scalp.polar(point + ahead * (length / (steps - 1))[:, None])
        p = np.minimum(p, 2.35)
        point = scalp.over(a, p, 0.0)
        out_a.append(a)
        out_p.append(p)
    return np.stack(out_a, 1), np.stack(out_p, 1)


def scatter(scalp: Scalp, count: int, rng: np.random.Generator, reach: tuple[float, float] = (0.0, 1.0)
            ) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Evenly strewn roots: azimuth and polar angle (count,), at reach (share of the way to the hairline)."""
    azimuth, polar = np.zeros(0), np.zeros(0)
    while len(azimuth) < count:
        a, y = rng.uniform(-np.pi, np.pi, 4 * count), rng.uniform(-0.9, 1.0, 4 * count)
        p = np.arccos(y)
        share = p / scalp.limit(a)
        kept = (share >= reach[0]) & (share <= reach[1])
        azimuth, polar = np.r_[azimuth, a[kept]], np.r_[polar, p[kept]]
    return azimuth[:count], polar[:count]


def bent(points: np.ndarray, normals: np.ndarray, waves: float, size: np.ndarray, phase: np.ndarray,
         lift: float = 0.6) -> np.ndarray:  # fmt: skip
    """Strands (n, k, 3) with curls: `waves` turns of radius size (n,), the part along the normals times `lift`."""
    ahead = unit(np.gradient(points, axis=1))
    side = np.cross(ahead, normals)
    s = np.linspace(0, 1, points.shape[1])[None]
    turn = 2 * np.pi * waves * s + phase[:, None]
    grow = np.clip(s / 0.25, 0, 1) * size[:, None]
    return points + side * (grow * np.sin(turn))[..., None] + normals * (lift * grow * np.cos(turn))[..., None]
