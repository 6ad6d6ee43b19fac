"""The last steps of the build: landmarks, hidden triangles dropped, occlusion baked, storage types."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from engine.assets.head_build import expression, mouth, occlusion
from engine.assets.head_build.parts import Part, vertex_normals
from engine.assets.head_build.source import read_mesh, read_mirror
from engine.render.face_model import REGION


def add_landmarks(tensors: dict[str, np.ndarray], data: Path, neutral: np.ndarray, skin: Part) -> None:
    """Asset vertex ids: `lip_landmarks` (4,), `lip_rings` (10, 38), `lid_rings` (2, 6, 28)."""
    mesh, mirror = read_mesh(data), read_mirror(data)
    body = mesh.quads[mesh.groups == "body"]
    place = np.full(len(mesh.vertices), -1)
    own = np.flatnonzero(skin.index[:, 0] == skin.index[:, 1])
    place[skin.index[own, 0]] = own
    rings = mouth.find_rings(body, neutral)
    seal = rings[mouth.SEAL]
    corners = (seal[mouth.CORNERS[1]], seal[mouth.CORNERS[0]])  # the subject's left first
    tensors["lip_landmarks"] = place[[seal[mouth.UPPER_MID], seal[mouth.LOWER_MID], *corners]]
    tensors["lip_rings"] = place[rings]
    lids = [expression.lid_rings(body, mirror, side) for side in ("Left", "Right")]
    tensors["lid_rings"] = place[np.stack(lids)]


Pose = Mapping[str, float]
VISIBILITY_POSES: tuple[Pose, ...] = (
    {},
    {"jawOpen": 0.7},
    {
        "jawOpen": 0.6,
        "mouthUpperUpLeft": 1,
        "mouthUpperUpRight": 1,
        "mouthLowerDownLeft": 1,
        "mouthLowerDownRight": 1,
        "tongueOut": 0.5,
    },
    {"eyeBlinkLeft": 1, "eyeBlinkRight": 1},
    {"eyeWideLeft": 1, "eyeWideRight": 1},
    {"mouthPucker": 1, "jawOpen": 0.3},
    {"mouthFunnel": 1, "jawOpen": 0.4},
)


def posed(tensors: dict[str, np.ndarray], names: list[str], pose: Pose) -> np.ndarray:
    """Vertices (V, 3) of a named pose, without skinning."""
    out = tensors["mean"].copy()
    for name, value in pose.items():
        out += value * tensors["expression"][names.index(name)]
    return out


def drop_hidden(tensors: dict[str, np.ndarray], names: list[str]) -> np.ndarray:
    """Remove, in place, triangles that no camera in front of or beside the head ever sees.

    Returns the old numbers of the vertices that stay.
    """
    rays = occlusion.sphere_directions(140)
    rays = rays[(np.abs(rays[:, 1]) < 0.75)]
    triangles = tensors["triangles"]
    seen = np.zeros(len(tensors["mean"]), bool)
    for pose in VISIBILITY_POSES:
        seen |= occlusion.seen_from(posed(tensors, names, pose), triangles, rays, 0.0012).any(0)
    # The balls turn: what a straight gaze hides behind the lids shows when the eye looks aside.
    balls = np.isin(tensors["triangle_region"], [REGION["eye_left"], REGION["eye_right"]])
    seen[triangles[balls].ravel()] = True
    delicate = np.isin(tensors["triangle_region"], [REGION["mouth_inside"], REGION["lips"]])
    for ring in range(3):  # safety around everything seen: one ring, three in the mouth
        keep = seen[triangles].any(1) & (delicate if ring else True)
        grown = seen.copy()
        grown[triangles[keep].ravel()] = True
        seen = grown
    keep = seen[triangles].all(1)
    used = np.zeros(len(seen), bool)
    used[triangles[keep].ravel()] = True
    for name in ("lip_rings", "lid_rings", "lip_landmarks"):
        used[tensors[name].ravel()] = True
    place = np.cumsum(used) - 1
    tensors["triangles"] = place[triangles[keep]]
    tensors["triangle_region"] = tensors["triangle_region"][keep]
    for name in ("mean", "uv", "alpha", "neck_weight", "masks"):
        tensors[name] = tensors[name][used]
    for name in ("expression", "identity"):
        tensors[name] = tensors[name][:, used]
    for name in ("lip_rings", "lid_rings", "lip_landmarks"):
        tensors[name] = place[tensors[name]]
    return np.flatnonzero(used)


OPEN_POSE = {
    "jawOpen": 0.6,
    "mouthUpperUpLeft": 0.6,
    "mouthUpperUpRight": 0.6,
    "mouthLowerDownLeft": 0.6,
    "mouthLowerDownRight": 0.6,
}


def add_occlusion(tensors: dict[str, np.ndarray], names: list[str]) -> None:
    """Bake `occlusion` (V,) 1 open .. 0 dark: the face at rest, the inside of the mouth with it open."""
    triangles, region = tensors["triangles"], tensors["triangle_region"]
    vertex_region = np.zeros(len(tensors["mean"]), int)
    vertex_region[triangles.ravel()] = np.repeat(region, 3)
    tensors["vertex_region"] = vertex_region
    thin = np.isin(region, [REGION[r] for r in ("lashes", "brows")])

    def bake(pose):
        at = posed(tensors, names, pose)
        return occlusion.ambient_occlusion(at, vertex_normals(at, triangles), triangles[~thin], slack=0.0015)

    rest, opened = bake({}), bake(OPEN_POSE)
    rows = np.isin(vertex_region, [REGION["teeth_upper"], REGION["teeth_lower"]])
    opened = np.where(rows, np.maximum(opened, 0.35) * tensors["alpha"], opened)
    tensors["alpha"] = np.where(rows, 1.0, tensors["alpha"])
    inner = rows | np.isin(vertex_region, [REGION[r] for r in ("gums", "tongue", "mouth_inside")])
    out = np.where(inner, opened, np.where(vertex_region == REGION["lips"], (rest + opened) / 2, rest))
    eyes = np.isin(vertex_region, [REGION["eye_left"], REGION["eye_right"], REGION["lashes"]])
    out[eyes] = 1.0
    tensors["occlusion"] = np.clip(out, 0, 1)


# What the occlusion of the skin follows, and the strength at which each is baked: as far as speech and faces go.
SHADED: dict[str, float] = {
    "jawOpen": 0.5, "mouthPucker": 1, "mouthFunnel": 1, "mouthRollLower": 1, "mouthUpperUpLeft": 1,
    "mouthUpperUpRight": 1, "mouthLowerDownLeft": 1, "mouthLowerDownRight": 1, "mouthSmileLeft": 1,
    "mouthSmileRight": 1, "mouthFrownLeft": 1, "mouthFrownRight": 1, "mouthShrugLower": 1, "lipUpperRaise": 1,
    "noseSneerLeft": 1, "noseSneerRight": 1, "cheekSquintLeft": 1, "cheekSquintRight": 1, "browDownLeft": 1,
    "browDownRight": 1, "eyeBlinkLeft": 1, "eyeBlinkRight": 1, "eyeWideLeft": 1, "eyeWideRight": 1, "headPitch": 0.25,
}  # fmt: skip


def add_shades(tensors: dict[str, np.ndarray], names: list[str]) -> None:
    """Bake `shades` (SHADED, V): how the occlusion of skin and lips changes with each unit at 1 (headPitch: radians).

    A sum of these is only near the truth, but it moves with the face and costs a few thousand additions.
    """
    triangles, region = tensors["triangles"], tensors["triangle_region"]
    soft = np.isin(tensors["vertex_region"], [REGION["skin"], REGION["lips"]])
    thick = triangles[~np.isin(region, [REGION["lashes"], REGION["brows"]])]
    edges = triangles[soft[triangles].all(1)]

    def bake(unit: str, strength: float) -> np.ndarray:
        at = posed(tensors, names, {} if unit == "headPitch" else {unit: strength})
        if unit == "headPitch":
            c, s = np.cos(strength), np.sin(strength)
            turned = at @ np.array([[1, 0, 0], [0, c, -s], [0, s, c]]).T
            at = at + tensors["neck_weight"][:, None] * (turned - at)
        return occlusion.ambient_occlusion(at, vertex_normals(at, triangles), thick, directions=110, slack=0.0015)

    rest = bake("jawOpen", 0.0)
    out = np.zeros((len(SHADED), len(rest)))
    for row, (unit, strength) in enumerate(SHADED.items()):
        change = (bake(unit, strength) - rest) * soft / strength
        if unit != "headPitch":  # what lies far from all that moves only shows the bake's own noise
            moved = np.abs(tensors["expression"][names.index(unit)]).max(1) * soft > 5e-4
            change *= _nearness(tensors["mean"], tensors["mean"][moved])
        for _ in range(2):
            change = _smooth(change, edges) * soft
        out[row] = np.where(np.abs(change) < 0.02, 0, change)
    tensors["shades"] = np.clip(np.rint(out * 100), -127, 127)


def _nearness(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(V,) 1 within 10 mm of any of the others .. 0 beyond 25 mm."""
    gap = np.concatenate([np.sqrt(((part[:, None] - others[None, ::3]) ** 2).sum(-1)).min(1)
                          for part in np.array_split(points, 20)])  # fmt: skip
    return np.clip((0.025 - gap) / 0.015, 0, 1)


def _smooth(field: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """A vertex field (V,) averaged over its triangles."""
    mean = field[triangles].mean(1)
    total, count = np.zeros(len(field)), np.zeros(len(field))
    for k in range(3):
        np.add.at(total, triangles[:, k], mean)
        np.add.at(count, triangles[:, k], 1)
    return np.where(count > 0, total / np.maximum(count, 1), field)


HALF = ("expression", "identity", "uv", "alpha", "neck_weight", "masks", "occlusion")
INTEGER = ("triangles", "lip_landmarks", "lip_rings", "lid_rings")


def pack(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Storage types: fp16 for bases and masks, int32 ids, uint8 regions, fp32 for the rest."""
    out = {}
    for name, value in tensors.items():
        dtype = (
            np.float16
            if name in HALF
            else np.int32
            if name in INTEGER
            else np.int8
            if name == "shades"
            else np.uint8
            if name.endswith("_region")
            else np.float32
        )
        out[name] = np.ascontiguousarray(value.astype(dtype))
    return out
