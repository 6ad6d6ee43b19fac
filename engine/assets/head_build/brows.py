"""Brows: strips laid over the brow ridge and bound to the skin below."""

import numpy as np

from engine.assets.head_build.parts import Part, cast_rays, grid_triangles, vertex_normals
from engine.render.face_model import REGION

CENTRE = np.array([0.0, 6.6, 0.3])  # dm, inside the head: brows face away from it
# The left brow's middle line (x, y) in dm from the nose outwards, and its half height.
BROW_LINE = np.array([(0.115, 6.775), (0.19, 6.815), (0.28, 6.845), (0.37, 6.850), (0.45, 6.820), (0.515, 6.775)])
BROW_HALF = np.array([0.040, 0.042, 0.038, 0.032, 0.022, 0.008])


def build_brow(vertices: np.ndarray, skin: np.ndarray, side: int) -> Part:
    """One brow (side +1 the subject's left, -1 right): a strip 0.4 mm above the skin, uv (along, across)."""
    columns, rows = 17, 5
    s = np.linspace(0, len(BROW_LINE) - 1, columns)
    middle = np.stack([np.interp(s, np.arange(len(BROW_LINE)), BROW_LINE[:, k]) for k in range(2)], -1)
    half = np.interp(s, np.arange(len(BROW_HALF)), BROW_HALF)
    across = np.linspace(-1, 1, rows)
    x = np.broadcast_to(middle[None, :, 0], (rows, columns)) * side
    y = middle[None, :, 1] + across[:, None] * half[None]
    origins = np.stack([x, y, np.full_like(x, 3.0)], -1).reshape(-1, 3)
    rays = np.tile([0.0, 0.0, -1.0], (len(origins), 1))
    index, weight = _bind(origins, rays, vertices, skin, farthest=False)
    ground = (vertices[index] * weight[..., None]).sum(1)
    normal = (vertex_normals(vertices, skin)[index] * weight[..., None]).sum(1)
    offset = normal * 0.006
    triangles = _outward(grid_triangles(rows, columns), ground + offset)
    u = np.broadcast_to(np.linspace(0, 1, columns)[None], (rows, columns))
    ends = np.clip(np.minimum(u / 0.12, (1 - u) / 0.10), 0, 1)
    fade = ends * np.clip((1 - np.abs(across[:, None])) / 0.5, 0, 1)
    uv = np.stack([u.ravel(), np.repeat((across + 1) / 2, columns)], -1)
    return Part(index, weight, offset, triangles, np.full(len(triangles), REGION["brows"]), uv, fade.ravel())


def _bind(origins, rays, vertices, triangles, farthest=True):
    """Bind ray hits to the mesh: (n, 3) base indices and barycentric weights; every ray must hit."""
    ids, where, _ = cast_rays(origins, rays, vertices, triangles, farthest)
    if (ids < 0).any():
        raise ValueError(f"{(ids < 0).sum()} rays miss the skin")
    return triangles[ids], where


def _outward(triangles: np.ndarray, vertices: np.ndarray, centre: np.ndarray = CENTRE) -> np.ndarray:
    """Turn triangles so that they face away from the centre."""
    corner = vertices[triangles]
    face = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    inward = (face * (corner.mean(1) - centre)).sum(-1) < 0
    out = triangles.copy()
    out[inward] = out[inward][:, ::-1]
    return out
