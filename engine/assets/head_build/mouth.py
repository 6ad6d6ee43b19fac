"""The mouth of the base mesh: its edge loops, the closed seam, teeth and tongue put in their places.

The lips of hm08 are rings of 38 vertices: index 0 is the upper midpoint, 1-11 the subject's right
upper lip, 12 the right corner, 13-18 right lower, 19 the lower midpoint, then mirrored (26 the left corner).
"""

from collections import defaultdict
from functools import lru_cache

import numpy as np

# Upper midline vertices whose edge loops run round the mouth, from the vermilion border inwards.
RING_STARTS = (455, 466, 467, 509, 468, 474, 520, 537, 554, 571)
RIM, SEAL = 5, 6  # rings that touch when the mouth shuts: the front of the seal and its back
UPPER = np.r_[0:12, 27:38]
LOWER = np.r_[13:26]
CORNERS = (12, 26)
UPPER_MID, LOWER_MID = 0, 19


def walk_ring(quads: np.ndarray, start: int, count: int, second: int | None = None) -> list[int]:
    """An edge loop of `count` vertices: from `start` straight on across every vertex of four edges.

    `second` picks the direction; without it the one direction that closes after `count` vertices is found.
    """
    faces, edges = _topology(quads)
    for first in [second] if second is not None else sorted(edges[start]):
        ring = [start, first]
        while len(ring) < 200:
            before, here = ring[-2:]
            shared = {n for f in faces[here] if before in quads[f] for n in quads[f]}
            after = [n for n in edges[here] if n not in shared]
            if len(after) != 1 or after[0] == start:
                break
            ring.append(after[0])
        if len(ring) == count:
            return ring
    raise ValueError(f"no loop of {count} vertices through vertex {start}")


@lru_cache(maxsize=1)
def _edges(key: bytes, shape: tuple[int, int], dtype: str):
    quads = np.frombuffer(key, dtype).reshape(shape)
    faces, edges = defaultdict(set), defaultdict(set)
    for number, quad in enumerate(quads.tolist()):
        for a, b in zip(quad, quad[1:] + quad[:1], strict=True):
            faces[a].add(number)
            edges[a].add(b)
            edges[b].add(a)
    return faces, edges


def _topology(quads: np.ndarray):
    return _edges(quads.tobytes(), quads.shape, quads.dtype.str)


def find_rings(quads: np.ndarray, vertices: np.ndarray) -> np.ndarray:
    """int (rings, 38): edge loops round the mouth, upper midpoint first, then the subject's right."""
    _, edges = _topology(quads)
    return np.array([walk_ring(quads, s, 38, min(edges[s], key=lambda i: vertices[i, 0])) for s in RING_STARTS])


def spread(points: np.ndarray, offsets: np.ndarray, at: np.ndarray, reach: float) -> np.ndarray:
    """A smooth field (N, 3) that equals `offsets` at `points` and fades over `reach` (Gaussian RBF)."""

    def kernel(a, b):
        return np.exp(-((a[:, None] - b[None]) ** 2).sum(-1) / (2 * reach**2))

    weights = np.linalg.solve(kernel(points, points) + 0.02 * np.eye(len(points)), offsets)
    return kernel(at, points) @ weights


def seal_offsets(posed: np.ndarray, rings: np.ndarray, overlap: float = 0.002) -> np.ndarray:
    """Offsets (N, 3) dm that make upper and lower lip of a posed mesh touch along the whole mouth.

    On the two sealing rings both lips are brought to a common height, crossing by `overlap`, so that
    no slit shows; the change fades into the lip within a few millimetres, each lip on its own side.
    """
    out = np.zeros_like(posed)
    upper_points, upper_moves, lower_points, lower_moves = [], [], [], []
    width = np.abs(posed[rings[SEAL, CORNERS[0]], 0])
    for ring in rings[[RIM, SEAL]]:
        up, low = ring[UPPER], ring[LOWER]
        order_up, order_low = np.argsort(posed[up, 0]), np.argsort(posed[low, 0])
        height_low = np.interp(posed[up, 0], posed[low, 0][order_low], posed[low, 1][order_low])
        height_up = np.interp(posed[low, 0], posed[up, 0][order_up], posed[up, 1][order_up])
        taper_up = np.clip((width - np.abs(posed[up, 0])) / (0.15 * width), 0, 1)
        taper_low = np.clip((width - np.abs(posed[low, 0])) / (0.15 * width), 0, 1)
        upper_points.append(up)
        lower_points.append(low)
        upper_moves.append((height_low - posed[up, 1]) / 2 - overlap * taper_up)
        lower_moves.append((height_up - posed[low, 1]) / 2 + overlap * taper_low)
    # The back of the seal may already cross; only gaps on the rim and the seal are closed, never opened.
    for points, moves, side in ((upper_points, upper_moves, UPPER), (lower_points, lower_moves, LOWER)):
        at = np.concatenate(points)
        move = np.concatenate(moves)
        move = np.minimum(move, 0) if side is UPPER else np.maximum(move, 0)
        offsets = np.zeros((len(at), 3))
        offsets[:, 1] = move
        region = np.unique(rings[:, side])
        out[region] = spread(posed[at], offsets, posed[region], 0.02)
    return out


