"""The head renderer: motion in, pictures out. Vertices, visibility, shading, thin layers, tone."""

from dataclasses import dataclass

import numpy as np
import torch

from engine.motion import layout
from engine.render import layers, shading, shadow, surface, visibility
from engine.render.background import paint_background
from engine.render.face_model import FaceModel
from engine.render.scene import Person, Scene
from engine.render.wardrobe import dress, paint_looks
from engine.stage import Stage, State


@dataclass(slots=True)
class HeadState(State):
    """background uint8 (S, H, W, 3); identity float32 (S, I). The rest is scratch: samples int64
    (S, H, W + 3, 4) and box int64 (S, 4) of `visibility`, veil float32 (S, H, W, 4) and
    light float32 (S, H, W, 3) of `surface`, depth float32 (S, P, P) and seen_from float32 (S, V, 3) of `shadow`,
    seen float32 (S, V) the key light that arrives, picture uint8
    (S, H, W, 3), which is what `step` returns and overwrites at the next one."""

    background: torch.Tensor
    identity: torch.Tensor
    samples: torch.Tensor
    box: torch.Tensor
    veil: torch.Tensor
    light: torch.Tensor
    depth: torch.Tensor
    seen_from: torch.Tensor
    seen: torch.Tensor
    picture: torch.Tensor


