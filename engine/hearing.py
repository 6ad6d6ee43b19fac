"""From sound to motion in one stage, what all sessions share before each is drawn: ears, motion with life, hush."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from engine.metrics import Timings
from engine.motion.hush import Hush, HushState
from engine.stage import Stage, State


@dataclass(slots=True)
class HeardState(State):
    """The states of ears, motion and hush."""

    ears: State
    motion: State
    hush: HushState


class Hearing(Stage):
    """Sound float32 (S, 640) of one tick -> motion float32 (S, M), a fresh tensor, for the tick `lookahead` ago.

    timings: "features" and "motion" are measured into it, once a step, however many slots it has.
    """

    def __init__(self, ears: Stage, motion: Stage, timings: Mapping[str, Timings]):
        self.ears, self.motion, self.mouth = ears, motion, Hush()
        self.lookahead = ears.lookahead + motion.lookahead
        self._timings = timings

    def init_state(self, slots: int) -> HeardState:
        return HeardState(self.ears.init_state(slots), self.motion.init_state(slots), self.mouth.init_state(slots))

    def step(self, state: HeardState, x: torch.Tensor) -> torch.Tensor:
        with self._timings["features"].measure():
            features = self.ears.step(state.ears, x)
        with self._timings["motion"].measure():
            motion = self.motion.step(state.motion, features)
            return self.mouth.step(state.hush, motion)  # a copy: the stage's own buffer is only lent

    def reset(self, state: HeardState, slot: int, seed: int = 0) -> None:
        self.ears.reset(state.ears, slot, seed)
        self.motion.reset(state.motion, slot, seed)
        self.mouth.reset(state.hush, slot, seed)

    def set_emotion(self, state: HeardState, slot: int, weights: Sequence[float], intensity: float) -> None:
        self.motion.set_emotion(state.motion, slot, weights, intensity)

    def hush(self, state: HeardState, slot: int) -> None:
        """The voice of a slot breaks off before the next tick: its mouth lets go at once, not after the look-ahead."""
        self.mouth.hush(state.hush, slot, self.lookahead)
