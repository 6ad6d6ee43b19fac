"""Hair and brows: smooth grids laid over the scalp and the brow ridge, bound to the skin below.

The grid's columns are strands, so its uv is (around the head, along the strand): a shader can draw hairs.
`alpha` is 1 inside and falls to 0 on the hairline, where the colour should melt into the skin.
"""

import numpy as np

from engine.assets.head_build.parts import Part, cast_rays, grid_triangles, vertex_normals
from engine.assets.head_build.wear import Bare, to_wearable
from engine.render.face_model import REGION

CENTRE = np.array([0.0, 6.80, 0.40])  # dm, inside the skull; rays to the scalp start here
AXIS = np.array([0.0, 1.0, -0.30])  # the whorl: strands run from here to the hairline
COLUMNS, ROWS = 72, 16
# Right half of the hairline on the neutral head (x, y, z in dm), from mid forehead to nape.
CLEARANCE = 0.012  # dm over the skin, more than the sag of a chord between two strands
SWEEP, FRINGE = 0.55, 0.07  # rad: how far the front is combed to the left, how far it falls there
HEM = 0.10  # share of a strand over which the hair melts into the skin
HAIRLINE = np.array(
    [
        (0.00, 7.23, 1.22),
        (0.22, 7.25, 1.18),
        (0.40, 7.20, 1.10),
        (0.52, 7.09, 1.04),
        (0.58, 6.95, 0.98),
        (0.62, 6.80, 0.90),
        (0.66, 6.66, 0.80),
        (0.69, 6.50, 0.70),
        (0.70, 6.50, 0.62),
        (0.70, 6.68, 0.53),
        (0.70, 6.76, 0.42),
        (0.70, 6.70, 0.28),
        (0.67, 6.50, 0.16),
        (0.58, 6.25, 0.08),
        (0.42, 6.02, 0.00),
        (0.20, 5.90, -0.08),
        (0.00, 5.87, -0.10),
    ]
)


def _frame() -> np.ndarray:
    up = AXIS / np.linalg.norm(AXIS)
    forward = np.array([0.0, 0.0, 1.0]) - up * up[2]
    forward /= np.linalg.norm(forward)
    return np.stack([np.cross(up, forward), up, forward])  # rows: x (left), axis, front


def _polar(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    local = (points - CENTRE) @ _frame().T
    return np.arctan2(local[:, 0], local[:, 2]), np.arctan2(np.hypot(local[:, 0], local[:, 2]), local[:, 1])


def _profile(along: np.ndarray, around: np.ndarray) -> np.ndarray:
    """Thickness of the hair in dm: along 0 crown .. 1 hairline, around azimuth in rad (0 front).

    Full on top with a lift over the forehead that leans to one side, cut short towards ears and nape.
    """
    whorl = np.clip(along / 0.45, 0, 1) ** 2 * (3 - 2 * np.clip(along / 0.45, 0, 1))  # 0 where strands meet
    front = np.exp(-((around / 0.9) ** 2))
    back = np.exp(-(((np.abs(around) - np.pi) / 0.9) ** 2))
    inner = np.maximum(1 - along - 0.5 * HEM, 0)
    rise = 1 - np.exp(-inner / (0.09 * front + 0.30 * (1 - front)))
    body = 0.05 * front + 0.04 * back + 0.03 * np.sin(around + 0.4)
    lift = 0.07 * front * np.exp(-(((along - 0.72) / 0.2) ** 2)) * (1 + 0.5 * np.sin(2 * around + 0.6))
    clump = 0.010 * np.sin(around * 17 + 4 * along) + 0.007 * np.sin(around * 29 + 1.3 - 5 * along)
    return (1 - whorl) * 0.165 + whorl * rise * (0.15 + body + lift + clump)


def build_hair(vertices: np.ndarray, scalp: np.ndarray) -> Part:
    """The hair shell. vertices (N, 3) neutral dm, scalp (t, 3) triangles of the skin without the ears."""
    azimuth, polar = _polar(HAIRLINE)
    around = np.linspace(-np.pi, np.pi, COLUMNS, endpoint=False)
    limit = np.interp(np.abs(around), azimuth, polar)
    for _ in range(1):  # a hand-drawn line, softened
        limit = 0.25 * np.roll(limit, 1) + 0.5 * limit + 0.25 * np.roll(limit, -1)
    along = np.linspace(0.015, 1, ROWS) ** 0.75
    start, along = np.meshgrid(around, along)
    phi = start + SWEEP * np.exp(-((start / 1.0) ** 2)) * along**2  # the front is combed to one side
    end = np.interp(phi, np.r_[around - 2 * np.pi, around, around + 2 * np.pi], np.tile(limit, 3))
    fringe = FRINGE * np.exp(-(((phi - 0.30) / 0.32) ** 2))
    theta = along * (end + fringe)
    local = np.stack([np.sin(theta) * np.sin(phi), np.cos(theta), np.sin(theta) * np.cos(phi)], -1)
    rays = (local @ _frame()).reshape(-1, 3)
    index, weight = _bind(np.tile(CENTRE, (len(rays), 1)), rays, vertices, scalp)
    ground = (vertices[index] * weight[..., None]).sum(1)
    normal = (vertex_normals(vertices, scalp)[index] * weight[..., None]).sum(1)
    outward = normal + rays
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    offset = outward * (_profile(along, phi).reshape(-1, 1) + CLEARANCE)
    fade = np.clip((1 - along.ravel()) / HEM, 0, 1)
    triangles = grid_triangles(ROWS, COLUMNS, closed=True)
    cap = np.stack([np.zeros(COLUMNS - 2, int), np.arange(1, COLUMNS - 1), np.arange(2, COLUMNS)], -1)
    triangles = _outward(np.concatenate([triangles, cap]), ground + offset)
    uv = np.stack([(start.ravel() / np.pi + 1) / 2, along.ravel()], -1)
    return Part(index, weight, offset, triangles, np.full(len(triangles), REGION["hair"]), uv, fade)


def build_styles(bare: Bare) -> dict[str, dict[str, np.ndarray]]:
    """Every hair style by name, as tensors of `engine.render.wearables`."""
    return {"short": to_wearable(build_hair(bare.neutral, bare.scalp), bare)}


def build_beards(bare: Bare) -> dict[str, dict[str, np.ndarray]]:
    """Every beard by name."""
    return {}


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
    triangles = _outward(grid_triangles(rows, columns), ground + offset, np.array([0.0, 6.6, 0.3]))
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
