"""The fine relief of skin: pores everywhere, and wrinkles that expressions and age bring out.

Both are maps of slope over uv: how the surface rises towards the wearer's left (T) and upwards (B) within its own
plane, so the shader needs no tangents. Wrinkles are grooves drawn by formula on the mean face, in metres; how
deep each is in a picture is a sum over `STRENGTH`, worked out per vertex (`wrinkle_weights`).
"""

import numpy as np

from engine.motion import layout
from engine.render.face_model import FaceModel

SLOPE = 0.9  # slope that a map's full scale stands for

# Zone of the face -> how strongly each unit folds it.
STRENGTH: dict[str, dict[str, float]] = {
    "forehead": {"browInnerUp": 1.0},
    "forehead_left": {"browOuterUpLeft": 1.0},
    "forehead_right": {"browOuterUpRight": 1.0},
    "frown": {"browDownLeft": 0.55, "browDownRight": 0.55},
    "crow_left": {"eyeSquintLeft": 0.6, "cheekSquintLeft": 0.7, "mouthSmileLeft": 0.5},
    "crow_right": {"eyeSquintRight": 0.6, "cheekSquintRight": 0.7, "mouthSmileRight": 0.5},
    "bridge": {"noseSneerLeft": 0.7, "noseSneerRight": 0.7},
    "fold_left": {"mouthSmileLeft": 1.0, "noseSneerLeft": 0.4, "mouthUpperUpLeft": 0.3},
    "fold_right": {"mouthSmileRight": 1.0, "noseSneerRight": 0.4, "mouthUpperUpRight": 0.3},
}
AGED = {"forehead": 0.45, "forehead_left": 0.4, "forehead_right": 0.4, "frown": 0.35, "crow_left": 0.5,
        "crow_right": 0.5, "bridge": 0.1, "fold_left": 0.7, "fold_right": 0.7}  # at rest, at age 1  # fmt: skip


def zones(face: FaceModel) -> np.ndarray:
    """Where every zone lies on the mean face, float32 (V, zones), 0 to 1, in the order of STRENGTH."""
    p = face.mean.astype(np.float64)
    x, y, z = p.T
    eye, brow, mouth, wing = _landmarks(face)
    front = _step(0.02, 0.05, z)
    aside = np.abs(x)
    tall = _step(brow - 0.004, brow + 0.006, y) * front
    out = {
        "forehead": tall * (1 - _step(0.018, 0.034, aside)),
        "frown": _near(aside, 0.0, 0.013) * _near(y, brow - 0.004, 0.016) * front,
        "bridge": _near(aside, 0.006, 0.012) * _near(y, eye[1] - 0.006, 0.012) * front,
    }
    for side, sign in (("left", 1), ("right", -1)):
        half = _step(-0.004, 0.008, x * sign)
        out[f"forehead_{side}"] = tall * _step(0.014, 0.030, x * sign)
        out[f"crow_{side}"] = _near(x * sign, eye[0] + 0.024, 0.020) * _near(y, eye[1] - 0.004, 0.024) * front
        level = _step(mouth - 0.022, mouth - 0.008, y) * (1 - _step(wing + 0.004, wing + 0.016, y))
        out[f"fold_{side}"] = half * _step(0.010, 0.016, aside) * (1 - _step(0.046, 0.056, aside)) * front * level
    return np.stack([out[name] for name in STRENGTH], 1).astype(np.float32)


def wrinkle_table(age: float) -> tuple[np.ndarray, np.ndarray]:
    """How the zones follow the motion: float32 (zones, E) gain and (zones,) depth at rest."""
    gain = np.zeros((len(STRENGTH), layout.E))
    for row, units in enumerate(STRENGTH.values()):
        for unit, value in units.items():
            gain[row, layout.INDEX[unit]] = value
    rest = np.array([AGED[name] for name in STRENGTH])
    return (gain * (0.48 + 0.52 * age)).astype(np.float32), (rest * age**1.5).astype(np.float32)


