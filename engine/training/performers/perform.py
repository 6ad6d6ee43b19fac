"""A performer speaks: phones, prosody and feeling become the motion of a whole face and head.

    perform(phones, prosody, Feeling.of(happy=1.0), PERFORMERS[0], seed=3).motion        # (T, M), 25 fps

Pure: the same arguments give the same bytes. Every part draws from a stream of its own, so that a change to one
part leaves the others as they were.
"""

from dataclasses import dataclass

import numpy as np

from engine.errors import ConfigError
from engine.motion import layout
from engine.training import performance
from engine.training.performers.curves import centres_s
from engine.training.performers.display import Scene, display
from engine.training.performers.emotion import Feeling
from engine.training.performers.gaze import blinks, gaze
from engine.training.performers.head import head
from engine.training.performers.mouth import speak
from engine.training.performers.prosody import Accent, Prosody, find_accents, phrases, pitch_contour, speaking
from engine.training.performers.style import Performer

RHO = layout.M - layout.E  # the 12 motion numbers of GMTalker
_WIDE = [layout.INDEX["eyeWideLeft"], layout.INDEX["eyeWideRight"]]


@dataclass(frozen=True, slots=True)
class Performance:
    """What a performer did at 25 fps.

    motion: float32 (T, M), laid out as `engine.motion.layout`. closure, bite: float32 (T,), where lips must meet.
    felt: float32 (T, K), weight times strength of each emotion. accents, phrases: what was marked, in s.
    """

    motion: np.ndarray
    closure: np.ndarray
    bite: np.ndarray
    felt: np.ndarray
    accents: list[Accent]
    phrases: list[tuple[float, float]]

    @property
    def expression(self) -> np.ndarray:
        """beta (T, E), a view."""
        return self.motion[:, : layout.E]

    @property
    def rho(self) -> np.ndarray:
        """The 12 motion numbers (T, 12), a view: head rotation 3, translation 3, two eyeballs 2 + 2, blink 2."""
        return self.motion[:, layout.E :]


def perform(
    phones: list, prosody: Prosody, feeling: Feeling, performer: Performer, seed: int, stress: list | None = None
) -> Performance:
    """The performance of one utterance, T = prosody.ticks.

    phones: `[symbol, start_s, end_s]` in order, "sil" for silence; stress: 0, 1, 2 or None per phone, if known.
    ConfigError: nothing to perform, or a feeling over time of another length.
    """
    ticks = prosody.ticks
    if ticks == 0:
        raise ConfigError("nothing to perform: the prosody has no tick")
    for part in (np.asarray(feeling.weights), np.asarray(feeling.strength)):
        if part.ndim and part.shape not in ((part.shape[-1],), (ticks, part.shape[-1])):
            raise ConfigError(f"a feeling of {part.shape} over {ticks} ticks")
    reference = performance.perform(phones, ticks / 25, stress, prosody.loudness_db)
    times_s = centres_s(ticks)
    awake = speaking(phones, times_s)
    scene = Scene(ticks, phrases(phones), find_accents(phones, stress, prosody), feeling.ticks(ticks), awake)
    streams = (np.random.default_rng((seed, part)) for part in range(4))
    of_face, of_head, of_eyes, of_lids = streams
    units = display(of_face, scene, performer)
    motion = np.zeros((ticks, layout.M), np.float32)
    motion[:, : layout.E] = speak(reference, units, scene.felt, awake, performer)
    pose = head(of_head, scene, pitch_contour(prosody), performer)
    eyes, turns_s = gaze(of_eyes, scene, pose, performer)
    lids = blinks(of_lids, scene, turns_s, performer)
    motion[:, layout.POSE] = pose
    motion[:, layout.GAZE_LEFT] = motion[:, layout.GAZE_RIGHT] = eyes
    motion[:, layout.BLINK] = lids
    motion[:, _WIDE] *= 1.0 - lids  # a lid that comes down is not raised
    return Performance(motion, reference.closure, reference.bite, scene.felt.astype(np.float32), scene.accents,
                       scene.phrases)  # fmt: skip


def join(expression: np.ndarray, rho: np.ndarray) -> np.ndarray:
    """Motion (..., M) from expression (..., E) and the 12 motion numbers (..., 12)."""
    return np.concatenate((expression, rho), -1).astype(np.float32)


def split(motion: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Expression (..., E) and the 12 motion numbers (..., 12) of a motion, views.

    The layout keeps GMTalker's rho as it is: [r1, t], r2, r3, blink.
    """
    return motion[..., : layout.E], motion[..., layout.E :]
