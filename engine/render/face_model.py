"""The face model: a linear 3DMM, S = mean + id . B_id + exp . B_exp, then eyes, lids and neck.

Built by `engine.assets.build_head` from CC0 data; `engine/assets/head.md` describes the tensors.
World space: metres, origin where the skull sits on the neck, x to the subject's left, y up, z forward.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from engine.errors import WeightsError
from engine.motion import layout
from engine.render import face_kernels
from engine.render.wearables import Tensors, attach, pick, read_wearables, touch

if TYPE_CHECKING:
    from engine.render.scene import Person

ASSET = Path(__file__).parents[1] / "assets" / "head.safetensors"
REGIONS = (
    "skin",
    "lips",
    "eye_left",
    "eye_right",
    "lashes",
    "teeth_upper",
    "teeth_lower",
    "gums",
    "tongue",
    "mouth_inside",
    "hair",
    "brows",
    "shirt",
    "beard",
    "collar",  # the second colour of a dress: collar, cord, shirt under it
    "strands",  # cards of hair and beard, blended
)
REGION = {name: i for i, name in enumerate(REGIONS)}
MASKS = (
    "lips", "cheeks", "nose", "ears", "lids", "stubble", "forehead", "crow", "bridge", "fold", "brow", "philtrum",
    "under_eye", "scalp",
)  # fmt: skip
LID_MARGIN_M = 0.0006  # least thickness of a lid over the ball
_LOOK = {
    side: tuple(layout.INDEX[f"eyeLook{way}{side}"] for way in ("Down", "In", "Out", "Up"))
    for side in ("Left", "Right")
}


@dataclass(slots=True)
class _Person:
    """What depends on the identity alone. mean float32 (V, 3), eye centre (2, 3) and radius (2,)."""

    mean: np.ndarray
    eye_centre: np.ndarray
    eye_radius: np.ndarray


class FaceModel:
    """The head as arrays, and the functions that pose it. Cheap to share; holds no state of a session.

    triangles int32 (F, 3), counter-clockwise from outside; triangle_region and vertex_region uint8, see
    REGIONS; uv (V, 2); alpha (V,) 1 opaque .. 0 fades into the skin (hairline, brows); masks (V, 14), see
    MASKS; occlusion (V,) 1 open .. 0 dark; neck_weight (V,) 1 follows the head .. 0 stays with the body.
    mean float32 (V, 3), expression float32 (E, V, 3), identity float32 (I, V, 3): the bases.
    eye_vertices: two slices of the vertices that are the left and the right ball (true spheres).
    """

    def __init__(self, tensors: dict[str, np.ndarray], names: list[str], shaded: list[str]):
        if names != list(layout.EXPRESSION):
            raise WeightsError(
                "this head was built for other expression names: run python -m engine.assets.build_head again"
            )
        self.triangles = tensors["triangles"]
        self.triangle_region = tensors["triangle_region"]
        self.vertex_region = tensors["vertex_region"]
        self.mean = tensors["mean"]
        self.expression = tensors["expression"].astype(np.float32)
        self.identity = tensors["identity"].astype(np.float32)
        for name in ("uv", "alpha", "masks", "occlusion", "neck_weight"):
            setattr(self, name, np.ascontiguousarray(tensors[name].astype(np.float32)))
        self.uv: np.ndarray
        self.alpha: np.ndarray
        self.masks: np.ndarray
        self.occlusion: np.ndarray
        self.neck_weight: np.ndarray
        self.lip_landmarks = tensors["lip_landmarks"]
        self.lip_rings = tensors["lip_rings"]
        self.lid_rings = tensors["lid_rings"]
        self.look_rad = tensors["look_rad"]
        self._eye = {n: tensors[n] for n in ("eye_centre", "eye_radius", "eye_centre_identity", "eye_radius_identity")}
        self.eye_vertices = tuple(self._span(REGION[n]) for n in ("eye_left", "eye_right"))
        self._sparse = face_kernels.sparsify(self.expression)
        self._shaded = np.array([layout.INDEX[name] for name in shaded])
        self._shades = face_kernels.sparsify_shades(tensors["shades"])
        self._incidence = face_kernels.incidence(self.triangles, len(self.mean))
        self._neutral = self._person(None)
        self._lids = tuple(self._find_lids(side) for side in range(2))
        self._memo: tuple[bytes, _Person] | None = None

    @classmethod
    def load(
        cls, hair: str = "short", beard: str = "none", dress: str = "crew", path: str | Path | None = None
    ) -> "FaceModel":
        """The head wearing the named styles ("none" leaves one out). Shared: the same names, the same object.

        path: a head.safetensors written by `engine.assets.build_head` with its wearables beside it (default: the
        repository's). Raises ConfigError for an unknown style, WeightsError for unreadable files.
        """
        return _load(Path(path) if path else ASSET, hair, beard, dress)

    @classmethod
    def of(cls, person: "Person") -> "FaceModel":
        """The head with a person's hair, beard and dress; their shape is given to `vertices` as the identity."""
        return cls.load(person.hair.style, person.hair.beard, person.dress.style)

    def _span(self, region: int) -> slice:
        at = np.flatnonzero(self.vertex_region == region)
        return slice(int(at[0]), int(at[-1]) + 1)

    def _person(self, identity: np.ndarray | None) -> _Person:
        if identity is None:
            return _Person(self.mean, self._eye["eye_centre"], self._eye["eye_radius"])
        who = np.asarray(identity, np.float32)
        count = len(who)
        if count > len(self.identity):
            raise WeightsError(f"this head knows {len(self.identity)} identity numbers, not {count}")
        mean = self.mean + np.tensordot(who, self.identity[:count], 1)
        centre = self._eye["eye_centre"] + np.tensordot(who, self._eye["eye_centre_identity"][:count], 1)
        radius = self._eye["eye_radius"] + who @ self._eye["eye_radius_identity"][:count]
        return _Person(mean, centre, radius)

    def person(self, identity: np.ndarray | None) -> _Person:
        """Mean face and eyes of an identity (I,), computed once while the same identity is asked for."""
        if identity is None:
            return self._neutral
        key = np.asarray(identity, np.float32).tobytes()
        if self._memo is None or self._memo[0] != key:
            self._memo = (key, self._person(identity))
        return self._memo[1]

    def _find_lids(self, side: int) -> tuple[np.ndarray, np.ndarray]:
        """Vertices that slide over a ball, and how far over it each must stay, in metres."""
        moving = np.abs(self.expression[layout.INDEX["eyeBlinkLeft" if side == 0 else "eyeBlinkRight"]]).max(1)
        centre, radius = self._eye["eye_centre"][side], self._eye["eye_radius"][side]
        height = np.linalg.norm(self.mean - centre, axis=1) - radius
        soft = np.isin(self.vertex_region, [REGION["skin"], REGION["lashes"]])
        outer = height > 0.0004
        near = height < 0.012
        rings = np.zeros(len(self.mean), bool)
        rings[self.lid_rings[side]] = True
        lids = np.flatnonzero(soft & outer & near & ((moving > 2e-4) | rings) & (self.mean[:, 2] > centre[2] - 0.002))
        return lids.astype(np.int32), np.clip(height[lids] * 0.6, LID_MARGIN_M, 0.0025).astype(np.float32)

    def coefficients(self, motion: np.ndarray) -> np.ndarray:
        """float32 (E,): expressions with blink added (clamped to 1) and lids following the gaze."""
        out = np.array(motion[: layout.E], np.float32)
        for side, name in enumerate(("Left", "Right")):
            blink = layout.INDEX["eyeBlink" + name]
            out[blink] = min(1.0, max(0.0, out[blink] + motion[layout.BLINK][side]))
            yaw, pitch = motion[layout.GAZE_LEFT if side == 0 else layout.GAZE_RIGHT]
            out_rad = yaw if side == 0 else -yaw
            down, inward, outward, up = _LOOK[name]
            out[down] = min(1.5, out[down] + max(-pitch, 0) / self.look_rad[0])
            out[up] = min(1.5, out[up] + max(pitch, 0) / self.look_rad[3])
            out[inward] = min(1.5, out[inward] + max(-out_rad, 0) / self.look_rad[1])
            out[outward] = min(1.5, out[outward] + max(out_rad, 0) / self.look_rad[2])
            for look in (down, up):  # a shut lid has nothing left to follow
                out[look] *= 1 - 0.8 * out[blink]
        return out

    def eye_rotations(self, motion: np.ndarray) -> np.ndarray:
        """float32 (2, 3, 3): rotation of the left and the right ball in the head, gaze plus eyeLook."""
        out = np.empty((2, 3, 3), np.float32)
        for side, name in enumerate(("Left", "Right")):
            down, inward, outward, up = (motion[i] for i in _LOOK[name])
            yaw, pitch = motion[layout.GAZE_LEFT if side == 0 else layout.GAZE_RIGHT]
            aside = outward * self.look_rad[2] - inward * self.look_rad[1]
            yaw = yaw + (aside if side == 0 else -aside)
            pitch = pitch + up * self.look_rad[3] - down * self.look_rad[0]
            out[side] = rotation(-pitch, yaw, 0.0)
        return out

    def head_rotation(self, motion: np.ndarray) -> np.ndarray:
        """float32 (3, 3) of the head in the world."""
        return rotation(*motion[layout.ROTATION])

    def expression_offsets(self, values: np.ndarray) -> np.ndarray:
        """The linear term exp . B_exp for a batch: values (..., E) -> (..., V, 3)."""
        return np.tensordot(values, self.expression, 1)

    def vertices(self, motion: np.ndarray, identity: np.ndarray | None = None) -> np.ndarray:
        """World-space vertices float32 (V, 3) of one motion vector (M,) on one identity (I,) or the mean."""
        person = self.person(identity)
        points = np.empty_like(self.mean)
        face_kernels.add_sparse(points, person.mean, self.coefficients(motion), *self._sparse)
        turns = self.eye_rotations(motion)
        for side in range(2):
            lids, margin = self._lids[side]
            face_kernels.push_out(points, lids, margin, person.eye_centre[side], person.eye_radius[side])
            face_kernels.turn(points[self.eye_vertices[side]], turns[side], person.eye_centre[side])
        face_kernels.skin_neck(
            points, self.neck_weight, self.head_rotation(motion), np.asarray(motion[layout.TRANSLATION], np.float32)
        )
        return points

    def shade(self, motion: np.ndarray) -> np.ndarray:
        """Occlusion float32 (V,) of a pose, 1 open .. 0 dark: the resting face's, and what the motion changes."""
        values = np.concatenate([self.coefficients(motion), motion[layout.E :]])[self._shaded]
        out = np.empty_like(self.occlusion)
        face_kernels.add_shades(out, self.occlusion, values.astype(np.float32), *self._shades)
        return out

    def eyes(self, motion: np.ndarray, identity: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """World-space balls: centres (2, 3), radii (2,), rotations (2, 3, 3); third column: the gaze."""
        person = self.person(identity)
        head = self.head_rotation(motion)
        centre = person.eye_centre @ head.T + np.asarray(motion[layout.TRANSLATION], np.float32)
        return centre, person.eye_radius, head @ self.eye_rotations(motion)

    def normals(self, vertices: np.ndarray) -> np.ndarray:
        """Unit vertex normals float32 (V, 3), area-weighted."""
        out, faces = np.empty_like(vertices), np.empty((len(self.triangles), 3), vertices.dtype)
        face_kernels.vertex_normals(vertices, self.triangles, *self._incidence, faces, out)
        return out


def rotation(pitch: float, yaw: float, roll: float) -> np.ndarray:
    """float32 (3, 3): R_y(yaw) R_x(pitch) R_z(-roll), in the signs of `engine.motion.layout`."""
    cp, sp, cy, sy, cr, sr = (f(a) for a in (pitch, yaw, -roll) for f in (np.cos, np.sin))
    return np.array(
        [
            [cy * cr + sy * sp * sr, -cy * sr + sy * sp * cr, sy * cp],
            [cp * sr, cp * cr, -sp],
            [-sy * cr + cy * sp * sr, sy * sr + cy * sp * cr, cy * cp],
        ],
        np.float32,
    )


def ready_shapes() -> dict[str, np.ndarray]:
    """Shapes float32 (I,) of the ready people by name, as the build script mixed them."""
    head, meta = _read_head(ASSET)
    return dict(zip(meta["people"].split(), head["people"], strict=True))


@lru_cache(maxsize=12)
def _load(path: Path, hair: str, beard: str, dress: str) -> FaceModel:
    head, meta = _read_head(path)
    worn = (("hair", hair, "hair.style"), ("beard", beard, "hair.beard"), ("dress", dress, "dress.style"))
    parts = [pick(_styles(path, stem), style, key) for stem, style, key in worn]
    tensors = attach(head, [part for part in parts if part is not None])
    tensors["occlusion"] = touch(tensors, len(head["mean"]))
    return FaceModel(tensors, meta.get("expression", "").split(), meta.get("shades", "").split())


@lru_cache(maxsize=6)
def _styles(head: Path, stem: str) -> dict[str, Tensors]:
    return read_wearables(head.with_name(f"{stem}.safetensors"), _read_head(head)[0])


@lru_cache(maxsize=2)
def _read_head(path: Path) -> tuple[Tensors, dict[str, str]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "np") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise WeightsError(
            f"cannot read the head {path}: {error}; build it with python -m engine.assets.build_head"
        ) from error
