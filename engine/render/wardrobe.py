"""What a face model and a person need to be drawn: kinds of surface, texture fields, pictures, colours."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from engine.render import hair_paint, paint, visibility
from engine.render.face_model import REGION, FaceModel
from engine.render.lighting import KEY, lamp_table
from engine.render.scene import Light, Person, Scene
from engine.render.shading import BROWS, CAVITY, CLOTH, EYE, HAIR, LASHES, SKIN, STRANDS, TEETH, TONGUE
from engine.render.skin import lip_colour, mean_colour

KIND_OF = {
    "skin": SKIN, "lips": SKIN, "eye_left": EYE, "eye_right": EYE, "lashes": LASHES,
    "teeth_upper": TEETH, "teeth_lower": TEETH, "gums": CAVITY, "tongue": TONGUE,
    "mouth_inside": CAVITY, "hair": HAIR, "brows": BROWS, "shirt": CLOTH,
    "beard": HAIR, "collar": CLOTH, "strands": STRANDS,
}  # fmt: skip
TOOTH_M = 0.0078  # width of a front tooth


@dataclass(frozen=True, slots=True)
class Wardrobe:
    """kinds uint8 (F,) per triangle; solid int32 (n, 3) triangles of the opaque pass, their kinds and
    sidedness; layers and strands int32 (m,) numbers of the blended triangles; fields float32 (V, 6) and
    vertex_kinds uint8 (V,); along int32 (V, 2): two vertices that give a strand's direction."""

    kinds: np.ndarray
    solid: np.ndarray
    solid_kinds: np.ndarray
    two_sided: np.ndarray
    layers: np.ndarray
    strands: np.ndarray
    fields: np.ndarray
    vertex_kinds: np.ndarray
    along: np.ndarray


@dataclass(frozen=True, slots=True)
class Looks:
    """What a scene adds: pictures uint8 (h, w, 4) of skin, iris and hair, look of `hair_paint.look`,
    tints float32 (5, 3) linear colours
    (rows in `shading`), lamps of `lighting.lamp_table`, tones of `paint.tone_table`."""

    skin: np.ndarray
    iris: np.ndarray
    hair: np.ndarray
    look: np.ndarray
    tints: np.ndarray
    lamps: np.ndarray
    tones: np.ndarray


def paint_looks(face: FaceModel, scene: Scene) -> Looks:
    """Pictures and colours of a scene. Takes some 100 ms."""
    person = scene.person
    return Looks(
        skin=_skin_picture(face, person.skin), iris=paint.paint_iris(person.eyes), hair=hair_paint.paint_strands(),
        look=hair_paint.look(person.hair),
        tints=colours(person), lamps=lamp_table(scene.light), tones=paint.tone_table(),
    )  # fmt: skip


_skin_picture = lru_cache(maxsize=4)(paint.paint_skin)


def colours(person: Person) -> np.ndarray:
    """Linear colours float32 (5, 3) in the order of `shading`'s rows: hair, cloth, its second, lips, skin."""
    return np.stack([
        hair_paint.fibre_colour(person.hair.melanin, person.hair.red),
        paint.linear(person.dress.colour), paint.linear(person.dress.second),
        lip_colour(person.skin), mean_colour(person.skin),
    ]).astype(np.float32)  # fmt: skip


@lru_cache(maxsize=4)
def dress(face: FaceModel, light: Light) -> Wardrobe:
    """Everything that is the same in every picture of a face model in a light. Takes some 100 ms, kept."""
    names = list(REGION)
    kind_of_region = np.array([KIND_OF[name] for name in names], np.uint8)
    kinds = kind_of_region[face.triangle_region]
    layered = np.isin(kinds, (LASHES, BROWS))
    cards = kinds == STRANDS
    solid = ~layered & ~cards
    return Wardrobe(
        kinds=kinds,
        solid=np.ascontiguousarray(face.triangles[solid]),
        solid_kinds=np.ascontiguousarray(kinds[solid]),
        two_sided=np.ascontiguousarray(np.isin(kinds[solid], (TONGUE, HAIR)).astype(np.uint8)),
        layers=np.flatnonzero(layered).astype(np.int32),
        strands=np.flatnonzero(cards).astype(np.int32),
        fields=_fields(face, light),
        vertex_kinds=kind_of_region[face.vertex_region],
        along=strand_ends(face, np.isin(kinds, (HAIR, STRANDS))),
    )  # fmt: skip


def strand_ends(face: FaceModel, hairy: np.ndarray) -> np.ndarray:
    """For every vertex of the triangles `hairy` (F,) two vertices, the second further along its strand: int32 (V, 2).

    Strands run with v and cards lie side by side in u.
    """
    triangles, uv = face.triangles[hairy], face.uv
    edges = np.concatenate([triangles[:, [a, b]] for a, b in ((0, 1), (1, 2), (2, 0), (1, 0), (2, 1), (0, 2))])
    step = uv[edges[:, 1]] - uv[edges[:, 0]]
    out = np.zeros((len(uv), 2), np.int32)
    for way in (-1, 1):  # the way on is written last: it wins over the way back
        score = way * step[:, 1] - np.abs(step[:, 0])
        order = np.argsort(score, kind="stable")
        order = order[score[order] > 1e-3]
        out[edges[order, 0]] = edges[order][:, ::way]
    return out


