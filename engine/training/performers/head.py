"""The head while somebody speaks: posture, slow sway, beats on stressed syllables, and what feeling adds.

Nods go with pitch accents and stressed syllables (Hadar et al. 1983; Graf et al. 2002), the head rises with the
pitch (Yehia, Kuratate and Vatikiotis-Bateson 2002), posture shifts at phrase boundaries (Hadar et al. 1984), and the
head alone tells an emotion (Livingstone and Palmer 2016): happy and angry speech moves it more, sad less and lower
(Busso et al. 2007). Over a sentence angles deviate by 1 to 3 degrees and the head turns by 4 to 15 degrees a second,
chosen by eye: no captured head was at hand to fit them to.
"""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from engine.frames import FPS
from engine.training.performers.curves import centres_s, pulse, slow_noise, steps
from engine.training.performers.display import Scene
from engine.training.performers.emotion import EMOTION_INDEX, EMOTIONS
from engine.training.performers.style import Performer

PITCH, YAW, ROLL, X, Y, Z = range(6)
SWAY = np.array([0.020, 0.032, 0.018, 0.003, 0.0015, 0.003])  # deviation of slow motion, rad and m
POSTURE = np.array([0.030, 0.058, 0.032, 0.004, 0.0015, 0.004])  # of the goals that a phrase settles on
NOD_RAD = 0.055  # a beat of strength 1
TURN_RAD = 0.05
RISE_RAD_PER_SEMITONE = 0.0045
STILL = 0.3  # share of sway that is left in long silence
LIMIT = np.array([0.40, 0.55, 0.35, 0.05, 0.03, 0.06])
NECK_M = 0.10  # a tilted head also goes aside: height of its middle over the joint


@dataclass(frozen=True)
class Carriage:
    """How a feeling carries the head: posture (pitch, yaw, roll, x, y, z) and factors of sway, beats, tempo;
    shiver: deviation of a fast tremble in rad."""

    posture: tuple[float, float, float, float, float, float]
    sway: float = 1.0
    beats: float = 1.0
    tempo: float = 1.0
    shiver: float = 0.0


CARRIAGES = {
    "neutral": Carriage((0.0, 0.0, 0.0, 0.0, 0.0, 0.0), 0.85, 0.85),
    "happy": Carriage((-0.045, 0.0, 0.045, 0.0, 0.003, 0.004), 1.3, 1.25, 1.1),
    "sad": Carriage((0.135, 0.03, 0.055, 0.0, -0.006, -0.006), 0.7, 0.5, 0.65),
    "angry": Carriage((0.085, 0.0, 0.0, 0.0, 0.0, 0.022), 1.1, 1.6, 1.3, 0.002),
    "fear": Carriage((-0.05, 0.02, -0.01, 0.0, 0.004, -0.02), 0.9, 0.7, 1.3, 0.006),
    "surprised": Carriage((-0.075, 0.0, 0.0, 0.0, 0.006, -0.012), 1.0, 1.05, 1.25),
    "disgusted": Carriage((-0.03, 0.095, -0.03, 0.003, 0.0, -0.016), 0.9, 0.85, 0.9),
    "contempt": Carriage((-0.11, 0.05, -0.045, 0.0, 0.003, -0.006), 0.75, 0.7, 0.75),
}


