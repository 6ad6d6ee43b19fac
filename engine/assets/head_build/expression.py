"""The expression basis: ARKit and MakeHuman units on the base mesh, made symmetric and repaired."""

from pathlib import Path

import numpy as np

from engine.assets.head_build.features import EYE_VERTICES, fit_eye
from engine.assets.head_build.masks import smooth_field
from engine.assets.head_build.mouth import find_rings, seal_offsets, walk_ring
from engine.assets.head_build.round_lips import round_lower_lip
from engine.assets.head_build.source import read_target
from engine.motion.layout import ARKIT

UNITS = "mpfb2/targets/expression/units/caucasian"
# Units beyond ARKit worth having, as (name in the layout, MakeHuman units that are added up).
EXTRA_UNITS = {
    "nostrilFlare": ("nose-left-dilatation", "nose-right-dilatation"),
    "noseDown": ("nose-depression",),
    "lipCornerPull": ("mouth-corner-puller",),
    "lipUpperRaise": ("mouth-upward-retraction",),
    "lipEversion": ("mouth-eversion",),
    "lipCompress": ("mouth-compression",),
    "mouthPursing": ("mouth-pursing",),
    "neckTense": ("neck-platysma",),
}
# The friendly resting face that is baked into the neutral: how much of which unit.
REST = {
    "mouthSmileLeft": 0.34,
    "mouthSmileRight": 0.34,
    "mouthDimpleLeft": 0.10,
    "mouthDimpleRight": 0.10,
    "browInnerUp": 0.05,
    "browOuterUpLeft": 0.10,
    "browOuterUpRight": 0.10,
    "cheekSquintLeft": 0.12,
    "cheekSquintRight": 0.12,
    "eyeWideLeft": 0.2,
    "eyeWideRight": 0.2,
}
EYE_COLUMN = (7748, 13352, 6785, 11465, 6787, 6789)  # upper left lid from the margin outwards
LID_RING = 1  # the ring that is the edge of the lid


def mirrored(field: np.ndarray, mirror: np.ndarray) -> np.ndarray:
    """The field (N, 3) seen in the mirror plane x = 0."""
    return field[mirror] * (-1, 1, 1)


def load_units(data: Path, mirror: np.ndarray) -> dict[str, np.ndarray]:
    """Name to offsets (N, 3) dm, exactly left/right symmetric."""
    raw = {name: read_target(data / f"faceunits01/targets/faceunits/{name}.target") for name in ARKIT}
    for name, sources in EXTRA_UNITS.items():
        raw[name] = np.sum([read_target(data / UNITS / f"{s}.target.gz") for s in sources], axis=0)
    out = {}
    for name, field in raw.items():
        if "Left" in name:
            twin = name.replace("Left", "Right")
        elif "Right" in name:
            twin = name.replace("Right", "Left")
        else:
            twin = {"jawLeft": "jawRight", "mouthLeft": "mouthRight"}.get(name, name)
        out[name] = (field + mirrored(raw[twin], mirror)) / 2
    return out


def look_angles(units: dict[str, np.ndarray], vertices: np.ndarray) -> np.ndarray:
    """(4,) radians that eyeLookDown, In, Out, Up at 1 turn the ball: from the data's own cornea motion."""
    centre, _ = fit_eye(vertices, "left")
    eye = EYE_VERTICES["left"]
    front = eye.start + int(np.argmax(vertices[eye, 2]))
    depth = vertices[front, 2] - centre[2]
    moves = [units[f"eyeLook{way}Left"][front] for way in ("Down", "In", "Out", "Up")]
    return np.array([np.arctan2(np.hypot(m[0], m[1]), depth + m[2]) for m in moves])


