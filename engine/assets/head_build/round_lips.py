"""Rounds the opening between the lips: raw, the lower lip of an open or pushed-out mouth is a V."""

import numpy as np

from engine.assets.head_build.mouth import CORNERS, LOWER, LOWER_MID, RIM, SEAL, spread

# Which pose shows the V of a unit, in the order they are mended: the unit's own strength, how wide the opening is
# in parts of the mouth's width (pushed-out lips meet beside a round hole), and the company the unit keeps.
POSES: tuple[tuple[str, float, float, dict[str, float]], ...] = (
    ("jawOpen", 0.4, 1.0, {}),
    ("mouthFunnel", 0.8, 0.78, {"jawOpen": 0.12}),
    ("mouthPucker", 0.95, 0.66, {"jawOpen": 0.12, "mouthFunnel": 0.42}),
)
BEND = 2.2  # exponent of the arc of the opening; 2 is a parabola, more is flatter at the bottom
SHARE = 0.8  # of the way to that arc: corners stay pointed
REACH = 0.05  # dm: how far a ring's change goes into the lip and the chin
AROUND = 0.25  # dm: skin that may be touched


def round_lower_lip(units: dict[str, np.ndarray], neutral: np.ndarray, rings: np.ndarray) -> None:
    """Lower the sides of the lower lip, in place, until its rings (dm) hang in arcs; the middle stays where it was."""
    low = np.unique(rings[:, LOWER])
    gap = np.linalg.norm(neutral[:13380, None] - neutral[None, rings[0][LOWER]], axis=2).min(1)
    below = np.flatnonzero((gap < AROUND) & (neutral[:13380, 1] < neutral[rings[0][list(CORNERS)], 1].max()))
    at = np.union1d(low, np.setdiff1d(below, np.unique(rings)))
    for name, strength, opening, company in POSES:
        posed = neutral + strength * units[name] + sum(value * units[other] for other, value in company.items())
        points, moves = [], []
        for k, ring in enumerate(rings[: SEAL + 1]):
            points.append(ring[LOWER])
            moves.append(_drop(posed, ring, 1 + (opening - 1) * min(k / RIM, 1)))
        offsets = np.zeros((sum(map(len, points)), 3))
        offsets[:, 1] = SHARE / strength * np.concatenate(moves)
        change = np.zeros_like(neutral)
        change[at] = spread(neutral[np.concatenate(points)], offsets, neutral[at], REACH)
        units[name] = units[name] + change
        if name == "jawOpen":
            units["mouthClose"] = units["mouthClose"] - change  # which takes the jaw's opening back


def _drop(posed: np.ndarray, ring: np.ndarray, opening: float) -> np.ndarray:
    """(13,) how far each vertex of a ring's lower half must go down to the arc through the middle, `opening` wide."""
    left, right, middle = (posed[ring[k]] for k in (*CORNERS, LOWER_MID))
    corner = (left[1] + right[1]) / 2
    across = np.abs(posed[ring[LOWER], 0]) / ((np.abs(left[0]) + np.abs(right[0])) / 2)
    arc = corner + (middle[1] - corner) * (1 - np.clip(across / opening, 0, 1) ** BEND)
    return np.minimum(arc - posed[ring[LOWER], 1], 0)
