"""From parts bound to the base mesh to wearables bound to the bare head (see `engine.render.wearables`)."""

from dataclasses import dataclass

import numpy as np

from engine.assets.head_build import occlusion
from engine.assets.head_build.parts import Part, vertex_normals
from engine.assets.head_build.source import METRES
from engine.render.face_model import MASKS, REGION


@dataclass(slots=True)
class Bare:
    """What builders of hair and clothes work on.

    neutral (N, 3) dm, the base mesh at rest; outer (t, 3) base triangles of the skin without the inside of the
    mouth; scalp: those without the ears; uv (N, 2); place (N,): vertex of the asset or -1;
    tensors: the packed tensors of the bare head.
    """

    neutral: np.ndarray
    outer: np.ndarray
    scalp: np.ndarray
    uv: np.ndarray
    place: np.ndarray
    tensors: dict[str, np.ndarray]


def to_wearable(part: Part, bare: Bare, hidden: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Tensors of one style. hidden bool (N,): base vertices that this part covers for good; triangles of the
    head between such vertices are not drawn under it."""
    index = bare.place[part.index]
    if (index < 0).any():
        raise ValueError(f"{(index < 0).sum()} vertices are bound to skin that the asset does not hold")
    index, weight = (_three(values) for values in (index, part.weight))
    head = bare.tensors
    points = np.sum([head["mean"][index[:, k]] * weight[:, k, None] for k in range(3)], 0) + part.offset * METRES
    covered = np.zeros(len(head["mean"]), bool)
    if hidden is not None:
        covered[bare.place[hidden & (bare.place >= 0)]] = True
    skin = np.isin(head["triangle_region"], [REGION["skin"]])
    return {
        "index": index.astype(np.int32),
        "weight": weight.astype(np.float16),
        "offset": (part.offset * METRES).astype(np.float32),
        "triangles": part.triangles.astype(np.int32),
        "region": part.region.astype(np.uint8),
        "uv": part.uv.astype(np.float16),
        "alpha": part.alpha.astype(np.float16),
        "occlusion": _occlusion(points, part, head).astype(np.float16),
        "hides": np.flatnonzero(covered[head["triangles"]].all(1) & skin).astype(np.int32),
    }


def buried(points: np.ndarray, sheets: np.ndarray, head: dict[str, np.ndarray]) -> np.ndarray:
    """int32 (h,): triangles of the scalp that nobody sees under opaque hair; a ring around what is seen is kept.

    points (n, 3) in metres on the mean face, sheets (t, 3) the opaque triangles between them.
    """
    rays = occlusion.sphere_directions(140)
    rays = rays[np.abs(rays[:, 1]) < 0.85]
    triangles, count = head["triangles"], len(head["mean"])
    casters = np.concatenate([triangles, sheets + count])
    by_ray = occlusion.seen_from(np.concatenate([head["mean"], points]), casters, rays, 0.0012)
    seen = np.asarray(by_ray[:, :count].any(axis=0))
    seen[triangles[seen[triangles].any(1)].ravel()] = True
    scalp = head["masks"][:, MASKS.index("scalp")][triangles].min(1) > 0.5
    return np.flatnonzero(scalp & ~seen[triangles].any(1)).astype(np.int32)


def _three(values: np.ndarray) -> np.ndarray:
    """(n, k) with k <= 3 filled up with zeros to (n, 3)."""
    return np.pad(values, ((0, 0), (0, 3 - values.shape[1])))


def _occlusion(points: np.ndarray, part: Part, head: dict[str, np.ndarray]) -> np.ndarray:
    """(n,) share of the sky that the part sees over the bare head and itself; it melts where alpha fades."""
    vertices = np.concatenate([head["mean"], points])
    thin = np.isin(head["triangle_region"], [REGION[r] for r in ("lashes", "brows")])
    own = part.triangles + len(head["mean"])
    triangles = np.concatenate([head["triangles"][~thin], own])
    normals = vertex_normals(points, part.triangles)
    normals = np.concatenate([np.zeros_like(head["mean"]), normals])
    out = occlusion.ambient_occlusion(vertices, normals, triangles, slack=0.0015)[len(head["mean"]) :]
    if (part.region == REGION["hair"]).all():
        out = np.where(part.alpha < 1, part.alpha * out + (1 - part.alpha) * np.maximum(out, 0.9), out)
    return np.clip(out, 0, 1)
