"""The posed face as a smooth mesh: every triangle becomes four on a rounded surface.

Phong tessellation (Boubekeur and Alexa 2008): the middle of an edge is drawn towards the planes that touch the
surface at the edge's ends, so silhouettes lose their corners.
"""

from dataclasses import dataclass

import numpy as np

from engine.render.face_model import FaceModel

ROUND = 0.75


@dataclass(frozen=True, slots=True)
class Fine:
    """edges int32 (E, 2): ends of the new vertices, which lie behind the V old ones; triangles int32 (4 F, 3)."""

    edges: np.ndarray
    triangles: np.ndarray


def refine(face: FaceModel) -> Fine:
    """The finer topology of a face's triangles; triangle 4 f + k is a piece of triangle f."""
    triangles = face.triangles.astype(np.int64)
    count = len(face.mean)
    ends = np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), 1)
    _, first, number = np.unique(ends[:, 0] * count + ends[:, 1], return_index=True, return_inverse=True)
    m = number.reshape(-1, 3) + count
    a, b, c = triangles.T
    pieces = [(a, m[:, 0], m[:, 2]), (m[:, 0], b, m[:, 1]), (m[:, 2], m[:, 1], c), (m[:, 0], m[:, 1], m[:, 2])]
    fine = np.stack([np.stack(piece, 1) for piece in pieces], 1).reshape(-1, 3)
    return Fine(np.ascontiguousarray(ends[first]).astype(np.int32), np.ascontiguousarray(fine).astype(np.int32))


def smooth_points(points: np.ndarray, normals: np.ndarray, fine: Fine) -> tuple[np.ndarray, np.ndarray]:
    """Points and unit normals float32 (V + E, 3) of the finer mesh."""
    a, b = fine.edges.T
    middle = 0.5 * (points[a] + points[b])
    pull = [((middle - points[k]) * normals[k]).sum(1, keepdims=True) * normals[k] for k in (a, b)]
    bend = (normals[a] * normals[b]).sum(1, keepdims=True)  # a sharp edge stays sharp
    middle = middle - ROUND * 0.5 * (pull[0] + pull[1]) * np.clip(bend * 2, 0, 1)
    turned = normals[a] + normals[b]
    turned /= np.maximum(np.linalg.norm(turned, axis=1, keepdims=True), 1e-6)
    return (np.concatenate([points, middle]).astype(np.float32), np.concatenate([normals, turned]).astype(np.float32))


def spread(values: np.ndarray, fine: Fine) -> np.ndarray:
    """Numbers of the vertices (V, ...) for the finer mesh (V + E, ...): the middle has the mean."""
    a, b = fine.edges.T
    return np.concatenate([values, 0.5 * (values[a] + values[b])]).astype(np.float32)
