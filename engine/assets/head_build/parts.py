"""Parts of the head, every vertex bound to vertices of the base mesh, so that all parts morph together.

A part's vertex is a weighted mean of a few base vertices plus a fixed offset. Identity and expression
offsets are the same weighted means, so hair, brows and dress follow the face without bases of their own.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(slots=True)
class Part:
    """index int (n, k), weight (n, k), offset (n, 3) dm, triangles int (t, 3) counter-clockwise seen
    from outside, region int (t,), uv (n, 2), alpha (n,) 1 opaque .. 0 fades into the skin."""

    index: np.ndarray
    weight: np.ndarray
    offset: np.ndarray
    triangles: np.ndarray
    region: np.ndarray
    uv: np.ndarray
    alpha: np.ndarray

    def bind(self, field: np.ndarray) -> np.ndarray:
        """Carry a per-base-vertex field (..., N, c) over to this part: (..., n, c)."""
        out = 0.0
        for k in range(self.index.shape[1]):
            out = out + field[..., self.index[:, k], :] * self.weight[:, k, None]
        return np.asarray(out)


def split_quads(quads: np.ndarray, vertices: np.ndarray) -> np.ndarray:
    """Quads to triangles (2Q, 3) along the shorter diagonal, orientation kept."""
    a, b, c, d = (vertices[quads[:, i]] for i in range(4))
    first = ((a - c) ** 2).sum(-1) <= ((b - d) ** 2).sum(-1) + 1e-9
    one = np.where(first[:, None], quads[:, [0, 1, 2]], quads[:, [0, 1, 3]])
    two = np.where(first[:, None], quads[:, [0, 2, 3]], quads[:, [1, 2, 3]])
    return np.stack([one, two], 1).reshape(-1, 3)


def from_base(triangles: np.ndarray, region: np.ndarray | int, uv: np.ndarray) -> Part:
    """A part made of base vertices themselves: triangles (t, 3) in base indices, uv (N, 2)."""
    used, local = np.unique(triangles, return_inverse=True)
    n = len(used)
    regions = np.broadcast_to(np.asarray(region), (len(triangles),)).copy()
    return Part(used[:, None], np.ones((n, 1)), np.zeros((n, 3)), local.reshape(-1, 3), regions, uv[used], np.ones(n))


def refine(part: Part, vertices: np.ndarray, normals: np.ndarray, split: np.ndarray) -> Part:
    """A part of base vertices with some edges halved, new vertices lifted onto the rounded surface.

    split bool (N,): edges between two such vertices are halved. vertices, normals (N, 3) of the base mesh.
    Every triangle around a halved edge is divided along with it, so that no crack opens.
    """
    base = part.index[:, 0]
    middle: dict[tuple[int, int], int] = {}
    index, weight, offset, uv = [], [], [], []
    triangles, region = [], []
    count = len(base)
    for triangle, kind in zip(part.triangles.tolist(), part.region.tolist(), strict=True):
        polygon = []
        for k in range(3):
            a, b = triangle[k], triangle[(k + 1) % 3]
            polygon.append((a, None))
            if not (split[base[a]] and split[base[b]]) or abs(part.uv[a, 0] - part.uv[b, 0]) > 0.3:
                continue
            key = (min(a, b), max(a, b))
            if key not in middle:
                middle[key] = count + len(index)
                p, q = base[key[0]], base[key[1]]
                point = (vertices[p] + vertices[q]) / 2
                lift = sum(((vertices[e] - point) @ normals[e]) * normals[e] for e in (p, q)) / 2
                index.append((p, q))
                weight.append((0.5, 0.5))
                offset.append(0.75 * lift)
                uv.append((part.uv[key[0]] + part.uv[key[1]]) / 2)
            polygon.append((middle[key], a))
        corners = [v for v, _ in polygon]
        halves = [k for k, (_, edge) in enumerate(polygon) if edge is not None]
        if len(halves) == 3:
            out = [(corners[0], corners[1], corners[5]), (corners[1], corners[2], corners[3]),
                   (corners[3], corners[4], corners[5]), (corners[1], corners[3], corners[5])]  # fmt: skip
        elif halves:  # a fan from the first new vertex stays inside the triangle
            turned = corners[halves[0] :] + corners[: halves[0]]
            out = [(turned[0], turned[k], turned[k + 1]) for k in range(1, len(turned) - 1)]
        else:
            out = [tuple(corners)]
        triangles += out
        region += [kind] * len(out)
    old = np.stack([base, base], 1)
    return Part(
        np.concatenate([old, np.array(index, int).reshape(-1, 2)]),
        np.concatenate([np.tile([1.0, 0.0], (count, 1)), np.array(weight).reshape(-1, 2)]),
        np.concatenate([part.offset, np.array(offset).reshape(-1, 3)]),
        np.array(triangles), np.array(region),
        np.concatenate([part.uv, np.array(uv).reshape(-1, 2)]), np.ones(count + len(index)),
    )  # fmt: skip


def clip_part(triangles: np.ndarray, field: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Keep the side field >= 0 of a triangle mesh, cutting triangles exactly at field = 0.

    Returns index (n, 2), weight (n, 2) of the new vertices in base vertices, and triangles (t, 3).
    """
    vertices: dict[tuple[int, int], int] = {}
    index, weight, out = [], [], []

    def vertex(a: int, b: int) -> int:
        key = (a, a) if a == b else (min(a, b), max(a, b))
        if key not in vertices:
            vertices[key] = len(index)
            if a == b:
                index.append((a, a))
                weight.append((1.0, 0.0))
            else:
                p, q = key
                share = field[p] / (field[p] - field[q])
                index.append((p, q))
                weight.append((1 - share, share))
        return vertices[key]

    for triangle in triangles:
        inside = field[triangle] >= 0
        polygon = []
        for k in range(3):
            a, b = int(triangle[k]), int(triangle[(k + 1) % 3])
            if inside[k]:
                polygon.append(vertex(a, a))
            if inside[k] != inside[(k + 1) % 3]:
                polygon.append(vertex(a, b))
        out += [(polygon[0], polygon[i], polygon[i + 1]) for i in range(1, len(polygon) - 1)]
    return np.array(index), np.array(weight), np.array(out)