class HeadRenderer(Stage):
    """Motion float32 (S, M) -> RGB uint8 (S, H, W, 3), row 0 on top. One thread, deterministic.

    Every pixel has four samples. Where a pixel is partly background its bytes are the mean of the head's
    and the background's, weighted by quarters, so a keyable background has no dark fringe; pixels
    without any head are exactly the background's (any that `engine.render.background` paints).
    """

    lookahead = 0

    def __init__(self, scene: Scene | FaceModel, size: int = 512, background: str | None = None,
                 face: FaceModel | None = None):  # fmt: skip
        """face: the model with the scene's wearables; a bare FaceModel as scene draws the default person."""
        if isinstance(scene, FaceModel):
            scene, face = Scene(Person("default")), scene
        self.scene = scene
        self.face = face or FaceModel.of(scene.person)
        self.size = size
        self.camera = scene.camera
        self._background = torch.from_numpy(paint_background(background or scene.background, size))
        self._identity = torch.zeros(len(self.face.identity))
        self._identity[: len(scene.person.shape)] = torch.as_tensor(scene.person.shape)
        self._rest = layout.vector(**scene.person.rest)
        self.wardrobe = dress(self.face)
        self.looks = paint_looks(self.face, scene, size)

    def init_state(self, slots: int) -> HeadState:
        size = self.size
        box = torch.tensor([0, 0, size, size])
        return HeadState(
            background=self._background.repeat(slots, 1, 1, 1),
            identity=self._identity.repeat(slots, 1),
            samples=torch.zeros(slots, size, size + visibility.PAD, visibility.SAMPLES, dtype=torch.int64),
            box=box.repeat(slots, 1),
            veil=torch.zeros(slots, size, size, 4),
            light=torch.zeros(slots, size, size, 3),
            depth=torch.zeros(slots, shadow.PIXELS, shadow.PIXELS),
            seen_from=torch.zeros(slots, len(self.face.mean), 3),
            seen=torch.ones(slots, len(self.face.mean)),
            picture=torch.zeros(slots, size, size, 3, dtype=torch.uint8),
        )

    def set_background(self, state: HeadState, slot: int, background: str) -> None:
        """Change one session's background from its next picture on; ConfigError if it is none."""
        state.background[slot] = torch.from_numpy(paint_background(background, self.size))

    def step(self, state: HeadState, x: torch.Tensor) -> torch.Tensor:
        for slot in range(len(x)):
            # A broken number must not spoil more than its own coefficient, nor other slots.
            motion = np.clip(np.nan_to_num(x[slot].numpy(), nan=0.0), -8.0, 8.0)
            self._draw(state, slot, motion + self._rest)
        return state.picture

    def _draw(self, state: HeadState, slot: int, motion: np.ndarray) -> None:
        identity = state.identity[slot].numpy()
        points = self.face.vertices(motion, identity if identity.any() else None)
        normals = self.face.normals(points)
        self.shade(state, slot, points, normals)
        vertex, screen = self.vertex_fields(points, normals, motion, state.seen[slot].numpy()), self.project(points)
        samples, box = state.samples[slot].numpy(), state.box[slot].numpy()
        self.see(screen, samples, box)
        self.light(samples, box, screen, vertex, state.veil[slot].numpy(), state.light[slot].numpy())
        surface.develop(
            state.light[slot].numpy(), box, samples, state.veil[slot].numpy(), state.background[slot].numpy(),
            self.looks.tones, state.picture[slot].numpy(),
        )  # fmt: skip

    def shade(self, state: HeadState, slot: int, points: np.ndarray, normals: np.ndarray) -> None:
        """How much of the key light arrives at every vertex, into the state."""
        wear, looks = self.wardrobe, self.looks
        depth, seen_from, seen = (x[slot].numpy() for x in (state.depth, state.seen_from, state.seen))
        shadow.cast(points, wear.casters, looks.frame, seen_from, depth)
        shadow.receive(seen_from, normals, wear.receivers, looks.frame, depth, looks.taps, looks.softness,
                       seen)  # fmt: skip
        seen[wear.lenders[0]] = seen[wear.lenders[1]]

    def vertex_fields(self, points: np.ndarray, normals: np.ndarray, motion: np.ndarray,
                      seen: np.ndarray) -> np.ndarray:  # fmt: skip
        """Lit fields float32 (V, 12) of posed vertices."""
        wear, looks = self.wardrobe, self.looks
        depth = np.minimum(np.maximum(looks.gain @ motion[: layout.E], 0) + looks.rest, 1.2)
        out = np.empty((len(normals), surface.FIELDS), np.float32)
        shading.light_vertices(points, normals, wear.vertex_kinds, wear.along, wear.fields,
                               self.face.shade(motion), seen, wear.wrinkles @ depth, looks.lamps, out)  # fmt: skip
        return out

    def project(self, points: np.ndarray) -> np.ndarray:
        """Screen position in pixels and nearness, float32 (V, 3)."""
        return self.camera.project(points, self.size)

    def see(self, screen: np.ndarray, samples: np.ndarray, box: np.ndarray) -> None:
        """Visibility of the opaque parts into the sample buffer."""
        visibility.clear(samples, box)
        visibility.fill(screen, self.wardrobe.solid, self.wardrobe.two_sided, 0, self.size, samples, box)

    def light(
        self, samples: np.ndarray, box: np.ndarray, screen: np.ndarray, vertex: np.ndarray,
        veil: np.ndarray, light: np.ndarray,
    ) -> None:  # fmt: skip
        """Shade what is seen, then blend the thin layers over it."""
        wear, looks = self.wardrobe, self.looks
        faces, nears = np.empty(4, np.int64), np.empty(4, np.float32)  # kernels may not allocate
        surface.draw(samples, box, wear.solid, wear.solid_kinds, screen, vertex, looks.texels, looks.creases,
                     looks.iris, looks.cloth, looks.hair, looks.look, looks.tints, looks.lamps,
                     np.float32(1000 * self.camera.height_m / self.size), faces, nears, light)  # fmt: skip
        layers.overlay(samples, self.face.triangles, wear.layers, wear.kinds, screen, vertex, looks.brow,
                       looks.look, np.empty(surface.FIELDS, np.float32), veil, light)  # fmt: skip
        layers.strands(samples, self.face.triangles, wear.strands, screen, vertex, looks.hair, looks.look, box, veil,
                       light)  # fmt: skip
