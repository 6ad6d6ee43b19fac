"""Sheets and cards: strands as curves become meshes bound to the bare head (tensors of `engine.render.wearables`).

A sheet is an opaque grid whose columns are strands. A card is a ribbon that wears one tile of the picture of
strands (`engine.render.hair_paint`) and is blended; it lies on a sheet or sticks out of it.
"""

from dataclasses import dataclass, field

import numpy as np

from engine.assets.head_build import occlusion
from engine.assets.head_build.hair_scalp import Scalp, unit
from engine.assets.head_build.parts import grid_triangles, vertex_normals
from engine.assets.head_build.wear import buried
from engine.render.face_model import REGION
from engine.render.hair_paint import FUZZ, MEDIUM, SPARSE, TILE, TILES
from engine.render.wearables import Tensors

GUIDE = 12  # points of a guide strand


@dataclass(slots=True)
class Tuft:
    """Meshes of a style as they come. Each list entry: points (n, 3), triangles (t, 3), uv (n, 2), alpha (n,),
    region, shade (n,) factor of the baked occlusion, root (n, 3) point of the skin that it follows, and the
    share (n,) by which it follows the shoulders instead. guides: strands (n, k, 3), roots (n, 3), width (n,),
    kind (n,) of the cards, for renderers that draw hairs."""

    points: list[np.ndarray] = field(default_factory=list)
    triangles: list[np.ndarray] = field(default_factory=list)
    uv: list[np.ndarray] = field(default_factory=list)
    alpha: list[np.ndarray] = field(default_factory=list)
    region: list[int] = field(default_factory=list)
    shade: list[np.ndarray] = field(default_factory=list)
    root: list[np.ndarray] = field(default_factory=list)
    rest: list[np.ndarray] = field(default_factory=list)
    guides: list[tuple[np.ndarray, ...]] = field(default_factory=list)

    def add(self, points, triangles, uv, alpha, region, shade, root, rest) -> None:
        """Append one mesh; scalars are repeated for every vertex."""
        n = len(points)
        for values, value in ((self.alpha, alpha), (self.shade, shade), (self.rest, rest)):
            values.append(np.broadcast_to(np.asarray(value, float), (n,)))
        self.points.append(points)
        self.triangles.append(triangles)
        self.uv.append(uv)
        self.region.append(region)
        self.root.append(np.broadcast_to(root, (n, 3)))


def add_sheet(tuft: Tuft, strands: np.ndarray, roots: np.ndarray, uv_span: tuple[float, float], closed: bool = False,
              shade: float | np.ndarray = 1.0, rest: np.ndarray | float = 0.0, repeat: int = 1,
              ruffle: np.ndarray | float = 0.0, alpha: np.ndarray | float = 1.0,
              torn: np.ndarray | None = None) -> None:  # fmt: skip
    """An opaque grid: strands (columns, rows, 3) side by side, roots (columns, rows, 3) of the skin under them.

    alpha (columns, rows): under 1 the sheet melts into skin strand by strand, as thin hair does.
    torn bool (columns - 1, rows - 1): where neighbours are not joined.
    ruffle (rows x columns, 2): added to uv, so that the strands of the picture run in curls.
    """
    columns, rows = strands.shape[:2]
    points = strands.transpose(1, 0, 2).reshape(-1, 3)
    triangles = grid_triangles(rows, columns, closed)
    if torn is not None:
        triangles = triangles[np.tile(~torn.T.ravel(), 2)]
    corner = points[triangles]
    area = np.linalg.norm(np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]), axis=1)
    triangles = triangles[area > 1e-9]
    u = np.linspace(*uv_span, columns, endpoint=not closed)
    u = u * repeat
    grid = np.stack(np.broadcast_arrays(u[None], np.linspace(0, 1, rows)[:, None]), -1).reshape(-1, 2)
    grid = grid + ruffle
    grid[:, 1] = np.clip(grid[:, 1], 0.002, 0.998)
    spread = [np.broadcast_to(x, (columns, rows)).T.ravel() for x in (shade, rest, alpha)]
    tuft.add(points, _outward(triangles, points, roots.transpose(1, 0, 2).reshape(-1, 3)), grid, spread[2],
             REGION["hair"], spread[0], roots.transpose(1, 0, 2).reshape(-1, 3), spread[1])  # fmt: skip


