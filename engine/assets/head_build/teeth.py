"""Tooth rows with single teeth and gums, and eyelashes: small parts made from a few measures."""

import numpy as np

from engine.assets.head_build.parts import Part
from engine.render.face_model import REGION

# Half rows from the midline outwards, in dm: width, height of the crown, lift of its edge.
UPPER_TEETH = (
    (0.080, 0.095, 0.000),
    (0.064, 0.086, 0.007),
    (0.072, 0.095, 0.003),
    (0.066, 0.082, 0.010),
    (0.066, 0.078, 0.014),
    (0.095, 0.072, 0.018),
)
LOWER_TEETH = (
    (0.052, 0.080, 0.000),
    (0.056, 0.080, 0.001),
    (0.064, 0.086, -0.004),
    (0.066, 0.076, 0.004),
    (0.066, 0.072, 0.008),
    (0.100, 0.066, 0.010),
)
ACROSS = np.array([-1.0, -0.62, 0.0, 0.62, 1.0])
# Profile of a tooth from gum to edge to its back: (height share from the edge, depth share).
PROFILE = np.array([(1.08, 0.35), (0.85, 0.10), (0.45, 0.0), (0.08, 0.05), (0.0, 0.22), (0.10, 0.85)])
THICK = 0.045


def build_row(rest: np.ndarray, upper: bool) -> Part:
    """One tooth row. rest (68, 3): the base mesh's row already in place; the new one follows it affinely."""
    row = UPPER_TEETH if upper else LOWER_TEETH
    start = 15060 if upper else 14992
    edge_y = rest[:, 1].min() if upper else rest[:, 1].max()
    side, front = np.abs(rest[:, 0]).max() * (0.93 if upper else 0.86), rest[:, 2].max() - 0.005
    depth = (front - rest[:, 2].min()) * 1.1
    sign = 1.0 if upper else -1.0
    length, arch = _arch(side, front, depth)
    points, triangles, uv, region, dark = [], [], [], [], []
    for half in (1, -1):
        at = 0.0
        for number, (width, height, lift) in enumerate(row):
            middle, at = at + width / 2, at + width
            s = (middle + ACROSS * width * 0.49) * half
            x, z = np.interp(s, length, arch[:, 0]), np.interp(s, length, arch[:, 1])
            tangent = np.stack(
                [np.interp(s + 1e-3, length, arch[:, 0]) - x, np.interp(s + 1e-3, length, arch[:, 1]) - z], -1
            )
            tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
            inward = np.stack([tangent[:, 1], -tangent[:, 0]], -1) * np.sign(tangent[:, :1])
            first = len(points)
            for share, back in PROFILE:
                scallop = height * (share - 0.10 * ACROSS**2 * (share > 0.7)) + 0.006 * ACROSS**2 * (share < 0.2)
                push = THICK * back + 0.014 * np.abs(ACROSS) ** 3
                y = edge_y + sign * (lift + scallop)
                points += list(np.stack([x + inward[:, 0] * push, y, z + inward[:, 1] * push], -1))
                uv += [((number + (a + 1) / 2) / len(row), share) for a in ACROSS]
                dark += list(1 - 0.5 * (np.abs(ACROSS) > 0.9) - 0.25 * (share > 1))
            triangles += _patch(first, len(PROFILE), len(ACROSS))
        region += [REGION["teeth_upper" if upper else "teeth_lower"]] * (len(triangles) - len(region))
    first, columns = len(points), 21
    s = np.linspace(length[0], length[-1], columns) * 0.92
    for rise, back in ((0.055, 0.030), (0.105, 0.006), (0.20, 0.03)):
        x, z = np.interp(s, length, arch[:, 0]), np.interp(s, length, arch[:, 1])
        points += list(np.stack([x * (1 - back * 2), np.full(columns, edge_y + sign * rise), z - back], -1))
        uv += [(k / (columns - 1), rise) for k in range(columns)]
        dark += [1.0] * columns
    triangles += _patch(first, 3, columns)
    region += [REGION["gums"]] * (len(triangles) - len(region))
    vertices = np.array(points)
    weight = np.c_[np.ones(len(vertices)), vertices] @ np.linalg.pinv(np.c_[np.ones(len(rest)), rest])
    index = np.broadcast_to(np.arange(start, start + len(rest)), weight.shape)
    return Part(
        index,
        weight,
        np.zeros_like(vertices),
        _face_front(np.array(triangles), vertices, front - depth),
        np.array(region),
        np.array(uv),
        np.array(dark),
    )


