"""Where the picture is taken from: a portrait lens in front of the head."""

from dataclasses import dataclass

import numpy as np

from engine.render.kernel import kernel

_F = np.float32
NEAREST_M = _F(0.05)  # what is nearer to the lens is not drawn
REACH_M = 0.6  # how far before and behind the centre anything lies
NEAR_STEPS = 2**16  # into which the nearness of what is drawn is divided


@kernel
def _project(points, x, y, z, focal, half, out):
    for i in range(len(points)):
        depth = z - points[i, 2]
        near = _F(1.0) / depth if depth > NEAREST_M else _F(0.0)
        out[i, 0] = half + (points[i, 0] - x) * focal * near
        out[i, 1] = half - (points[i, 1] - y) * focal * near
        out[i, 2] = near


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

    def project(self, points: np.ndarray, size: int, out: np.ndarray | None = None) -> np.ndarray:
        """Points float32 (n, 3) -> column and row in a square picture and nearness (1 / m; 0: not drawn), (n, 3)."""
        out = np.empty(points.shape, _F) if out is None else out
        x, y, z = self.centre
        _project(points, _F(x), _F(y), _F(self.distance_m + z), _F(self.focal(size)), _F(size / 2), out)
        return out

    def ruler(self) -> np.ndarray:
        """Nearness of what is farthest (1 / m), and steps per 1 / m up to what is nearest: float32 (2,)."""
        low = 1 / (self.distance_m + REACH_M)
        high = 1 / max(self.distance_m - REACH_M, float(NEAREST_M))
        return np.array([low, NEAR_STEPS / (high - low)], _F)

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
