"""The plain quality: a quick coarse picture that neural generators take as input.

Lambert light from one lamp and the sky, one flat colour per part, no shadow, no texture, no strands. Brows are darker
skin, so that a generator sees what they do; the eyes have an iris and a pupil, so that it sees the gaze.
"""

from dataclasses import dataclass

import numpy as np
import torch

from engine.render import visibility
from engine.render.drawing import Drawing, DrawingState
from engine.render.eye_shading import IRIS
from engine.render.face_model import MASKS, REGION, FaceModel
from engine.render.kernel import kernel
from engine.render.lighting import GROUND, KEY, KEY_COLOUR, SKY
from engine.render.scene import Scene
from engine.render.shading import (
    CLOTH_SECOND,
    CLOTH_TONE,
    HAIR_TONE,
    LIP,
    SKIN_LIGHT,
)
from engine.render.visibility import ID_MASK, SAMPLE_X
from engine.render.wardrobe import dress, paint_looks

_F = np.float32
_OTHER = {"teeth_upper": (0.66, 0.62, 0.55), "teeth_lower": (0.60, 0.56, 0.50), "gums": (0.30, 0.10, 0.09),
          "tongue": (0.42, 0.15, 0.14), "mouth_inside": (0.07, 0.02, 0.02)}  # fmt: skip
_WHITE, _PUPIL = np.array([0.70, 0.68, 0.66]), 0.36


@dataclass(slots=True)
class PlainState(DrawingState):
    """samples int64 (S, H, W + 3, 4) and box int64 (S, 4): scratch."""

    samples: torch.Tensor
    box: torch.Tensor


@kernel
def _light(normals, colour, lamps, out):
    """Lambert: out float32 (V, 3) = colour (V, 3) x (key + sky)."""
    for i in range(len(normals)):
        nx, ny, nz = normals[i, 0], normals[i, 1], normals[i, 2]
        key = max(nx * lamps[KEY, 0] + ny * lamps[KEY, 1] + nz * lamps[KEY, 2], _F(0.0))
        up = _F(0.5) + _F(0.5) * ny
        for k in range(3):
            sky = lamps[GROUND, k] + (lamps[SKY, k] - lamps[GROUND, k]) * up
            out[i, k] = colour[i, k] * (key * lamps[KEY_COLOUR, k] + sky)


@kernel
def _paint(samples, box, triangles, screen, light, table, backdrop, out):
    """Interpolated light of every covered pixel as bytes over out = backdrop; an edge mixes with it by quarters."""
    most = len(table) - 1
    steps = _F(most / 2.0)
    for row in range(box[1], box[3]):
        for col in range(box[0], box[2]):
            r, c = np.uintp(row), np.uintp(col)
            f0, f1 = samples[r, c, 0] & ID_MASK, samples[r, c, 1] & ID_MASK
            f2, f3 = samples[r, c, 2] & ID_MASK, samples[r, c, 3] & ID_MASK
            if f0 == 0 and f1 == 0 and f2 == 0 and f3 == 0:
                continue
            same = f0 == f1 and f0 == f2 and f0 == f3
            red = green = blue = _F(0.0)
            covered = 0
            for k in range(4):
                face = f0 if k == 0 else f1 if k == 1 else f2 if k == 2 else f3
                if face == 0:
                    continue
                x, y = (_F(0.5), _F(0.5)) if same else (SAMPLE_X[k], _F(k) * _F(0.25) + _F(0.125))
                at = np.uintp(face - 1)
                i0, i1, i2 = np.uintp(triangles[at, 0]), np.uintp(triangles[at, 1]), np.uintp(triangles[at, 2])
                x, y = _F(col) + x - screen[i0, 0], _F(row) + y - screen[i0, 1]
                x1, y1 = screen[i1, 0] - screen[i0, 0], screen[i1, 1] - screen[i0, 1]
                x2, y2 = screen[i2, 0] - screen[i0, 0], screen[i2, 1] - screen[i0, 1]
                scale = _F(1.0) / (x1 * y2 - x2 * y1)
                b1, b2 = (x * y2 - x2 * y) * scale, (x1 * y - x * y1) * scale
                b0 = _F(1.0) - b1 - b2
                red += b0 * light[i0, 0] + b1 * light[i1, 0] + b2 * light[i2, 0]
                green += b0 * light[i0, 1] + b1 * light[i1, 1] + b2 * light[i2, 1]
                blue += b0 * light[i0, 2] + b1 * light[i1, 2] + b2 * light[i2, 2]
                covered += 1
                if same:
                    break
            scale = steps / _F(covered)
            share = _F(1.0) if same else _F(0.25) * _F(covered)
            for k in range(3):
                value = red if k == 0 else green if k == 1 else blue
                shown = _F(table[np.uintp(min(int(max(value, _F(0.0)) * scale + _F(0.5)), most))])
                out[row, col, k] = np.uint8(shown * share + _F(backdrop[row, col, k]) * (_F(1.0) - share) + _F(0.5))


