"""Performers: what makes one person's face and head different from another's, in numbers.

Six with names, for training and for figures, and any number at random for wide pre-training (where GMTalker takes
20,000 VoxCeleb2 videos). None of them is a real person.
"""

from dataclasses import dataclass, fields, replace

import numpy as np

from engine.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Performer:
    """One way of performing; 1.0 (or 0.0 for leanings) is the middle.

    expressivity: size of emotional displays. upper_face: share of brows and lids in them, against the mouth.
    openness: how far speech opens the mouth. rounding: how far it rounds and spreads the lips.
    asymmetry: -1 .. 1, positive displays more on the left half. side: 0 left, 1 right, where a sneer sits.
    tempo: speed of transitions, of face and head. variety: how much phrases differ.
    head_range: size of slow head motion. nod_size: size of beats. beat_rate: share of accents that get one.
    nod_lag_s: beats after (+) or before (-) the stressed vowel's middle. shake: share of beats that turn, not nod.
    rest: habitual pitch, yaw, roll in rad. brow_rate: share of accents that the brows mark.
    blink_per_min, blink_s: rate while speaking, time from open to open. aversion: share of glances away.
    glance_side: -1 .. 1, where to. fixation_s: mean look at the listener.
    """

    name: str
    expressivity: float = 1.0
    upper_face: float = 1.0
    openness: float = 1.0
    rounding: float = 1.0
    asymmetry: float = 0.0
    side: int = 0
    tempo: float = 1.0
    variety: float = 1.0
    head_range: float = 1.0
    nod_size: float = 1.0
    beat_rate: float = 0.7
    nod_lag_s: float = 0.03
    shake: float = 0.2
    rest: tuple[float, float, float] = (0.0, 0.0, 0.0)
    brow_rate: float = 0.45
    blink_per_min: float = 20.0
    blink_s: float = 0.26
    aversion: float = 0.22
    glance_side: float = 0.0
    fixation_s: float = 1.6


PERFORMERS = (
    # warm and lively: tilts her head, wide smiles, many brow flashes
    Performer("mara", expressivity=1.08, upper_face=1.05, openness=1.08, asymmetry=0.12, tempo=1.15, variety=1.2,
              head_range=1.35, nod_size=1.2, beat_rate=0.8, rest=(-0.01, 0.02, 0.035), brow_rate=0.65,
              blink_per_min=24.0, aversion=0.2, glance_side=0.3),
    # reserved: small displays, a still head, few blinks
    Performer("otto", expressivity=0.78, upper_face=0.95, openness=0.88, rounding=0.92, asymmetry=-0.1, side=1,
              tempo=0.85, variety=0.7, head_range=0.55, nod_size=0.65, beat_rate=0.5, nod_lag_s=0.06, shake=0.1,
              rest=(0.015, -0.02, 0.0), brow_rate=0.22, blink_per_min=12.0, blink_s=0.3, aversion=0.15,
              glance_side=-0.4, fixation_s=2.4),
    # gentle: slow, looks aside to think, blinks often
    Performer("ines", expressivity=0.92, upper_face=1.1, openness=0.94, rounding=1.06, asymmetry=0.05, tempo=0.8,
              head_range=1.0, nod_size=0.8, beat_rate=0.6, nod_lag_s=0.07, shake=0.3, rest=(0.02, 0.0, -0.04),
              brow_rate=0.4, blink_per_min=28.0, blink_s=0.3, aversion=0.34, glance_side=0.7, fixation_s=1.2),
    # intense: chin forward, hard beats, stares
    Performer("jonas", expressivity=1.12, upper_face=1.1, openness=1.04, asymmetry=-0.18, side=1, tempo=1.3,
              variety=0.9, head_range=0.9, nod_size=1.5, beat_rate=0.85, nod_lag_s=0.0, shake=0.12,
              rest=(0.03, 0.01, 0.0), brow_rate=0.55, blink_per_min=14.0, blink_s=0.22, aversion=0.1, fixation_s=2.8),
    # quick: small fast movements, clear lips
    Performer("leila", expressivity=0.98, openness=1.14, rounding=1.14, asymmetry=0.0, tempo=1.45, variety=1.1,
              head_range=0.8, nod_size=0.95, beat_rate=0.9, nod_lag_s=-0.02, shake=0.35, rest=(-0.015, -0.01, -0.015),
              brow_rate=0.5, blink_per_min=22.0, blink_s=0.2, aversion=0.28, glance_side=-0.2, fixation_s=1.0),
    # wry: lopsided, drawling, head on one side
    Performer("tomas", expressivity=0.95, upper_face=0.92, openness=0.92, rounding=0.96, asymmetry=0.35, tempo=0.7,
              variety=1.3, head_range=1.15, nod_size=1.0, beat_rate=0.55, nod_lag_s=0.08, shake=0.25,
              rest=(-0.03, 0.03, 0.05), brow_rate=0.4, blink_per_min=17.0, blink_s=0.32, aversion=0.25,
              glance_side=0.5, fixation_s=1.8),
)  # fmt: skip
PERFORMER_INDEX = {performer.name: i for i, performer in enumerate(PERFORMERS)}

