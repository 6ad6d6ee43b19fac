"""Varies log-mel pictures during training: tempo, vocal tract, and patches that nothing is known of."""

import numpy as np
import torch

from engine.features.log_mel import mel_centres_hz

WARP = (0.88, 1.14)  # formants of a longer or a shorter vocal tract
WARP_SHARE = 0.5
STRETCH = (0.72, 1.35)  # sound heard per time shown: below one speaks slower, as people do in single words
STRETCH_SHARE = 0.7


def tempos(random: np.random.Generator, count: int) -> np.ndarray:
    """Stretch factors float64 (count,); 1 for those that keep their tempo."""
    factors = np.exp(random.uniform(np.log(STRETCH[0]), np.log(STRETCH[1]), count))
    return np.where(random.random(count) < STRETCH_SHARE, factors, 1.0)


def stretch_time(mel: torch.Tensor, factors: np.ndarray, frames: int) -> torch.Tensor:
    """Pictures (B, T, mels) in another tempo but the same pitch: (B, frames, mels), made from frames * factor."""
    # frame t ends at t + 1: that end is what is stretched
    where = np.clip(np.arange(1, frames + 1) * factors[:, None] - 1.0, 0.0, mel.shape[1] - 1.0)
    low = torch.from_numpy(np.minimum(where.astype(np.int64), mel.shape[1] - 2)).to(mel.device)
    part = (torch.from_numpy(where).to(mel) - low)[..., None]
    low = low[..., None].expand(-1, -1, mel.shape[2])
    return mel.gather(1, low) * (1.0 - part) + mel.gather(1, low + 1) * part


def warp_tract(mel: torch.Tensor, random: np.random.Generator, share: float = WARP_SHARE) -> torch.Tensor:
    """Some rows of (B, T, mels) with their frequencies stretched, as another length of the vocal tract would."""
    batch, _, mels = mel.shape
    factors = np.where(random.random(batch) < share, random.uniform(WARP[0], WARP[1], batch), 1.0)
    centres_hz = mel_centres_hz(mels)
    where = np.stack([np.interp(centres_hz * factor, centres_hz, np.arange(mels)) for factor in factors])
    low = torch.from_numpy(np.minimum(where.astype(np.int64), mels - 2)).to(mel.device)
    part = torch.from_numpy(where).to(mel)[:, None] - low[:, None]
    low = low[:, None].expand_as(mel)
    return mel.gather(2, low) * (1.0 - part) + mel.gather(2, low + 1) * part


def mask_patches(mel: torch.Tensor, random: np.random.Generator) -> torch.Tensor:
    """A few bands and moments of each log-mel picture (B, T, mels) set to the mean, in place."""
    batch, time, mels = mel.shape
    for row in range(batch):
        for _ in range(random.integers(0, 3)):
            low = random.integers(0, mels - 8)
            mel[row, :, low : low + random.integers(1, 9)] = 0.0
        for _ in range(random.integers(0, 5)):
            at = random.integers(0, time - 6)
            mel[row, at : at + random.integers(1, 7)] = 0.0
    return mel