class PlainRenderer(Drawing):
    """Motion float32 (S, M) -> RGB uint8 (S, H, W, 3), row 0 on top. One thread, deterministic."""

    def __init__(self, scene: Scene, size: int = 512, background: str | None = None, face: FaceModel | None = None):
        super().__init__(scene, size, background, face)
        self.wardrobe = dress(self.face)
        looks = paint_looks(self.face, scene)
        self._lamps, self._tones = looks.lamps, looks.tones
        self._colour = _flat_colours(self.face, scene, looks.tints)

    def init_state(self, slots: int) -> PlainState:
        size = self.size
        return PlainState(
            *self.first_pictures(slots),
            torch.zeros(slots, size, size + visibility.PAD, visibility.SAMPLES, dtype=torch.int64),
            torch.tensor([0, 0, size, size]).repeat(slots, 1),
        )

    def step(self, state: PlainState, x: torch.Tensor) -> torch.Tensor:
        wear = self.wardrobe
        for slot in range(len(x)):
            points = self.face.vertices(self.moved(x[slot].numpy()), self.shape)
            light = np.empty_like(points)
            _light(self.face.normals(points), self._colour, self._lamps, light)
            screen = self.camera.project(points, self.size)
            samples, box = state.samples[slot].numpy(), state.box[slot].numpy()
            visibility.clear(samples, box)
            visibility.fill(screen, wear.solid, wear.two_sided, 0, self.size, samples, box)
            np.copyto(state.picture[slot].numpy(), state.background[slot].numpy())
            _paint(samples, box, wear.solid, screen, light, self._tones, state.background[slot].numpy(),
                   state.picture[slot].numpy())  # fmt: skip
        return state.picture


def _flat_colours(face: FaceModel, scene: Scene, tints: np.ndarray) -> np.ndarray:
    """Linear colour float32 (V, 3) of every vertex."""
    out = np.tile(tints[SKIN_LIGHT], (len(face.mean), 1)).astype(np.float64)
    out += (tints[LIP] - out) * face.masks[:, :1]
    brow = np.clip(face.masks[:, MASKS.index("brow")] * 1.2, 0, 1)[:, None] * scene.person.hair.brows * 0.6
    out += (tints[HAIR_TONE] - out) * np.clip(brow, 0, 1)
    worn = {"hair": HAIR_TONE, "beard": HAIR_TONE, "strands": HAIR_TONE, "shirt": CLOTH_TONE, "collar": CLOTH_SECOND}
    for name, row in worn.items():
        out[face.vertex_region == REGION[name]] = tints[row]
    for name, colour in _OTHER.items():
        out[face.vertex_region == REGION[name]] = colour
    eyes = scene.person.eyes
    for side, part in enumerate(face.eye_vertices):
        ball = face.mean[part] - face.person(None).eye_centre[side]
        ball /= np.linalg.norm(ball, axis=1, keepdims=True)
        ring = np.where(ball[:, 2] > 0, np.hypot(ball[:, 0], ball[:, 1]), 1) / float(IRIS)
        iris = np.where(ring[:, None] < _PUPIL, 0.01, np.array(eyes.outer) ** 2.2)
        out[part] = np.where(ring[:, None] < 1.02, iris, _WHITE)
    return out.astype(np.float32)
