"""Co-articulation by dominance functions: every phone pulls each articulator towards its target.

After Cohen and Massaro, "Modeling coarticulation in synthetic visual speech" (1993), with phones'
influence measured from the edges of the phone as in Lofqvist's gestures ("Speech as audible gestures",
1990), rounding that reaches further ahead than behind (Perkell and Matthies 1992), and undershoot in fast
and unstressed vowels (Lindblom 1963). A curve is the dominance-weighted mean of targets:
value(t) = sum_i D_i(t) T_i / sum_i D_i(t), D_i(t) = alpha_i exp(-distance_i(t) / theta).
"""

from dataclasses import dataclass, field

import numpy as np

from engine.motion.articulation import ARTICULATORS, INDEX, A

# Short names of the articulators in the table below.
SHORT = {
    "jaw": "jawOpen", "fwd": "jawForward", "fun": "mouthFunnel", "puck": "mouthPucker",
    "str": "mouthStretch", "smi": "mouthSmile", "dim": "mouthDimple", "low": "mouthLowerDown",
    "up": "mouthUpperUp", "rlo": "mouthRollLower", "rup": "mouthRollUpper", "pre": "mouthPress",
    "shl": "mouthShrugLower", "shu": "mouthShrugUpper", "ton": "tongueOut",
}  # fmt: skip
ROUND = [INDEX["mouthFunnel"], INDEX["mouthPucker"]]
JAW = INDEX["jawOpen"]
LIPS = [i for i in range(A) if i != JAW]


@dataclass(frozen=True)
class Target:
    """A pose that a phone asks for, and how strongly: jaw, lips and rounding apart."""

    pose: dict[str, float] = field(default_factory=dict)
    jaw: float = 1.0
    lips: float = 1.0
    rounding: float = 1.0


def _t(jaw: float = 1.0, lips: float = 1.0, rounding: float = 1.0, **pose: float) -> Target:
    return Target({SHORT[k.rstrip("_")]: v for k, v in pose.items()}, jaw, lips, rounding)


_A = _t(1.3, 1, 1, jaw_=1.0, low=0.30, up=0.15)
_AE = _t(1.3, 1, 1, jaw_=0.92, str=0.20, smi=0.20, low=0.55, up=0.35)
_I = _t(1.0, 1.5, 1.6, jaw_=0.28, str=0.50, smi=0.80, dim=0.15, low=0.60, up=0.35)
_U = _t(1.2, 1.2, 2.5, jaw_=0.22, puck=0.95, fun=0.35)
_O = _t(1.2, 1, 2.0, jaw_=0.60, puck=0.30, fun=0.75)

# Phones as one or two targets; a second one is where a diphthong or affricate arrives.
# Targets are relative: calibration turns them into coefficients.
TARGETS: dict[str, tuple[Target, ...]] = {
    "AA": (_A,), "AE": (_AE,), "AH": (_t(1.2, 1, 1, jaw_=0.78, low=0.30, up=0.15),),
    "AO": (_t(1.2, 1, 1.8, jaw_=0.85, fun=0.55, puck=0.10),), "OH": (_t(1.2, 1, 1.6, jaw_=0.85, fun=0.45),),
    "AX": (_t(0.7, 0.6, 0.5, jaw_=0.42, low=0.25, up=0.10),), "AW": (_A, _t(1, 1, 2, jaw_=0.40, fun=0.55, puck=0.45)),
    "AY": (_A, _t(1, 1.2, 1, jaw_=0.40, str=0.35, smi=0.6, low=0.5, up=0.25)),
    "EH": (_t(1.2, 1.2, 1.2, jaw_=0.68, str=0.30, smi=0.40, low=0.55, up=0.30),),
    "ER": (_t(1.0, 1, 1.4, jaw_=0.40, fun=0.55, puck=0.20),),
    "EY": (_t(1.2, 1.2, 1.2, jaw_=0.60, str=0.30, smi=0.45, low=0.55, up=0.30), _I),
    "IH": (_t(1.0, 1.1, 1.2, jaw_=0.44, str=0.30, smi=0.40, low=0.45, up=0.25),),
    "IY": (_I,), "OW": (_O, _U), "OY": (_O, _I), "UW": (_U,),
    "UH": (_t(1.1, 1, 1.6, jaw_=0.38, fun=0.50, puck=0.35),),
    "P": (_t(1.6, 0.3, 0.15, jaw_=0.20),), "B": (_t(1.6, 0.3, 0.15, jaw_=0.20),),
    "M": (_t(1.6, 0.3, 0.15, jaw_=0.20),),
    "F": (_t(1.6, 0.4, 0.25, jaw_=0.20, up=0.3),), "V": (_t(1.6, 0.4, 0.25, jaw_=0.20, up=0.3),),
    "TH": (_t(1.0, 0.8, 0.4, jaw_=0.32, low=0.4, up=0.2, ton=0.35),),
    "DH": (_t(0.8, 0.6, 0.3, jaw_=0.30, low=0.35, up=0.15, ton=0.28),),
    "T": (_t(0.7, 0.4, 0.25, jaw_=0.24, low=0.35, up=0.1),), "D": (_t(0.7, 0.4, 0.25, jaw_=0.25, low=0.35, up=0.1),),
    "DX": (_t(0.4, 0.3, 0.15, jaw_=0.28, low=0.3, up=0.1),), "N": (_t(0.7, 0.4, 0.25, jaw_=0.25, low=0.35, up=0.1),),
    "L": (_t(0.7, 0.5, 0.3, jaw_=0.34, low=0.35, up=0.1, ton=0.06),),
    "S": (_t(2.2, 1.0, 0.8, jaw_=0.10, fwd=0.25, str=0.25, smi=0.3, low=0.55, up=0.25),),
    "Z": (_t(2.0, 0.9, 0.7, jaw_=0.11, fwd=0.22, str=0.22, smi=0.25, low=0.5, up=0.25),),
    "SH": (_t(1.8, 1, 1.8, jaw_=0.16, fwd=0.3, fun=0.75, puck=0.25, low=0.3, up=0.15),),
    "ZH": (_t(1.6, 1, 1.6, jaw_=0.17, fwd=0.3, fun=0.65, puck=0.25, low=0.3, up=0.15),),
    "CH": (_t(1.6, 1, 1.6, jaw_=0.17, fwd=0.25, fun=0.70, puck=0.20, low=0.3, up=0.15),),
    "JH": (_t(1.5, 1, 1.5, jaw_=0.18, fwd=0.25, fun=0.65, puck=0.20, low=0.3, up=0.15),),
    "K": (_t(0.5, 0.2, 0.15, jaw_=0.32, low=0.2),), "G": (_t(0.5, 0.2, 0.15, jaw_=0.32, low=0.2),),
    "NG": (_t(0.5, 0.2, 0.15, jaw_=0.30, low=0.2),), "HH": (_t(0.1, 0.08, 0.08, jaw_=0.40, low=0.2),),
    "R": (_t(0.8, 0.8, 1.6, jaw_=0.26, fun=0.55, puck=0.30),),
    "W": (_t(1.4, 1, 2.8, jaw_=0.18, puck=1.0, fun=0.25),),
    "Y": (_t(0.8, 1, 0.9, jaw_=0.24, str=0.30, smi=0.45, low=0.35, up=0.15),),
    "sil": (_t(1.2, 1.0, 1.0),),
}  # fmt: skip

