"""What the renderers that redraw everything have in common: scene, face, camera, backgrounds."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from engine.motion import layout
from engine.render.background import paint_background
from engine.render.crew import crew
from engine.render.face_model import FaceModel
from engine.render.scene import Scene
from engine.stage import Stage, State


@dataclass(slots=True)
class DrawingState(State):
    """background uint8 (S, H, W, 3); picture uint8 (S, H, W, 3 or 4), which `step` returns and overwrites."""

    background: torch.Tensor
    picture: torch.Tensor


class Drawing(Stage):
    """Motion float32 (S, M) -> RGB uint8 (S, H, W, 3), row 0 on top; subclasses draw one slot at a time.

    threads: that draw one picture. alpha: RGBA (S, H, W, 4) without background, if the subclass can.
    """

    lookahead = 0

    def __init__(self, scene: Scene, size: int = 512, background: str | None = None, face: FaceModel | None = None,
                 threads: int = 1, alpha: bool = False):  # fmt: skip
        self.scene, self.size, self.camera, self.ruler = scene, size, scene.camera, scene.camera.ruler()
        self.threads, self.alpha, self.crew = threads, alpha, crew(threads)
        self.face = face or FaceModel.of(scene.person)
        self._background = torch.from_numpy(paint_background(background or scene.background, size))
        self._rest = layout.vector(**scene.person.rest)
        self.shape = scene.person.shape if scene.person.shape.any() else None

    def first_pictures(self, slots: int) -> tuple[torch.Tensor, torch.Tensor]:
        """The fields of a fresh `DrawingState`."""
        shape = (slots, self.size, self.size, 4 if self.alpha else 3)
        return self._background.repeat(slots, 1, 1, 1), torch.zeros(shape, dtype=torch.uint8)

    def own(self, state: State, slot: int) -> SimpleNamespace:
        """The arrays of one slot under the names of the state's fields."""
        return SimpleNamespace(**{name: tensor[slot].numpy() for name, tensor in state.tensors()})

    def set_background(self, state: Any, slot: int, background: str) -> None:
        """Change one session's background from its next picture on; ConfigError if it is none."""
        state.background[slot] = torch.from_numpy(paint_background(background, self.size))

    def moved(self, motion: np.ndarray) -> np.ndarray:
        """A motion vector (M,) on top of the person's rest; numbers that are not finite count as 0."""
        return np.clip(np.nan_to_num(motion, nan=0.0), -8.0, 8.0) + self._rest
