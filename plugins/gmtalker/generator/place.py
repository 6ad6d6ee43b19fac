"""Where the generated square lies in the picture, and how it fades into what is around.

The square is always the same number of pixels and moves by whole pixels with the head, so that nothing is resampled
and every shape is static. Rotation stays in it: the network sees how the head is turned. What shows of it is said by
weights of the head's own vertices, drawn like a colour, so the seam is fixed to the skin and hair in front hides it.
"""

import numpy as np
import torch

from engine.motion import layout
from engine.render.camera import Camera
from engine.render.face_model import REGION, FaceModel

LOOK_DOWN = 0.38  # the square's middle: so far from the eyes (0) towards the mouth (1)
REACH_M = (0.070, 0.076, 0.094)  # where the face ends: aside, above and below that point
FADE_FROM = 0.70  # share of that reach from which the face fades
RIM = 0.16  # share of the square's half in which it fades towards its rim


class HeadPlace:
    """Follows a point between eyes and mouth in a picture of `size` pixels."""

    def __init__(self, face: FaceModel, shape: np.ndarray | None, camera: Camera, size: int):
        self._point = _middle(face, shape)
        self._face, self._camera, self._size = face, camera, size

    def middle(self, motion: np.ndarray) -> tuple[float, float]:
        """Row and column of the point for a motion vector (M,)."""
        motion = np.clip(np.nan_to_num(motion, nan=0.0), -8.0, 8.0)
        point = self._face.head_rotation(motion) @ self._point + motion[layout.TRANSLATION]
        column, row, _ = self._camera.project(point[None].astype(np.float32), self._size)[0]
        return float(row), float(column)


def corner(middle: tuple[float, float], size: int, square: int) -> tuple[int, int]:
    """First row and column of the square around a point, inside a picture of `size` pixels."""
    row, column = (min(max(round(at - square / 2), 0), size - square) for at in middle)
    return row, column


def face_weights(face: FaceModel, shape: np.ndarray | None) -> np.ndarray:
    """How much of the generated face shows at every vertex, float32 (V,): 1 on the face, 0 before hair and neck."""
    aside, above, below = REACH_M
    x, y, _ = (face.person(shape).mean - _middle(face, shape)).T
    away = np.hypot(x / aside, y / np.where(y > 0, above, below))
    t = np.clip((1 - away) / (1 - FADE_FROM), 0, 1)
    worn = [REGION[name] for name in ("hair", "shirt", "beard", "collar", "strands")]
    return (t * t * (3 - 2 * t) * ~np.isin(face.vertex_region, worn)).astype(np.float32)


def rim(square: int, size: int) -> torch.Tensor:
    """The square's own window, float32 (square, square): 1 in the middle, 0 on the rim; all 1 where it is the picture.

    Only seen when the head comes so near to the picture's edge that the square cannot follow.
    """
    if square == size:
        return torch.ones(square, square)
    at = 1 - ((torch.arange(square) + 0.5) / square * 2 - 1).abs()
    t = (torch.minimum(at[:, None], at[None]) / RIM).clamp(0, 1)
    return t * t * (3 - 2 * t)


def _middle(face: FaceModel, shape: np.ndarray | None) -> np.ndarray:
    person = face.person(shape)
    eyes, mouth = person.eye_centre.mean(0), person.mean[face.lip_landmarks[:2]].mean(0)
    return ((1 - LOOK_DOWN) * eyes + LOOK_DOWN * mouth).astype(np.float32)
