"""Where every hair grows: locks scattered round the guides of a hair style, hairs on its sheets, brows, lashes.

A fibre is KNOTS points from root to tip. Everything that chance decides is drawn once with a seed, so fibres follow
the face from picture to picture.
"""

from dataclasses import dataclass

import numpy as np

from engine.render.face_model import MASKS, REGION, FaceModel
from engine.render.hair_paint import FUZZ, TILES
from engine.render.scene import Person
from engine.render.wearables import Tensors

KNOTS = 12
LOCK = (80, 40, 5)  # hairs of a dense, a medium and a stray guide
# Hairs on a sheet: how many, their share of its length, and the least and most metres of that.
SHEET_PER_M2, SHEET_SHARE, SHEET_M = 3.6e5, 0.20, (0.014, 0.026)
LIT = 0.40  # how open to the sky a sheet is where it bears all its hairs
UNDER_PER_M2, UNDER_M = 1.6e6, 0.0075  # hairs of the undergrowth of a beard
BROW_PER_M2, BROW_M = 2.7e6, 0.0072
LASHES = 460
_T = np.linspace(0, 1, KNOTS)[:, None]


@dataclass(frozen=True, slots=True)
class Guided:
    """Hairs of guides: root int32 (n, 3) bare head's vertices with weight (n, 3); way float32 (n, KNOTS, 3) metres
    from there with the head upright."""

    root: np.ndarray
    weight: np.ndarray
    way: np.ndarray


@dataclass(frozen=True, slots=True)
class Grown:
    """Hairs of a surface: corners int32 (n, 3), their weights (n, 3); slope float32 (n, 2, 2): what makes the two
    directions of uv out of the triangle's sides; out (n, 4): along u, along v, outwards (in lengths), length m;
    droop float32 (n,) how fast they bend back to the surface, 1 / m."""

    corners: np.ndarray
    weight: np.ndarray
    slope: np.ndarray
    out: np.ndarray
    droop: np.ndarray


def guided(style: Tensors, rng: np.random.Generator) -> Guided:
    """Scatter hairs across the width of every lock, closer at the tips."""
    way = style["strands"].astype(np.float64)
    many = np.array(LOCK)[style["strands_kind"]]
    of = np.repeat(np.arange(len(way)), many)
    along = np.gradient(way, axis=1)
    along /= np.maximum(np.linalg.norm(along, axis=2, keepdims=True), 1e-9)
    length = np.linalg.norm(np.diff(way, axis=1), axis=2).sum(1)
    outward = way.mean(1) + [0, 0.05, 0]
    outward /= np.maximum(np.linalg.norm(outward, axis=1, keepdims=True), 1e-9)
    side = np.cross(along, outward[:, None])
    side /= np.maximum(np.linalg.norm(side, axis=2, keepdims=True), 1e-6)
    normal = np.cross(side, along)
    width = style["strands_width"].astype(np.float64)[of]
    n = len(of)
    across, deep = np.clip(rng.normal(0, 0.38, n), -1.0, 1.0), rng.normal(-0.03, 0.12, n)
    meet = 1 - 0.5 * _T[None, :, 0] * rng.uniform(0.6, 1.4, n)[:, None]
    wave = rng.normal(0, 1, (n, 1)) * np.sin(_T[None, :, 0] * rng.uniform(2, 7, (n, 1)) + rng.uniform(0, 6, (n, 1)))
    wave *= np.minimum(0.05 * length[of], 0.0016)[:, None] * _T[None, :, 0]
    at = way[of] + side[of] * (across[:, None] * width[:, None] * meet + wave)[..., None]
    at += normal[of] * ((deep * width)[:, None] * meet + 0.6 * wave[:, ::-1] * _T[None, :, 0])[..., None]
    # No two hairs of a lock begin or end side by side.
    begin = rng.uniform(0.0, 0.16, n) * (style["strands_kind"][of] < 2)
    at = _part(at, begin, rng.uniform(0.80, 1.0, n))
    return Guided(style["strands_index"][of], style["strands_weight"].astype(np.float32)[of], at.astype(np.float32))


