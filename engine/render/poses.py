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
    "TH": {"jawOpen": 0.15, "tongueUp": 0.60, "tongueOut": 0.58, **_both(mouthLowerDown=0.15, mouthUpperUp=0.20)},
    "MBP": {"jawOpen": 0.03, "mouthClose": 0.03, "mouthRollLower": 0.15, "mouthRollUpper": 0.12,
            **_both(mouthPress=0.35)},
    "smile": {**_both(mouthSmile=0.65, cheekSquint=0.45, mouthUpperUp=0.22, eyeSquint=0.20, mouthLowerDown=0.12)},
    "blink": {"blinkLeft": 1.0, "blinkRight": 1.0},
    "left": {"headYaw": 0.45},
    "right": {"headYaw": -0.45},
    "up": {"headPitch": -0.30},
    "surprised": {"jawOpen": 0.30, "browInnerUp": 0.7, **_both(browOuterUp=0.7, eyeWide=0.6)},
}

VISEMES = ("neutral", "MBP", "FV", "TH", "L", "EE", "AA", "OO")
# After the action units of the Facial Action Coding System that define each (in brackets), as this face shows them.
EMOTIONS: dict[str, dict[str, float]] = {
    "neutral": {},
    # 6 + 12 + 25
    "joy": {"jawOpen": 0.07, **_both(mouthSmile=0.80, cheekSquint=0.75, eyeSquint=0.30, mouthUpperUp=0.30,
                                     mouthLowerDown=0.15, browOuterUp=0.10)},
    # 1 + 4 + 15 + 17
    "sadness": {"browInnerUp": 1.0, "mouthShrugLower": 0.45, "mouthPucker": 0.10, "headPitch": 0.10,
                "gazePitchLeft": -0.08, "gazePitchRight": -0.08,
                **_both(browDown=0.25, mouthFrown=0.85, eyeSquint=0.10, blink=0.06)},
    # 4 + 5 + 7 + 23 + 24
    "anger": {"nostrilFlare": 0.6, "mouthShrugLower": 0.35, "mouthPucker": 0.25, "jawForward": 0.2, "headPitch": 0.12,
              "gazePitchLeft": 0.10, "gazePitchRight": 0.10,
              **_both(browDown=1.0, eyeSquint=0.40, eyeWide=0.55, mouthPress=0.10, noseSneer=0.45, mouthFrown=0.95,
                      browOuterUp=0.20)},
    # 1 + 2 + 4 + 5 + 20 + 26
    "fear": {"browInnerUp": 1.0, "jawOpen": 0.16, "neckTense": 0.7, "headPitch": -0.04,
             **_both(browOuterUp=0.45, browDown=0.30, eyeWide=1.0, mouthStretch=0.85, mouthLowerDown=0.40,
                     mouthFrown=0.40)},
    # 1 + 2 + 5 + 26
    "surprise": {"browInnerUp": 0.9, "jawOpen": 0.40, "mouthFunnel": 0.30, "mouthPucker": 0.10,
                 **_both(browOuterUp=0.9, eyeWide=0.85, mouthFrown=0.35)},
    # 9 + 10 + 15 + 17
    "disgust": {"jawOpen": 0.05, "mouthShrugLower": 0.50, "nostrilFlare": 0.4, "lipUpperRaise": 0.5, "headYaw": 0.06,
                **_both(noseSneer=1.0, mouthUpperUp=0.70, mouthFrown=0.60, browDown=0.60, eyeSquint=0.60,
                        cheekSquint=0.55)},
    # 12 + 14 on one side
    "contempt": {"mouthSmileLeft": 0.55, "mouthDimpleLeft": 0.80, "mouthPressLeft": 0.40, "mouthLeft": 0.15,
                 "cheekSquintLeft": 0.35, "browOuterUpLeft": 0.40, "browDownRight": 0.30, "headPitch": -0.07,
                 "headRoll": -0.05, **_both(eyeSquint=0.25)},
}  # fmt: skip


def pose(name: str) -> np.ndarray:
    """Motion vector float32 (M,) of a named pose or emotion."""
    return layout.vector(**(POSES[name] if name in POSES else EMOTIONS[name]))
