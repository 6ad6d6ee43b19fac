"""What the generator is given while it runs: the plain rendering of the face's rows, and where its picture may show."""

from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace

import numpy as np
import torch

from engine.render.plain import PlainRenderer, PlainState, paint
from engine.render.scene import Scene
from plugins.gmtalker.generator.place import HeadPlace, corner, face_weights

# `paint` looks light up in a table of tones that spans 0 to 2; for numbers 0 to 1 this one leaves them as they are
AS_IT_IS = np.minimum(np.arange(511), 255).astype(np.uint8)


@dataclass(slots=True)
class GivenState(PlainState):
    """fade uint8 (S, H, W, 4): how much of the generated face shows (three times), and coverage; corner int64 (S, 2):
    first row and column of the square. Of picture and fade only the square's rows are of this tick."""

    fade: torch.Tensor
    corner: torch.Tensor


class FaceGiven(PlainRenderer):
    """Motion float32 (S, M) -> plain pictures before black uint8 (S, H, W, 3), of which the square's rows are drawn."""

    def __init__(self, scene: Scene, size: int, square: int):
        super().__init__(scene, size, background="black")
        self.square = square
        self._place = HeadPlace(self.face, self.shape, scene.camera, size)
        self._shows = np.repeat(face_weights(self.face, self.shape)[:, None], 3, 1)

    def init_state(self, slots: int) -> GivenState:
        plain = super().init_state(slots)
        fade = torch.zeros(slots, self.size, self.size, 4, dtype=torch.uint8)
        parts = plain.background, plain.picture, plain.samples, plain.spans
        return GivenState(*parts, fade, torch.zeros(slots, 2, dtype=torch.int64))

    def _draw(self, own: SimpleNamespace, motion: np.ndarray) -> None:
        points = self.face.vertices(motion, self.shape)
        screen, light = self.camera.project(points, self.size), np.empty_like(points)
        own.corner[:] = corner(self._place.middle(motion), self.size, self.square)
        rows = int(own.corner[0]), int(own.corner[0]) + self.square
        self.crew.run([partial(self._lit, points, light), partial(self._see, own, screen, rows)])
        triangles = self.wardrobe.solid
        paint(own.samples, own.spans, triangles, screen, light, self._tones, own.background, *rows, own.picture)
        paint(own.samples, own.spans, triangles, screen, self._shows, AS_IT_IS, own.background, *rows, own.fade)
