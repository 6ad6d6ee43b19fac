"""Clothes: the skin below a neckline, cut along it and lifted off the body."""

import numpy as np

from engine.assets.head_build.parts import Part, clip_part, vertex_normals
from engine.assets.head_build.wear import Bare, to_wearable
from engine.render.face_model import REGION


def build_wardrobe(bare: Bare) -> dict[str, dict[str, np.ndarray]]:
    """Every style of clothes by name, as tensors of `engine.render.wearables`."""
    covered = neckline(bare.neutral) > 0.10
    return {"crew": to_wearable(build_dress(bare.neutral, bare.outer, bare.uv), bare, covered)}


def neckline(vertices: np.ndarray) -> np.ndarray:
    """Signed height over the collar (N,) in dm, positive where the skin is dressed."""
    x, y, z = vertices.T
    height = 5.12 - 0.28 * np.clip(z - 0.2, -0.6, 1.0) - 0.08 * np.exp(-((x / 0.35) ** 2)) * np.clip(z / 0.3, 0, 1)
    return height - y


def build_dress(vertices: np.ndarray, triangles: np.ndarray, uv: np.ndarray) -> Part:
    """A plain crew-neck shirt: the skin below the neckline, cut exactly along it and lifted off the body."""
    field = neckline(vertices)
    near = triangles[(field[triangles] > -0.5).any(1)]
    index, weight, cut = clip_part(near, field)
    normal = vertex_normals(vertices, triangles)
    out = (normal[index] * weight[..., None]).sum(1)
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    depth = (field[index] * weight).sum(1)
    lift = 0.035 + 0.03 * np.exp(-depth / 0.06)  # a little collar
    offset = out * lift[:, None]
    rim = np.flatnonzero(np.abs(depth) < 1e-9)
    triangles_out, part_index, part_weight, part_offset = _close_rim(cut, rim, index, weight, offset, out)
    n = len(part_index)
    flat = (uv[part_index] * part_weight[..., None]).sum(1)
    return Part(
        part_index,
        part_weight,
        part_offset,
        triangles_out,
        np.full(len(triangles_out), REGION["shirt"]),
        flat,
        np.ones(n),
    )


def _close_rim(cut, rim, index, weight, offset, out):
    """Turn the cut edge inwards, so that the collar has a thickness and meets the skin."""
    on_rim = np.zeros(len(index), bool)
    on_rim[rim] = True
    inner = {int(v): len(index) + k for k, v in enumerate(rim)}
    extra = []
    for a, b, c in cut:
        for p, q in ((a, b), (b, c), (c, a)):
            if on_rim[p] and on_rim[q]:
                extra += [(q, p, inner[int(p)]), (q, inner[int(p)], inner[int(q)])]
    return (
        np.concatenate([cut, np.array(extra, int).reshape(-1, 3)]),
        np.concatenate([index, index[rim]]),
        np.concatenate([weight, weight[rim]]),
        np.concatenate([offset, -0.02 * out[rim]]),
    )
