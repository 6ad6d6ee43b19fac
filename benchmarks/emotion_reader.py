"""Reads the emotion off expression coefficients: a small network that learned from performances alone.

Every tick goes through the same two layers; a clip is judged by mean and deviation of what they say over time, a tick
by what they say of it. No figure of a training looks through it, so it is a stranger to what it judges. What the
layers say of a tick also is the space in which perceptual distances are measured, as GMTalker measures them between
activations of a network trained to tell emotions (appendix B.1 there; on pictures, where this one sees coefficients).
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from engine.features.checkpoint import fit, read_checkpoint, save_checkpoint
from engine.motion import layout
from engine.motion.emotion import K

MODEL = "visema-emotion-reader"
HIDDEN, WIDTH = 96, 48
STEPS, BATCH, RATE = 1500, 64, 2e-3
CROP_TICKS = (25, 100)
OFFSET, JITTER = 0.04, 0.03  # deviations added to a clip as a whole, and to every tick
LEAST_DEVIATION = 0.03


class EmotionReader(nn.Module):
    """Clips (B, T, E) -> posteriors (B, K) of EMOTIONS."""

    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(self):
        super().__init__()
        self.see = nn.Sequential(nn.Linear(layout.E, HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, WIDTH), nn.Tanh())
        self.judge_clip = nn.Linear(2 * WIDTH, K)
        self.judge_tick = nn.Linear(WIDTH, K)
        self.register_buffer("mean", torch.zeros(layout.E))
        self.register_buffer("deviation", torch.ones(layout.E))

    def features(self, values: torch.Tensor) -> torch.Tensor:
        """What the layers say of ticks (..., E): (..., F), each within -1 .. 1."""
        return self.see((values - self.mean) / self.deviation)

    def forward(self, values: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
        """Logits (B, K) of clips (B, T, E), of which the first `counts` (B,) ticks are there."""
        seen = self.features(values)
        there = (torch.arange(values.shape[1]) < counts[:, None])[..., None].to(seen)
        ticks = counts[:, None].to(seen)
        mean = (seen * there).sum(1) / ticks
        variance = ((seen - mean[:, None]).square() * there).sum(1) / ticks
        return self.judge_clip(torch.cat((mean, (variance + 1e-6).sqrt()), -1))

    @torch.no_grad()
    def posteriors(self, clips: Sequence[np.ndarray]) -> np.ndarray:
        """Of each clip, motion (T, M) or coefficients (T, E): (N, K)."""
        if not clips:
            return np.zeros((0, K), np.float32)
        values = [torch.from_numpy(np.asarray(clip, np.float32)[:, : layout.E]) for clip in clips]
        counts = torch.tensor([len(clip) for clip in values])
        return self(nn.utils.rnn.pad_sequence(values, batch_first=True), counts).softmax(-1).numpy()

    @torch.no_grad()
    def look(self, ticks: np.ndarray) -> np.ndarray:
        """Features (..., F) of ticks (..., M) or (..., E), for distances."""
        return self.features(torch.from_numpy(np.asarray(ticks, np.float32)[..., : layout.E])).numpy()

    @torch.no_grad()
    def read_ticks(self, ticks: np.ndarray) -> np.ndarray:
        """Posteriors (..., K) of single ticks (..., M) or (..., E)."""
        return self.judge_tick(torch.from_numpy(self.look(ticks))).softmax(-1).numpy()


def teach(clips: Sequence[np.ndarray], emotions: Sequence[int], seed: int = 0, steps: int = STEPS) -> EmotionReader:
    """A reader that learned from performances (T, M) or (T, E) and their emotions. Seeded: the same for the same."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        reader = EmotionReader()
    values = [torch.from_numpy(np.asarray(clip, np.float32)[:, : layout.E]) for clip in clips]
    every, wanted = torch.cat(values), torch.tensor(emotions)
    reader.mean.copy_(every.mean(0))
    reader.deviation.copy_(every.std(0).clamp(min=LEAST_DEVIATION))
    optimiser = torch.optim.AdamW(reader.parameters(), RATE, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    draw, noise = np.random.default_rng((seed, 5)), torch.Generator().manual_seed(seed)
    for _ in range(steps):
        rows = draw.integers(0, len(values), BATCH)
        crops = [_crop(values[row], draw) for row in rows]
        counts = torch.tensor([len(crop) for crop in crops])
        batch = nn.utils.rnn.pad_sequence(crops, batch_first=True)
        batch = batch + JITTER * torch.randn(batch.shape, generator=noise)
        batch = batch + OFFSET * torch.randn(BATCH, 1, layout.E, generator=noise)
        ticks = batch[torch.arange(BATCH), torch.from_numpy(draw.integers(0, 10**6, BATCH)) % counts]
        said = reader(batch, counts), reader.judge_tick(reader.features(ticks))
        loss = F.cross_entropy(said[0], wanted[rows], label_smoothing=0.05) + F.cross_entropy(said[1], wanted[rows])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return reader.eval().requires_grad_(False)


def _crop(clip: torch.Tensor, draw: np.random.Generator) -> torch.Tensor:
    ticks = min(len(clip), int(draw.integers(*CROP_TICKS)))
    start = int(draw.integers(0, len(clip) - ticks + 1))
    return clip[start : start + ticks]


def save_reader(reader: EmotionReader, path: Path, about: dict) -> None:
    """As safetensors, with what it learned from."""
    save_checkpoint(path, MODEL, about, reader.state_dict(), half=False)


def load_reader(path: Path) -> EmotionReader:
    """What `save_reader` wrote. WeightsError: something else."""
    _, tensors = read_checkpoint(path, MODEL)
    reader = EmotionReader()
    fit(reader, tensors, path)
    return reader.eval().requires_grad_(False)
