"""An emotion in time: which action units are how strong at each tick.

Felt displays grow and fade with the phrase (onset, apex, decay as FACS codes them; Ekman 1984 gives half a second to
four seconds for a whole one), never twice alike: every phrase leans to another variant and apex, every unit wavers a
little, and the two halves of a face differ (Borod et al. 1998).
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.random import Generator

from engine.training.performers.curves import centres_s, minimum_jerk, pulse, slow_noise
from engine.training.performers.emotion import (
    DISPLAYS,
    EMOTION_INDEX,
    EMOTIONS,
    LEFT,
    RIGHT,
    UNIT_INDEX,
    U,
    unit_strengths,
)  # fmt: skip
from engine.training.performers.prosody import Accent
from engine.training.performers.style import Performer

UPPER_UNITS = (1, 2, 4, 5, 6, 7, 43)
WAVER, WAVER_S = 0.07, 1.4
WEAK = 0.08  # chance of a unit to be weak in a phrase


@dataclass(frozen=True, slots=True)
class Scene:
    """What all parts of a performance are told: ticks, phrases (s), accents, felt (T, K), and how awake (T,)."""

    ticks: int
    phrases: list[tuple[float, float]]
    accents: list[Accent]
    felt: np.ndarray
    speaking: np.ndarray


def display(draw: Generator, scene: Scene, performer: Performer) -> np.ndarray:
    """Action units (2, T, U) of the left and right half."""
    times_s = centres_s(scene.ticks)
    out = np.zeros((2, scene.ticks, U))
    for name in EMOTIONS:
        own = np.random.default_rng(draw.integers(2**63))  # every emotion draws its own, so a mixture is their sum
        felt = scene.felt[:, EMOTION_INDEX[name]]
        if name != "neutral" and felt.any():
            shape = _envelope(own, times_s, scene, performer, name) * felt * performer.expressivity
            out += shape[None, :, None] * _variants(own, times_s, scene, performer, name)
    wavers = slow_noise(draw, scene.ticks, 2 * U, WAVER_S / performer.tempo).reshape(scene.ticks, 2, U)
    # both halves waver together for the most part
    together = 0.8 * wavers[:, :1] + 0.35 * wavers
    out *= np.maximum(1.0 + WAVER * performer.variety * together, 0.0).transpose(1, 0, 2)
    out *= _halves(draw, performer)
    upper = [UNIT_INDEX[number] for number in UPPER_UNITS]
    out[:, :, upper] *= performer.upper_face
    return out + _brow_accents(draw, times_s, scene, performer)


def _envelope(draw: Generator, times_s: np.ndarray, scene: Scene, performer: Performer, name: str) -> np.ndarray:
    """0 .. about 1.1 over time: a base, and on it every phrase's onset, apex and decay: (T,)."""
    how = DISPLAYS[name]
    base = how.base * (1.0 + 0.08 * performer.variety * draw.standard_normal())
    peaks = np.zeros(len(times_s))
    for start, end in scene.phrases or [(0.0, float(times_s[-1]))]:
        size = float(np.clip(1.0 + 0.09 * performer.variety * draw.standard_normal(), 0.8, 1.15))
        onset_s = how.onset_s / performer.tempo * draw.uniform(0.8, 1.3)
        decay_s = how.decay_s / performer.tempo * draw.uniform(0.8, 1.3)
        near = [accent.time_s for accent in scene.accents if start <= accent.time_s <= end]
        apex_s = near[draw.integers(len(near))] if near else draw.uniform(start, end)
        hold_s = max(0.25, draw.uniform(0.3, 0.7) * (end - start))
        from_s = max(apex_s - 0.5 * hold_s, start + 0.3 * onset_s)
        peaks = np.maximum(peaks, size * pulse(times_s, onset_s, from_s, from_s + hold_s, decay_s))
    # who starts to speak feels it already, and shows it more within the first phrase
    first = draw.uniform(0.5, 0.95)
    waking = first + (1.0 - first) * minimum_jerk(times_s / (2.0 * how.onset_s / performer.tempo))
    return waking * (base + (1.0 - base) * peaks)


def _variants(draw: Generator, times_s: np.ndarray, scene: Scene, performer: Performer, name: str) -> np.ndarray:
    """Action units (2, T, U) at the apex: a mixture of variants that changes between phrases."""
    how = DISPLAYS[name]
    variants = np.stack([unit_strengths(units, performer.side) for units in how.variants])
    habit = np.random.default_rng(_number(performer.name, name)).dirichlet(np.full(len(variants), 1.5))
    shown = []
    for _ in range(max(len(scene.phrases), 1)):
        lean = np.log(habit + 0.05) + 0.9 * performer.variety * draw.gumbel(size=len(variants))
        share = np.exp(1.6 * lean) / np.exp(1.6 * lean).sum()
        # whole prototypes are rare (Scherer and Ellgring 2007): now and then a unit hardly takes part
        part = np.clip(draw.normal(1.0, 0.1 * performer.variety, U), 0.7, 1.2)
        part[draw.uniform(size=U) < WEAK * performer.variety] *= draw.uniform(0.3, 0.6)
        shown.append(part * np.einsum("v,vhu->hu", share, variants))
    out = np.broadcast_to(shown[0][:, None], (2, len(times_s), U)).copy()
    for (before, after), (start, _) in zip(pairwise(shown), scene.phrases[1:], strict=True):
        move = minimum_jerk((times_s - start + 0.3) / (0.7 / performer.tempo))
        out += move[None, :, None] * (after - before)[:, None]
    return out


def _halves(draw: Generator, performer: Performer) -> np.ndarray:
    """Factors (2, 1, U): one half shows a little more, units differ in it."""
    lean = 0.5 * performer.asymmetry + 0.05 * performer.variety * draw.standard_normal(U)
    out = np.ones((2, 1, U))
    out[LEFT, 0], out[RIGHT, 0] = 1.0 + 0.5 * lean, 1.0 - 0.5 * lean
    return np.clip(out, 0.6, 1.4)


def _brow_accents(draw: Generator, times_s: np.ndarray, scene: Scene, performer: Performer) -> np.ndarray:
    """Brows that mark stressed words (Ekman's batons), the way the feeling already leans: (2, T, U)."""
    out = np.zeros((2, len(times_s), U))
    tables = {name: unit_strengths(dict(DISPLAYS[name].accent), performer.side) for name in EMOTIONS}
    for accent in scene.accents:
        marked = draw.uniform() < performer.brow_rate * min(accent.strength, 1.0) * 1.3
        size = accent.strength * performer.expressivity * draw.uniform(0.5, 1.1)
        lead_s, hold_s = draw.uniform(0.0, 0.1), draw.uniform(0.04, 0.2)
        rise_s, fall_s = (s * draw.uniform(0.8, 1.3) / performer.tempo for s in (0.16, 0.32))
        if not marked:
            continue
        tick = min(int(accent.time_s * 25), scene.ticks - 1)
        felt = scene.felt[tick].copy()
        felt[EMOTION_INDEX["neutral"]] += max(0.0, 1.0 - felt.sum())
        units = sum(felt[EMOTION_INDEX[name]] * table for name, table in tables.items())
        at = accent.time_s - lead_s
        out += np.asarray(units)[:, None] * (size * pulse(times_s, rise_s, at, at + hold_s, fall_s))[None, :, None]
    return out


def _number(*names: str) -> int:
    """A seed from names, the same on every machine."""
    from zlib import crc32

    return crc32("/".join(names).encode())
