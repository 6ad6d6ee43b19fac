"""Batches for supervised training: varied log-mels, the phone of every frame for every delay, and the mouth."""

import numpy as np
import torch

from engine.features.log_mel import LogMel
from engine.motion.articulation import A
from engine.training.align import Phones
from engine.training.augment import Augmentation
from engine.training.corpus import Clip
from engine.training.performance import TICK_S, perform
from engine.training.phones import FRAME_S, frame_labels
from engine.training.spectra import STRETCH, mask_patches, stretch_time, tempos, warp_tract

SECONDS = 4.0
FRAMES = round(SECONDS * 50)
UNHEARD = -100
MOUTH = A + 2


class PhoneBatches:
    """step -> log-mels (B, 2 FRAMES, mels); labels int64 (B, delays, FRAMES), UNHEARD where nothing was heard yet;
    mouths float32 (B, FRAMES, MOUTH): articulators of the reference performance, closure, bite.

    shares: how often each clip is drawn. delays: ticks by which the answers come late.
    """

    def __init__(
        self, clips: list[Clip], shares: np.ndarray, mels: int, delays: tuple[int, ...], seed: int, rows: int = 16
    ):
        self.clips, self.shares, self.delays, self.seed, self.rows = clips, shares, delays, seed, rows
        self.mel = LogMel(mels)
        self.augmentation = Augmentation(clips, SECONDS * STRETCH[1], seed)

    @torch.no_grad()
    def __call__(self, step: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        random = self.augmentation.random = np.random.default_rng((self.seed, step))
        chosen = random.choice(len(self.clips), self.rows, p=self.shares)
        factors = tempos(random, self.rows)
        samples = np.empty((self.rows, self.augmentation.length // 320 * 320), np.float32)
        labels = np.full((self.rows, len(self.delays), FRAMES), UNHEARD)
        mouths = np.empty((self.rows, FRAMES, MOUTH), np.float32)
        for row, (i, factor) in enumerate(zip(chosen, factors, strict=True)):
            excerpt = self.augmentation(self.clips[i])
            samples[row] = excerpt.samples[: samples.shape[1]]
            phones = tuple((p, a / factor, b / factor) for p, a, b in excerpt.phones)
            truth, mouths[row] = frame_labels(phones, FRAMES), mouth_of(phones)
            for k, ticks in enumerate(self.delays):
                labels[row, k, 2 * ticks :] = truth[: FRAMES - 2 * ticks]
        mel = stretch_time(self.mel(torch.from_numpy(samples)), factors, 2 * FRAMES)
        return mask_patches(warp_tract(mel, random), random), torch.from_numpy(labels), torch.from_numpy(mouths)


def mouth_of(phones: Phones) -> np.ndarray:
    """The reference performance of an excerpt at the middle of every frame, float32 (FRAMES, MOUTH)."""
    near = [[name, start, end] for name, start, end in phones if end > -1.0 and start < SECONDS + 1.0]
    done = perform(near, SECONDS)
    curves = np.concatenate((done.mouth, done.closure[:, None], done.bite[:, None]), 1)
    ticks_s, frames_s = (np.arange(len(curves)) + 0.5) * TICK_S, (np.arange(FRAMES) + 0.5) * FRAME_S
    return np.stack([np.interp(frames_s, ticks_s, curve) for curve in curves.T], 1).astype(np.float32)
