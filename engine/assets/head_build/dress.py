"""Clothes: a crew-neck shirt, a collared shirt, a hoodie. The cloth is the skin below a neckline, cut along it,
lifted off the body and drawn over its hollows; collar, hood and cords are swept round the neck."""

import numpy as np

from engine.assets.head_build import masks
from engine.assets.head_build.collar import NeckRings, join, sweep
from engine.assets.head_build.parts import Part, clip_part, vertex_normals
from engine.assets.head_build.wear import Bare, to_wearable
from engine.render.face_model import REGION

SHIRT, COLLAR = REGION["shirt"], REGION["collar"]
AROUND = np.linspace(-np.pi, np.pi, 64, endpoint=False)


def build_wardrobe(bare: Bare) -> dict[str, dict[str, np.ndarray]]:
    """Every style of clothes by name, as tensors of `engine.render.wearables`."""
    out = {}
    for name, build, line in (("crew", build_crew, crew_line), ("shirt", build_shirt, shirt_line),
                              ("hoodie", build_hoodie, hoodie_line)):  # fmt: skip
        out[name] = to_wearable(build(bare), bare, line(bare.neutral) > 0.12)
    return out


def crew_line(vertices: np.ndarray) -> np.ndarray:
    """Signed height over the neckline (N,) in dm, positive where the skin is dressed."""
    x, y, z = vertices.T
    return 5.12 - 0.28 * np.clip(z - 0.2, -0.6, 1.0) - 0.08 * np.exp(-((x / 0.35) ** 2)) * np.clip(z / 0.3, 0, 1) - y


def shirt_line(vertices: np.ndarray) -> np.ndarray:
    """As crew_line, with the top button open in front."""
    x, _, z = vertices.T
    # Wider than the collar leaves open, so that its bend lies under the leaves and both edges are one clean line.
    opening = np.clip(1 - np.abs(x) / 0.36, 0, 1) ** 1.15
    return crew_line(vertices) - 0.38 * opening * np.clip((z - 0.2) / 0.2, 0, 1)


def hoodie_line(vertices: np.ndarray) -> np.ndarray:
    """As crew_line, a little wider."""
    x, _, z = vertices.T
    return crew_line(vertices) - 0.10 * np.exp(-((x / 0.3) ** 2)) * np.clip((z - 0.2) / 0.2, 0, 1)


def build_cloth(bare: Bare, line, thickness: float, drawn_from: tuple[float, float] = (0.0, 0.15)) -> Part:
    """The cloth below a neckline (function of vertices), `thickness` dm over the skin, with its cut edge closed.

    It is drawn over hollows from the first to the second of `drawn_from` (dm below the neckline) on: what lies on
    the cloth there, as the leaves of a collar do, is laid over the skin and would sink into it.
    """
    v = bare.neutral
    field = line(v)
    near = bare.outer[(field[bare.outer] > -0.5).any(1)]
    index, weight, cut = clip_part(near, field)
    normals = vertex_normals(v, bare.outer)
    quads = np.concatenate([near, near[:, :1]], 1)  # triangles as quads of which one edge is a point
    drawn = np.stack([masks.smooth_field(v[:, k], quads, 30) for k in range(3)], -1)
    hollow = np.clip(((drawn - v) * normals).sum(1), 0, 0.12)
    out = (normals[index] * weight[..., None]).sum(1)
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    depth = (field[index] * weight).sum(1)
    fill = (hollow[index] * weight).sum(1) * np.clip((depth - drawn_from[0]) / (drawn_from[1] - drawn_from[0]), 0, 1)
    offset = out * (thickness + fill)[:, None]
    rim = np.flatnonzero(np.abs(depth) < 1e-9)
    triangles, index, weight, offset = _close_rim(cut, rim, index, weight, offset, out)
    index, weight = (np.pad(values, ((0, 0), (0, 1))) for values in (index, weight))
    flat = (bare.uv[index] * weight[..., None]).sum(1)
    return Part(index, weight, offset, triangles, np.full(len(triangles), SHIRT), flat, np.ones(len(index)))


def _close_rim(cut, rim, index, weight, offset, out):
    """Turn the cut edge inwards, so that the cloth has a thickness and meets the skin."""
    on_rim = np.zeros(len(index), bool)
    on_rim[rim] = True
    inner = {int(v): len(index) + k for k, v in enumerate(rim)}
    extra = []
    for a, b, c in cut:
        for p, q in ((a, b), (b, c), (c, a)):
            if on_rim[p] and on_rim[q]:
                extra += [(q, p, inner[int(p)]), (q, inner[int(p)], inner[int(q)])]
    return (
        np.concatenate([cut, np.array(extra, int).reshape(-1, 3)]),
        np.concatenate([index, index[rim]]),
        np.concatenate([weight, weight[rim]]),
        np.concatenate([offset, -0.02 * out[rim]]),
    )


def build_crew(bare: Bare) -> Part:
    """A T-shirt with a knitted band round its neck."""
    rings = NeckRings(bare, crew_line)
    band = [  # down, lift, rise, turn: from the seam over the roll to the skin
        (0.045, 0.030, 0, 0), (0.035, 0.058, 0, 0), (0.0, 0.068, 0, 0), (-0.07, 0.070, 0, 0), (-0.125, 0.062, 0, 0),
        (-0.145, 0.045, 0, 0), (-0.140, 0.015, 0, 0), (-0.10, -0.02, 0, 0),
    ]  # fmt: skip
    return join([build_cloth(bare, crew_line, 0.038), sweep(rings, AROUND, band, COLLAR)])


