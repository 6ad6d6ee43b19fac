"""Takes from recordings: a folder of fitted coefficients (`engine.training.readers`) instead of made performances."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from engine.errors import MediaError
from engine.features import SpeechEncoder
from engine.frames import FPS, TICK_SAMPLES
from engine.motion import layout
from engine.motion.emotion import EMOTIONS, K
from engine.training.augment import Augmentation
from engine.training.corpus import decode
from engine.training.performers import LEVELS
from engine.training.readers import read_fitted, read_index
from plugins.gmtalker.data import ANYONE, Takes, hear


def fitted_speakers(folder: Path) -> tuple[str, ...]:
    """Performers of a folder, then "anyone"."""
    return (*sorted({row.performer for row in read_index(folder)}), ANYONE)


def fitted_takes(
    encoder: SpeechEncoder, folder: Path, split: str, windows: int, seconds: float, seed: int,
    report: Callable[[int, int], None] | None = None,
) -> Takes:  # fmt: skip
    """Windows of a split's recordings, even among them; one performance each, which also counts as a stranger's."""
    speakers = fitted_speakers(folder)
    recordings = [row for row in read_index(folder) if row.split == split]
    if not recordings:
        raise MediaError(f"{folder}: no recording of the split {split!r}")
    draw, ticks, rows = np.random.default_rng((seed, 11)), round(seconds * FPS), []
    microphone = Augmentation([], seconds, seed)
    order = np.concatenate([draw.permutation(len(recordings)) for _ in range(-(-windows // len(recordings)))])
    for n, at in enumerate(order[:windows]):
        row = recordings[at]
        samples, motion = decode(str(row.audio)), read_fitted(row.coefficients)
        length = max(len(motion), -(-len(samples) // TICK_SAMPLES), ticks)
        samples = np.pad(samples, (0, length * TICK_SAMPLES - len(samples)))
        motion = np.concatenate((motion, np.repeat(motion[-1:], length - len(motion), 0)))  # it stays as it was
        start = int(draw.integers(0, length - ticks + 1))
        window = slice(start, start + ticks)
        emotion = np.eye(K, dtype=np.float32)[[EMOTIONS.index(row.emotion)]]
        strength = np.array([LEVELS[row.level - 1]], np.float32)
        rows.append(hear(encoder, samples, window, microphone) | {
            "motion": motion[None, window].astype(np.float16), "emotion": emotion, "strength": strength,
            "performer": np.array([speakers.index(row.performer)]),
            "wide": motion[None, window, layout.E :].astype(np.float16), "wide_emotion": emotion,
            "wide_strength": strength,
        })  # fmt: skip
        if report and n % 50 == 49:
            report(n + 1, windows)
    return Takes(**{name: torch.from_numpy(np.stack([row[name] for row in rows])) for name in rows[0]})
