"""The ground that hair grows on: the scalp in polar coordinates round the whorl, the hairline, the body below.

Metres in the head's own space. A direction is (azimuth 0 front, + to the subject's left; polar angle from the whorl).
"""

from functools import cached_property

import numpy as np

from engine.assets.head_build.parts import cast_rays, vertex_normals
from engine.assets.head_build.source import METRES
from engine.assets.head_build.wear import Bare

ORIGIN = np.array([0.0, 6.29, 0.41])  # dm, as in `assembly`
CENTRE = (np.array([0.0, 6.80, 0.40]) - ORIGIN) * METRES  # inside the skull; rays to the scalp start here
AXIS = np.array([0.0, 1.0, -0.30])  # the whorl
MAP = (56, 112)  # polar angle, azimuth
DEEPEST = 2.5  # rad: polar angle at which the map of the scalp ends
# Right half of the hairline on the neutral head (x, y, z in dm), from mid forehead to nape.
HAIRLINE = np.array([
    (0.00, 7.19, 1.24), (0.20, 7.21, 1.20), (0.36, 7.18, 1.13), (0.47, 7.08, 1.07), (0.54, 6.96, 1.01),
    (0.60, 6.82, 0.93), (0.65, 6.68, 0.84), (0.69, 6.54, 0.74), (0.70, 6.46, 0.66), (0.70, 6.66, 0.53),
    (0.70, 6.76, 0.42), (0.70, 6.70, 0.28), (0.67, 6.50, 0.16), (0.58, 6.25, 0.08), (0.42, 6.02, 0.00),
    (0.20, 5.90, -0.08), (0.00, 5.87, -0.10),
])  # fmt: skip


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors (..., 3) of length 1."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def smoothstep(low: float, high: float, x: np.ndarray) -> np.ndarray:
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


