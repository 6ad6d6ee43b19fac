"""Hair, beards and clothes: meshes bound to the bare head, so that they follow every identity and expression.

A file of wearables (safetensors) holds for each style NAME, n vertices and t triangles:

    NAME/index      int32 (n, 3)     vertices of the bare head that a vertex is bound to
    NAME/weight     float16 (n, 3)   their weights, sum 1
    NAME/offset     float32 (n, 3)   metres from the weighted mean, on the mean face
    NAME/triangles  int32 (t, 3)     counter-clockwise from outside
    NAME/region     uint8 (t,)       see face_model.REGIONS
    NAME/uv         float16 (n, 2)
    NAME/alpha      float16 (n,)     1 opaque .. 0 fades out
    NAME/occlusion  float16 (n,)     1 open .. 0 dark
    NAME/hides      int32 (h,)       triangles of the bare head that nobody sees under it

Hair also holds g guide strands for renderers that draw hairs (`attach` leaves them out):

    NAME/strands         float16 (g, 12, 3)  metres from the root's bound point, evenly spaced, root first
    NAME/strands_index   int32 (g, 3)        binding of the root, and
    NAME/strands_weight  float16 (g, 3)      its weights
    NAME/strands_width   float16 (g,)        metres: the lock's width at its root
    NAME/strands_kind    uint8 (g,)          0 a dense lock, 1 a thin one, 2 a few stray hairs

and in its metadata `head`, the fingerprint of the bare head it was built on.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from engine.errors import ConfigError, WeightsError

FIELDS = ("index", "weight", "offset", "triangles", "region", "uv", "alpha", "occlusion", "hides")
Tensors = dict[str, np.ndarray]

SHEETS = (10, 12, 13, 14)  # hair, shirt, beard, collar of `face_model.REGIONS`: they shade the skin next to them
TOUCH_M, TOUCH = 0.022, 0.55  # how far that reaches, and its most


def head_fingerprint(head: Mapping[str, np.ndarray]) -> str:
    """Twelve hexadecimal digits that stand for the bare head's mesh."""
    digest = hashlib.sha256()
    for name in ("mean", "triangles"):
        digest.update(np.ascontiguousarray(head[name]).tobytes())
    return digest.hexdigest()[:12]


def read_wearables(path: Path, head: Mapping[str, np.ndarray]) -> dict[str, Tensors]:
    """Styles by name. Raises WeightsError: unreadable, or built for another head."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "np") as file:
            meta = file.metadata() or {}
            flat = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"cannot read {path}: {error}; build it with python -m engine.assets.build_head") from error
    if meta.get("head") != head_fingerprint(head):
        raise WeightsError(f"{path} was built for another head: run python -m engine.assets.build_head again")
    styles: dict[str, Tensors] = {}
    for key, value in flat.items():
        style, _, name = key.rpartition("/")
        styles.setdefault(style, {})[name] = value
    return styles


def pick(styles: Mapping[str, Tensors], style: str, setting: str) -> Tensors | None:
    """One style; None for "none". Raises ConfigError naming what there is."""
    if style == "none":
        return None
    if style not in styles:
        raise ConfigError(f"{setting} = {style!r}: there are none, {', '.join(sorted(styles))}")
    return styles[style]


def attach(head: Mapping[str, np.ndarray], parts: list[Tensors]) -> Tensors:
    """The bare head's tensors with the parts' vertices and triangles behind its own."""
    out = dict(head)
    bases = ("expression", "identity")
    joined: dict[str, list[np.ndarray]] = {name: [head[name]] for name in (
        "mean", *bases, "uv", "alpha", "masks", "occlusion", "neck_weight", "triangles", "triangle_region",
        "vertex_region",
    )}  # fmt: skip
    count = len(head["mean"])
    hidden = np.concatenate([np.zeros(0, np.int32), *(part["hides"] for part in parts)])
    for name in ("triangles", "triangle_region"):
        joined[name] = [np.delete(head[name], hidden, 0)]
    for part in parts:
        index, weight = part["index"], part["weight"].astype(np.float32)
        joined["mean"].append(_bind(head["mean"], index, weight) + part["offset"])
        for name in bases:
            joined[name].append(_bind(head[name].astype(np.float32), index, weight).astype(head[name].dtype))
        for name in ("masks", "neck_weight"):
            joined[name].append(_bind(head[name].astype(np.float32), index, weight).astype(head[name].dtype))
        for name in ("uv", "alpha", "occlusion"):
            joined[name].append(part[name].astype(head[name].dtype))
        joined["triangles"].append((part["triangles"] + count).astype(np.int32))
        joined["triangle_region"].append(part["region"])
        region = np.zeros(len(index), np.uint8)
        region[part["triangles"].ravel()] = np.repeat(part["region"], 3)
        joined["vertex_region"].append(region)
        count += len(index)
    for name, values in joined.items():
        out[name] = np.ascontiguousarray(np.concatenate(values, 1 if name in bases else 0))
    return out


def touch(worn: Tensors, bare: int) -> np.ndarray:
    """Occlusion (V,) with the first `bare` vertices, the head's, darkened where hair or cloth lies near above them."""
    sheets = np.isin(worn["vertex_region"], SHEETS)
    cover = worn["mean"][sheets][::2]
    out = worn["occlusion"].copy()
    at = np.flatnonzero(np.isin(worn["vertex_region"][:bare], (0, 1)))
    if not len(cover):
        return out
    point = worn["mean"][at]
    normal = _normals(worn["mean"][:bare], worn["triangles"][(worn["triangles"] < bare).all(1)])[at]
    for part in np.array_split(np.arange(len(at)), 12):
        p, n = point[part], normal[part]
        square = (p * p).sum(1)[:, None] + (cover * cover).sum(1) - 2 * p @ cover.T
        near = np.flatnonzero((square < TOUCH_M**2).any(0))
        if len(near):
            gap = np.sqrt(np.maximum(square[:, near], 1e-9))
            above = (n @ cover[near].T - (n * p).sum(1)[:, None]) / gap
            shade = np.clip(1 - gap / TOUCH_M, 0, 1) * np.clip(above + 0.35, 0, 1)
            out[at[part]] *= (1 - TOUCH * shade.max(1)).astype(out.dtype)
    return out


def _normals(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Unit vertex normals float32 (V, 3)."""
    a, b, c = (points[triangles[:, k]] for k in range(3))
    face, out = np.cross(b - a, c - a), np.zeros_like(points)
    for k in range(3):
        np.add.at(out, triangles[:, k], face)
    return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-12)


def _bind(field: np.ndarray, index: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """A field of head vertices (V,), (V, c) or (K, V, c) carried over to bound ones."""
    at = 1 if field.ndim == 3 else 0
    if field.ndim == 1:
        return (field[index] * weight).sum(1)
    return np.sum([np.take(field, index[:, k], at) * weight[:, k, None] for k in range(3)], 0)
