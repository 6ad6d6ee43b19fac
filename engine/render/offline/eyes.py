"""Eyes as optics: a ball with a bulging cornea, the iris seen through it by refraction, lamps mirrored in it."""

import numpy as np

from engine.render.eye_shading import IRIS
from engine.render.lighting import FILL, FILL_COLOUR, KEY, KEY_COLOUR, SKY

CORNEA = 0.64  # radius over the ball's
INDEX = 1.336
IRIS_DEPTH = 0.05  # of the iris behind the rim of the cornea, over the ball's radius
CATCH = 0.62  # height of a lamp's mirror image over the lamp's own
LIMBUS = 0.10  # width over which cornea and white melt


class Eye:
    """One ball seen by pixels: place (n, 3) on the mesh, from the lens at eye (3,). All in metres, float64.

    normal (n, 3); inside (n,) 1 cornea .. 0 white; radius (n,) on the iris 0 .. 1 rim, turn (n,) its angle;
    q (n, 3) direction from the iris's middle; ring (n,) sine of the angle from the gaze.
    """

    def __init__(self, place: np.ndarray, lens: np.ndarray, centre: np.ndarray, ball: float, turned: np.ndarray):
        ray = place - lens
        ray /= np.linalg.norm(ray, axis=1, keepdims=True)
        gaze = turned[:, 2].astype(np.float64)
        rim = ball * float(np.sqrt(1 - float(IRIS) ** 2))
        bulge = CORNEA * ball
        middle = centre + gaze * (rim - np.sqrt(bulge**2 - (float(IRIS) * ball) ** 2))
        white = _unit(place - centre)
        out, hit = _strike(lens, ray, middle, bulge)
        clear = _unit(out - middle)
        ring = np.sqrt(np.clip(1 - (white @ gaze) ** 2, 0, 1))
        front = (white @ gaze > 0) & hit
        self.inside = front * _step(1 + LIMBUS * 0.45, 1 - LIMBUS * 0.55, ring / float(IRIS))
        self.normal = _unit(white + (clear - white) * self.inside[:, None])
        self.white, self.ring, self.ray = white, ring, ray
        # Through the cornea down to the plane of the iris.
        cosine = -(ray * clear).sum(1)
        k = 1 / INDEX
        down = k * ray + (k * cosine - np.sqrt(np.maximum(1 - k * k * (1 - cosine**2), 0)))[:, None] * clear
        plane = centre + gaze * (rim - IRIS_DEPTH * ball)
        t = ((plane - out) @ gaze) / np.minimum(down @ gaze, -1e-3)
        q = out + down * t[:, None] - plane
        x, y = q @ turned[:, 0], q @ turned[:, 1]
        self.radius = np.hypot(x, y) / (float(IRIS) * ball)
        self.turn = np.arctan2(y, x) / (2 * np.pi) + 0.5
        self.q = q / (float(IRIS) * ball)


def shade_eye(eye: Eye, light: np.ndarray, sky: np.ndarray, iris: np.ndarray, lamps: np.ndarray) -> np.ndarray:
    """Linear colour (n, 3) of an eye; light (n, 3) arrives, sky (n,) is the share of the sky that is open."""
    red = _step(0.45, 1.0, eye.ring)[:, None]
    white = np.array([0.53, 0.50, 0.475]) * (1 - red * np.array([0.06, 0.22, 0.26]))
    white *= 0.66 + 0.34 * _step(0.10, 0.50, sky)[:, None]  # the lids' shade, which lashes deepen
    ring = (eye.radius - 0.36) / 0.64
    shade = _look(iris, eye.turn, ring)
    # Light that the cornea gathers falls on the side of the iris that is away from the lamp.
    key = lamps[KEY].astype(np.float64)
    caustic = 1 + 0.85 * np.clip(-(eye.q @ key), -0.8, 1.2)
    shade = shade * (_step(0.34, 0.40, eye.radius) * caustic * 1.10)[:, None]
    shade *= (1 - 0.75 * _step(0.86, 1.04, eye.radius))[:, None]  # the dark rim
    inside = eye.inside[:, None]
    out = (white + (shade - white) * inside) * light
    mirror = eye.ray - 2 * (eye.ray * eye.normal).sum(1)[:, None] * eye.normal
    grazing = 1 - np.clip(-(eye.ray * eye.normal).sum(1), 0, 1)
    fresnel = (0.025 + 0.975 * grazing**5)[:, None]
    open_ = _step(0.12, 0.55, sky)[:, None]
    bright = np.zeros_like(out)
    for row, tint, inner, outer, gain in ((KEY, KEY_COLOUR, 0.15, 0.19, 34.0), (FILL, FILL_COLOUR, 0.22, 0.32, 9.0)):
        away = np.linalg.norm(mirror - _lowered(lamps[row]), axis=1)
        bright += (_step(outer, inner, away) * gain)[:, None] * lamps[tint]
    bright += np.clip(0.25 + 0.9 * mirror[:, 1:2], 0, 1.2) * lamps[SKY] * 1.2
    return out + bright * fresnel * open_


def _lowered(way: np.ndarray) -> np.ndarray:
    """Where an eye shows a lamp: the upper lid would hide a high one, so its mirror image stands lower."""
    return _unit(way.astype(np.float64) * [1.0, CATCH, 1.0])


def _unit(v: np.ndarray) -> np.ndarray:
    return v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-9)


def _step(low: float, high: float, x: np.ndarray) -> np.ndarray:
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def _strike(lens: np.ndarray, ray: np.ndarray, middle: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Where rays first meet a ball, and whether they do."""
    to = middle - lens
    along = ray @ to
    square = radius**2 - ((to**2).sum() - along**2)
    return lens + ray * (along - np.sqrt(np.maximum(square, 0)))[:, None], square > 0


def _look(picture: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Linear colour (n, 3) in a picture of square roots, smooth; u goes round."""
    rows, columns = picture.shape[:2]
    x, y = u * columns - 0.5, np.clip(v * rows - 0.5, 0, rows - 1.001)
    c, r = np.floor(x).astype(int), y.astype(int)
    fx, fy = (x - c)[:, None], (y - r)[:, None]
    c, c1 = c % columns, (c + 1) % columns
    art = picture[..., :3].astype(np.float64) / 255
    top, low = (art[row, c] * (1 - fx) + art[row, c1] * fx for row in (r, r + 1))
    return (top * (1 - fy) + low * fy) ** 2
