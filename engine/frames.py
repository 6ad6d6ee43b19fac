"""What flows through the engine: frozen records, each with its place in media time.

Shape letters used everywhere: S slots (sessions in one step), T time, D feature width,
E expression coefficients, M = E + 12 motion numbers, V vertices, F triangles, H x W picture.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import torch

FPS = 25
TICK_MS = 40
SAMPLE_RATE_HZ = 16_000
TICK_SAMPLES = 640  # one tick of analysis audio
VOICE_RATE_HZ = 48_000
VOICE_TICK_SAMPLES = 1_920  # the same 40 ms at the rate that is sent out again
FEATURE_FRAMES = 2  # speech-encoder frames per tick (50 Hz)


@dataclass(frozen=True, slots=True)
class AudioTick:
    """40 ms of speech.

    samples: float32 (640,), 16 kHz mono, what the engine listens to.
    voice: float32 (1920,), 48 kHz mono, the same moment as it is sent out again.
    index: tick number; its first sample has pts `index * 640` on the 16 kHz timeline.
    captured_ns: monotonic time at which the last sample of the tick was captured.
    """

    samples: np.ndarray
    voice: np.ndarray
    index: int
    captured_ns: int


NOTHING: Mapping[str, torch.Tensor] = MappingProxyType({})


class SpeechFeatures(NamedTuple):
    """What the speech encoder hands to motion plugins, one tick, float32 unless said.

    content: (S, 2, D) encoder output at 50 Hz.
    loudness_db: (S, 2) level of each 20 ms frame in dBFS, floor -100, after normalisation.
    voice: (S, 2) probability that somebody speaks, 0 to 1.
    side: what a plugin asked for beside these (`Stage.needs`), from the same pass, by name; K delays of the encoder,
    where entry k speaks of the moment delays[k] ticks before the frame:
        phones (S, 2, K, 43), visemes (S, 2, K, 12): posteriors, as `engine.features.phones` orders them
        gestures (S, 2, K, 4): probabilities of `phones.GESTURES`
        pitch_hz (S, 2): of the voice, 0 where there is none; periodicity (S, 2): how sure, 0 to 1
        units int64 (S, 2): number of the nearest of 200 clusters of content
        layer0 ... layerN (S, 2, W): what goes into the first block, and what each block gives
    """

    content: torch.Tensor
    loudness_db: torch.Tensor
    voice: torch.Tensor
    side: Mapping[str, torch.Tensor] = NOTHING


@dataclass(frozen=True, slots=True)
class FaceMotion:
    """One tick of motion: vector float32 (M,), laid out as `engine.motion.layout` says."""

    vector: np.ndarray
    index: int
    captured_ns: int


@dataclass(frozen=True, slots=True)
class Image:
    """One picture: rgb uint8 (H, W, 3), in files also (H, W, 4) with alpha, shown while tick `index` is heard."""

    rgb: np.ndarray
    index: int
    captured_ns: int


@dataclass(frozen=True, slots=True)
class Moment:
    """What leaves the engine together: a picture, the motion behind it, and its 40 ms of voice.

    finished_ns: monotonic time at which the picture was ready, so latency is a subtraction.
    between: pictures like image.rgb between the last tick's and this one, at rates over 25: see `interpolation.places`.
    """

    image: Image
    motion: FaceMotion
    audio: AudioTick
    finished_ns: int
    between: tuple[np.ndarray, ...] = ()
