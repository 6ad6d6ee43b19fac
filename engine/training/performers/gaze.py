"""Eyes and lids: looks at the listener, glances away, saccades, blinks.

Fixations and aversions after Lee, Badler and Badler (2002); speakers look away as they begin and back as they end
(Kendon 1967); saccades last about 21 ms + 2.2 ms per degree (Carpenter 1988), so one or two ticks. Blinks: some 17 a
minute at rest and 26 in conversation (Bentivoglio et al. 1997), most at pauses (Nakano and Kitazawa 2010) and with
large shifts of gaze (Evinger et al. 1994), faster down than up.
"""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from engine.training.performers.curves import centres_s
from engine.training.performers.display import Scene
from engine.training.performers.emotion import EMOTION_INDEX, EMOTIONS
from engine.training.performers.style import Performer

AVERTED = np.array([0.20, 0.11])  # deviation of a glance away, yaw and pitch in rad
FIXED = np.array([0.020, 0.014])  # of looks at the listener: eyes, mouth, brow
GAZE_LIMIT = np.array([0.45, 0.30])
REFRACTORY_S = 0.5
TURN_RAD = 0.14  # a shift of gaze that may take a blink along
SHUT_S = 0.045  # lids together: at least one tick sees it


@dataclass(frozen=True)
class Look:
    """What a feeling does to eyes: mean offset (yaw, pitch), factors of aversion, of fixation length, of blinks.
    one_sided: the yaw goes to the performer's side."""

    offset: tuple[float, float] = (0.0, 0.0)
    aversion: float = 1.0
    fixation: float = 1.0
    blinks: float = 1.0


LOOKS = {
    "neutral": Look(),
    "happy": Look(aversion=0.8, blinks=1.05),
    "sad": Look((0.03, -0.11), 1.7, 1.3, 0.95),  # 64, eyes down
    "angry": Look(aversion=0.3, fixation=1.8, blinks=0.65),  # a stare
    "fear": Look((0.0, 0.01), 1.8, 0.5, 1.2),  # darting
    "surprised": Look((0.0, 0.015), 0.5, 1.1, 0.7),
    "disgusted": Look((0.05, -0.03), 1.3, 0.9, 1.0),
    "contempt": Look((0.07, -0.045), 0.9, 1.5, 0.9),  # sidelong, down the nose
}


def gaze(draw: Generator, scene: Scene, pose: np.ndarray, performer: Performer) -> tuple[np.ndarray, np.ndarray]:
    """Where both eyes turn in the head, (T, 2) yaw and pitch in rad, and the times of large shifts in s.

    pose: (T, 6) of the head, which the eyes make up for as long as they fixate (vestibulo-ocular reflex).
    """
    times_s = centres_s(scene.ticks)
    aversion, fixation = _mixed(scene, "aversion"), _mixed(scene, "fixation")
    offset = np.stack([_mixed(scene, "offset", axis) for axis in range(2)], 1) * performer.expressivity
    offset[:, 0] *= 1.0 if performer.glance_side >= 0 else -1.0
    goal, turns = np.zeros((scene.ticks, 2)), []
    at, last, end_s = -draw.exponential(0.5), np.zeros(2), scene.ticks / 25
    while at < end_s:
        tick = int(np.clip(at * 25, 0, scene.ticks - 1))
        begins = any(-0.5 < start - at < 0.3 for start, _ in scene.phrases)
        away = draw.uniform() < performer.aversion * aversion[tick] * (1.6 if begins else 0.85)
        place, length, lean = draw.standard_normal(2), draw.exponential(), draw.uniform()
        if away:
            side = 1.0 if lean < 0.5 + 0.4 * performer.glance_side else -1.0
            place = np.array([side * (0.5 + 0.5 * abs(place[0])), 0.8 * place[1] - 0.2]) * AVERTED
            wait = 0.32 + 0.55 * length
            ends = [end - 0.15 for _, end in scene.phrases if at < end - 0.15 < at + wait]
            wait = max(ends[0] - at, 0.25) if ends else wait  # back at the listener before the phrase is over
        else:
            place = place * FIXED
            wait = 0.28 + performer.fixation_s * fixation[tick] * length
        place = GAZE_LIMIT * np.tanh(place / GAZE_LIMIT)
        degrees = float(np.degrees(np.linalg.norm(place - last)))
        duration_s = 0.021 + 0.0022 * degrees
        # a tick shows where the eyes are in its middle
        goal += np.clip((times_s - at) / duration_s, 0.0, 1.0)[:, None] * (place - last)
        if at >= 0 and np.radians(degrees) > TURN_RAD:
            turns.append(at)
        at, last = at + wait, place
    aside = np.stack((pose[:, 1], -pose[:, 0]), 1)  # where a turned head would look: yaw left +, pitch up +
    return GAZE_LIMIT * np.tanh((goal + offset - aside) / GAZE_LIMIT), np.array(turns)


