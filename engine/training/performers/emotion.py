"""Eight emotions in action units of the Facial Action Coding System, and what they do to speech.

The order is MEAD's (Wang et al. 2020), which GMTalker's one-hot labels follow. Each emotion has variants, because
people show the same feeling in more than one way; the action units are the prototypes and major variants that
the FACS Investigator's Guide lists (Ekman, Friesen and Hager 2002, table 10-1; for contempt the one-sided 12 + 14 of
EMFACS, Ekman and Friesen 1986). How strong each unit is on this head was set by eye on renderings.
"""

from dataclasses import dataclass

import numpy as np

from engine.errors import ConfigError
from engine.motion import layout
from engine.motion.emotion import EMOTIONS, K

EMOTION_INDEX = {name: i for i, name in enumerate(EMOTIONS)}
LEVELS = (0.45, 0.72, 1.0)  # strength of MEAD's intensities 1, 2, 3


def _both(**values: float) -> dict[str, float]:
    return {name + side: value for name, value in values.items() for side in ("Left", "Right")}


# What an action unit is on this head, fully contracted. Numbers and names: Ekman and Friesen, FACS (1978, 2002).
ACTION_UNITS: dict[int, dict[str, float]] = {
    1: {"browInnerUp": 1.0},  # inner brow raiser
    2: _both(browOuterUp=1.0),  # outer brow raiser
    4: _both(browDown=1.0),  # brow lowerer
    5: _both(eyeWide=1.0),  # upper lid raiser
    6: _both(cheekSquint=1.0, eyeSquint=0.25),  # cheek raiser
    7: _both(eyeSquint=1.0),  # lid tightener
    9: {"nostrilFlare": 0.7, **_both(noseSneer=1.0)},  # nose wrinkler
    10: {"lipUpperRaise": 0.20, **_both(mouthUpperUp=0.9)},  # upper lip raiser
    12: {"lipCornerPull": 0.22, **_both(mouthSmile=0.42, mouthStretch=0.15)},  # lip corner puller
    14: {"mouthLeft": 0.3, "mouthRight": 0.3, **_both(mouthDimple=0.8)},  # dimpler; one-sided it draws the mouth aside
    15: _both(mouthFrown=1.0),  # lip corner depressor
    16: _both(mouthLowerDown=1.0),  # lower lip depressor
    17: {"mouthShrugLower": 0.65},  # chin raiser
    20: _both(mouthStretch=1.0),  # lip stretcher
    21: {"neckTense": 0.5},  # neck tightener
    22: {"mouthFunnel": 0.5},  # lip funneler
    23: {"lipCompress": 0.7, **_both(mouthPress=0.1)},  # lip tightener
    24: {"mouthRollUpper": 0.3, "mouthRollLower": 0.3, "lipCompress": 0.3, **_both(mouthPress=0.3)},  # lip pressor
    25: {"lipUpperRaise": 0.50, **_both(mouthUpperUp=0.30)},  # lips part
    26: {"jawOpen": 0.40},  # jaw drop
    29: {"jawForward": 0.4},  # jaw thrust
    38: {"nostrilFlare": 1.0},  # nostril dilator
    43: _both(eyeBlink=1.0),  # eyes closed
}
UNIT_NUMBERS = tuple(ACTION_UNITS)
UNIT_INDEX = {number: i for i, number in enumerate(UNIT_NUMBERS)}
U = len(UNIT_NUMBERS)
LEFT, RIGHT = 0, 1

# Share of a mouth unit that is left while the same muscles speak (1 keeps all of it).
WHILE_SPEAKING = {10: 0.75, 12: 0.85, 14: 0.9, 15: 0.95, 16: 0.7, 17: 0.45, 20: 0.75, 22: 0.3, 23: 0.5, 24: 0.15,
                  25: 0.45, 26: 0.3}  # fmt: skip

Units = dict[int | str, float]


@dataclass(frozen=True)
class Display:
    """How one emotion is shown.

    variants: action units and their strengths; "L14" is one-sided, on the side that a performer prefers, "R15" on
    the other. onset_s, decay_s: to the apex of a phrase and down from it. base: share of the apex that is there all
    the time. accent: the units that mark a stressed word, by strength. articulation: factors of articulators.
    """

    variants: tuple[Units, ...]
    onset_s: float = 0.5
    decay_s: float = 0.9
    base: float = 0.7
    accent: tuple[tuple[int | str, float], ...] = ((1, 0.45), (2, 0.45))
    articulation: tuple[tuple[str, float], ...] = ()