def _part(way: np.ndarray, begin: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Fibres (n, KNOTS, 3) from share begin to share end (n,) of their way."""
    at = (begin[:, None] + (end - begin)[:, None] * _T[None, :, 0]) * (KNOTS - 1)
    low = np.minimum(at.astype(int), KNOTS - 2)
    f, n = (at - low)[..., None], np.arange(len(way))[:, None]
    return way[n, low] * (1 - f) + way[n, low + 1] * f


def sheets(face: FaceModel, rng: np.random.Generator) -> Grown:
    """Hairs that lie along the sheets of hair and beard."""
    own = np.isin(face.triangle_region, (REGION["hair"], REGION["beard"]))
    corners, weight = _scatter(face, own, SHEET_PER_M2, rng)
    # Single hairs show where light falls: the inside of long hair, a fifth as open, needs no more than its ground.
    open_ = np.clip(face.occlusion / LIT, 0.15, 1) ** 2
    keep = (face.alpha[corners] * open_[corners] * weight).sum(1) > rng.uniform(0, 1, len(corners))
    corners, weight = corners[keep], weight[keep]
    n = len(corners)
    slope, normals = _slope(face, corners), face.normals(face.mean)
    run, bend = (np.einsum("nj,njk->nk", slope[:, 1], a[corners[:, 1:]] - a[corners[:, :1]])
                 for a in (face.mean, normals))  # fmt: skip
    square = np.maximum((run**2).sum(1), 1e-8)
    droop = np.clip((run * bend).sum(1) / square, 3, 60) / 2  # half the sheet's curvature along the hair
    length = np.clip(SHEET_SHARE * np.sqrt(square), *SHEET_M) * rng.uniform(0.5, 1.3, n)
    out = np.stack([rng.normal(0, 0.07, n), np.ones(n), rng.normal(0.012, 0.018, n), length], 1)
    return _grown(face, corners, weight, out, droop)


def undergrowth(face: FaceModel, rng: np.random.Generator) -> Grown:
    """Short hairs of a beard between its locks, where its fuzz lies on the skin."""
    own = face.triangle_region == REGION["strands"]
    fuzz = (face.uv[face.triangles, 0] >= FUZZ / TILES).all(1)
    scalp = face.masks[:, MASKS.index("scalp")][face.triangles].max(1)
    corners, weight = _scatter(face, own & fuzz & (scalp < 0.3), UNDER_PER_M2, rng)
    keep = (face.alpha[corners] * weight).sum(1) > rng.uniform(0, 1, len(corners))
    corners, weight = corners[keep], weight[keep]
    n = len(corners)
    length = UNDER_M * rng.uniform(0.5, 1.2, n)
    out = np.stack([rng.normal(0, 0.16, n), np.ones(n), rng.uniform(0.10, 0.40, n), length], 1)
    return _grown(face, corners, weight, out, np.full(n, 25.0))


def brows(face: FaceModel, person: Person, rng: np.random.Generator) -> Grown:
    """Hairs of the brows, upright near the nose and lying down further out."""
    own = face.triangle_region == REGION["brows"]
    corners, weight = _scatter(face, own, BROW_PER_M2 * min(person.hair.brows, 1.5), rng)
    thick = (face.alpha[corners] * weight).sum(1)
    keep = thick**1.1 * 1.15 > rng.uniform(0, 1, len(corners))
    corners, weight = corners[keep], weight[keep]
    u, v = np.moveaxis((face.uv[corners] * weight[..., None]).sum(1), -1, 0)
    n = len(corners)
    up = np.clip(1.3 - 2.6 * u, 0.12, 1.3) * np.where(v < 0.6, 1, 0.4) + rng.normal(0, 0.12, n)
    out = np.stack([np.ones(n), up, rng.uniform(0.03, 0.16, n), BROW_M * rng.uniform(0.5, 1.1, n)], 1)
    return _grown(face, corners, weight, out, np.full(n, 30.0))


def lashes(face: FaceModel, rng: np.random.Generator) -> Grown:
    """Lashes from the root of their ribbon to its tip and a little on, as the lid swings."""
    own = np.flatnonzero(face.triangle_region == REGION["lashes"])
    v = face.uv[face.triangles[own], 1]
    own = own[v.min(1) < 0.05]
    corners = face.triangles[np.sort(rng.choice(own, LASHES))]
    low = face.uv[corners, 1] < 0.05
    weight = rng.uniform(0.02, 1, (LASHES, 3)) * low
    weight /= weight.sum(1, keepdims=True)
    strong = np.clip(face.alpha[corners].max(1) * 2.2, 0.2, 1)
    out = np.stack([rng.normal(0, 0.16, LASHES), np.ones(LASHES), np.zeros(LASHES),
                    0.0048 * strong * rng.uniform(0.6, 1.05, LASHES)], 1)  # fmt: skip
    return _grown(face, corners, weight, out, np.zeros(LASHES))


def _scatter(face: FaceModel, own: np.ndarray, per_m2: float, rng: np.random.Generator):
    """Random points of the mean face's triangles `own`: corners (n, 3) and weights (n, 3)."""
    triangles = face.triangles[own]
    a, b, c = (face.mean[triangles[:, k]] for k in range(3))
    area = 0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1)
    many = rng.poisson(area * per_m2)
    corners = np.repeat(triangles, many, axis=0)
    p, q = rng.random(len(corners)), rng.random(len(corners))
    p, q = np.where(p + q > 1, 1 - p, p), np.where(p + q > 1, 1 - q, q)
    return corners, np.stack([1 - p - q, p, q], 1)


