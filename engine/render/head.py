"""The head renderer: motion in, pictures out.

    vertices -> normals, screen -> what is seen, shadow map -> what is in the light -> light of vertices
             -> shading, brows and lashes, strands, tone

Every arrow waits for what is before it; what stands between two is done in parts by all threads (`crew`), most of it
in bands of rows. Any number of threads draws the same bytes.
"""

from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import torch

from engine.motion import layout
from engine.render import layers, shading, shadow, surface, visibility
from engine.render.crew import Part, row_bands
from engine.render.drawing import Drawing, DrawingState
from engine.render.face_model import FaceModel
from engine.render.scene import Person, Scene
from engine.render.wardrobe import dress, paint_looks


@dataclass(slots=True)
class HeadState(DrawingState):
    """identity float32 (S, I). motion float64 (S, M): what the picture shows, if fresh int64 (S, 1) is 1.

    The rest is scratch. Of `visibility`: samples int32 (S, H, W + 3, 4), spans int32 (S, H, 2). Of `surface`: veil
    float32 (S, H, W, 4), light float32 (S, H, W, 3); and of a head that has rested for calm int64 (S, 1) pictures:
    before int32 as samples, earlier float32 (S, V, 15), still uint8 (S, F), changed uint8 (S, V). Of `shadow`: depth
    float32 (S, P, P), seen_from float32 (S, V, 3), seen float32 (S, V) the key light that arrives. Of vertices: creased
    and open float32 (S, V), how far wrinkles show and how open the skin lies; screen float32 (S, V, 3) and vertex
    float32 (S, V, 12), projected and lit. Of triangles: plane float32 (S, F, 8)."""

    identity: torch.Tensor
    samples: torch.Tensor
    spans: torch.Tensor
    veil: torch.Tensor
    light: torch.Tensor
    calm: torch.Tensor
    before: torch.Tensor
    earlier: torch.Tensor
    still: torch.Tensor
    changed: torch.Tensor
    depth: torch.Tensor
    seen_from: torch.Tensor
    seen: torch.Tensor
    creased: torch.Tensor
    open: torch.Tensor
    screen: torch.Tensor
    vertex: torch.Tensor
    plane: torch.Tensor
    motion: torch.Tensor
    fresh: torch.Tensor


