"""The loss of masked prediction: spans of speech are hidden, and the units behind them have to be named."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from engine.features.log_mel import LogMel
from engine.features.speech_encoder import SpeechEncoder
from engine.training.augment import Augmentation
from engine.training.corpus import Clip
from engine.training.loop import Figures
from engine.training.phones import FRAME_S, labels_at
from engine.training.spectra import warp_tract

SPAN, SPANS = 10, 0.08  # frames of a mask; share of frames at which one begins
DELAY = 4  # frames after which a causal encoder answers
TEMPERATURE, CODE = 0.1, 128
HEARD_WEIGHT = 0.1  # of frames that were not masked
UNKNOWN = -100


class Batches:
    """Varied excerpts of clips whose "phones" are units (number, start s, end s)."""

    def __init__(self, clips: list[Clip], shares: np.ndarray, mel: LogMel, frames: int, rows: int, seed: int):
        self.clips, self.shares, self.mel, self.frames, self.rows, self.seed = clips, shares, mel, frames, rows, seed
        self.augmentation = Augmentation(clips, frames * FRAME_S, seed)

    def __call__(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Log-mels (B, 2 frames, mels) and units int64 (B, frames), UNKNOWN outside of the clip."""
        random = self.augmentation.random = np.random.default_rng((self.seed, step))
        excerpts = [self.augmentation(self.clips[i]) for i in random.choice(len(self.clips), self.rows, p=self.shares)]
        samples = torch.from_numpy(np.stack([e.samples for e in excerpts]))
        spans = [[(int(unit), a, b) for unit, a, b in e.phones] for e in excerpts]
        labels = torch.from_numpy(np.stack([labels_at(own, self.frames, UNKNOWN) for own in spans]))
        with torch.no_grad():
            return warp_tract(self.mel(samples), random), labels


class MaskedUnits(nn.Module):
    """An encoder that names hidden units. causal: it hears only the past, and answers DELAY frames later."""

    def __init__(self, encoder: SpeechEncoder, units: int, causal: bool, seed: int):
        super().__init__()
        self.encoder, self.causal, self.seed = encoder, causal, seed
        self.delay = DELAY if causal else 0
        self.blank = nn.Parameter(torch.randn(encoder.width) * 0.1)
        self.project = nn.Linear(encoder.width, CODE)
        self.codes = nn.Parameter(torch.randn(units, CODE))

    def forward(self, mel: torch.Tensor, labels: torch.Tensor, step: int) -> tuple[torch.Tensor, Figures]:
        """Loss and figures of one batch; the step draws the masks."""
        masked = spans_of(labels.shape, np.random.default_rng((self.seed, step, 1))).to(labels.device)
        scores = self.scores(mel, masked)
        frames = labels.shape[1] - self.delay
        scores, labels, masked = scores[:, self.delay :], labels[:, :frames], masked[:, :frames]
        known = labels != UNKNOWN
        hidden, heard = known & masked, known & ~masked
        loss = F.cross_entropy(scores[hidden], labels[hidden])
        rest = F.cross_entropy(scores[heard], labels[heard])
        right = scores.argmax(-1) == labels
        figures = {
            "hidden_ce": loss.item(), "hidden_acc": right[hidden].float().mean().item(),
            "heard_acc": right[heard].float().mean().item(),
        }  # fmt: skip
        return loss + HEARD_WEIGHT * rest, figures

    def scores(self, mel: torch.Tensor, masked: torch.Tensor) -> torch.Tensor:
        """Cosine of every frame's code with every unit's, over the temperature: (B, T, units)."""
        trunk = self.encoder.trunk

        def hide(h: torch.Tensor) -> torch.Tensor:
            return torch.where(masked[..., None], self.blank, h)

        hidden = list(trunk.layers_of(mel.transpose(1, 2), hide, self.causal))
        code = F.normalize(self.project(trunk.answer(hidden[-1])), dim=-1)
        return code @ F.normalize(self.codes, dim=-1).T / TEMPERATURE


def spans_of(shape: Sequence[int], random: np.random.Generator) -> torch.Tensor:
    """Which frames are hidden: spans of SPAN frames that begin at a share SPANS of all frames, bool (B, T)."""
    begins = random.random(tuple(shape)) < SPANS
    begins[~begins.any(1), shape[1] // 2] = True
    hidden = begins.copy()
    for k in range(1, SPAN):
        hidden[:, k:] |= begins[:, :-k]
    return torch.from_numpy(hidden)


def with_units(clip: Clip, units: np.ndarray) -> Clip:
    """The clip with units in place of phones, one per 20 ms frame."""
    spans = tuple((int(unit), k * FRAME_S, (k + 1) * FRAME_S) for k, unit in enumerate(units))
    return replace(clip, phones=spans)  # type: ignore[arg-type]