def _slope(face: FaceModel, corners: np.ndarray) -> np.ndarray:
    """(n, 2, 2) so that dP/du and dP/dv = slope . (side 1, side 2) of the triangles; 0 where uv has no area."""
    d1, d2 = (face.uv[corners[:, k]] - face.uv[corners[:, 0]] for k in (1, 2))
    area = (d1[:, 0] * d2[:, 1] - d2[:, 0] * d1[:, 1])[:, None, None]
    slope = np.stack([np.stack([d2[:, 1], -d1[:, 1]], 1), np.stack([-d2[:, 0], d1[:, 0]], 1)], 1)
    return np.where(np.abs(area) > 1e-7, slope / np.where(np.abs(area) > 1e-7, area, 1), 0)


def _grown(face: FaceModel, corners: np.ndarray, weight: np.ndarray, out: np.ndarray, droop: np.ndarray) -> Grown:
    slope = _slope(face, corners)
    keep = np.abs(slope).max((1, 2)) > 0
    f32 = np.float32
    return Grown(corners[keep], weight[keep].astype(f32), slope[keep].astype(f32), out[keep].astype(f32),
                 droop[keep].astype(f32))  # fmt: skip


def pose_guided(hairs: Guided, points: np.ndarray, turned: np.ndarray) -> np.ndarray:
    """Fibres float32 (n, KNOTS, 3) of guided hairs on posed head vertices; turned (3, 3) of the head."""
    root = (points[hairs.root] * hairs.weight[..., None]).sum(1)
    return root[:, None] + hairs.way @ turned.T.astype(np.float32)


def pose_grown(hairs: Grown, points: np.ndarray) -> np.ndarray:
    """Fibres float32 (n, KNOTS, 3) of grown hairs on the posed face."""
    p = points[hairs.corners]
    root = (p * hairs.weight[..., None]).sum(1)
    sides = p[:, 1:] - p[:, :1]
    along = np.einsum("nij,njk->nik", hairs.slope, sides)
    along /= np.maximum(np.linalg.norm(along, axis=2, keepdims=True), 1e-9)
    normal = np.cross(sides[:, 0], sides[:, 1])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    way = hairs.out[:, :1] * along[:, 0] + hairs.out[:, 1:2] * along[:, 1] + hairs.out[:, 2:3] * normal
    way /= np.maximum(np.linalg.norm(way, axis=1, keepdims=True), 1e-9)
    t = (hairs.out[:, 3:4] * _T[None, :, 0])[..., None]
    return (root[:, None] + way[:, None] * t - normal[:, None] * t**2 * hairs.droop[:, None, None]).astype(np.float32)