VOWELS = frozenset("AA AE AH AO AW AX AY EH ER EY IH IY OH OW OY UH UW".split())
FIRST_SHARE = 0.55  # of a two-target phone's time
# Decay of influence in s, before and after the phone, for jaw, lips and rounding.
THETA = {"jaw": (0.035, 0.045), "lips": (0.045, 0.050), "rounding": (0.070, 0.055)}


@dataclass(frozen=True)
class Segments:
    """Targets in time, N rows: start, end in s; pose (N, A); weight (N, 3) of jaw, lips, rounding."""

    start_s: np.ndarray
    end_s: np.ndarray
    pose: np.ndarray
    weight: np.ndarray


def segments(phones: list, stress: list | None = None) -> Segments:
    """Targets of a phone sequence `[symbol, start_s, end_s]`, with stress (0, 1, 2 or None) if known."""
    rows: list[tuple[float, float, np.ndarray, tuple[float, float, float]]] = []
    for i, (name, start, end) in enumerate(phones):
        targets = TARGETS.get(name, TARGETS["AX"])
        opening = 1.0
        if name in VOWELS:
            mark = stress[i] if stress else None
            opening = {0: 0.86, 1: 1.10, 2: 1.0}.get(mark if mark is not None else 2, 1.0)
            opening *= float(np.clip(((end - start) / 0.10) ** 0.25, 0.8, 1.15))
        middle = start + FIRST_SHARE * (end - start)
        edges = [start, end] if len(targets) == 1 else [start, middle, end]
        for target, lo, hi in zip(targets, edges[:-1], edges[1:], strict=True):
            pose = np.array([target.pose.get(a, 0.0) for a in ARTICULATORS])
            pose[JAW] *= opening
            rows.append((lo, hi, pose, (target.jaw, target.lips, target.rounding)))
    start, end, pose, weight = (np.array(column) for column in zip(*rows, strict=True))
    return Segments(start, end, pose, weight)


def blend(parts: Segments, times_s: np.ndarray, reach: float = 1.0) -> np.ndarray:
    """Articulator curves (T, A) at given times; `reach` scales how far phones influence each other."""
    ahead = parts.start_s[:, None] - times_s[None]
    behind = times_s[None] - parts.end_s[:, None]
    groups = (("jaw", [JAW]), ("lips", [i for i in LIPS if i not in ROUND]), ("rounding", ROUND))
    out = np.zeros((len(times_s), A))
    for k, (name, members) in enumerate(groups):
        before_s, after_s = (reach * theta for theta in THETA[name])
        distance = np.maximum(ahead, 0) / before_s + np.maximum(behind, 0) / after_s
        dominance = parts.weight[:, k, None] * np.exp(-np.minimum(distance, 60.0))
        total = dominance.sum(0)[:, None] + 1e-12
        out[:, members] = dominance.T @ parts.pose[:, members] / total
    return out
