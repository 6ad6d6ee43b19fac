"""The head without anything behind it: pictures with real transparency, for files."""

from dataclasses import dataclass
from typing import Any

import torch

from engine.stage import Stage, State


@dataclass(slots=True)
class CutoutState(State):
    """inner: two slots of the renderer for each of ours, before black and before white. picture uint8
    (S, H, W, 4), which is what `step` returns and overwrites at the next one."""

    inner: State
    picture: torch.Tensor


class Cutout(Stage):
    """Motion float32 (S, M) -> RGBA uint8 (S, H, W, 4), row 0 on top, colour not multiplied by alpha.

    Draws every picture twice, before black and before white: what differs is what shines through, whatever the
    renderer blends over its background and however. Costs twice the time, which files have.
    """

    def __init__(self, renderer: Any, size: int):
        self.renderer = renderer
        self.size = size
        self.lookahead = renderer.lookahead

    def init_state(self, slots: int) -> CutoutState:
        inner = self.renderer.init_state(2 * slots)
        for slot in range(2 * slots):
            self.renderer.set_background(inner, slot, ("black", "white")[slot % 2])
        return CutoutState(inner, torch.zeros(slots, self.size, self.size, 4, dtype=torch.uint8))

    def reset(self, state: CutoutState, slot: int, seed: int = 0) -> None:
        for k, colour in enumerate(("black", "white")):
            self.renderer.reset(state.inner, 2 * slot + k, seed)
            self.renderer.set_background(state.inner, 2 * slot + k, colour)
        state.picture[slot] = 0

    def set_background(self, state: CutoutState, slot: int, background: str) -> None:
        """There is none: nothing changes."""

    def step(self, state: CutoutState, x: torch.Tensor) -> torch.Tensor:
        drawn = self.renderer.step(state.inner, x.repeat_interleave(2, 0))
        black, white = drawn[0::2].to(torch.int16), drawn[1::2].to(torch.int16)
        # Rounding differs by one between the colours; the strongest of the three is the least rounded.
        alpha = 255 - (white - black).amin(-1, keepdim=True).clamp(0, 255)
        colour = torch.where(alpha > 0, (black * 255.0 / alpha.clamp(min=1)).round(), 0.0).clamp(0, 255)
        state.picture[..., :3] = colour.to(torch.uint8)
        state.picture[..., 3:] = alpha.to(torch.uint8)
        return state.picture
