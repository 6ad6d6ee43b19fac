"""The named layout of a motion vector: E expression coefficients, then 12 motion numbers.

The 12 numbers are those of GMTalker (rho in R^12): head rotation 3, head translation 3,
gaze of two eyes 2 + 2, blink 2. Every plugin writes this layout, every renderer reads it,
so that any motion can drive any face.

Units: expressions 0 to 1 (ARKit meaning; small overshoot is allowed). Rotation in radians
(pitch: chin down +, yaw: to the subject's left +, roll: towards the subject's left shoulder +).
Translation in metres (x to the subject's left,
y up, z forward). Gaze in radians (yaw: to the subject's left +, pitch: up +). Blink 0 open, 1 shut;
it adds to eyeBlinkLeft / eyeBlinkRight and the sum is clamped to 1.
"""

import numpy as np

ARKIT = (
    "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight",
    "cheekPuff", "cheekSquintLeft", "cheekSquintRight",
    "eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft", "eyeLookDownRight",
    "eyeLookInLeft", "eyeLookInRight", "eyeLookOutLeft", "eyeLookOutRight",
    "eyeLookUpLeft", "eyeLookUpRight", "eyeSquintLeft", "eyeSquintRight",
    "eyeWideLeft", "eyeWideRight",
    "jawForward", "jawLeft", "jawOpen", "jawRight",
    "mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight",
    "mouthFunnel", "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight",
    "mouthPressLeft", "mouthPressRight", "mouthPucker", "mouthRight",
    "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper",
    "mouthSmileLeft", "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight",
    "mouthUpperUpLeft", "mouthUpperUpRight", "noseSneerLeft", "noseSneerRight",
    "tongueOut",
)  # fmt: skip

# Units beyond ARKit that the head asset carries (the build script asserts the same list).
EXTRA: tuple[str, ...] = (
    "nostrilFlare", "noseDown", "lipCornerPull", "lipUpperRaise", "lipEversion", "lipCompress",
    "mouthPursing", "neckTense", "tongueUp",
)

EXPRESSION = ARKIT + EXTRA
E = len(EXPRESSION)
MOUTH = tuple(name for name in EXPRESSION if name.startswith(("jaw", "mouth", "lip", "tongue")))

MOTION = (
    "headPitch", "headYaw", "headRoll",
    "headX", "headY", "headZ",
    "gazeYawLeft", "gazePitchLeft", "gazeYawRight", "gazePitchRight",
    "blinkLeft", "blinkRight",
)  # fmt: skip
ROTATION = slice(E, E + 3)
TRANSLATION = slice(E + 3, E + 6)
POSE = slice(E, E + 6)
GAZE_LEFT = slice(E + 6, E + 8)
GAZE_RIGHT = slice(E + 8, E + 10)
BLINK = slice(E + 10, E + 12)

NAMES = EXPRESSION + MOTION
M = len(NAMES)
INDEX = {name: i for i, name in enumerate(NAMES)}


def vector(**values: float) -> np.ndarray:
    """A motion vector, float32 (M,), from named values: `vector(jawOpen=0.3, headYaw=0.2)`."""
    out = np.zeros(M, np.float32)
    for name, value in values.items():
        out[INDEX[name]] = value
    return out