def grid_triangles(rows: int, columns: int, closed: bool = False) -> np.ndarray:
    """Triangles of a rows x columns vertex grid, row-major; `closed` joins the last column to the first."""
    r = np.arange(rows - 1)[:, None]
    c = np.arange(columns if closed else columns - 1)[None]
    n = (c + 1) % columns
    a, b = r * columns + c, r * columns + n
    d, e = a + columns, b + columns
    quads = np.stack([a, d, e, b], -1).reshape(-1, 4)
    return np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])


def vertex_normals(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Unit normals (V, 3), weighted by area."""
    face = np.cross(
        vertices[triangles[:, 1]] - vertices[triangles[:, 0]], vertices[triangles[:, 2]] - vertices[triangles[:, 0]]
    )
    out = np.zeros_like(vertices)
    for k in range(3):
        np.add.at(out, triangles[:, k], face)
    return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-12)


def cast_rays(
    origins: np.ndarray, rays: np.ndarray, vertices: np.ndarray, triangles: np.ndarray, farthest: bool = True
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where each ray meets the mesh: triangle id (n,) or -1, barycentrics (n, 3), distance (n,)."""
    a = vertices[triangles[:, 0]]
    e1, e2 = vertices[triangles[:, 1]] - a, vertices[triangles[:, 2]] - a
    ids, where, far = np.full(len(rays), -1), np.zeros((len(rays), 3)), np.zeros(len(rays))
    for i, (origin, ray) in enumerate(zip(origins, rays, strict=True)):
        p = np.cross(ray, e2)
        det = (e1 * p).sum(-1)
        safe = np.where(np.abs(det) < 1e-12, 1.0, det)
        s = origin - a
        u = (s * p).sum(-1) / safe
        q = np.cross(s, e1)
        v = (q @ ray) / safe
        t = (e2 * q).sum(-1) / safe
        hit = (np.abs(det) > 1e-12) & (u >= -1e-6) & (v >= -1e-6) & (u + v <= 1 + 1e-6) & (t > 1e-6)
        if hit.any():
            k = int(np.flatnonzero(hit)[np.argmax(t[hit]) if farthest else np.argmin(t[hit])])
            ids[i], where[i], far[i] = k, (1 - u[k] - v[k], u[k], v[k]), t[k]
    return ids, where, far
