"""What a face model and a person need to be drawn: kinds of surface, texture fields, pictures, colours."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from engine.errors import WeightsError
from engine.kept import kept_arrays, name_of
from engine.render import hair_paint, paint, shadow
from engine.render.brow_paint import BROW_M, BROW_SIZE, paint_brow
from engine.render.face_model import REGION, FaceModel
from engine.render.lighting import KEY, exposure, lamp_table
from engine.render.relief import wrinkle_table, zones
from engine.render.scene import Eyes, Hair, Person, Scene, Skin
from engine.render.shading import BROWS, CAVITY, CLOTH, EYE, HAIR, LASHES, SKIN, SKIN_LIGHT, STRANDS, TEETH, TONGUE
from engine.render.skin import forehead_colour, lip_colour, mean_colour, paint_relief, paint_skin
from engine.render.texels import TEXEL_PAD
from engine.render.visibility import MOST

KIND_OF = {
    "skin": SKIN, "lips": SKIN, "eye_left": EYE, "eye_right": EYE, "lashes": LASHES,
    "teeth_upper": TEETH, "teeth_lower": TEETH, "gums": CAVITY, "tongue": TONGUE,
    "mouth_inside": CAVITY, "hair": HAIR, "brows": BROWS, "shirt": CLOTH,
    "beard": HAIR, "collar": CLOTH, "strands": STRANDS,
}  # fmt: skip
FINE_FROM = 600  # pixels of a picture from which the skin is painted at full resolution
TOOTH_M = 0.0078  # width of a front tooth


@dataclass(frozen=True, slots=True)
class Wardrobe:
    """kinds uint8 (F,) per triangle; solid int32 (n, 3) triangles of the opaque pass, their kinds and
    sidedness; layers and strands int32 (m,) numbers of the blended triangles; fields float32 (V, 5) and
    vertex_kinds uint8 (V,); along int32 (V, 2): two vertices that give a strand's direction;
    casters int32 (n, 3) triangles that throw a shadow, receivers int32 (m,) vertices that may lie in it;
    lenders int32 (2, c): vertices of cards and those whose shadow they share;
    wrinkles float32 (V, zones) of `relief.zones`."""

    kinds: np.ndarray
    solid: np.ndarray
    solid_kinds: np.ndarray
    two_sided: np.ndarray
    layers: np.ndarray
    strands: np.ndarray
    fields: np.ndarray
    vertex_kinds: np.ndarray
    along: np.ndarray
    casters: np.ndarray
    receivers: np.ndarray
    lenders: np.ndarray
    wrinkles: np.ndarray


@dataclass(frozen=True, slots=True)
class Looks:
    """What a scene adds: pictures uint8 (h, w, 4) of skin, pores, wrinkles, iris, cloth, hair and brow; the first
    two and the third again as texels and creases uint64 (h, w), eight bytes each, as `texels.sample8` reads; look of
    `hair_paint.look`;
    tints float32 (5, 3) linear colours (rows in `shading`), lamps of `lighting.lamp_table`, tones of
    `paint.tone_table`; gain and rest of `relief.wrinkle_table`; frame, taps and softness of `shadow`."""

    skin: np.ndarray
    pores: np.ndarray
    wrinkles: np.ndarray
    texels: np.ndarray
    creases: np.ndarray
    iris: np.ndarray
    cloth: np.ndarray
    hair: np.ndarray
    brow: np.ndarray
    look: np.ndarray
    tints: np.ndarray
    lamps: np.ndarray
    tones: np.ndarray
    gain: np.ndarray
    rest: np.ndarray
    frame: np.ndarray
    taps: np.ndarray
    softness: np.float32


def paint_looks(face: FaceModel, scene: Scene, size: int = 512) -> Looks:
    """Pictures and colours of a scene, for pictures of size x size. Seconds at first, then 100 ms."""
    person, lamps = scene.person, lamp_table(scene.light, exposure(mean_colour(scene.person.skin)))
    painted = _pictures(face, person.skin, person.eyes, person.hair, _brow_step(scene, size))
    skin, pores, wrinkles = painted["skin"], painted["pores"], painted["wrinkles"]
    gain, rest = wrinkle_table(person.skin.age)
    tints = colours(person)
    tints[SKIN_LIGHT] = forehead_colour(person.skin)  # what thin hair melts into
    return Looks(
        skin=skin, pores=pores, wrinkles=wrinkles,
        texels=_texels(size, skin, pores), creases=_texels(size, wrinkles),
        iris=painted["iris"], cloth=painted["cloth"], brow=painted["brow"], hair=painted["hair"],
        look=hair_paint.look(person.hair),
        tints=tints, lamps=lamps, tones=paint.tone_table(), gain=gain, rest=rest,
        frame=shadow.frame(lamps[KEY].astype(np.float64)), taps=shadow.pattern(),
        softness=np.float32(np.tan(np.radians(scene.light.softness))),
    )  # fmt: skip


def _texels(size: int, *pictures: np.ndarray) -> np.ndarray:
    """Pictures uint8 (h, w, 4) side by side, eight bytes a texel, uint64 (h, w + texels.TEXEL_PAD).

    As fine as a picture of that size can show: halved below FINE_FROM, which also halves what has to be in the cache.
    """
    step = 1 if size >= FINE_FROM else 2
    height, width = (n // step for n in pictures[0].shape[:2])
    out = np.zeros((height, width + TEXEL_PAD, 8), np.uint8)
    for k, picture in enumerate(pictures):
        blocks = picture.reshape(height, step, width, step, 4).astype(np.uint16)
        out[:, :width, 4 * k : 4 * k + 4] = (blocks.sum((1, 3)) + step * step // 2) // (step * step)
    return out.view(np.uint64)[..., 0]


def _brow_step(scene: Scene, size: int) -> int:
    """How many columns of the brow's picture a pixel about spans, as a power of two."""
    columns = scene.camera.height_m / size / (BROW_M / BROW_SIZE[1])
    return int(2 ** np.clip(np.round(np.log2(columns / 1.6)), 0, 3))