def wrinkle_depth(points: np.ndarray, face: FaceModel) -> np.ndarray:
    """Depth of fully formed grooves at points (..., 3) of the mean face, metres, below 0."""
    x, y, z = (points[..., k].astype(np.float32) for k in range(3))
    eye, brow, mouth, wing = _landmarks(face)
    aside = np.abs(x)
    wave = np.sin(x * 130 + 0.8) * 0.0012 + np.sin(x * 310 + 2.0) * 0.0005
    depth = np.zeros(points.shape[:-1], np.float32)
    for k, width in enumerate((0.9, 1.3, 1.1, 0.8)):  # forehead: four lines that arch with the brows
        line = brow + 0.011 + 0.0095 * k + wave * (1 if k % 2 else -0.7) - 5.0 * (aside - 0.012) ** 2
        reach = 1 - _step(0.030, 0.052 - 0.004 * k, aside + 0.003 * np.sin(x * 95 + k))
        depth -= 0.00045 * width * _groove(y - line, 0.0013) * reach
    for at, strength in ((0.0062, 1.0), (-0.0055, 0.9)):  # between the brows: two upright ones
        lean = at + np.sign(at) * (y - brow) * 0.12 + 0.0004 * np.sin(y * 400)
        depth -= 0.0005 * strength * _groove(x - lean, 0.0012) * _near(y, brow - 0.002, 0.014)
    for k in range(3):  # across the root of the nose
        line = eye[1] + 0.004 - 0.0055 * k - 10.0 * aside**2
        depth -= 0.0004 * _groove(y - line, 0.0011) * (1 - _step(0.007, 0.013, aside))
    out_x, out_y = aside - (eye[0] + 0.013), y - (eye[1] - 0.001)  # from the outer corner of the eye
    radius, turn = np.hypot(out_x, out_y), np.arctan2(out_y, np.maximum(out_x, 1e-6))
    for angle, reach in ((0.62, 0.7), (0.18, 1.0), (-0.28, 0.95), (-0.72, 0.75)):
        bend = (turn - angle + 8.0 * (radius - 0.010) * angle) * radius
        length = _step(0.004, 0.008, radius) * (1 - _step(0.011, 0.021 * reach, radius)) * (out_x > 0)
        depth -= 0.00038 * _groove(bend, 0.0010) * length
    # Smile fold: from the wing of the nose past the corner of the mouth.
    along = np.clip((wing + 0.004 - y) / (wing - mouth + 0.014), 0, 1)
    fold = 0.0175 + 0.0150 * along**0.8
    depth -= 0.0010 * _groove(aside - fold, 0.0024) * _step(mouth - 0.010, mouth + 0.004, y) * (
        1 - _step(wing - 0.002, wing + 0.010, y))  # fmt: skip
    return depth * _step(0.02, 0.04, z)


def slopes(height: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Slope of a height (h, w) in metres over a map of surface points (h, w, 3): along T and B, (h, w, 2)."""
    p_v, p_u = (np.gradient(points, axis=axis) for axis in (0, 1))
    h_v, h_u = (np.gradient(height, axis=axis) for axis in (0, 1))
    n = np.cross(p_u, p_v)
    size = np.sqrt((n * n).sum(-1, keepdims=True))
    n = n / np.maximum(size, 1e-12)
    n *= np.where((n * points).sum(-1, keepdims=True) < 0, -1, 1)  # outwards
    level = np.maximum(np.hypot(n[..., 0], n[..., 2]), 1e-3)
    t = np.stack([n[..., 2], np.zeros_like(level), -n[..., 0]], -1) / level[..., None]
    b = np.cross(n, t)
    a11, a12 = (p_u * t).sum(-1), (p_u * b).sum(-1)
    a21, a22 = (p_v * t).sum(-1), (p_v * b).sum(-1)
    area = a11 * a22 - a12 * a21
    sound = (np.abs(area) > 1e-9) & (size[..., 0] < 4e-6)  # not across a seam
    area = np.where(sound, area, 1)
    s_t = (h_u * a22 - h_v * a12) / area
    s_b = (h_v * a11 - h_u * a21) / area
    return np.stack([s_t, s_b], -1) * sound[..., None]


def _landmarks(face: FaceModel) -> tuple[np.ndarray, float, float, float]:
    """Centre of the left eye, and heights of the brows, the mouth and the wings of the nose."""
    eye = face.person(None).eye_centre[0]
    mouth = float(face.mean[face.lip_landmarks[:2], 1].mean())
    return eye, float(eye[1] + 0.018), mouth, mouth + 0.021


def _groove(distance: np.ndarray, width: float) -> np.ndarray:
    return np.exp(-((distance / width) ** 2))


def _near(value: np.ndarray, centre: float, reach: float) -> np.ndarray:
    return 1 - _step(0.55 * reach, reach, np.abs(value - centre))


def _step(low: float, high: float, value: np.ndarray) -> np.ndarray:
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)
