"""Per-vertex masks on the base mesh: lips, cheeks, nose, ears, lids, neck weight, unwrapped uv."""

from pathlib import Path

import numpy as np

from engine.assets.head_build.source import BaseMesh, read_mesh, read_skin_weights
from engine.render.face_model import MASKS

HEAD_BONES = (
    "head",
    "jaw",
    "eye",
    "levator",
    "oculi",
    "orbicularis",
    "oris",
    "risorius",
    "special",
    "temporalis",
    "tongue",
)
NECK_BONES = {"neck01": 0.25, "neck02": 0.55, "neck03": 0.85}


def texture_mask(data: Path, mesh: BaseMesh, name: str) -> np.ndarray:
    """A grey MakeHuman mask sampled at the vertices of the body: float (N,) 0..1."""
    from PIL import Image

    picture = np.asarray(Image.open(data / f"mpfb2/textures/mpfb_{name}.jpg").convert("L")) / 255.0
    height, width = picture.shape
    body = mesh.groups == "body"
    total, count = np.zeros(len(mesh.vertices)), np.zeros(len(mesh.vertices))
    uv = mesh.uv[body].reshape(-1, 2)
    x = np.clip((uv[:, 0] * width).astype(int), 0, width - 1)
    y = np.clip(((1 - uv[:, 1]) * height).astype(int), 0, height - 1)
    np.add.at(total, mesh.quads[body].ravel(), picture[y, x])
    np.add.at(count, mesh.quads[body].ravel(), 1.0)
    return total / np.maximum(count, 1)


def neck_weight(data: Path) -> np.ndarray:
    """(N,) how much a vertex follows the head: 1 on the head, falling along the neck, 0 at the shoulders."""
    out = np.zeros(19158)
    total = np.zeros(19158)
    for bone, weight in read_skin_weights(data).items():
        total += weight
        if bone.startswith(HEAD_BONES):
            out += weight
        elif bone in NECK_BONES:
            out += NECK_BONES[bone] * weight
    out = out / np.maximum(total, 1e-9)
    out[13380:] = 1.0  # teeth, tongue, lashes
    return out


def smooth_field(field: np.ndarray, quads: np.ndarray, rounds: int) -> np.ndarray:
    """Average a vertex field (N,) with its neighbours along quad edges."""
    edges = np.concatenate([quads[:, [k, (k + 1) % 4]] for k in range(4)])
    edges = np.concatenate([edges, edges[:, ::-1]])
    degree = np.bincount(edges[:, 0], minlength=len(field))
    for _ in range(rounds):
        mean = np.bincount(edges[:, 0], field[edges[:, 1]], minlength=len(field)) / np.maximum(degree, 1)
        field = np.where(degree > 0, 0.5 * field + 0.5 * mean, field)
    return field


def blob(vertices: np.ndarray, centre: tuple[float, float, float], reach: float) -> np.ndarray:
    """A soft symmetric spot (N,) around +-x of a point of the neutral head, in dm."""
    points = np.stack([np.abs(vertices[:, 0]), vertices[:, 1], vertices[:, 2]], -1)
    return np.exp(-((points - np.array(centre)) ** 2).sum(-1) / (2 * reach**2))


def capsule(vertices: np.ndarray, line: np.ndarray, reach: float | np.ndarray) -> np.ndarray:
    """A soft symmetric stroke (N,) along a polyline (k, 2 or 3) of the left side of the neutral head, in dm.

    reach: its half width, one number or one per point. In two dimensions (x, y) it is painted from the front.
    """
    size = line.shape[1]
    points = np.stack([np.abs(vertices[:, 0]), vertices[:, 1], vertices[:, 2]], -1)[:, :size]
    reach = np.broadcast_to(reach, len(line))
    out = np.zeros(len(points))
    for a, b, ra, rb in zip(line[:-1], line[1:], reach[:-1], reach[1:], strict=True):
        t = np.clip(((points - a) @ (b - a)) / ((b - a) ** 2).sum(), 0, 1)
        distance = np.linalg.norm(points - a - t[:, None] * (b - a), axis=1)
        out = np.maximum(out, np.exp(-((distance / (ra + t * (rb - ra))) ** 2)))
    return out * (vertices[:, 2] > 0.5) if size == 2 else out


def head_uv(vertices: np.ndarray, quads: np.ndarray) -> np.ndarray:
    """(N, 2) in 0..1, v up: the skin of the head unrolled with its seam at the back of the skull.

    Longitude and height of an evened head (nose, ears and lips smoothed away, so that they get room of their own)
    with the face spread over the middle: it takes half of the width. Above the brows v follows the curve of the
    skull; neck and shoulders are squeezed.
    """
    even = np.stack([smooth_field(vertices[:, k], quads, 24) for k in range(3)], -1)
    x, y, z = even[:, 0], even[:, 1] - 6.5, even[:, 2] - 0.35
    turn = np.arctan2(x, z) / np.pi  # -1..1, 0 at the nose
    u = 0.5 + 0.5 * np.sign(turn) * np.abs(turn) ** 0.75
    v = np.where(y > 0, 0.95 * np.arctan2(y, np.hypot(x, z)), y)
    under = np.clip(0.90 - z, 0, 0.6) * np.exp(-((turn / 0.35) ** 2))  # the level floor of the jaw gets height
    v -= 0.5 * under * np.clip((-0.55 - y) / 0.2, 0, 1)
    v = np.interp(v, (-2.9, -1.5, -0.8, 1.5), (-1.61, -1.29, -0.8, 1.5))
    return np.stack([u, (v + 1.62) / 3.13], -1)