def add_hem(tuft: Tuft, inner: np.ndarray, outer: np.ndarray, roots: np.ndarray, alpha: float = 1.0,
            shade: float = 1.0) -> None:  # fmt: skip
    """A blended band of fuzz from the rim of a sheet inner (n, 3) to the bare skin outer (n, 3), closed."""
    n = len(inner)
    middle = 0.5 * (inner + outer)
    points = np.concatenate([inner, middle, outer])
    triangles = _outward(grid_triangles(3, n, closed=True), points, np.concatenate([roots] * 3))
    low, high = (FUZZ * TILE + 1) / (TILES * TILE), (FUZZ * TILE + TILE - 1) / (TILES * TILE)
    u = np.where(np.arange(n) % 2 == 0, low, high)
    uv = np.stack([np.tile(u, 3), np.repeat([0.1, 0.5, 0.9], n)], -1)
    tuft.add(points, triangles, uv, np.repeat([alpha, 0.5 * alpha, 0.0], n), REGION["strands"], shade,
             np.concatenate([roots] * 3), 0.0)  # fmt: skip


def _outward(triangles: np.ndarray, points: np.ndarray, roots: np.ndarray) -> np.ndarray:
    """Turn the whole mesh so that most of it faces away from what it covers."""
    corner = points[triangles]
    face = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    inside = roots.mean(0) * [0.3, 0.5, 0.3]
    return triangles if (face * (corner.mean(1) - inside)).sum() > 0 else triangles[:, ::-1]


def add_cards(tuft: Tuft, strands: np.ndarray, outward: np.ndarray, width: np.ndarray, tiles: np.ndarray,
              roots: np.ndarray, alpha: np.ndarray, shade: np.ndarray, rest: np.ndarray | float = 0.0,
              taper: float = 0.55, span: tuple[float, float] = (0.0, 1.0)) -> None:  # fmt: skip
    """Ribbons: strands and outward (n, k, 3), width (n,) metres, tiles (n,), roots (n, 3), alpha and shade (n, k)."""
    n, k = strands.shape[:2]
    ahead = unit(np.gradient(strands, axis=1))
    side = unit(np.cross(ahead, outward))
    along = np.linspace(0, 1, k)
    half = 0.5 * width[:, None] * (1 - (1 - taper) * along[None] ** 1.5)
    edges = np.stack([strands - side * half[..., None], strands + side * half[..., None]], 2)  # (n, k, 2, 3)
    points = edges.reshape(-1, 3)
    patch = grid_triangles(k, 2)
    triangles = (patch[None] + (np.arange(n) * 2 * k)[:, None, None]).reshape(-1, 3)
    corner = points[triangles]
    face = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    wrong = (face * np.repeat(outward.mean(1), len(patch), 0)).sum(-1) < 0
    triangles[wrong] = triangles[wrong][:, ::-1]
    left = (tiles * TILE + 0.75) / (TILES * TILE)
    u = left[:, None, None] + np.array([0.0, (TILE - 1.5) / (TILES * TILE)])[None, None]
    v = span[0] + (span[1] - span[0]) * along
    uv = np.stack(np.broadcast_arrays(u, v[None, :, None]), -1).reshape(-1, 2)
    rest = np.repeat(np.broadcast_to(rest, (n, k)).ravel(), 2)
    kind = np.searchsorted([MEDIUM.start, SPARSE.start], tiles, "right")
    tuft.guides.append((_even(strands), roots, width, kind))
    tuft.add(points, triangles, uv, np.repeat(alpha.ravel(), 2), REGION["strands"], np.repeat(shade.ravel(), 2),
             np.repeat(roots, 2 * k, 0), rest)  # fmt: skip


def add_guides(tuft: Tuft, strands: np.ndarray, roots: np.ndarray, width: np.ndarray) -> None:
    """Dense locks (n, k, 3) for renderers that draw hairs: elsewhere a sheet stands for them."""
    tuft.guides.append((_even(strands), roots, width, np.zeros(len(strands), int)))