# From least to most; a random performer lies anywhere in between, in logarithm where both are positive.
RANGES: dict[str, tuple[float, float]] = {
    "expressivity": (0.7, 1.2), "upper_face": (0.85, 1.15), "openness": (0.82, 1.18), "rounding": (0.85, 1.18),
    "asymmetry": (-0.35, 0.35), "tempo": (0.65, 1.5), "variety": (0.6, 1.5), "head_range": (0.4, 2.6),
    "nod_size": (0.4, 2.0), "beat_rate": (0.35, 0.95), "nod_lag_s": (-0.03, 0.09), "shake": (0.0, 0.45),
    "brow_rate": (0.1, 0.75), "blink_per_min": (8.0, 34.0), "blink_s": (0.2, 0.34), "aversion": (0.05, 0.45),
    "glance_side": (-0.8, 0.8), "fixation_s": (0.8, 3.0),
}  # fmt: skip
REST_SPREAD_RAD = (0.05, 0.09, 0.05)


def random_performer(seed: int) -> Performer:
    """A performer that nobody has met: the same for the same seed."""
    draw = np.random.default_rng((seed, 0x9E5F))
    drawn: dict[str, float] = {}
    for name, (least, most) in RANGES.items():
        share = draw.uniform()
        drawn[name] = float(least * (most / least) ** share if least > 0 else least + share * (most - least))
    pitch, yaw, roll = (float(draw.normal(0, spread)) for spread in REST_SPREAD_RAD)
    return replace(Performer(f"random:{seed}"), side=int(draw.integers(2)), rest=(pitch, yaw, roll), **drawn)


def performer(name: str) -> Performer:
    """One of PERFORMERS by name, or `random:SEED`. ConfigError for any other name."""
    if name in PERFORMER_INDEX:
        return PERFORMERS[PERFORMER_INDEX[name]]
    kind, _, seed = name.partition(":")
    if kind == "random" and seed.isdigit():
        return random_performer(int(seed))
    raise ConfigError(f"no such performer: {name}; there are {', '.join(PERFORMER_INDEX)} and random:SEED")


def as_numbers(performer: Performer) -> np.ndarray:
    """The style as a vector float32 (P,), each field in units of its range around 0: for embeddings and plots."""
    out = [float(performer.side)]
    for field in fields(performer):
        if field.name in RANGES:
            least, most = RANGES[field.name]
            out.append((getattr(performer, field.name) - 0.5 * (least + most)) / (0.5 * (most - least)))
    out += [value / spread for value, spread in zip(performer.rest, REST_SPREAD_RAD, strict=True)]
    return np.array(out, np.float32)
