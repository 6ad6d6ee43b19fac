"""The offline renderer: one picture in seconds, as good as this engine can."""

import numpy as np
import torch

from engine.motion import layout
from engine.render.drawing import Drawing, DrawingState
from engine.render.face_model import MASKS, REGION, FaceModel
from engine.render.lighting import KEY_COLOUR
from engine.render.offline import gbuffer, parts, skin
from engine.render.offline.eyes import Eye, shade_eye
from engine.render.offline.irradiance import Receivers, gather
from engine.render.offline.lights import Lights, make_lights
from engine.render.offline.mesh import refine, smooth_points, spread
from engine.render.offline.strands import Strands
from engine.render.scene import Scene
from engine.render.shading import BROWS, CLOTH, HAIR, LASHES, SKIN, STRANDS, TONGUE
from engine.render.wardrobe import dress, paint_looks

SCALE = 3  # samples per pixel each way
BOUNCE = np.array([0.30, 0.17, 0.13], np.float32)  # light that skin around a dent sends into it
LASH_LINE_M = 0.0018
CHUNK = 2048  # points
HULL = 0.45  # how bright the hair's ground is below the strands


class OfflineRenderer(Drawing):
    """Motion float32 (S, M) -> RGB uint8 (S, H, W, 3), row 0 on top. One thread, deterministic, some seconds each.

    The same scene, exposure and tone as `HeadRenderer`; pixels without any head are exactly the background's.
    scale: samples per pixel each way; time grows with their square.
    """

    def __init__(self, scene: Scene, size: int = 512, background: str | None = None, face: FaceModel | None = None,
                 scale: int = SCALE):  # fmt: skip
        super().__init__(scene, size, background, face)
        self.scale = scale
        self.wardrobe, self.looks = dress(self.face), paint_looks(self.face, scene)
        self.fine = refine(self.face)
        kinds = np.repeat(self.wardrobe.kinds, 4)
        self._kinds = kinds
        self._second = np.repeat(self.face.triangle_region == REGION["collar"], 4)
        self._drawn = np.where(np.isin(kinds, (LASHES, BROWS, STRANDS)), 0, 1).astype(np.uint8)
        self._drawn[np.isin(kinds, (TONGUE, HAIR))] = 2
        dense = np.repeat(self.face.alpha[self.face.triangles].min(1) > 0.5, 4)
        casting = ~np.isin(kinds, (LASHES, BROWS, STRANDS)) | ((kinds == STRANDS) & dense)
        self.casters = np.ascontiguousarray(self.fine.triangles[casting])
        self.lights = make_lights(self.looks.lamps, scene.light.softness)
        fields = self.wardrobe.fields.copy()
        fields[_hairline(self.face, self.wardrobe.kinds), 2] *= 0.35
        self._fields = np.concatenate([fields, _lash_roots(self.face)[:, None]], 1)
        self.strands = Strands(self.face, scene.person)

    def init_state(self, slots: int) -> DrawingState:
        return DrawingState(*self.first_pictures(slots))

    def step(self, state: DrawingState, x: torch.Tensor) -> torch.Tensor:
        for slot in range(len(x)):
            light, covered = self.draw(self.moved(x[slot].numpy()))
            state.picture[slot] = torch.from_numpy(self.develop(light, covered, state.background[slot].numpy()))
        return state.picture

    def draw(self, motion: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Linear light float32 (R, R, 3) of every sample, R = scale x size, and whether something is there."""
        coarse = self.face.vertices(motion, self.shape)
        points, normals = smooth_points(coarse, self.face.normals(coarse), self.fine)
        fields = spread(np.concatenate([self._fields, self.creases(motion)[:, None]], 1), self.fine)
        side = self.scale * self.size
        near, face = np.zeros((side, side), np.float32), np.zeros((side, side), np.int32)
        screen = self.project(points)
        gbuffer.cover(screen, self.fine.triangles, self._drawn, near, face)
        seen = gbuffer.collect(face, screen, self.fine.triangles, points, normals, fields)
        light = np.zeros((side * side, 3), np.float32)
        light[seen.at] = self.shade(seen, points, motion, near)
        light = light.reshape(side, side, 3)
        covered = face > 0
        self.strands.draw(coarse, self.face.head_rotation(motion), points, self.casters, self, near, light, covered)
        return light, covered

    def shade(self, seen: gbuffer.Points, points: np.ndarray, motion: np.ndarray, near: np.ndarray) -> np.ndarray:
        """Linear colour float32 (n, 3) of the seen samples."""
        looks, kind = self.looks, self._kinds[seen.face]
        n = len(kind)
        albedo, rough, gloss = parts.colours(kind, seen.field, seen.place, looks, self._second[seen.face],
                                             HULL if self.strands.on_hull else 1.0)  # fmt: skip
        dent, soft = np.zeros(n, np.float32), np.flatnonzero(kind == SKIN)
        parts.fold(kind, seen.normal, seen.field, looks.cloth)
        own = [a[soft] for a in (seen.normal, seen.field, albedo, rough, gloss, dent)]
        skin.surface(own[0], own[1], looks.skin, looks.pores, looks.wrinkles, looks.tints[3], *own[2:])
        own[2] *= 1 - own[1][:, 5:6]
        for whole, part in zip((seen.normal, albedo, rough, gloss, dent), (own[0], *own[2:]), strict=True):
            whole[soft] = part
        lens = self.lens()
        balls = []
        for side, (centre, radius, turned) in enumerate(zip(*self.eyes(motion), strict=True)):
            region = REGION[("eye_left", "eye_right")[side]]
            at = np.flatnonzero(self.face.triangle_region[seen.face // 4] == region)
            eye = Eye(seen.place[at].astype(np.float64), lens, centre.astype(np.float64), float(radius), turned)
            seen.normal[at] = eye.white
            balls.append((at, eye))
        towards = (lens - seen.place).astype(np.float32)
        towards /= np.linalg.norm(towards, axis=1, keepdims=True)
        here = Receivers(seen.place, seen.normal, towards, rough)
        lamps, shine = gather(points, self.casters, self._some(True), here)
        sky, _ = gather(points, self.casters, self._some(False), here)
        whole = self._open_sky(seen.normal)
        share = np.clip(sky[:, 1] / np.maximum(whole[:, 1], 1e-6), 0, 1)
        light = lamps + sky + (1 - share)[:, None] * BOUNCE * (whole + 0.35 * looks.lamps[KEY_COLOUR])
        parts.light_mouth(kind, seen.field, whole + 0.35 * looks.lamps[KEY_COLOUR], share, light)
        self._scatter(seen, soft, light, near)
        out = albedo * light * (1 - 0.40 * dent)[:, None]
        grazing = 1 - np.clip((seen.normal * towards).sum(1), 0, 1)
        mirror = (0.02 + 0.25 * grazing**5) * gloss * share * 0.5
        out += shine * gloss[:, None] + mirror[:, None] * whole
        fuzz = (kind == CLOTH) * (0.10 * grazing**3)  # takes the colour of the cloth
        out += (fuzz[:, None] * light) * (0.3 + albedo)
        for at, eye in balls:
            out[at] = shade_eye(eye, light[at], share[at], looks.iris, looks.lamps)
        return out.astype(np.float32)

    def _some(self, lamps: bool) -> Lights:
        pick = (self.lights.shines > 0) == lamps
        return Lights(self.lights.towards[pick], self.lights.colour[pick], self.lights.shines[pick])

    def _open_sky(self, normal: np.ndarray) -> np.ndarray:
        """Light (n, 3) of the whole sky when nothing hides it."""
        sky = self._some(False)
        out = np.empty_like(normal)
        for at in range(0, len(normal), CHUNK):  # what one step works on stays in the cache
            out[at : at + CHUNK] = np.maximum(normal[at : at + CHUNK] @ sky.towards.T, 0) @ sky.colour
        return out

    def _scatter(self, seen: gbuffer.Points, soft: np.ndarray, light: np.ndarray, near: np.ndarray) -> None:
        """Let the light spread inside the skin; light (n, 3) is changed in place at `soft`."""
        side = near.shape[0]
        big, other = np.zeros((side * side, 3), np.float32), np.zeros((side, side, 3), np.float32)
        at = seen.at[soft]
        big[at] = light[soft]
        mask = np.zeros(side * side, np.uint8)
        mask[at] = 1
        mask, big = mask.reshape(side, side), big.reshape(side, side, 3)
        depth = (1 / np.maximum(near, 1e-6)).astype(np.float32)
        steps, weight = skin.profile(side / self.camera.height_m / 1000)
        skin.scatter(big, depth, mask, steps, weight, False, other)
        skin.scatter(other, depth, mask, steps, weight, True, big)
        light[soft] = big.reshape(-1, 3)[at]

    def creases(self, motion: np.ndarray) -> np.ndarray:
        """How far wrinkles show at every vertex, float32 (V,), 0 to 1.2."""
        looks = self.looks
        depth = np.minimum(np.maximum(looks.gain @ motion[: layout.E], 0) + looks.rest, 1.2)
        return self.wardrobe.wrinkles @ depth

    def eyes(self, motion: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Centres, radii and rotations of the balls: see `FaceModel.eyes`."""
        return self.face.eyes(motion, self.shape)

    def lens(self) -> np.ndarray:
        """Where the picture is taken from, float64 (3,) in metres."""
        return np.array(self.camera.centre, np.float64) + [0, 0, self.camera.distance_m]

    def project(self, points: np.ndarray) -> np.ndarray:
        """Column and row in the big picture and nearness, float32 (n, 3)."""
        return self.camera.project(points, self.scale * self.size)

    def develop(self, light: np.ndarray, covered: np.ndarray, backdrop: np.ndarray) -> np.ndarray:
        """Tone every sample, then average: uint8 (H, W, 3). Edges mix bytes with the background, as live."""
        tones = self.looks.tones
        steps = (len(tones) - 1) / 2
        shown = tones[np.minimum((np.maximum(light, 0) * steps + 0.5).astype(np.int32), len(tones) - 1)]
        scale = self.scale
        back = np.repeat(np.repeat(backdrop, scale, 0), scale, 1)
        mixed = np.where(covered[..., None], shown, back)
        size = self.size
        return (mixed.reshape(size, scale, size, scale, 3).mean((1, 3), dtype=np.float32) + 0.5).astype(np.uint8)


def _lash_roots(face: FaceModel) -> np.ndarray:
    """How dark the skin is between the roots of the lashes, float32 (V,), 0 .. 1: a line that every eye has."""
    lash = face.vertex_region == REGION["lashes"]
    root = np.flatnonzero(lash & (face.uv[:, 1] < 0.05))
    middle = face.person(None).eye_centre[0][1]
    strength = np.where(face.mean[root, 1] > middle, 0.88, 0.32)
    skin = np.flatnonzero(face.masks[:, MASKS.index("lids")] > 0.02)
    apart = np.linalg.norm(face.mean[skin, None] - face.mean[None, root], axis=2)
    near = np.clip(1 - apart.min(1) / LASH_LINE_M, 0, 1)
    out = np.zeros(len(face.mean), np.float32)
    out[skin] = near * strength[apart.argmin(1)]
    return out


def _hairline(face: FaceModel, kinds: np.ndarray) -> np.ndarray:
    """Vertices int64 (n,) where sheets of hair begin: there they melt into the skin, and only fibres go on."""
    triangles = face.triangles[kinds == HAIR]
    _, weld = np.unique(np.round(face.mean, 6), axis=0, return_inverse=True)  # uv seams are no edges
    ends = np.sort(weld.reshape(-1)[triangles[:, [[0, 1], [1, 2], [2, 0]]]].reshape(-1, 2), 1)
    edges, count = np.unique(ends, axis=0, return_counts=True)
    open_ = np.isin(weld.reshape(-1), edges[count == 1])
    own = np.zeros(len(open_), bool)
    own[triangles] = True
    return np.flatnonzero(open_ & own & (face.uv[:, 1] < 0.35))
