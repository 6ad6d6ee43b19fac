"""The baseline that every avatar has: a mouth that opens with loudness and knows no phones."""

from dataclasses import dataclass

import torch

from engine.motion import layout
from engine.stage import Stage, State

SHUT_DB, OPEN_DB = -48.0, -16.0  # levels at which the mouth is shut and fully open
JAW = 0.48  # opening at OPEN_DB: brings the 95th percentile to that of a captured speaker
EASE = 0.65  # share of the way to a new level taken per tick


@dataclass(slots=True)
class EnergyState(State):
    """opening: float32 (S,) 0 to 1, the smoothed level."""

    opening: torch.Tensor


class EnergyMouth(Stage):
    """Samples float32 (S, 640) -> motion vectors (S, M): jawOpen from loudness, nothing else."""

    lookahead = 0

    def init_state(self, slots: int) -> EnergyState:
        return EnergyState(torch.zeros(slots))

    def step(self, state: EnergyState, x: torch.Tensor) -> torch.Tensor:
        level_db = 10.0 * (x.square().mean(1) + 1e-10).log10()
        opening = ((level_db - SHUT_DB) / (OPEN_DB - SHUT_DB)).clamp(0.0, 1.0)
        state.opening.lerp_(opening, EASE)
        out = x.new_zeros(len(x), layout.M)
        out[:, layout.INDEX["jawOpen"]] = JAW * state.opening
        return out