class HeadRenderer(Drawing):
    """Motion float32 (S, M) -> RGB uint8 (S, H, W, 3), row 0 on top, or with alpha RGBA (S, H, W, 4). Deterministic.

    Every pixel has four samples. Where a pixel is partly background its bytes are the mean of the head's
    and the background's, weighted by quarters, so a keyable background has no dark fringe; pixels
    without any head are exactly the background's (any that `engine.render.background` paints). With alpha colours
    are the head's alone, not multiplied by their share of the pixel, which is the fourth number.
    """

    def __init__(self, scene: Scene | FaceModel, size: int = 512, background: str | None = None,
                 face: FaceModel | None = None, threads: int = 1, alpha: bool = False):  # fmt: skip
        """face: the model with the scene's wearables; a bare FaceModel as scene draws the default person."""
        if isinstance(scene, FaceModel):
            scene, face = Scene(Person("default")), scene
        super().__init__(scene, size, background, face, threads, alpha)
        self._identity = torch.zeros(len(self.face.identity))
        self._identity[: len(scene.person.shape)] = torch.as_tensor(scene.person.shape)
        self.wardrobe = dress(self.face)
        self.looks = paint_looks(self.face, scene, size)
        parts = 1 if threads == 1 else 2 * threads
        self._receivers = np.array_split(self.wardrobe.receivers, parts)
        self._spans, self._facets = (  # of vertices, of triangles
            list(pairwise(np.linspace(0, count, parts + 1).astype(int).tolist()))
            for count in (len(self.face.mean), len(self.wardrobe.solid))
        )

    def init_state(self, slots: int) -> HeadState:
        size, vertices = self.size, len(self.face.mean)
        return HeadState(
            *self.first_pictures(slots),
            identity=self._identity.repeat(slots, 1),
            samples=torch.zeros(slots, size, size + visibility.PAD, visibility.SAMPLES, dtype=torch.int32),
            spans=visibility.no_spans(slots, size),
            veil=torch.zeros(slots, size, size, 4),
            light=torch.zeros(slots, size, size, 3),
            calm=torch.zeros(slots, 1, dtype=torch.int64),
            before=torch.zeros(slots, size, size + visibility.PAD, visibility.SAMPLES, dtype=torch.int32),
            earlier=torch.zeros(slots, vertices, 3 + surface.FIELDS),
            still=torch.zeros(slots, len(self.wardrobe.solid), dtype=torch.uint8),
            changed=torch.zeros(slots, vertices, dtype=torch.uint8),
            depth=torch.zeros(slots, shadow.PIXELS, shadow.PIXELS),
            seen_from=torch.zeros(slots, vertices, 3),
            seen=torch.ones(slots, vertices),
            creased=torch.zeros(slots, vertices),
            open=torch.zeros(slots, vertices),
            screen=torch.zeros(slots, vertices, 3),
            vertex=torch.zeros(slots, vertices, surface.FIELDS),
            plane=torch.zeros(slots, len(self.wardrobe.solid), 8),
            motion=torch.zeros(slots, layout.M, dtype=torch.float64),
            fresh=torch.zeros(slots, 1, dtype=torch.int64),
        )

    def step(self, state: HeadState, x: torch.Tensor) -> torch.Tensor:
        for slot in range(len(x)):
            own, motion = self.own(state, slot), self.moved(x[slot].numpy())
            if own.fresh[0] == 0 or (own.motion != motion).any():  # else the picture is there already
                rests = own.fresh[0] == 1 and (own.motion[layout.E :] == motion[layout.E :]).all()
                own.calm[0] = own.calm[0] + 1 if rests else 0
                self._draw(own, motion)
                own.motion[:], own.fresh[0] = motion, 1
        return state.picture

    def set_background(self, state: HeadState, slot: int, background: str) -> None:
        """Change one session's background from its next picture on; ConfigError if it is none."""
        super().set_background(state, slot, background)
        state.fresh[slot] = 0

    def _draw(self, own: SimpleNamespace, motion: np.ndarray) -> None:
        """One picture; own: the state's arrays of one slot."""
        points = self.face.vertices(motion, own.identity if own.identity.any() else None)
        wear, looks, normals = self.wardrobe, self.looks, np.empty_like(points)
        self.crew.run([partial(self._place, points, normals, own.screen), partial(self._soften, motion, own)])
        bands = row_bands(own.screen, self.size, self.threads)
        parts: list[Part] = [partial(shadow.cast, points, wear.casters, looks.frame, own.seen_from, own.depth)]
        self.crew.run(parts + [partial(self.see, own.screen, own.samples, own.spans, band) for band in bands])
        self.crew.run([
            partial(shadow.receive, own.seen_from, normals, some, looks.frame, own.depth, looks.taps, looks.softness,
                    own.seen) for some in self._receivers
        ])  # fmt: skip
        own.seen[wear.lenders[0]] = own.seen[wear.lenders[1]]
        self.crew.run([
            partial(shading.light_vertices, points, normals, wear.vertex_kinds, wear.along, wear.fields, own.open,
                    own.seen, own.creased, looks.lamps, begin, end, own.vertex) for begin, end in self._spans
        ])  # fmt: skip
        self.crew.run([
            partial(surface.set_up, own.screen, wear.solid, wear.solid_kinds, own.vertex, begin, end, own.plane)
            for begin, end in self._facets
        ])  # fmt: skip
        if own.calm[0] > 0:
            surface.compare(own.screen, own.vertex, wear.solid, wear.solid_kinds, own.earlier, own.changed, own.still)
        self.crew.run([partial(self._paint, own, band) for band in bands])

    def _place(self, points: np.ndarray, normals: np.ndarray, screen: np.ndarray) -> None:
        """Normals of posed vertices, and where they lie in the picture."""
        normals[:] = self.face.normals(points)
        self.project(points, screen)

    def project(self, points: np.ndarray, screen: np.ndarray) -> None:
        """Screen position in pixels and nearness of points into screen, float32 (V, 3)."""
        self.camera.project(points, self.size, screen)

    def see(self, screen: np.ndarray, samples: np.ndarray, spans: np.ndarray, band: tuple[int, int]) -> None:
        """Visibility of the opaque parts into a band's rows of the sample buffer."""
        visibility.clear(samples, spans, *band)
        visibility.fill(screen, self.wardrobe.solid, self.wardrobe.two_sided, self.ruler, *band, samples, spans)

    def _soften(self, motion: np.ndarray, own: SimpleNamespace) -> None:
        """What a motion does to the skin without moving it: wrinkles, and the dark in dents."""
        looks = self.looks
        depth = np.minimum(np.maximum(looks.gain @ motion[: layout.E], 0) + looks.rest, 1.2)
        own.creased[:] = self.wardrobe.wrinkles @ depth
        own.open[:] = self.face.shade(motion)

    def _paint(self, own: SimpleNamespace, band: tuple[int, int]) -> None:
        """A band of the picture: shade what is seen, blend the thin layers over it, develop."""
        wear, looks, triangles = self.wardrobe, self.looks, self.face.triangles
        faces, nears = np.empty(4, np.int64), np.empty(4, np.float32)  # kernels may not allocate
        field = np.empty(surface.FIELDS, np.float32)
        surface.draw(own.samples, own.spans, *band, wear.solid, wear.solid_kinds, own.plane, own.vertex, looks.texels,
                     looks.creases, looks.iris, looks.cloth, looks.hair, looks.look, looks.tints, looks.lamps,
                     np.float32(1000 * self.camera.height_m / self.size), self.ruler, faces, nears,
                     own.light, own.calm[0] > 1, own.still, own.before)  # fmt: skip
        if own.calm[0] > 0:
            own.before[slice(*band)] = own.samples[slice(*band)]
        layers.overlay(own.samples, triangles, wear.layers, wear.kinds, own.screen, own.vertex, looks.brow,
                       looks.look, self.ruler, field, *band, own.veil, own.light, own.before)  # fmt: skip
        layers.strands(own.samples, triangles, wear.strands, own.screen, own.vertex, looks.hair, looks.look, self.ruler,
                       *band, own.spans, own.veil)  # fmt: skip
        if self.alpha:
            surface.cut_out(own.light, own.spans, own.samples, own.veil, looks.tones, *band, own.picture)
        else:
            surface.develop(own.light, own.spans, own.samples, own.veil, own.background, looks.tones, *band,
                            own.picture)  # fmt: skip