# Strokes and spots on the left half of the neutral head, dm.
BROW = np.array([(0.115, 6.775), (0.19, 6.815), (0.28, 6.845), (0.37, 6.850), (0.45, 6.820), (0.515, 6.775)])
SMILE_FOLD = np.array([(0.175, 6.30, 1.36), (0.25, 6.20, 1.33), (0.31, 6.10, 1.27), (0.335, 6.00, 1.23)])
CROW_FEET = np.array([(0.47, 6.62, 1.14), (0.55, 6.62, 1.05)])
UNDER_EYE = np.array([(0.17, 6.53), (0.27, 6.49), (0.38, 6.52)])
# Where a scalp begins: right half of a hairline (x, y, z), from mid forehead to nape.
HAIRLINE = np.array(
    [
        (0.00, 7.23, 1.22), (0.22, 7.25, 1.18), (0.40, 7.20, 1.10), (0.52, 7.09, 1.04), (0.58, 6.95, 0.98),
        (0.62, 6.80, 0.90), (0.66, 6.66, 0.80), (0.69, 6.50, 0.70), (0.70, 6.50, 0.62), (0.70, 6.68, 0.53),
        (0.70, 6.76, 0.42), (0.70, 6.70, 0.28), (0.67, 6.50, 0.16), (0.58, 6.25, 0.08), (0.42, 6.02, 0.00),
        (0.20, 5.90, -0.08), (0.00, 5.87, -0.10),
    ]
)  # fmt: skip


def scalp_mask(vertices: np.ndarray, softness: float = 0.06) -> np.ndarray:
    """(N,) 1 where hair grows on the head, softly 0 outside the hairline (softness in radians)."""
    up = np.array([0.0, 1.0, -0.30]) / np.hypot(1, 0.30)
    forward = np.array([0.0, 0.30, 1.0]) / np.hypot(1, 0.30)

    def polar(points):
        local = points - np.array([0.0, 6.80, 0.40])
        ahead, side = local @ forward, np.abs(local[:, 0])
        return np.arctan2(side, ahead), np.arctan2(np.hypot(side, ahead), local @ up)

    around, down = polar(vertices)
    return np.clip(0.5 + (np.interp(around, *polar(HAIRLINE)) - down) / softness, 0, 1)


def beard_mask(vertices: np.ndarray, lips: np.ndarray) -> np.ndarray:
    """(N,) 1 where a beard grows: moustache, chin, jaw and the side of the face up to the ear."""
    x, y, z = np.abs(vertices[:, 0]), vertices[:, 1], vertices[:, 2]
    # The cheek line over |x|: under the nose, down round the mouth corner, up to the ear.
    at = (0.0, 0.10, 0.22, 0.32, 0.45, 0.58, 0.64, 0.70)
    line = np.interp(x, at, (6.21, 6.21, 6.12, 6.02, 6.05, 6.22, 6.42, 6.45))
    front = np.clip((z - 0.52) / 0.14, 0, 1)
    under = np.interp(z, (0.5, 0.8, 1.1, 1.3), (5.95, 5.72, 5.56, 5.50))
    out = np.clip((line - y) / 0.07, 0, 1) * np.clip((y - under) / 0.10, 0, 1) * front
    return out * (1 - lips) * np.clip((0.72 - x) / 0.04, 0, 1)


def paint_masks(data: Path, neutral: np.ndarray) -> np.ndarray:
    """(N, masks) painted weights 0..1 on the base mesh, in the order of `face_model.MASKS`."""
    mesh, v = read_mesh(data), neutral
    body = mesh.quads[mesh.groups == "body"]
    lips = smooth_field(texture_mask(data, mesh, "lips"), body, 1)
    ears = smooth_field(texture_mask(data, mesh, "ears"), body, 2)
    lids = smooth_field(texture_mask(data, mesh, "eyelids"), body, 2)
    front = np.clip((v[:, 2] - 0.8) / 0.2, 0, 1)
    fields = {
        "lips": lips,
        "cheeks": blob(v, (0.42, 6.30, 1.22), 0.16),
        "nose": blob(v, (0.0, 6.30, 1.50), 0.09),
        "ears": ears,
        "lids": lids,
        "stubble": smooth_field(beard_mask(v, lips), body, 1),
        "forehead": np.clip((v[:, 1] - 6.86) / 0.08, 0, 1) * front * (1 - scalp_mask(v)),
        "crow": capsule(v, CROW_FEET, 0.09),
        "bridge": capsule(v, np.array([(0.0, 6.60), (0.0, 6.80)]), 0.07),
        "fold": capsule(v, SMILE_FOLD, 0.05),
        "brow": capsule(v, BROW, np.array([0.035, 0.04, 0.04, 0.035, 0.03, 0.02])),
        "philtrum": capsule(v, np.array([(0.0, 6.12), (0.0, 6.20)]), 0.05),
        "under_eye": capsule(v, UNDER_EYE, 0.04),
        "scalp": smooth_field(scalp_mask(v), body, 1) * (1 - ears),
    }
    return np.clip(np.stack([fields[name] for name in MASKS], -1), 0, 1)
