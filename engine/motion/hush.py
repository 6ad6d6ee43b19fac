"""Falling silent in the middle of a word: the mouth lets go instead of finishing what nobody hears any more.

A motion stage with look-ahead still owes the answers for the last ticks of a voice that has been cut off. Their
articulation fades here towards an idle mouth; then the stage's own answer to the silence takes over. Only what
articulates is touched: a smile stays, and so do eyes and head.
"""

from dataclasses import dataclass

import torch

from engine.motion import layout
from engine.stage import Stage, State

ARTICULATORS = (
    "jawForward", "jawLeft", "jawOpen", "jawRight", "mouthClose", "mouthFunnel", "mouthPucker", "mouthLowerDownLeft",
    "mouthLowerDownRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper",
    "mouthUpperUpLeft", "mouthUpperUpRight", "tongueOut", "lipUpperRaise", "lipEversion", "lipCompress",
    "mouthPursing", "tongueUp",
)  # fmt: skip
SETTLE_TICKS = 4
# By the ticks that are left, the last one while answers are owed. Share of the way that the mouth goes to
# its goal in one tick: as fast as a jaw closes for a consonant. Share of the stage's answer that is the goal: none at
# first, since a stage that has heard silence for a tick or two is not done closing either.
STEPS = (1.0, 0.9, 0.8, 0.7, 0.7)
GOALS = (1.0, 0.9, 0.6, 0.3, 0.0)


@dataclass(slots=True)
class HushState(State):
    """left: int64 (S,) ticks for which the mouth is held. mouth: float32 (S, K) as it was last shown."""

    left: torch.Tensor
    mouth: torch.Tensor


class Hush(Stage):
    """Motion (S, M) -> (S, M), unchanged unless `hush` was called for the slot less than `owed` + 4 ticks ago."""

    def __init__(self) -> None:
        self._at = torch.tensor([layout.INDEX[name] for name in ARTICULATORS])
        self._steps, self._goals = torch.tensor(STEPS), torch.tensor(GOALS)

    def init_state(self, slots: int) -> HushState:
        return HushState(torch.zeros(slots, dtype=torch.int64), torch.zeros(slots, len(ARTICULATORS)))

    def hush(self, state: HushState, slot: int, owed: int) -> None:
        """The voice of a slot breaks off now; `owed` more answers of the motion stage still belong to it."""
        state.left[slot] = owed + SETTLE_TICKS

    def step(self, state: HushState, x: torch.Tensor) -> torch.Tensor:
        spoken = x.index_select(1, self._at)
        left = state.left.clamp(max=SETTLE_TICKS)
        goal = spoken * self._goals.index_select(0, left)[:, None]
        eased = torch.lerp(state.mouth, goal, self._steps.index_select(0, left)[:, None])
        state.mouth.copy_(torch.where((state.left > 0)[:, None], eased, spoken))
        state.left.sub_(1).clamp_(min=0)
        return x.index_copy(1, self._at, state.mouth)