def head(draw: Generator, scene: Scene, pitch_semitones: np.ndarray, performer: Performer) -> np.ndarray:
    """Head pose (T, 6): pitch, yaw, roll in rad, x, y, z in m."""
    times_s = centres_s(scene.ticks)
    tables = [CARRIAGES[name] for name in EMOTIONS]
    felt = scene.felt.copy()
    felt[:, EMOTION_INDEX["neutral"]] += np.maximum(1.0 - felt.sum(1), 0.0)

    def mixed(name: str) -> np.ndarray:
        return felt @ np.array([getattr(table, name) for table in tables])

    side = 1.0 if draw.uniform() < 0.5 + 0.4 * np.tanh(20.0 * performer.rest[2]) else -1.0  # mostly the usual one
    carried = mixed("posture") * performer.expressivity * draw.normal(1.0, 0.14, 6)
    carried[:, [YAW, ROLL, X]] *= side
    tempo = performer.tempo * float(mixed("tempo").mean())
    alive = STILL + (1.0 - STILL) * scene.speaking[:, None]
    sway = slow_noise(draw, scene.ticks, 6, 2.6 / tempo) * SWAY * performer.head_range
    settled = _posture(draw, times_s, scene, performer, tempo)
    out = carried + (sway * alive + settled) * mixed("sway")[:, None]
    out[:, :3] += performer.rest
    out[:, :3] += _beats(draw, times_s, scene, performer, tempo) * mixed("beats")[:, None]
    rise = np.clip(pitch_semitones, -6.0, 6.0) * scene.speaking * performer.nod_size
    out[:, PITCH] -= RISE_RAD_PER_SEMITONE * rise
    out[:, :3] += slow_noise(draw, scene.ticks, 3, 0.28) * mixed("shiver")[:, None]
    out[:, X] += NECK_M * np.sin(out[:, ROLL]) * 0.3
    out[:, Y] -= NECK_M * (1.0 - np.cos(out[:, PITCH])) * 0.5
    return LIMIT * np.tanh(out / LIMIT)


def _posture(draw: Generator, times_s: np.ndarray, scene: Scene, performer: Performer, tempo: float) -> np.ndarray:
    """A resting pose that shifts when phrases begin, and now and then within long ones: (T, 6)."""
    spread = POSTURE * performer.head_range
    goals: list[tuple[float, float, np.ndarray]] = []
    for start, end in scene.phrases:
        at = start + draw.uniform(-0.35, 0.15)
        while at < end:
            goals.append((at, draw.uniform(0.55, 1.1) / tempo, np.clip(draw.standard_normal(6), -2.0, 2.0) * spread))
            at += draw.uniform(1.6, 3.6) / tempo
    return steps(times_s, goals, np.clip(draw.standard_normal(6), -2.0, 2.0) * spread * 0.7)


def _beats(draw: Generator, times_s: np.ndarray, scene: Scene, performer: Performer, tempo: float) -> np.ndarray:
    """Rotations of beats (T, 3): down and back with a small lift before, sometimes up, or to the side."""
    out = np.zeros((len(times_s), 3))
    for accent in scene.accents:
        wanted, kind, way = draw.uniform(size=3)
        size = accent.strength * performer.nod_size * draw.lognormal(0.0, 0.3)
        apex_s = accent.time_s + performer.nod_lag_s + 0.03 * draw.standard_normal()
        stroke_s, back_s = draw.uniform(0.15, 0.24) / tempo**0.5, draw.uniform(0.28, 0.5) / tempo**0.5
        if wanted > performer.beat_rate * (0.55 + 0.45 * min(accent.strength, 1.2)):
            continue
        stroke = pulse(times_s, stroke_s, apex_s, apex_s + 0.02, back_s)
        lift = pulse(times_s, 0.16, apex_s - stroke_s - 0.02, apex_s - stroke_s, stroke_s)
        if kind < performer.shake:
            out[:, YAW] += (TURN_RAD if way < 0.5 else -TURN_RAD) * size * (stroke - 0.2 * lift)
            out[:, ROLL] += (0.4 if way < 0.5 else -0.4) * NOD_RAD * size * stroke
        else:
            up = kind > 0.86  # a toss of the head instead of a nod
            out[:, PITCH] += (-0.75 if up else 1.0) * NOD_RAD * size * (stroke - 0.25 * lift)
    for _, end in scene.phrases:  # the head sinks a little where a phrase is over
        size = draw.uniform(0.2, 0.7) * performer.nod_size
        out[:, PITCH] += 0.5 * NOD_RAD * size * pulse(times_s, 0.35, end, end + 0.15, 0.6)
    return out


def speed_rad_s(pose: np.ndarray) -> np.ndarray:
    """Angular speed of a head pose (T, 6) between ticks, (T - 1,)."""
    return np.linalg.norm(np.diff(pose[:, :3], axis=0), axis=1) * FPS