def repair_units(units: dict[str, np.ndarray], neutral: np.ndarray, quads: np.ndarray, mirror: np.ndarray) -> None:
    """Mend, in place, what the raw units get wrong on this neutral (already at rest, lips sealed)."""
    rings = find_rings(quads, neutral)
    units["mouthFunnel"][14992:15128] = 0  # teeth do not follow the lips
    for name, field in units.items():
        if name.startswith("eyeLook"):
            field[14598:14742] = 0  # balls turn as spheres instead
    for side in ("Left", "Right"):
        units[f"browDown{side}"] *= 1.25
        soften_cheek(units[f"mouthSmile{side}"], neutral, quads, rings)
    units["browInnerUp"] = slant_brows(units["browInnerUp"], neutral)
    round_lower_lip(units, neutral, rings)
    close = units["mouthClose"]
    for _ in range(3):  # jawOpen and mouthClose together shut the lips exactly, at any common strength
        close += seal_offsets(neutral + units["jawOpen"] + close, rings)
    for side in ("Left", "Right"):
        units[f"eyeBlink{side}"] = fit_blink(units[f"eyeBlink{side}"], neutral, quads, mirror, side)


def slant_brows(field: np.ndarray, neutral: np.ndarray) -> np.ndarray:
    """browInnerUp (N, 3) that lifts the inner ends alone, and further: raw, it lifts brows nearly whole."""
    aside = np.abs(neutral[:, 0])
    inner = np.interp(aside, (0.0, 0.12, 0.24, 0.38, 0.52, 0.7), (1.35, 1.5, 1.15, 0.55, 0.15, 0.0))
    return field * inner[:, None]


def soften_cheek(field: np.ndarray, neutral: np.ndarray, quads: np.ndarray, rings: np.ndarray) -> None:
    """Round off, in place, the crease that a smile (N, 3) folds beside the corner of the mouth; lips keep theirs."""
    lips = np.unique(rings)
    gap = np.linalg.norm(neutral[:, None] - neutral[None, rings[0]], axis=2).min(1)
    share = np.clip(gap / 0.10, 0, 1)
    share[lips] = 0
    soft = np.stack([smooth_field(field[:, k], quads, 10) for k in range(3)], -1)
    field += share[:, None] * (soft - field)


def lid_rings(quads: np.ndarray, mirror: np.ndarray, side: str) -> np.ndarray:
    """int (rings, 28): loops round the eye opening, from the inner margin outwards, columns aligned."""
    rings = [walk_ring(quads, start, 28) for start in EYE_COLUMN]
    pairs = {(int(q[k]), int(q[k - 1])) for q in quads for k in range(4)}
    for k in range(1, len(rings)):
        a, b = rings[k - 1][1], rings[k][1]
        if (a, b) not in pairs and (b, a) not in pairs:  # walked the other way round
            rings[k] = rings[k][:1] + rings[k][:0:-1]
    rings = np.array(rings)
    return rings if side == "Left" else mirror[rings]


def fit_blink(field: np.ndarray, neutral: np.ndarray, quads: np.ndarray, mirror: np.ndarray, side: str) -> np.ndarray:
    """Scale a blink so that the upper lid's edge comes down exactly onto the lower lid's, at every x."""
    edge = lid_rings(quads, mirror, side)[LID_RING]
    drop = field[edge, 1]
    upper = edge[drop < 0.25 * drop.min()]
    lower = np.setdiff1d(edge, upper)
    order = np.argsort(neutral[lower, 0])
    floor = np.interp(neutral[upper, 0], neutral[lower, 0][order], (neutral + field)[lower, 1][order])
    share = (neutral[upper, 1] - floor + 0.004) / np.maximum(-field[upper, 1], 1e-6)
    share = np.clip(share, 0.3, 1.6)
    order = np.argsort(neutral[upper, 0])
    scale = np.interp(neutral[:, 0], neutral[upper, 0][order], share[order])
    falling = np.clip(-field[:, 1] / 0.03, 0, 1)[:, None]  # only what comes down: the upper lid
    return field * (1 + falling * (scale[:, None] - 1))