def _arch(side: float, front: float, depth: float) -> tuple[np.ndarray, np.ndarray]:
    """Arc length (n,) from -half to half and points (n, 2) (x, z) of the dental arch, half an ellipse."""
    t = np.linspace(-1.5, 1.5, 201)
    points = np.stack([side * np.sin(t), front - depth * (1 - np.cos(t))], -1)
    step = np.linalg.norm(np.diff(points, axis=0), axis=1)
    length = np.r_[0, np.cumsum(step)]
    return length - length[100], points


def _patch(first: int, rows: int, columns: int) -> list[tuple[int, int, int]]:
    out = []
    for r in range(rows - 1):
        for c in range(columns - 1):
            a = first + r * columns + c
            out += [(a, a + 1, a + columns), (a + 1, a + columns + 1, a + columns)]
    return out


def _face_front(triangles: np.ndarray, vertices: np.ndarray, back: float) -> np.ndarray:
    """Turn triangles so that they look away from the middle of the mouth."""
    corner = vertices[triangles]
    face = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    away = corner.mean(1) - np.array([0.0, vertices[:, 1].mean(), back])
    away[:, 1] *= 0.2
    wrong = (face * away).sum(-1) < 0
    triangles[wrong] = triangles[wrong][:, ::-1]
    return triangles


LASH_ROWS = np.array([0.0, 0.35, 0.7, 1.0])
LINER_RING = 3  # the upper ribbon starts a little above the edge of the lid: a thin dark line at the root


def build_lashes(
    neutral: np.ndarray, rings: np.ndarray, drop: np.ndarray, centre: np.ndarray, side: int
) -> tuple[Part, np.ndarray]:
    """Upper and lower lashes of one eye as two curved ribbons rooted on the edge of the lids.

    rings (6, 28) base ids round the eye, drop (28,) vertical blink motion of the edge, centre of the ball.
    Returns the part and its own blink motion (n, 3): the upper lashes swing down with the lid.
    """
    ring, liner = rings[1], rings[LINER_RING]
    falls = np.flatnonzero(drop < 0.25 * drop.min())
    points, index, triangles, uv, alpha, swing = [], [], [], [], [], []
    for columns, reach, rise, share in (
        (falls, 0.065, 0.75, 1.0),
        (np.setdiff1d(np.arange(28), falls), 0.022, -0.8, 0.5),
    ):
        columns = columns[np.argsort(neutral[ring[columns], 0] * side)]
        edge = ring[columns]
        along = np.linspace(0, 1, len(edge))
        taper = np.clip(np.minimum(along / 0.25, (1 - along) / 0.25), 0.12, 1) * (0.75 + 0.35 * along)
        ends = np.clip(np.minimum(along / 0.12, (1 - along) / 0.05), 0.2, 1)
        out = neutral[edge] - centre
        out /= np.linalg.norm(out, axis=1, keepdims=True)
        first, rows = len(index), len(LASH_ROWS)
        if rise > 0:
            points += list(0.004 * out)
            index += list(liner[columns])
            uv += [(a, 0.0) for a in along]
            alpha += list(0.55 * ends)
            swing += list(0 * out)
            rows += 1
        out[:, 0] += side * 0.5 * (along - 0.35)
        for s in LASH_ROWS:
            move = (reach * taper * s)[:, None] * (out * (1 - 0.35 * s) + np.array([0, rise, 0]) * s)
            move[:, 2] += 0.008
            points += list(move)
            index += list(edge)
            uv += [(a, s) for a in along]
            alpha += list(share * (1 - 0.75 * s**2) * ends)
            fall = move * (1, -0.7, 1) + np.abs(move[:, 1:2]) * (0, 0, 0.5) - move if rise > 0 else 0 * move
            swing += list(fall)
        triangles += _patch(first, rows, len(edge))
    offset = np.array(points)
    index_array = np.array(index)
    vertices = neutral[index_array] + offset
    faces = _face_front(np.array(triangles), vertices, float(centre[2]))
    part = Part(
        index_array[:, None],
        np.ones((len(offset), 1)),
        offset,
        faces,
        np.full(len(faces), REGION["lashes"]),
        np.array(uv),
        np.array(alpha),
    )
    return part, np.array(swing)
