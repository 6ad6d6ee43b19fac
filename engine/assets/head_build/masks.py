"""Per-vertex masks on the base mesh: lips, cheeks, nose, ears, lids, neck weight, unwrapped uv."""

from pathlib import Path

import numpy as np

from engine.assets.head_build.source import BaseMesh, read_mesh, read_skin_weights

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


def cylinder_uv(vertices: np.ndarray) -> np.ndarray:
    """(N, 2) in 0..1: a cylinder round the head with the face spread over the middle half, v up."""
    turn = np.arctan2(vertices[:, 0], vertices[:, 2] - 0.35) / np.pi  # -1..1, 0 at the nose
    u = 0.5 + 0.5 * np.sign(turn) * np.abs(turn) ** 0.8
    v = (vertices[:, 1] - 4.2) / (7.8 - 4.2)
    return np.stack([u, np.clip(v, 0, 1)], -1)


def paint_masks(data: Path, neutral: np.ndarray) -> np.ndarray:
    """(N, masks) painted weights 0..1 on the base mesh, in the order of `face_model.MASKS`."""
    mesh, v = read_mesh(data), neutral
    body = mesh.quads[mesh.groups == "body"]
    lips = smooth_field(texture_mask(data, mesh, "lips"), body, 1)
    ears = smooth_field(texture_mask(data, mesh, "ears"), body, 2)
    lids = smooth_field(texture_mask(data, mesh, "eyelids"), body, 2)
    cheeks = blob(v, (0.42, 6.30, 1.22), 0.16)
    nose = blob(v, (0.0, 6.30, 1.50), 0.09)
    beard = np.clip((6.12 - v[:, 1]) / 0.2, 0, 1) * np.clip((v[:, 1] - 5.5) / 0.15, 0, 1)
    beard = beard * np.clip((v[:, 2] - 0.55) / 0.3, 0, 1) * (1 - lips)
    return np.clip(np.stack([lips, cheeks, nose, ears, lids, beard], -1), 0, 1)