class Scalp:
    """The bare head as hair sees it. mean (V, 3) and triangles (t, 3) of the asset, the scalp's without ears."""

    def __init__(self, bare: Bare):
        self.mean = bare.tensors["mean"].astype(np.float64)
        self.neck = bare.tensors["neck_weight"].astype(np.float64)
        kept = bare.place[bare.scalp]
        self.triangles = kept[(kept >= 0).all(1)]
        outer = bare.place[bare.outer]
        self.outer = outer[(outer >= 0).all(1)]
        self.normals = vertex_normals(self.mean, self.outer)
        up = AXIS / np.linalg.norm(AXIS)
        forward = np.array([0.0, 0.0, 1.0]) - up * up[2]
        forward /= np.linalg.norm(forward)
        self.frame = np.stack([np.cross(up, forward), up, forward])

    def polar(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Azimuth and polar angle (...,) of points (..., 3)."""
        local = (points - CENTRE) @ self.frame.T
        return (np.arctan2(local[..., 0], local[..., 2]),
                np.arctan2(np.hypot(local[..., 0], local[..., 2]), local[..., 1]))  # fmt: skip

    def ray(self, azimuth: np.ndarray, polar: np.ndarray) -> np.ndarray:
        """Unit directions (..., 3)."""
        local = np.stack(
            [np.sin(polar) * np.sin(azimuth), np.cos(polar), np.sin(polar) * np.cos(azimuth)], -1
        )
        return local @ self.frame

    @cached_property
    def _radii(self) -> np.ndarray:
        """Distance of the scalp from the centre over `MAP`."""
        polar, azimuth = np.meshgrid(
            np.linspace(0, DEEPEST, MAP[0]), np.linspace(-np.pi, np.pi, MAP[1], endpoint=False), indexing="ij"
        )
        rays = self.ray(azimuth, polar).reshape(-1, 3)
        ids, _, far = cast_rays(np.tile(CENTRE, (len(rays), 1)), rays, self.mean, self.triangles)
        far = np.where((ids >= 0) & (far < 0.16), far, np.nan).reshape(MAP)
        for row in range(1, MAP[0]):  # where there is no skin, as above
            far[row] = np.where(np.isnan(far[row]), far[row - 1], far[row])
        return far

    def radius(self, azimuth: np.ndarray, polar: np.ndarray) -> np.ndarray:
        """How far the scalp is from the centre (...,)."""
        y = np.clip(polar / DEEPEST * (MAP[0] - 1), 0, MAP[0] - 1.001)
        x = (azimuth / (2 * np.pi) + 0.5) % 1.0 * MAP[1]
        r, c = y.astype(int), x.astype(int) % MAP[1]
        fy, fx, n = y - r, x - np.floor(x), (c + 1) % MAP[1]
        far = self._radii
        top = far[r, c] * (1 - fx) + far[r, n] * fx
        return top * (1 - fy) + (far[r + 1, c] * (1 - fx) + far[r + 1, n] * fx) * fy

    @cached_property
    def _line(self) -> tuple[np.ndarray, np.ndarray]:
        azimuth, polar = self.polar((HAIRLINE - ORIGIN) * METRES)
        around = np.linspace(-np.pi, np.pi, 145)
        limit = np.interp(np.abs(around), azimuth, polar)
        for _ in range(2):
            limit = np.convolve(np.pad(limit, 1, "wrap"), [0.25, 0.5, 0.25], "valid")
        return around, limit

    def limit(self, azimuth: np.ndarray) -> np.ndarray:
        """Polar angle of the hairline (...,)."""
        around, limit = self._line
        return np.interp((azimuth + np.pi) % (2 * np.pi) - np.pi, around, limit)

    def over(self, azimuth: np.ndarray, polar: np.ndarray, height: np.ndarray | float) -> np.ndarray:
        """Points (..., 3) at a height in metres over the scalp."""
        return CENTRE + self.ray(azimuth, polar) * (self.radius(azimuth, polar) + height)[..., None]

    @cached_property
    def _near(self):
        from scipy.spatial import KDTree

        a, b, c = (self.mean[self.outer[:, k]] for k in range(3))
        p, q, r = (self.normals[self.outer[:, k]] for k in range(3))
        points = np.concatenate([(a + b + c) / 3, (a + b) / 2, (b + c) / 2, (c + a) / 2, a, b, c])
        normals = unit(np.concatenate([p + q + r, p + q, q + r, r + p, p, q, r]))
        return KDTree(points), normals, points

    def height(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Signed height (...,) over the nearest skin and its normal (..., 3)."""
        tree, normals, samples = self._near
        _, at = tree.query(points)
        return ((points - samples[at]) * normals[at]).sum(-1), normals[at]

    def clear(self, points: np.ndarray, margin: np.ndarray | float) -> np.ndarray:
        """Points (..., 3) moved out of the body until they are `margin` metres over the skin."""
        for _ in range(4):
            high, normal = self.height(points)
            points = points + normal * np.maximum(margin - high, 0)[..., None]
        return points

    def bind(self, points: np.ndarray, triangles: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Vertices (n, 3) and weights (n, 3) of the nearest points of the skin (default: of the scalp)."""
        from scipy.spatial import KDTree

        triangles = self.triangles if triangles is None else triangles
        corner = self.mean[triangles]
        near = np.asarray(KDTree(corner.mean(1)).query(points, k=6)[1])
        a = corner[near]
        e1, e2, d = a[:, :, 1] - a[:, :, 0], a[:, :, 2] - a[:, :, 0], points[:, None] - a[:, :, 0]
        aa, ab, bb = (e1 * e1).sum(-1), (e1 * e2).sum(-1), (e2 * e2).sum(-1)
        ad, bd = (e1 * d).sum(-1), (e2 * d).sum(-1)
        det = np.maximum(aa * bb - ab * ab, 1e-20)
        weight = np.stack([(bb * ad - ab * bd) / det, (aa * bd - ab * ad) / det], -1)
        weight = np.clip(np.concatenate([1 - weight.sum(-1, keepdims=True), weight], -1), 0, None)
        weight /= weight.sum(-1, keepdims=True)
        away = np.linalg.norm((a * weight[..., None]).sum(2) - points[:, None], axis=-1)
        best = away.argmin(1)
        rows = np.arange(len(points))
        return triangles[near[rows, best]], weight[rows, best]
