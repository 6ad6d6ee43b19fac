"""Lip aperture and lip width, measured on the mesh (definitions: distances over the neutral mouth).

Both are linear in the expression coefficients up to the last step, so whole clips are one product and
a trainer can differentiate them: `landmark_neutral + values . landmark_basis`.
"""

import numpy as np

from engine.render.face_model import FaceModel

UPPER, LOWER, LEFT, RIGHT = range(4)


class LipMeasure:
    """Inner lip midpoints and mouth corners of a face model.

    landmark_neutral float32 (4, 3) and landmark_basis float32 (E, 4, 3), metres, no pose; the order is
    upper inner midpoint, lower inner midpoint, left corner, right corner.
    width_m: distance of the corners on the neutral face; rest_m: height of the upper over the lower
    midpoint there (the lips touch, so it is zero or slightly below).
    """

    def __init__(self, face_model: FaceModel, identity: np.ndarray | None = None):
        at = face_model.lip_landmarks
        self.landmark_neutral = face_model.person(identity).mean[at].copy()
        self.landmark_basis = np.ascontiguousarray(face_model.expression[:, at])
        self.width_m = float(np.linalg.norm(self.landmark_neutral[LEFT] - self.landmark_neutral[RIGHT]))
        self.rest_m = float(self.landmark_neutral[UPPER, 1] - self.landmark_neutral[LOWER, 1])

    def landmarks(self, values: np.ndarray) -> np.ndarray:
        """Landmarks (..., 4, 3) for expression values (..., E); longer motion vectors are cut to E."""
        values = np.asarray(values, np.float32)[..., : len(self.landmark_basis)]
        return self.landmark_neutral + np.tensordot(values, self.landmark_basis, 1)

    def aperture(self, values: np.ndarray) -> np.ndarray:
        """Lip aperture (T,) of values (T, E): distance of the inner midpoints over the neutral mouth width.

        Lips that touch or cross count as 0, as does the contact of the resting face.
        """
        points = self.landmarks(values)
        gap = points[..., UPPER, :] - points[..., LOWER, :]
        height = gap[..., 1] - max(self.rest_m, 0.0)
        return np.maximum(height, 0) / self.width_m

    def width(self, values: np.ndarray) -> np.ndarray:
        """Lip width (T,) of values (T, E): distance of the corners over its neutral value."""
        points = self.landmarks(values)
        return np.linalg.norm(points[..., LEFT, :] - points[..., RIGHT, :], axis=-1) / self.width_m