@lru_cache(maxsize=4)
def _pictures(face: FaceModel, skin: Skin, eyes: Eyes, hair: Hair, brow_step: int) -> dict[str, np.ndarray]:
    """Everything painted by formula, uint8 (h, w, 4) each: two seconds the first time, then kept."""

    def paint_all() -> dict[str, np.ndarray]:
        pores, wrinkles = paint_relief(face)
        return {
            "skin": paint_skin(face, skin, hair_paint.root_colour(hair)), "pores": pores, "wrinkles": wrinkles,
            "iris": paint.paint_iris(eyes),
            "cloth": paint.paint_cloth(), "brow": paint_brow(brow_step), "hair": hair_paint.paint_strands(),
        }  # fmt: skip

    formulas = "".join(sorted(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("*.py")))
    form = (face.mean, face.masks, face.uv, face.triangles, face.triangle_region, face.lip_landmarks,
            face.person(None).eye_centre)  # fmt: skip
    name = name_of("pictures", formulas, *form, repr((skin, eyes, hair, brow_step)))
    return kept_arrays(name, paint_all)


def colours(person: Person) -> np.ndarray:
    """Linear colours float32 (5, 3) in the order of `shading`'s rows: hair, cloth, its second, lips, skin."""
    return np.stack([
        hair_paint.fibre_colour(person.hair.melanin, person.hair.red),
        paint.linear(person.dress.colour), paint.linear(person.dress.second),
        lip_colour(person.skin), mean_colour(person.skin),
    ]).astype(np.float32)  # fmt: skip


@lru_cache(maxsize=4)
def dress(face: FaceModel) -> Wardrobe:
    """Everything that is the same in every picture of a face model, kept; WeightsError when it is too much to draw."""
    if len(face.triangles) > MOST:
        raise WeightsError(f"the head has {len(face.triangles)} triangles; the renderer tells at most {MOST} apart")
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
        two_sided=np.ascontiguousarray(np.isin(kinds[solid], (TONGUE,)).astype(np.uint8)),
        layers=np.flatnonzero(layered).astype(np.int32),
        strands=np.flatnonzero(cards).astype(np.int32),
        fields=_fields(face),
        vertex_kinds=kind_of_region[face.vertex_region],
        casters=_casters(face, kinds),
        receivers=np.flatnonzero(
            np.isin(kind_of_region[face.vertex_region], (SKIN, HAIR, CLOTH, BROWS))).astype(np.int32),
        lenders=_lenders(face, kind_of_region[face.vertex_region]),
        wrinkles=zones(face),
        along=strand_ends(face, np.isin(kinds, (HAIR, STRANDS))),
    )  # fmt: skip


def _casters(face: FaceModel, kinds: np.ndarray) -> np.ndarray:
    """Triangles that throw a shadow; cards do not: they lie on a sheet of hair, which does."""
    return np.ascontiguousarray(face.triangles[np.isin(kinds, (SKIN, HAIR))])


def _lenders(face: FaceModel, kinds: np.ndarray) -> np.ndarray:
    """int32 (2, n): vertices of cards, and for each the vertex of hair (or skin) near it that has its shadow."""
    cards, solid = np.flatnonzero(kinds == STRANDS), np.flatnonzero(np.isin(kinds, (HAIR, SKIN)))
    penalty = np.where(kinds[solid] == SKIN, np.float32(0.02**2), np.float32(0))
    ground = face.mean[solid]
    square = (ground * ground).sum(1) + penalty
    near = [(square - 2 * (part @ ground.T)).argmin(1) for part in np.array_split(face.mean[cards], 8)]
    return np.stack([cards, solid[np.concatenate(near)]]).astype(np.int32)


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


def _fields(face: FaceModel) -> np.ndarray:
    """Per-vertex numbers for `shading.light_vertices`, float32 (V, 5): a, b, c, d, occlusion at rest."""
    out = np.zeros((len(face.mean), 5), np.float32)
    region = face.vertex_region
    out[:, 0:2] = face.uv
    out[:, 4] = face.occlusion
    out[:, 2] = face.masks[:, 0]
    hair = np.isin(region, [REGION[name] for name in ("hair", "beard", "strands", "brows")])
    out[hair, 2] = face.alpha[hair]
    for side, part in enumerate(face.eye_vertices):
        centre = face.person(None).eye_centre[side]
        ball = face.mean[part] - centre
        out[part, 0:3] = ball / np.linalg.norm(ball, axis=1, keepdims=True)
        out[part, 3] = 1 - 2 * side
    out[region == REGION["gums"], 2] = 1
    worn = np.isin(region, (REGION["shirt"], REGION["collar"]))
    out[worn, 0:2] = (face.mean[worn, :2] + 1) / paint.CLOTH_M  # tiles; below 0 would not wrap
    out[region == REGION["collar"], 2] = 1
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
