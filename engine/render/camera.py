"""Where the picture is taken from: a portrait lens in front of the head."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Camera:
    """A pinhole on the axis z (in front of the face), looking along -z, at `centre` in metres.

    height_m: what the picture's height spans at the centre. distance_m: from the pinhole to the centre;
    far enough that the nose does not swell (a portrait is taken from 1.5 m or so).
    """

    centre: tuple[float, float, float] = (0.0, 0.0, 0.0)
    distance_m: float = 1.6
    height_m: float = 0.42

    def focal(self, height: int) -> float:
        """Focal length in pixels for a picture of that height."""
        return height * self.distance_m / self.height_m

    def clip_matrix(self, size: tuple[int, int], near_m: float = 0.1, far_m: float = 10.0) -> np.ndarray:
        """World to OpenGL clip space, float32 (4, 4), for column vectors; row 0 of a picture is the bottom."""
        height, width = size
        f = 2 * self.distance_m / self.height_m
        x, y, z = self.centre
        project = np.array([
            [f * height / width, 0, 0, 0],
            [0, f, 0, 0],
            [0, 0, (near_m + far_m) / (near_m - far_m), 2 * near_m * far_m / (near_m - far_m)],
            [0, 0, -1, 0],
        ])  # fmt: skip
        place = np.eye(4)
        place[:3, 3] = -x, -y, -z - self.distance_m
        return (project @ place).astype(np.float32)
