"""The plain quality: a quick coarse picture that neural generators take as input.

Lambert light from one lamp and the sky, one flat colour per part, no shadow, no texture, no strands. Brows are darker
skin, so that a generator sees what they do; the eyes have an iris and a pupil, so that it sees the gaze.
"""

from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace

import numpy as np
import torch

from engine.render import visibility
from engine.render.crew import Part, row_bands
from engine.render.drawing import Drawing, DrawingState
from engine.render.eye_shading import IRIS
from engine.render.face_model import MASKS, REGION, FaceModel
from engine.render.kernel import inlined, kernel
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
    """samples int32 (S, H, W + 3, 4) and spans int32 (S, H, 2): scratch."""

    samples: torch.Tensor
    spans: torch.Tensor


@kernel
def light_plainly(normals, colour, lamps, out):
    """Lambert: out float32 (V, 3) = colour (V, 3) x (key + sky)."""
    for i in range(len(normals)):
        nx, ny, nz = normals[i, 0], normals[i, 1], normals[i, 2]
        key = max(nx * lamps[KEY, 0] + ny * lamps[KEY, 1] + nz * lamps[KEY, 2], _F(0.0))
        up = _F(0.5) + _F(0.5) * ny
        for k in range(3):
            sky = lamps[GROUND, k] + (lamps[SKY, k] - lamps[GROUND, k]) * up
            out[i, k] = colour[i, k] * (key * lamps[KEY_COLOUR, k] + sky)


@kernel
def paint(samples, spans, triangles, screen, light, table, backdrop, first, stop, out):
    """Interpolated light of every covered pixel in rows first .. stop - 1 of out, uint8 (H, W, 3) or (H, W, 4).

    An edge mixes with the backdrop, uint8 (H, W, 3), by quarters; with four numbers a pixel it is left out, and the
    fourth is the covered share.
    """
    most = len(table) - 1
    steps = _F(most / 2.0)
    clear = out.shape[2] == 4
    shown_flat, behind = out.reshape(-1), backdrop.reshape(-1)
    stride = out.shape[1] * out.shape[2]
    if clear:
        out[first:stop] = 0
    else:
        shown_flat, behind = shown_flat[first * stride : stop * stride], behind[first * stride : stop * stride]
        for i in range(len(shown_flat)):
            shown_flat[i] = behind[i]
    last = np.int64(-1)  # neighbours mostly see the same triangle: its set-up is kept
    r0 = rx = ry = g0 = gx = gy = b0 = bx = by = x0 = y0 = _F(0.0)
    for row in range(first, stop):
        for col in range(spans[row, 0], spans[row, 1]):
            r, c = np.uintp(row), np.uintp(col)
            f0, f1 = samples[r, c, 0] & ID_MASK, samples[r, c, 1] & ID_MASK
            f2, f3 = samples[r, c, 2] & ID_MASK, samples[r, c, 3] & ID_MASK
            if (f0 | f1 | f2 | f3) == 0:
                continue
            red = green = blue = _F(0.0)
            covered = 0
            for k in range(4):
                face = f0 if k == 0 else f1 if k == 1 else f2 if k == 2 else f3
                if face == 0:
                    continue
                weight = 1  # samples of the same triangle are done together, at their middle
                x, y = SAMPLE_X[k], _F(k) * _F(0.25) + _F(0.125)
                if k < 1 and f1 == face:
                    x, y, weight, f1 = x + SAMPLE_X[1], y + _F(0.375), weight + 1, np.int64(0)
                if k < 2 and f2 == face:
                    x, y, weight, f2 = x + SAMPLE_X[2], y + _F(0.625), weight + 1, np.int64(0)
                if k < 3 and f3 == face:
                    x, y, weight, f3 = x + SAMPLE_X[3], y + _F(0.875), weight + 1, np.int64(0)
                if face != last:
                    last, at = face, np.uintp(face - 1)
                    i0, i1, i2 = np.uintp(triangles[at, 0]), np.uintp(triangles[at, 1]), np.uintp(triangles[at, 2])
                    x0, y0 = screen[i0, 0], screen[i0, 1]
                    x1, y1, x2, y2 = screen[i1, 0] - x0, screen[i1, 1] - y0, screen[i2, 0] - x0, screen[i2, 1] - y0
                    scale = _F(1.0) / (x1 * y2 - x2 * y1)
                    b1x, b1y, b2x, b2y = y2 * scale, -x2 * scale, -y1 * scale, x1 * scale
                    r0, g0, b0 = light[i0, 0], light[i0, 1], light[i0, 2]
                    rx, ry = _slopes(light[i1, 0] - r0, light[i2, 0] - r0, b1x, b1y, b2x, b2y)
                    gx, gy = _slopes(light[i1, 1] - g0, light[i2, 1] - g0, b1x, b1y, b2x, b2y)
                    bx, by = _slopes(light[i1, 2] - b0, light[i2, 2] - b0, b1x, b1y, b2x, b2y)
                share = _F(weight)
                x, y = (_F(col) - x0) * share + x, (_F(row) - y0) * share + y
                red += r0 * share + rx * x + ry * y
                green += g0 * share + gx * x + gy * y
                blue += b0 * share + bx * x + by * y
                covered += weight
            scale = steps / _F(covered)
            share = _F(0.25) * _F(covered)
            for k in range(3):
                value = red if k == 0 else green if k == 1 else blue
                shown = table[np.uintp(min(int(max(value, _F(0.0)) * scale + _F(0.5)), most))]
                if covered < 4 and not clear:
                    shown = np.uint8(_F(shown) * share + _F(backdrop[r, c, k]) * (_F(1.0) - share) + _F(0.5))
                out[r, c, k] = shown
            if clear:
                out[r, c, 3] = np.uint8(share * _F(255.0) + _F(0.5))


