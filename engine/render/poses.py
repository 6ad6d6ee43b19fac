"""Viseme and expression poses by name: what speech looks like on this face, coefficient by coefficient.

Ranges are those of speech (jawOpen 0 to 0.45); a shout or a yawn goes further.
"""

import numpy as np

from engine.motion import layout


def _both(**values: float) -> dict[str, float]:
    """Each value for the left and the right side."""
    return {name + side: value for name, value in values.items() for side in ("Left", "Right")}


POSES: dict[str, dict[str, float]] = {
    "neutral": {},
    "AA": {"jawOpen": 0.40, **_both(mouthLowerDown=0.20, mouthUpperUp=0.10)},
    "EE": {"jawOpen": 0.12, **_both(mouthStretch=0.35, mouthSmile=0.25, mouthLowerDown=0.30, mouthUpperUp=0.25)},
    "OO": {"jawOpen": 0.10, "mouthPucker": 0.70, "mouthFunnel": 0.35},
    "FV": {"jawOpen": 0.06, "mouthRollLower": 0.55, **_both(mouthUpperUp=0.35)},
    "L": {"jawOpen": 0.24, "tongueUp": 1.0, **_both(mouthLowerDown=0.20, mouthUpperUp=0.15)},
    "TH": {"jawOpen": 0.15, "tongueUp": 0.60, "tongueOut": 0.50, **_both(mouthLowerDown=0.15, mouthUpperUp=0.20)},
    "MBP": {"jawOpen": 0.03, "mouthClose": 0.03, "mouthRollLower": 0.15, "mouthRollUpper": 0.12,
            **_both(mouthPress=0.35)},
    "smile": {**_both(mouthSmile=0.65, cheekSquint=0.45, mouthUpperUp=0.22, eyeSquint=0.20, mouthLowerDown=0.12)},
    "blink": {"blinkLeft": 1.0, "blinkRight": 1.0},
    "left": {"headYaw": 0.45},
    "right": {"headYaw": -0.45},
    "up": {"headPitch": -0.30},
    "surprised": {"jawOpen": 0.30, "browInnerUp": 0.7, **_both(browOuterUp=0.7, eyeWide=0.6)},
}


def pose(name: str) -> np.ndarray:
    """Motion vector float32 (M,) of a named pose."""
    return layout.vector(**POSES[name])
