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
    "OO": {"jawOpen": 0.12, "mouthPucker": 0.95, "mouthFunnel": 0.42},
    "FV": {"jawOpen": 0.08, "mouthRollLower": 0.55, **_both(mouthUpperUp=0.55)},
    "L": {"jawOpen": 0.24, "tongueUp": 1.0, **_both(mouthLowerDown=0.20, mouthUpperUp=0.15)},
    "TH": {"jawOpen": 0.18, "tongueUp": 0.57, "tongueOut": 0.52, **_both(mouthLowerDown=0.25, mouthUpperUp=0.20)},
    "MBP": {
        "jawOpen": 0.03,
        "mouthClose": 0.03,
        "mouthRollLower": 0.15,
        "mouthRollUpper": 0.12,
        **_both(mouthPress=0.35),
    },
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
    # 6 cheek raiser + 12 lip corner puller + 25 lips part: a broad smile with the upper teeth
    "joy": {"jawOpen": 0.05, "lipUpperRaise": 0.58, "lipCornerPull": 0.15, "browInnerUp": 0.10,
            **_both(mouthSmile=0.25, mouthStretch=0.15, cheekSquint=0.85, eyeSquint=0.30, mouthUpperUp=0.35,
                     browOuterUp=0.15)},
    # 1 inner brow raiser + 4 brow lowerer + 15 lip corner depressor + 17 chin raiser, 64 eyes down
    "sadness": {"browInnerUp": 1.0, "mouthShrugLower": 0.60, "headPitch": 0.14, "headRoll": 0.05,
                "gazePitchLeft": -0.16, "gazePitchRight": -0.16,
                **_both(browDown=0.32, mouthFrown=1.0, eyeSquint=0.15, blink=0.12)},
    # 4 brow lowerer + 5 upper lid raiser + 7 lid tightener + 10 + 23 lip tightener + 25: bared, clenched teeth
    "anger": {"nostrilFlare": 1.0, "jawOpen": 0.04, "jawForward": 0.2, "headPitch": 0.12, "gazePitchLeft": 0.10,
              "gazePitchRight": 0.10,
              **_both(browDown=1.0, eyeSquint=0.45, eyeWide=0.50, noseSneer=0.60, mouthFrown=0.75,
                      mouthLowerDown=0.95, mouthUpperUp=0.75, mouthStretch=0.20)},
    # 1 + 2 + 4 brows raised and drawn together + 5 upper lid raiser + 20 lip stretcher + 26 jaw drop
    "fear": {"browInnerUp": 1.0, "jawOpen": 0.30, "neckTense": 0.4, "headPitch": -0.05,
             **_both(browOuterUp=0.30, browDown=0.35, eyeWide=1.0, mouthStretch=1.0, mouthLowerDown=0.85,
                     mouthUpperUp=0.25, mouthFrown=0.40)},
    # 1 + 2 brow raisers + 5 upper lid raiser + 26 jaw drop
    "surprise": {"browInnerUp": 0.9, "jawOpen": 0.40, "mouthFunnel": 0.30, "mouthPucker": 0.10,
                 **_both(browOuterUp=0.9, eyeWide=0.85, mouthFrown=0.35)},
    # 9 nose wrinkler (with 4 brow lowerer) + 10 upper lip raiser + 15 lip corner depressor + 17 chin raiser
    "disgust": {"mouthShrugLower": 0.10, "nostrilFlare": 0.8, "lipUpperRaise": 0.20, "jawOpen": 0.04, "headYaw": 0.10,
                "headPitch": -0.04,
                **_both(noseSneer=1.0, mouthUpperUp=0.95, mouthFrown=0.20, browDown=0.95, eyeSquint=0.85,
                        cheekSquint=0.90, blink=0.06)},
    # 12 lip corner puller + 14 dimpler, on one side, lids a little low
    "contempt": {"mouthSmileLeft": 0.40, "mouthDimpleLeft": 0.75, "lipCompress": 0.10, "mouthFrownRight": 0.45,
                 "cheekSquintLeft": 0.30, "browOuterUpLeft": 0.55, "browDownRight": 0.35, "headPitch": -0.10,
                 "headRoll": -0.05, "gazePitchLeft": -0.05, "gazePitchRight": -0.05,
                 **_both(eyeSquint=0.30, blink=0.10)},
}  # fmt: skip


def pose(name: str) -> np.ndarray:
    """Motion vector float32 (M,) of a named pose or emotion."""
    return layout.vector(**(POSES[name] if name in POSES else EMOTIONS[name]))