def blinks(draw: Generator, scene: Scene, turns_s: np.ndarray, performer: Performer) -> np.ndarray:
    """Lids (T, 2) of the left and right eye: 0 open, 1 shut."""
    times_s = centres_s(scene.ticks)
    rate = performer.blink_per_min * _mixed(scene, "blinks") / 60.0
    ends = [end for _, end in scene.phrases]
    out, at, end_s = np.zeros((scene.ticks, 2)), 0.0, scene.ticks / 25
    moments: list[float] = []
    # Half come by themselves after waits that are neither regular nor wild; the rest at pauses and turns.
    at = draw.uniform(0.0, 2.0) / rate[0]
    while at < end_s:
        moments.append(at)
        at += (0.3 + 0.7 * draw.gamma(1.6, 1.0 / 1.6)) / (0.5 * rate[min(int(at * 25), scene.ticks - 1)])
    for share, times in ((0.45, ends), (0.25, turns_s)):
        for moment in times:
            wish, late = draw.uniform(), draw.uniform(0.0, 0.18)
            if wish < share * min(float(rate[min(int(moment * 25), scene.ticks - 1)]) * 3.0, 1.6):
                moments.append(float(moment) + late)
    previous = -REFRACTORY_S
    for moment in sorted(moments):
        full, spread, slack = draw.uniform(), draw.lognormal(0.0, 0.12), draw.normal(0.0, 0.008)
        if moment - previous < REFRACTORY_S or moment > end_s:
            continue
        previous = moment
        depth = 1.0 if full > 0.1 else 0.45 + 5.0 * full  # one in ten does not close
        whole_s = performer.blink_s * spread
        for eye, offset_s in enumerate((0.0, slack)):
            lid = _lid(times_s - moment - offset_s, whole_s)
            out[:, eye] = np.maximum(out[:, eye], depth * lid)
    return out


def _lid(since_s: np.ndarray, whole_s: float) -> np.ndarray:
    """One blink from its start: down in a quarter of its time, shut for SHUT_S, slowly up."""
    down_s = 0.28 * (whole_s - SHUT_S)
    up_s = whole_s - SHUT_S - down_s
    down = np.clip(since_s / down_s, 0.0, 1.0)
    up = np.clip((since_s - down_s - SHUT_S) / up_s, 0.0, 1.0)
    return np.sin(0.5 * np.pi * down) ** 2 * (0.5 + 0.5 * np.cos(np.pi * up**0.8))


def _mixed(scene: Scene, name: str, axis: int | None = None) -> np.ndarray:
    """A number of `Look` over time under what is felt: (T,)."""
    felt = scene.felt.copy()
    felt[:, EMOTION_INDEX["neutral"]] += np.maximum(1.0 - felt.sum(1), 0.0)
    values = [getattr(LOOKS[emotion], name) for emotion in EMOTIONS]
    return felt @ np.array([value if axis is None else value[axis] for value in values])
