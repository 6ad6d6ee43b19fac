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
# Share of the way to where the mouth is going, by the ticks that are left; while answers are owed the first one.
# A jaw falls shut within about 150 ms after speech that breaks off.
STEPS = (1.0, 0.85, 0.7, 0.55, 0.45)


@dataclass(slots=True)
class HushState(State):
    """left: int64 (S,) ticks for which the mouth is held. mouth: float32 (S, K) as it was last shown."""

    left: torch.Tensor
    mouth: torch.Tensor


class Hush(Stage):
    """Motion (S, M) -> (S, M), unchanged unless `hush` was called for the slot less than `owed` + 4 ticks ago."""

    def __init__(self) -> None:
        self._at = torch.tensor([layout.INDEX[name] for name in ARTICULATORS])
        self._steps = torch.tensor(STEPS)

    def init_state(self, slots: int) -> HushState:
        return HushState(torch.zeros(slots, dtype=torch.int64), torch.zeros(slots, len(ARTICULATORS)))

    def hush(self, state: HushState, slot: int, owed: int) -> None:
        """The voice of a slot breaks off now; `owed` more answers of the motion stage still belong to it."""
        state.left[slot] = owed + SETTLE_TICKS

    def step(self, state: HushState, x: torch.Tensor) -> torch.Tensor:
        spoken = x.index_select(1, self._at)
        goal = torch.where((state.left > SETTLE_TICKS)[:, None], torch.zeros_like(spoken), spoken)
        share = self._steps.index_select(0, state.left.clamp(max=SETTLE_TICKS))[:, None]
        eased = torch.lerp(state.mouth, goal, share)
        state.mouth.copy_(torch.where((state.left > 0)[:, None], eased, spoken))
        state.left.sub_(1).clamp_(min=0)
        return x.index_copy(1, self._at, state.mouth)