def join_offsets(field: np.ndarray, neutral: np.ndarray, rings: np.ndarray) -> np.ndarray:
    """Offsets (N, 3) that let a direction (N, 3) move both lips alike where they touch.

    Without them an identity would open the resting mouth, or push the lips into each other.
    """
    out = np.zeros_like(field)
    for side, other in ((UPPER, LOWER), (LOWER, UPPER)):
        points, moves = [], []
        for ring in rings[[RIM, SEAL]]:
            own, across = ring[side], ring[other]
            order = np.argsort(neutral[across, 0])
            lift = np.interp(neutral[own, 0], neutral[across, 0][order], field[across, 1][order])
            points.append(own)
            moves.append((lift - field[own, 1]) / 2)
        at = np.concatenate(points)
        offsets = np.zeros((len(at), 3))
        offsets[:, 1] = np.concatenate(moves)
        region = np.unique(rings[:, side])
        out[region] = spread(neutral[at], offsets, neutral[region], 0.02)
    return out


def place_tongue(vertices: np.ndarray, tongue: slice) -> np.ndarray:
    """Flatten the tongue and lower it behind the lower teeth, in place; returns the move (n, 3) dm.

    Raw, it fills the mouth up to the upper teeth, so that EE showed tongue instead of teeth.
    """
    part = vertices[tongue]
    before = part.copy()
    front = (part[:, 2] - part[:, 2].min()) / np.ptp(part[:, 2])
    floor = part[:, 1].min()
    part[:, 1] = floor + 0.58 * (part[:, 1] - floor) - 0.05
    part[:, 2] -= 0.09 * front
    part[:, 0] *= 0.92
    return part - before


RIDGE_RISE, RIDGE_REACH = 0.19, 0.07  # dm: how far the tip of the tongue goes up and forward to the ridge


def raise_tongue(vertices: np.ndarray, tongue: slice) -> np.ndarray:
    """The unit `tongueUp` (N, 3) dm: the tip to the ridge behind the upper teeth, as for L, N, T and D."""
    out = np.zeros_like(vertices)
    part = vertices[tongue]
    front = (part[:, 2] - part[:, 2].min()) / np.ptp(part[:, 2])
    out[tongue, 1] = RIDGE_RISE * front**2.5
    out[tongue, 2] = RIDGE_REACH * front**2
    out[tongue, 0] = -0.25 * part[:, 0] * front**3
    return out


def carry(moves: np.ndarray, vertices: np.ndarray, rings: np.ndarray, rows: list[slice], tongue: slice) -> None:
    """Keep teeth and tongue in place behind the lips in every direction (D, N, 3), in place.

    The rows go along with the middle of the lip seal, and the tongue affinely with the rows: so everybody shows
    as much of their teeth, and the tongue lies between them.
    """
    at = np.concatenate([np.arange(row.start, row.stop) for row in rows])
    lips = moves[:, rings[SEAL][[UPPER_MID, LOWER_MID]]].mean(1)
    moves[:, at] += ((lips - moves[:, at].mean(1)) * (0, 1, 1))[:, None]
    fit = np.linalg.pinv(np.c_[np.ones(len(at)), vertices[at]])
    moves[:, tongue] = np.c_[np.ones(tongue.stop - tongue.start), vertices[tongue]] @ (fit @ moves[:, at])