# Brow accents: raised (1 + 2) or lowered (4) as the feeling already leans; Ekman, "About brows" (1979).
# Articulation: smiling widens and unrounds, sadness moves less, anger opens and bares, disgust lifts the upper lip
# (Nordstrand et al. 2004 and Fagel 2006 measured such changes of lips in emotional speech).
DISPLAYS: dict[str, Display] = {
    "neutral": Display(({},), accent=((1, 0.32), (2, 0.32))),
    "happy": Display(
        (
            {6: 0.95, 12: 0.9, 25: 1.0, 2: 0.12, 7: 0.1},  # 6 + 12 + 25, a broad smile that shows teeth
            {6: 0.75, 12: 1.25, 14: 0.25, 7: 0.2, 1: 0.1, 2: 0.1},  # 6 + 12, lips together
            {6: 1.0, 12: 1.0, 25: 0.9, 26: 0.25, 1: 0.3, 2: 0.3},  # 6 + 12 + 25 + 26, delighted
        ),
        onset_s=0.45, decay_s=1.2, base=0.72, accent=((1, 0.4), (2, 0.5)),
        articulation=(("mouthPucker", 0.8), ("mouthFunnel", 0.8), ("mouthStretch", 1.15), ("mouthSmile", 1.2),
                      ("mouthLowerDown", 1.1), ("mouthUpperUp", 1.15)),
    ),
    "sad": Display(
        (
            {1: 1.05, 4: 0.4, 15: 1.1, 17: 0.9, 43: 0.14, 7: 0.1},  # 1 + 4 + 15 + 17
            {1: 1.05, 4: 0.35, 15: 0.95, 17: 0.3, 43: 0.22},  # 1 + 4 + 15
            {1: 1.1, 4: 0.45, 6: 0.25, 15: 1.0, 20: 0.2, 7: 0.25},  # 1 + 4 + 6 + 15, near tears
        ),
        onset_s=0.9, decay_s=1.6, base=0.72, accent=((1, 0.3), (4, 0.12)),
        articulation=(("jawOpen", 0.8), ("mouthLowerDown", 0.75), ("mouthStretch", 0.75), ("mouthSmile", 0.5),
                      ("mouthFunnel", 0.9), ("mouthUpperUp", 0.8)),
    ),
    "angry": Display(
        (
            {4: 1.1, 5: 0.6, 7: 0.5, 10: 0.6, 16: 0.9, 23: 0.3, 15: 0.9, 9: 0.55, 38: 0.7, 20: 0.15, 29: 0.4},  # bared
            {4: 1.1, 5: 0.65, 7: 0.6, 23: 0.9, 24: 0.5, 17: 0.35, 15: 0.9, 9: 0.35, 16: 0.4, 38: 0.9, 29: 0.5},  # 24
            {4: 1.15, 5: 0.8, 7: 0.35, 10: 0.4, 22: 0.35, 23: 0.5, 16: 0.7, 15: 0.8, 9: 0.45, 38: 1.0, 29: 0.3},  # 22
        ),
        onset_s=0.3, decay_s=0.8, base=0.75, accent=((4, 0.3), (5, 0.25)),
        articulation=(("jawOpen", 1.0), ("mouthLowerDown", 1.45), ("mouthStretch", 1.1), ("mouthSmile", 0.1),
                      ("mouthUpperUp", 1.2), ("mouthPucker", 0.9)),
    ),
    "fear": Display(
        (
            {1: 1.0, 2: 0.35, 4: 0.4, 5: 1.0, 20: 1.0, 16: 0.6, 25: 0.15, 26: 0.6, 15: 0.4, 21: 0.8},  # + 20 + 26
            {1: 1.0, 2: 0.45, 4: 0.45, 5: 1.0, 20: 0.7, 16: 0.4, 15: 0.35, 21: 0.5},  # 1 + 2 + 4 + 5 + 20
            {1: 0.95, 2: 0.3, 4: 0.35, 5: 1.0, 20: 0.85, 26: 0.35, 17: 0.25, 15: 0.5, 7: 0.1, 21: 0.9},
        ),
        onset_s=0.25, decay_s=0.9, base=0.75, accent=((1, 0.25), (5, 0.25)),
        articulation=(("jawOpen", 0.9), ("mouthStretch", 1.4), ("mouthPucker", 0.8), ("mouthFunnel", 0.8),
                      ("mouthSmile", 0.3)),
    ),
    "surprised": Display(
        (
            {1: 0.9, 2: 0.95, 5: 0.85, 26: 1.0, 22: 0.35},  # 1 + 2 + 5 + 26
            {1: 1.0, 2: 1.0, 5: 0.7, 26: 0.55},  # 1 + 2 + 5
            {1: 0.85, 2: 0.9, 5: 1.0, 26: 0.8, 25: 0.2, 12: 0.12},
        ),
        onset_s=0.18, decay_s=1.0, base=0.62, accent=((1, 0.35), (2, 0.4), (5, 0.2)),
        articulation=(("jawOpen", 1.15), ("mouthFunnel", 1.1), ("mouthSmile", 0.4)),
    ),
    "disgusted": Display(
        (
            {9: 1.1, 10: 1.0, 4: 0.7, 7: 0.75, 6: 0.8, 15: 0.75, 17: 0.4},  # 9 + 10 + 17
            {9: 1.1, 10: 0.95, 16: 0.6, 4: 0.6, 7: 0.65, 6: 0.7, 15: 0.85, "L10": 0.2},  # 9 + 16 + 25
            {9: 0.9, 10: 1.1, "L10": 0.3, 4: 0.5, 7: 0.75, 6: 0.85, 15: 1.0, 17: 0.55, 43: 0.1},  # 10 + 17
        ),
        onset_s=0.5, decay_s=1.0, base=0.75, accent=((9, 0.3), (7, 0.2)),
        articulation=(("jawOpen", 0.78), ("mouthUpperUp", 1.6), ("mouthLowerDown", 1.15), ("mouthSmile", 0.1),
                      ("mouthPucker", 0.9)),
    ),
    "contempt": Display(
        (
            {"L12": 0.6, "L14": 1.3, "L6": 0.35, "L2": 0.6, "R4": 0.45, "R15": 0.9, 7: 0.3, 43: 0.1},  # one-sided
            {"L14": 1.5, "L12": 0.4, "L10": 0.6, 7: 0.4, 43: 0.14, "R15": 0.85, "R4": 0.3, "L2": 0.3},  # eyes narrow
            {"L12": 0.5, "L14": 0.9, "L10": 0.9, "L9": 0.45, "L2": 0.85, "R4": 0.5, "R15": 0.8, 7: 0.25, 43: 0.08},
        ),
        onset_s=0.7, decay_s=1.3, base=0.8, accent=(("L2", 0.4), ("R4", 0.15)),
        articulation=(("jawOpen", 0.7), ("mouthLowerDown", 0.75), ("mouthFunnel", 0.9), ("mouthSmile", 0.3),
                      ("mouthUpperUp", 0.7)),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Feeling:
    """What a performer feels: weights (K,) or (T, K) of EMOTIONS, 0 to 1 and summing to at most 1 (the rest is
    neutral); strength 0 to 1, a number or (T,) per tick, 1 is MEAD's intensity 3."""

    weights: np.ndarray
    strength: float | np.ndarray = 1.0

    def __post_init__(self) -> None:
        weights, strength = np.asarray(self.weights), np.asarray(self.strength)
        if weights.shape[-1:] != (K,) or weights.ndim > 2:
            raise ConfigError(f"emotion weights have shape {weights.shape}; ({K},) or (T, {K}) is expected")
        if not (weights >= 0).all() or (weights.sum(-1) > 1 + 1e-5).any():
            raise ConfigError("emotion weights are 0 to 1 and sum to at most 1")
        if strength.ndim > 1 or not ((strength >= 0) & (strength <= 1)).all():
            raise ConfigError("the strength of an emotion is 0 to 1")

    @classmethod
    def of(cls, level: int | None = None, strength: float = 1.0, **weights: float) -> "Feeling":
        """By name: `Feeling.of(happy=0.7, sad=0.3)`; level: MEAD's intensity 1, 2 or 3 instead of a strength."""
        unknown = set(weights) - set(EMOTIONS)
        if unknown:
            raise ConfigError(f"no such emotion: {', '.join(sorted(unknown))}; there are {', '.join(EMOTIONS)}")
        if level is not None and level not in (1, 2, 3):
            raise ConfigError(f"intensity {level}: levels are 1, 2 and 3")
        return cls(np.array([weights.get(name, 0.0) for name in EMOTIONS]), LEVELS[level - 1] if level else strength)

    def ticks(self, count: int) -> np.ndarray:
        """Weight times strength of each emotion at each tick: (T, K)."""
        weights = np.broadcast_to(np.asarray(self.weights, float), (count, K))
        return weights * np.broadcast_to(np.asarray(self.strength, float), (count,))[:, None]


def unit_strengths(units: Units, side: int = LEFT) -> np.ndarray:
    """Action units as numbers (2, U) of the left and the right half; side: where "L" units go."""
    out = np.zeros((2, U))
    for name, value in units.items():
        number = int(name[1:]) if isinstance(name, str) else name
        halves = (LEFT, RIGHT) if not isinstance(name, str) else (side if name[0] == "L" else 1 - side,)
        for half in halves:
            out[half, UNIT_INDEX[number]] += value
    return out


def unit_basis() -> np.ndarray:
    """Matrix (2, U, E): what the left and the right half of each action unit add to the coefficients."""
    out = np.zeros((2, U, layout.E))
    for number, coefficients in ACTION_UNITS.items():
        for name, value in coefficients.items():
            one = {"Left": (LEFT,), "Right": (RIGHT,)}
            halves = next((half for end, half in one.items() if name.endswith(end)), (LEFT, RIGHT))
            for half in halves:
                out[half, UNIT_INDEX[number], layout.INDEX[name]] += value / len(halves)
    return out
