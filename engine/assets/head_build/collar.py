"""Rings round the base of the neck: where collars, hoods and cords are laid.

A point there is (around, down): azimuth in rad, 0 in front, + to the subject's left, and how many dm below the
neckline it lies along the skin (negative: up the neck). Rays from a point inside the chest find it on the skin.
"""

from collections.abc import Callable

import numpy as np

from engine.assets.head_build.parts import Part, cast_rays, grid_triangles, vertex_normals
from engine.assets.head_build.wear import Bare

INSIDE = np.array([0.0, 4.85, 0.20])  # dm: neck, shoulders and chest are seen from here without hiding each other
POLAR = np.linspace(0.40, 2.4, 56)  # rad from straight up
Neckline = Callable[[np.ndarray], np.ndarray]


class NeckRings:
    """The skin round the neck in coordinates (around, down) of a neckline (vertices (N, 3) -> dm below it)."""

    def __init__(self, bare: Bare, neckline: Neckline, columns: int = 64):
        v = bare.neutral
        near = bare.outer[(v[bare.outer, 1] < 6.0).all(1) & (np.abs(v[bare.outer, 0]) < 2.2).all(1)]
        self.bare, self.triangles = bare, near
        self.normals = vertex_normals(v, bare.outer)
        self.around = np.linspace(-np.pi, np.pi, columns, endpoint=False)
        around, polar = (grid.ravel() for grid in np.meshgrid(self.around, POLAR))
        index, where, _ = self._cast(around, polar, strict=False)
        found = (index >= 0).all(1)
        points = np.full((len(around), 3), np.nan)
        points[found] = (v[index[found]] * where[found][..., None]).sum(1)
        height = neckline(points).reshape(len(POLAR), columns)
        step = np.linalg.norm(np.diff(points.reshape(len(POLAR), columns, 3), axis=0), axis=2)
        step[np.isnan(step)] = 0.08  # no skin: beyond the head above, beyond the bust below
        along = np.cumsum(np.concatenate([np.zeros((1, columns)), step + 1e-6]), 0)
        self.down = along.copy()
        for c in range(columns):
            known = ~np.isnan(height[:, c])
            below = int(np.argmax(known & (np.nan_to_num(height[:, c], nan=-1) > 0)))
            a, b = height[below - 1, c], height[below, c]
            self.down[:, c] -= along[below - 1, c] + (along[below, c] - along[below - 1, c]) * -a / (b - a)

    def _cast(self, around: np.ndarray, polar: np.ndarray, strict: bool = True):
        rays = np.stack([np.sin(polar) * np.sin(around), np.cos(polar), np.sin(polar) * np.cos(around)], -1)
        v = self.bare.neutral
        ids, where, _ = cast_rays(np.tile(INSIDE, (len(rays), 1)), rays, v, self.triangles, farthest=False)
        if strict and (ids < 0).any():
            raise ValueError(f"{(ids < 0).sum()} rays miss the skin")
        index = np.where(ids[:, None] < 0, -1, self.triangles[ids])
        return index, where, (v[index] * where[..., None]).sum(1)

    def _polar(self, around: np.ndarray, down: np.ndarray) -> np.ndarray:
        step = 2 * np.pi / len(self.around)
        place = (around + np.pi) / step
        left = np.floor(place).astype(int)
        share = place - left
        out = np.zeros(len(around))
        for column, part in ((left, 1 - share), (left + 1, share)):
            column = column % len(self.around)
            out += part * np.array([np.interp(d, self.down[:, c], POLAR) for d, c in zip(down, column, strict=True)])
        return out

    def lay(self, around: np.ndarray, down: np.ndarray, lift: np.ndarray, rise: np.ndarray | float = 0.0,
            hold: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
        """Points (n,) over the skin: lift dm outwards and rise dm upwards. Returns index, weight (n, 3), offset.

        hold: bound to the skin at hold x down instead, 1 right below the point, 0 on the neckline: cloth above
        the neckline does not turn with the neck as the skin does.
        """
        around, down = np.asarray(around, float).ravel(), np.asarray(down, float).ravel()
        index, weight, ground = self._cast(around, self._polar(around, down))
        normal = (self.normals[index] * weight[..., None]).sum(1)
        out = normal + 0.6 * np.stack([np.sin(around), np.full_like(around, 0.25), np.cos(around)], -1)
        out /= np.linalg.norm(out, axis=1, keepdims=True)
        target = ground + out * np.ravel(lift)[:, None]
        target[:, 1] += np.broadcast_to(rise, around.shape)
        index, weight, ground = self._cast(around, self._polar(around, np.where(down < 0, hold * down, down)))
        return index, weight, target - ground


def sweep(rings: NeckRings, around: np.ndarray, profile: list[tuple], region: int, hold: float = 0.5,
          closed: bool = True, climbs: bool = True) -> Part:  # fmt: skip
    """A band along `around` (c,) whose cross-section is `profile`: rows of (down, lift, rise, turn), each a number
    or one per column; turn shifts the azimuth. climbs: rows run from the lower edge up on the outside."""
    rows = np.array([[np.broadcast_to(value, len(around)) for value in row] for row in profile], float)
    down, lift, rise, turn = rows.transpose(1, 0, 2)
    index, weight, offset = rings.lay((around + turn).ravel(), down.ravel(), lift.ravel(), rise.ravel(), hold)
    triangles = grid_triangles(len(profile), len(around), closed)
    if climbs:
        triangles = triangles[:, ::-1]
    u = np.broadcast_to(np.arange(len(around)) / len(around), down.shape)
    v = np.broadcast_to(np.linspace(0, 1, len(profile))[:, None], down.shape)
    uv = np.stack([u.ravel(), v.ravel()], -1)
    n = len(index)
    return Part(index, weight, offset, triangles, np.full(len(triangles), region), uv, np.ones(n))


def join(parts: list[Part]) -> Part:
    """Several parts bound to three vertices each as one."""
    starts = np.cumsum([0] + [len(part.index) for part in parts])
    return Part(
        np.concatenate([p.index for p in parts]), np.concatenate([p.weight for p in parts]),
        np.concatenate([p.offset for p in parts]),
        np.concatenate([p.triangles + s for p, s in zip(parts, starts, strict=False)]),
        np.concatenate([p.region for p in parts]), np.concatenate([p.uv for p in parts]),
        np.concatenate([p.alpha for p in parts]),
    )  # fmt: skip
