"""What a picture shows, as numbers: masks, normals, uv and depth of any pose, for training and compositing."""

from dataclasses import dataclass

import numpy as np

from engine.motion import layout
from engine.render import visibility
from engine.render.face_model import REGION, FaceModel
from engine.render.kernel import kernel
from engine.render.scene import Scene
from engine.render.shading import BROWS, CLOTH, HAIR, LASHES, STRANDS, TONGUE
from engine.render.visibility import ID_MASK, SAMPLE_X
from engine.render.wardrobe import dress

FACE, HAIR_MASK, SHOULDERS, BACKGROUND = range(4)
_F = np.float32


@dataclass(frozen=True, slots=True)
class Buffers:
    """One picture's numbers, row 0 on top. Pixels without any head hold 0 everywhere but in the background's mask.

    masks float32 (H, W, 4): share 0..1 of a pixel that is face (with neck), hair (with beard), shoulders (cloth and
    skin that does not follow the head), background; they sum to 1, in steps of a quarter.
    normals float32 (H, W, 3): unit, in world axes (x right in the picture, y up, z to the viewer).
    uv float32 (H, W, 2): place on the texture of what is seen most, 0..1; depth float32 (H, W): metres from the
    lens along its axis. Normals, uv and depth are those of the nearest of a pixel's surfaces.
    """

    masks: np.ndarray
    normals: np.ndarray
    uv: np.ndarray
    depth: np.ndarray


@kernel
def _read(samples, triangles, parts, screen, normals, uv, masks, out_normals, out_uv, depth):
    rows, columns = depth.shape
    for row in range(rows):
        for col in range(columns):
            best = np.int32(0)
            at = 0
            for k in range(4):
                key = samples[row, col, k]
                face = key & ID_MASK
                masks[row, col, parts[face - 1] if face > 0 else 3] += _F(0.25)
                if key > best:
                    best, at = key, k
            if best == 0:
                continue
            f = (best & ID_MASK) - 1
            i0, i1, i2 = triangles[f, 0], triangles[f, 1], triangles[f, 2]
            x, y = _F(col) + SAMPLE_X[at] - screen[i0, 0], _F(row) + _F(at) * _F(0.25) + _F(0.125) - screen[i0, 1]
            x1, y1 = screen[i1, 0] - screen[i0, 0], screen[i1, 1] - screen[i0, 1]
            x2, y2 = screen[i2, 0] - screen[i0, 0], screen[i2, 1] - screen[i0, 1]
            scale = _F(1.0) / (x1 * y2 - x2 * y1)
            b1, b2 = max((x * y2 - x2 * y) * scale, _F(0.0)), max((x1 * y - x * y1) * scale, _F(0.0))
            # Weights on the screen become weights in space.
            w0, w1, w2 = max(_F(1.0) - b1 - b2, _F(0.0)) * screen[i0, 2], b1 * screen[i1, 2], b2 * screen[i2, 2]
            total = _F(1.0) / (w0 + w1 + w2)
            depth[row, col] = total
            w0, w1, w2 = w0 * total, w1 * total, w2 * total
            size = _F(1e-12)
            for j in range(3):
                n = w0 * normals[i0, j] + w1 * normals[i1, j] + w2 * normals[i2, j]
                out_normals[row, col, j] = n
                size += n * n
            size = _F(1.0) / np.sqrt(size)
            for j in range(3):
                out_normals[row, col, j] *= size
            for j in range(2):
                out_uv[row, col, j] = w0 * uv[i0, j] + w1 * uv[i1, j] + w2 * uv[i2, j]


class BufferReader:
    """Draws the buffers of one scene. No state; brows and lashes count as skin, dense cards of strands as hair."""

    def __init__(self, scene: Scene, size: int = 512, face: FaceModel | None = None):
        self.scene, self.size = scene, size
        self.face = face or FaceModel.of(scene.person)
        kinds = dress(self.face).kinds
        dense = (kinds == STRANDS) & (self.face.alpha[self.face.triangles].min(1) > 0.5)
        kept = ~np.isin(kinds, (LASHES, BROWS, STRANDS)) | dense
        self._triangles = np.ascontiguousarray(self.face.triangles[kept])
        self._sided = np.isin(kinds[kept], (TONGUE, HAIR, STRANDS)).astype(np.uint8)
        still = self.face.neck_weight[self._triangles].mean(1) < 0.2
        skin = self.face.triangle_region[kept] == REGION["skin"]
        parts = np.full(len(self._triangles), FACE, np.uint8)
        parts[np.isin(kinds[kept], (HAIR, STRANDS))] = HAIR_MASK
        parts[(kinds[kept] == CLOTH) | (skin & still)] = SHOULDERS
        self._parts = parts
        self._rest = layout.vector(**scene.person.rest)

    def read(self, motion: np.ndarray) -> Buffers:
        """Buffers of one motion vector float32 (M,); numbers that are not finite count as 0."""
        size, shape = self.size, self.scene.person.shape
        motion = np.clip(np.nan_to_num(motion, nan=0.0), -8.0, 8.0) + self._rest
        points = self.face.vertices(motion, shape if shape.any() else None)
        screen = self.scene.camera.project(points, size)
        samples = np.zeros((size, size + visibility.PAD, visibility.SAMPLES), np.int32)
        ruler, spans = self.scene.camera.ruler(), visibility.no_spans(1, size)[0].numpy()
        visibility.fill(screen, self._triangles, self._sided, ruler, 0, size, samples, spans)
        out = Buffers(*(np.zeros((size, size, *tail), np.float32) for tail in ((4,), (3,), (2,), ())))
        _read(samples, self._triangles, self._parts, screen, self.face.normals(points), self.face.uv,
              out.masks, out.normals, out.uv, out.depth)  # fmt: skip
        return out