@inlined
def _slopes(first, second, b1x, b1y, b2x, b2y):
    """Steps to the right and down of a plane that rises by these along a triangle's two sides."""
    return first * b1x + second * b2x, first * b1y + second * b2y


class PlainRenderer(Drawing):
    """Motion float32 (S, M) -> RGB uint8 (S, H, W, 3), row 0 on top, or with alpha RGBA (S, H, W, 4). Deterministic,
    the same bytes with any number of threads."""

    def __init__(self, scene: Scene, size: int = 512, background: str | None = None, face: FaceModel | None = None,
                 threads: int = 1, alpha: bool = False):  # fmt: skip
        super().__init__(scene, size, background, face, threads, alpha)
        self.wardrobe = dress(self.face)
        looks = paint_looks(self.face, scene)
        self._lamps, self._tones = looks.lamps, looks.tones
        self._colour = _flat_colours(self.face, scene, looks.tints)

    def init_state(self, slots: int) -> PlainState:
        size = self.size
        return PlainState(
            *self.first_pictures(slots),
            torch.zeros(slots, size, size + visibility.PAD, visibility.SAMPLES, dtype=torch.int32),
            visibility.no_spans(slots, size),
        )

    def step(self, state: PlainState, x: torch.Tensor) -> torch.Tensor:
        for slot in range(len(x)):
            self._draw(self.own(state, slot), self.moved(x[slot].numpy()))
        return state.picture

    def _draw(self, own: SimpleNamespace, motion: np.ndarray) -> None:
        """One picture; own: the state's arrays of one slot."""
        wear, points = self.wardrobe, self.face.vertices(motion, self.shape)
        screen, light = self.camera.project(points, self.size), np.empty_like(points)
        bands = row_bands(screen, self.size, self.threads)
        parts: list[Part] = [partial(self._lit, points, light)]
        self.crew.run(parts + [partial(self._see, own, screen, band) for band in bands])
        self.crew.run([
            partial(paint, own.samples, own.spans, wear.solid, screen, light, self._tones, own.background, *band,
                    own.picture) for band in bands
        ])  # fmt: skip

    def _lit(self, points: np.ndarray, light: np.ndarray) -> None:
        light_plainly(self.face.normals(points), self._colour, self._lamps, light)

    def _see(self, own: SimpleNamespace, screen: np.ndarray, band: tuple[int, int]) -> None:
        visibility.clear(own.samples, own.spans, *band)
        visibility.fill(screen, self.wardrobe.solid, self.wardrobe.two_sided, self.ruler, *band, own.samples, own.spans)


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
