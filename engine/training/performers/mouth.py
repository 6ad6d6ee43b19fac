"""How feeling bends speech: articulators scaled, action units added, and lips that shut all the same.

A smile widens and unrounds, sadness lowers the corners, anger tightens; but P B M shut the lips and F V bring the
lower one to the teeth whatever is felt (Fagel 2006; Nordstrand et al. 2004). So units that part the lips give way
while a gate is on, and what gap is left on the mesh is taken back by `mouthClose`.
"""

from functools import cache

import numpy as np
import torch

from engine.motion import layout
from engine.motion.articulation import ARTICULATORS, INDEX, Composer
from engine.training.performance import Performance
from engine.training.performers.emotion import (
    DISPLAYS,
    EMOTION_INDEX,
    EMOTIONS,
    UNIT_INDEX,
    WHILE_SPEAKING,
    U,
    unit_basis,
)  # fmt: skip
from engine.training.performers.style import Performer

# Share of a coefficient of the display that stays while lips are shut, or the lower one is on the teeth.
SHUT_KEEP = {
    "jawOpen": 0.0, "lipUpperRaise": 0.05, "mouthFunnel": 0.2, "mouthUpperUpLeft": 0.3, "mouthUpperUpRight": 0.3,
    "mouthLowerDownLeft": 0.15, "mouthLowerDownRight": 0.15, "mouthShrugUpper": 0.0, "mouthDimpleLeft": 0.9,
    "mouthDimpleRight": 0.9,
}  # fmt: skip
BITE_KEEP = {
    "jawOpen": 0.2, "lipUpperRaise": 0.35, "mouthFunnel": 0.2, "mouthUpperUpLeft": 0.6, "mouthUpperUpRight": 0.6,
    "mouthLowerDownLeft": 0.15, "mouthLowerDownRight": 0.15, "mouthShrugLower": 0.3, "mouthRollUpper": 0.2,
}  # fmt: skip
KNEE = 0.7  # displays up to here are taken as they are
BITE_GAP = 0.05  # of the neutral mouth width: lip on teeth under a raised upper lip
ROUND_COST = 0.55  # share of a spread unit that full rounding takes
SPREAD = tuple(
    layout.INDEX[n]
    for n in ("mouthSmileLeft", "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight", "lipCornerPull")
)


def speak(
    reference: Performance, units: np.ndarray, felt: np.ndarray, speaking: np.ndarray, performer: Performer
) -> np.ndarray:
    """Expression coefficients (T, E), 0 to 1, of lips that speak (the reference) under a display.

    units: (2, T, U) action units; felt: (T, K); speaking: (T,) 1 in phrases.
    """
    mouth = reference.mouth * _articulation(felt) * _habits(performer)
    parts = (mouth.astype(np.float32), reference.closure, reference.bite)
    spoken = Composer()(*(torch.from_numpy(part) for part in parts)).numpy().astype(float)
    shown = _soften(np.einsum("htu,hue->te", units * _yield(speaking)[None], _basis()))
    rounding = np.clip(mouth[:, INDEX["mouthPucker"]] + mouth[:, INDEX["mouthFunnel"]], 0.0, 1.0)
    shown[:, SPREAD] *= 1.0 - ROUND_COST * rounding[:, None]
    shut, bitten = reference.closure[:, None], reference.bite[:, None]
    shown *= (1.0 - shut * (1.0 - _keep("shut"))) * (1.0 - bitten * (1.0 - _keep("bite")))
    return _meet(np.clip(spoken + shown, 0.0, 1.0), spoken, reference.closure, reference.bite).astype(np.float32)


def _meet(values: np.ndarray, spoken: np.ndarray, closure: np.ndarray, bite: np.ndarray) -> np.ndarray:
    """Values (T, E) that leave no wider gap than plain speech where a gate says so.

    What the display opened is taken back by `mouthClose`, then by the jaw.
    """
    measure = _lips()
    gap_per_unit = (measure.landmark_basis[:, 0, 1] - measure.landmark_basis[:, 1, 1]) / measure.width_m
    shut, jaw = layout.INDEX["mouthClose"], layout.INDEX["jawOpen"]
    gap, plain = measure.aperture(values), measure.aperture(spoken)
    excess = np.maximum(closure * (gap - plain), bite * (gap - np.maximum(plain, BITE_GAP)))
    excess, values = np.maximum(excess, 0.0), values.copy()
    taken = np.minimum(excess / -gap_per_unit[shut], 1.0 - values[:, shut])
    values[:, shut] += taken
    left = excess + taken * gap_per_unit[shut]
    values[:, jaw] -= np.minimum(left / gap_per_unit[jaw], values[:, jaw])
    return values


def _soften(values: np.ndarray) -> np.ndarray:
    """Values that approach 1 instead of passing it, so that strong displays still move."""
    over = np.maximum(values - KNEE, 0.0) / (1.0 - KNEE)
    return np.where(values > KNEE, KNEE + (1.0 - KNEE) * np.tanh(over), values)


def _articulation(felt: np.ndarray) -> np.ndarray:
    """Factor of each articulator under what is felt: (T, A)."""
    out = np.ones((len(felt), len(ARTICULATORS)))
    for name in EMOTIONS:
        for articulator, factor in DISPLAYS[name].articulation:
            out[:, INDEX[articulator]] += felt[:, EMOTION_INDEX[name]] * (factor - 1.0)
    return out


def _habits(performer: Performer) -> np.ndarray:
    """Factor of each articulator that a performer always has: (A,)."""
    out = np.ones(len(ARTICULATORS))
    for name in ("jawOpen", "mouthLowerDown", "mouthUpperUp"):
        out[INDEX[name]] = performer.openness
    for name in ("mouthPucker", "mouthFunnel", "mouthStretch", "mouthSmile"):
        out[INDEX[name]] = performer.rounding
    return out


def _yield(speaking: np.ndarray) -> np.ndarray:
    """What speech leaves of each action unit: (T, U)."""
    share = np.ones(U)
    for number, left in WHILE_SPEAKING.items():
        share[UNIT_INDEX[number]] = left
    return 1.0 - speaking[:, None] * (1.0 - share)


@cache
def _keep(gate: str) -> np.ndarray:
    out = np.ones(layout.E)
    for name, share in (SHUT_KEEP if gate == "shut" else BITE_KEEP).items():
        out[layout.INDEX[name]] = share
    return out


@cache
def _basis() -> np.ndarray:
    return unit_basis()


@cache
def _lips():
    from engine.render.face_model import FaceModel
    from engine.render.lips import LipMeasure

    return LipMeasure(FaceModel.load())