def _even(strands: np.ndarray) -> np.ndarray:
    """Strands (n, k, 3) as GUIDE points evenly spaced along each."""
    step = np.linalg.norm(np.diff(strands, axis=1), axis=2)
    length = np.concatenate([np.zeros((len(step), 1)), step.cumsum(1)], 1)
    length /= np.maximum(length[:, -1:], 1e-9)
    at = np.linspace(0, 1, GUIDE)
    return np.stack([[np.interp(at, s, p[:, c]) for c in range(3)] for s, p in zip(length, strands, strict=True)]
                    ).transpose(0, 2, 1)  # fmt: skip


def finish(tuft: Tuft, scalp: Scalp, head: Tensors, bind_to: np.ndarray | None = None) -> Tensors:
    """Tensors of the style: bound to the skin, occlusion baked with the head and the sheets as casters."""
    starts = np.cumsum([0] + [len(p) for p in tuft.points])
    points = np.concatenate(tuft.points)
    triangles = np.concatenate([t + s for t, s in zip(tuft.triangles, starts, strict=False)])
    region = np.concatenate([np.full(len(t), r) for t, r in zip(tuft.triangles, tuft.region, strict=True)])
    index, weight = scalp.bind(np.concatenate(tuft.root), bind_to)
    index, weight = _shoulders(index, weight, np.concatenate(tuft.rest), points, scalp)
    ground = np.sum([scalp.mean[index[:, k]] * weight[:, k, None].astype(np.float16) for k in range(3)], 0)
    dark = _occlusion(points, triangles, region, head)
    cards = np.zeros(len(points), bool)
    cards[triangles[region == REGION["strands"]]] = True
    dark = np.where(cards, np.maximum(dark, 0.72), dark) * np.concatenate(tuft.shade)
    guides = [np.concatenate(values) for values in zip(*tuft.guides, strict=True)]
    hold, share = scalp.bind(guides[1], bind_to)
    foot = np.sum([scalp.mean[hold[:, k]] * share[:, k, None] for k in range(3)], 0)
    made = {
        "strands": (guides[0] - foot[:, None]).astype(np.float16),
        "strands_index": hold.astype(np.int32),
        "strands_weight": share.astype(np.float16),
        "strands_width": guides[2].astype(np.float16),
        "strands_kind": guides[3].astype(np.uint8),
        "index": index.astype(np.int32),
        "weight": weight.astype(np.float16),
        "offset": (points - ground).astype(np.float32),
        "triangles": triangles.astype(np.int32),
        "region": region.astype(np.uint8),
        "uv": np.concatenate(tuft.uv).astype(np.float16),
        "alpha": np.concatenate(tuft.alpha).astype(np.float16),
        "occlusion": np.clip(dark, 0, 1).astype(np.float16),
        "hides": buried(points, triangles[region == REGION["hair"]], head),
    }
    return {name: np.ascontiguousarray(value) for name, value in made.items()}


def _shoulders(index, weight, rest, points, scalp):
    """Let the vertices that lie on the shoulders follow them: their third binding is a vertex of the bust."""
    from scipy.spatial import KDTree

    low = np.flatnonzero((scalp.neck < 0.05) & (scalp.normals != 0).any(1))
    near = np.asarray(KDTree(scalp.mean[low]).query(points)[1])
    main = weight.argsort(1)[:, ::-1]
    rows = np.arange(len(index))[:, None]
    index2, weight2 = index[rows, main].copy(), weight[rows, main].copy()
    tied = rest > 0
    pair = weight2[tied, :2] / weight2[tied, :2].sum(1, keepdims=True)
    index2[tied, 2] = low[near[tied]]
    weight2[tied] = np.concatenate([pair * (1 - rest[tied, None]), rest[tied, None]], 1)
    return index2, weight2


def _occlusion(points, triangles, region, head):
    """(n,) share of the sky over each vertex; cards cast no shadow, thin as they are."""
    base = len(head["mean"])
    thin = np.isin(head["triangle_region"], [REGION[r] for r in ("lashes", "brows")])
    sheet = triangles[region != REGION["strands"]]
    casters = np.concatenate([head["triangles"][~thin], sheet + base])
    normals = np.concatenate([np.zeros_like(head["mean"]), vertex_normals(points, triangles)])
    vertices = np.concatenate([head["mean"], points])
    return occlusion.ambient_occlusion(vertices, normals, casters, slack=0.0015)[base:]
