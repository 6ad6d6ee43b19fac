"""The eyes: true spheres in place of the base mesh's."""

import numpy as np

from engine.assets.head_build.parts import Part, grid_triangles
from engine.render.face_model import REGION

EYE_VERTICES = {"left": slice(14598, 14670), "right": slice(14670, 14742)}
EYE_RINGS, EYE_SECTORS = 9, 20
EYE_EXTENT_RAD = 1.75  # how far behind the iris the ball is drawn


def fit_eye(vertices: np.ndarray, side: str) -> tuple[np.ndarray, float]:
    """Centre (3,) and radius of the ball behind the cornea of the base mesh's eye, in dm."""
    points = vertices[EYE_VERTICES[side]]
    centre = (points.min(0) + points.max(0)) / 2
    radius = np.ptp(points[:, :2], axis=0).mean() / 2
    centre[2] = points[:, 2].min() + radius
    return centre, float(radius)


def build_eye(vertices: np.ndarray, side: str) -> tuple[Part, np.ndarray, float]:
    """A true sphere cap looking forward; its part has no binding (index 0, weight 0): the model moves it.

    Returns the part (offset = vertices relative to the centre), the centre and the radius in dm.
    uv is (angle from the iris axis / extent, azimuth / 2 pi).
    """
    centre, radius = fit_eye(vertices, side)
    polar = np.linspace(0, EYE_EXTENT_RAD, EYE_RINGS)
    turn = np.linspace(0, 2 * np.pi, EYE_SECTORS, endpoint=False)
    theta, phi = np.meshgrid(polar, turn, indexing="ij")
    points = radius * np.stack([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)], -1)
    triangles = grid_triangles(EYE_RINGS, EYE_SECTORS, closed=True)
    points = points.reshape(-1, 3)
    corner = points[triangles]
    face = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    triangles = triangles[np.linalg.norm(face, axis=1) > 1e-9]
    corner = points[triangles]
    face = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    inward = (face * corner.mean(1)).sum(-1) < 0
    triangles[inward] = triangles[inward][:, ::-1]
    n = len(points)
    uv = np.stack([theta.ravel() / EYE_EXTENT_RAD, phi.ravel() / (2 * np.pi)], -1)
    part = Part(
        np.zeros((n, 1), int),
        np.zeros((n, 1)),
        points,
        triangles,
        np.full(len(triangles), REGION["eye_" + side]),
        uv,
        np.ones(n),
    )
    return part, centre, radius


def eye_field(offsets: np.ndarray, vertices: np.ndarray, side: str) -> tuple[np.ndarray, np.ndarray]:
    """How directions (..., N, 3) move an eye: its centre (..., 3) and the growth of its radius (...)."""
    points = vertices[EYE_VERTICES[side]]
    moves = offsets[..., EYE_VERTICES[side], :]
    centre = moves.mean(-2)
    out = points - points.mean(0)
    out = out / np.linalg.norm(out, axis=-1, keepdims=True)
    growth = ((moves - centre[..., None, :]) * out).sum(-1).mean(-1)
    return centre, growth