def build_shirt(bare: Bare) -> Part:
    """A shirt with a turned-down collar and the top button open."""
    rings = NeckRings(bare, crew_line)
    opening, hidden = 0.38, 0.52  # rad from the middle to the edge of the leaf, and of the stand under it
    around, front, side = _open_ring(opening)
    height = -0.24 * (1 - front) - 0.11 * front  # how far the stand climbs
    reach = 0.20 + 0.27 * np.clip(1 - (np.abs(around) - opening) / 0.75, 0, 1) ** 1.3  # how far the leaf falls
    turn = side * 0.15 * front  # its edge runs outwards to its point
    round_ = 1 - front**6  # the fold is flat where the leaf begins
    leaf = [
        (height, 0.060, 0.0, 0), (height, 0.060 + 0.025 * round_, 0.022 * round_, 0),
        (height + 0.03, 0.085 + 0.027 * round_, 0.010, 0.10 * turn), (0.4 * height, 0.122, 0, 0.30 * turn),
        (0.35 * reach, 0.118, 0, 0.55 * turn), (0.7 * reach, 0.106, 0, 0.82 * turn),
        (0.9 * reach, 0.096, 0, 0.95 * turn), (reach, 0.088, 0, turn), (reach - 0.01, 0.055, 0, turn),
    ]  # fmt: skip
    under, front, _ = _open_ring(hidden)
    height = -0.24 * (1 - front) - 0.11 * front
    stand = [(0.06, 0.03, 0, 0), (0.0, 0.05, 0, 0), (0.5 * height, 0.055, 0, 0), (height, 0.062, 0, 0),
             (height, 0.050, 0, 0), (0.5 * height, 0.035, 0, 0), (0.0, 0.0, 0, 0)]  # fmt: skip
    return join([build_cloth(bare, shirt_line, 0.040, (0.35, 0.75)), sweep(rings, under, stand, SHIRT, closed=False),
                 sweep(rings, around, leaf, SHIRT, closed=False, climbs=False), *_placket(rings)])  # fmt: skip


def _open_ring(opening: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Azimuths (72,) round the neck but for +- opening in front; 1 there .. 0 behind; the side, +-1."""
    around = np.linspace(opening, 2 * np.pi - opening, 72)
    around = (around + np.pi) % (2 * np.pi) - np.pi
    return around, np.exp(-(((np.abs(around) - opening) / 0.36) ** 2)), np.sign(around)


def _placket(rings: NeckRings) -> list[Part]:
    """The strip that carries the buttons, and two buttons."""
    along = np.linspace(0.66, 1.25, 10)
    strip = [(along, lift, 0, turn) for lift, turn in ((0.03, -0.075), (0.052, -0.07), (0.052, 0.07), (0.03, 0.075))]
    parts = [sweep(rings, np.zeros(len(along)), strip, SHIRT, closed=False, climbs=False)]
    ring = np.linspace(0, 2 * np.pi, 10, endpoint=False)
    for middle in (0.76, 1.12):
        rows = ((0.030, 0.050), (0.028, 0.066), (0.001, 0.062))
        disc = [(middle + r * np.sin(ring), lift, 0, r * np.cos(ring) / 0.62) for r, lift in rows]
        parts.append(sweep(rings, np.zeros(len(ring)), disc, COLLAR, climbs=False))
    return parts


def build_hoodie(bare: Bare) -> Part:
    """A hooded pullover: the hood lies as a soft ring behind the neck; two cords hang in front."""
    rings = NeckRings(bare, hoodie_line)
    back = (1 - np.cos(AROUND)) / 2  # 0 in front .. 1 behind
    full = 0.30 + 0.70 * back**0.8  # how full the ring is
    soft = 1 + 0.05 * np.sin(5 * AROUND + 0.7) + 0.04 * np.sin(9 * AROUND)
    hood = [
        (0.19 + 0.16 * back, 0.035, 0, 0), (0.18 + 0.15 * back, 0.06 + 0.10 * full * soft, 0, 0),
        (0.09 + 0.06 * back, 0.07 + 0.20 * full * soft, 0, 0), (0.0 - 0.08 * back, 0.07 + 0.24 * full * soft, 0, 0),
        (-0.06 - 0.16 * back, 0.06 + 0.20 * full, 0.03 * back, 0),
        (-0.09 - 0.20 * back, 0.04 + 0.12 * full, 0.03 * back, 0),
        (-0.08 - 0.14 * back, 0.03 + 0.04 * full, 0, 0), (-0.02 - 0.04 * back, 0.0, 0, 0),
    ]  # fmt: skip
    parts = [build_cloth(bare, hoodie_line, 0.055), sweep(rings, AROUND, hood, SHIRT)]
    return join(parts + [_cord(rings, side) for side in (1, -1)])


def _cord(rings: NeckRings, side: int) -> Part:
    """A cord from the hood down the chest, a thin tube with a knot at its end."""
    along = np.linspace(0, 1, 14)
    down = 0.10 + 0.62 * along
    around = side * (0.30 - 0.04 * along + 0.02 * np.sin(5 * along))
    thick = np.where(along > 0.90, 0.028, 0.017)
    ring = np.linspace(0, 2 * np.pi, 7, endpoint=False)
    profile = [
        (down, 0.088 + 0.05 * np.exp(-along / 0.12) + thick * np.sin(t), 0, thick * np.cos(t) / 0.62) for t in ring
    ]
    index_rows = [(d, lift, rise, around + turn) for d, lift, rise, turn in profile]
    index_rows.append(index_rows[0])
    return sweep(rings, np.zeros(len(along)), index_rows, COLLAR, closed=False, climbs=False)