def _fields(face: FaceModel, light: Light) -> np.ndarray:
    """Per-vertex numbers for `shading.light_vertices`, float32 (V, 6): a, b, c, d, occlusion, key."""
    out = np.zeros((len(face.mean), 6), np.float32)
    region = face.vertex_region
    out[:, 0:2] = face.uv
    out[:, 4] = face.occlusion
    out[:, 5] = key_visibility(face, light)
    out[:, 2] = face.masks[:, 0]
    hair = np.isin(region, [REGION[name] for name in ("hair", "beard", "strands", "brows")])
    out[hair, 2] = face.alpha[hair]
    for side, part in enumerate(face.eye_vertices):
        centre = face.person(None).eye_centre[side]
        ball = face.mean[part] - centre
        out[part, 0:3] = ball / np.linalg.norm(ball, axis=1, keepdims=True)
    teeth = np.isin(region, (REGION["teeth_upper"], REGION["teeth_lower"]))
    front = face.mean[teeth, 2].max()
    mouth = teeth | np.isin(region, (REGION["tongue"], REGION["mouth_inside"], REGION["gums"]))
    out[mouth, 3] = front - face.mean[mouth, 2]
    for name, up in (("teeth_upper", -1.0), ("teeth_lower", 1.0)):
        row = region == REGION[name]
        points = face.mean[row]
        # Along the arch: an ellipse-like curve, measured by its angle from a point far behind.
        turn = np.arctan2(points[:, 0], points[:, 2] - (front - 0.030))
        out[row, 0] = turn * 0.031 / TOOTH_M
        low, high = points[:, 1].min(), points[:, 1].max()
        height = (points[:, 1] - low) / (high - low)
        out[row, 1] = height if up > 0 else 1 - height
    lashes = region == REGION["lashes"]
    out[lashes, 0] = face.mean[lashes, 0]
    out[lashes, 2] = _lash_alpha(face, np.flatnonzero(lashes))
    return out


def _lash_alpha(face: FaceModel, lashes: np.ndarray) -> np.ndarray:
    """Opacity of lashes: full at the lid, nothing at the tip; lower lashes are faint."""
    lids = face.mean[np.unique(face.lid_rings)]
    gap = np.linalg.norm(face.mean[lashes, None] - lids[None], axis=2).min(1)
    out = np.zeros(len(lashes), np.float32)
    middle = face.person(None).eye_centre[0][1]
    upper = face.mean[lashes, 1] > middle - 0.001
    for row, strength in ((upper, 0.95), (~upper, 0.35)):
        if row.any():
            reach = gap[row] / max(gap[row].max(), 1e-6)
            out[row] = strength * (1 - reach) ** 1.2
    return out


def key_visibility(face: FaceModel, light: Light, directions: int = 32, pixels: int = 512) -> np.ndarray:
    """Share of a soft key light that reaches each vertex of the neutral head, float32 (V,) 0 to 1.

    The head is seen from points scattered over the light; a vertex is lit where nothing lies before it.
    """
    kinds = np.array([KIND_OF[name] for name in REGION], np.uint8)[face.triangle_region]
    casting = np.ascontiguousarray(face.triangles[np.isin(kinds, (SKIN, HAIR, CLOTH))])
    sided = np.zeros(len(casting), np.uint8)
    samples = np.zeros((pixels, pixels + visibility.PAD, visibility.SAMPLES), np.int64)
    box = np.array([0, 0, pixels, pixels])
    lit = np.zeros(len(face.mean))
    scatter = np.random.default_rng(0).normal(0, np.tan(np.radians(light.softness)), (directions, 3))
    for offset in scatter:
        towards = lamp_table(light)[KEY].astype(np.float64) + offset
        towards /= np.linalg.norm(towards)
        right = np.cross([0.0, 1.0, 0.0], towards)
        right /= np.linalg.norm(right)
        up = np.cross(towards, right)
        scale = pixels / 0.60
        screen = np.stack([
            pixels / 2 + face.mean @ right * scale, pixels / 2 - face.mean @ up * scale, 1 + face.mean @ towards,
        ], 1).astype(np.float32)  # fmt: skip
        visibility.clear(samples, box)
        visibility.fill(screen, casting, sided, samples, box)
        column = np.clip(screen[:, 0].astype(int), 0, pixels - 1)
        row = np.clip(screen[:, 1].astype(int), 0, pixels - 1)
        front = (samples[row, column, 1] >> visibility.ID_BITS) / visibility.NEAR_SCALE
        lit += np.clip((screen[:, 2] - front + 0.004) / 0.002, 0, 1)
    lit = (lit / directions).astype(np.float32)
    for _ in range(2):
        total, count = np.zeros_like(lit), np.zeros_like(lit)
        for a, b in ((0, 1), (1, 2), (2, 0)):
            np.add.at(total, face.triangles[:, a], lit[face.triangles[:, b]])
            np.add.at(count, face.triangles[:, a], 1)
        lit = 0.5 * lit + 0.5 * total / np.maximum(count, 1)
    return lit
