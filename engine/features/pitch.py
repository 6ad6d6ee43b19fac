"""Causal pitch: autocorrelation of the last 40 ms, for each frame of 20 ms.

The autocorrelation comes from the power spectrum up to 1 kHz and is divided by that of the window, so that its
height at a lag is the share of energy that repeats there (Boersma 1993). A small cost per octave prefers the
shorter of equally good periods. The window ends at the newest sample: the answer is about 20 ms old and needs
no look-ahead.
"""

import math

import numpy as np
import torch
from torch import nn

from engine.frames import SAMPLE_RATE_HZ
from engine.torchkit.causal_conv import PastState, recall

LOWEST_HZ, HIGHEST_HZ = 60.0, 400.0
WINDOW, HOP, FFT = 640, 320, 1_280
BINS = np.arange(4, 81)  # 50 Hz to 1 kHz
OCTAVE_COST = 0.02
PERIODIC = 0.55  # less of the energy repeats: no pitch
FLOOR = 1e-7  # mean square (-70 dBFS) under which nothing is called periodic


class Pitch(nn.Module):
    """Samples (S, N) -> pitch_hz, periodicity (S, N / 320); 0 Hz where nothing repeats."""

    def __init__(self):
        super().__init__()
        window = np.hanning(WINDOW + 2)[1:-1]
        angle = 2.0 * np.pi * np.outer(np.arange(WINDOW), BINS) / FFT
        basis = np.concatenate((np.cos(angle), np.sin(angle)), 1) * window[:, None]
        # one lag more on both sides, for the parabola through a peak
        lags = np.arange(int(SAMPLE_RATE_HZ / HIGHEST_HZ) - 1, int(SAMPLE_RATE_HZ / LOWEST_HZ) + 2)
        whole = np.correlate(window, window, "full")[WINDOW - 1 :]
        turn = np.cos(2.0 * np.pi * np.outer(BINS, lags) / FFT) / (whole[lags] / whole[0])
        cost = OCTAVE_COST * np.log2(lags[1:-1] * LOWEST_HZ / SAMPLE_RATE_HZ)
        for name, table in (("basis", basis), ("turn", turn), ("cost", cost), ("lags", lags[1:-1])):
            self.register_buffer(name, torch.tensor(table, dtype=torch.float32), persistent=False)
        self.floor = FLOOR * float((window**2).sum()) * FFT / 2

    basis: torch.Tensor
    turn: torch.Tensor
    cost: torch.Tensor
    lags: torch.Tensor

    def init_state(self, slots: int) -> PastState:
        """Digital silence before the start."""
        return PastState(torch.zeros(slots, 1, WINDOW - HOP))

    def forward(self, samples: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """A clip at once."""
        return self._track(torch.nn.functional.pad(samples, (WINDOW - HOP, 0)))

    def step(self, state: PastState, samples: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The next samples."""
        return self._track(recall(state, samples[:, None])[:, 0])

    def _track(self, padded: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        starts = range(0, padded.shape[1] - WINDOW + 1, HOP)
        frames = torch.stack([padded[:, at : at + WINDOW] for at in starts], 1)
        real, imaginary = (frames @ self.basis).chunk(2, -1)
        power = real.square() + imaginary.square()
        total = power.sum(-1, keepdim=True)
        repeats = (power @ self.turn) / (total + self.floor)
        before, peak, after = repeats[..., :-2], repeats[..., 1:-1], repeats[..., 2:]
        # only the tops of the curve: the slope towards lag 0 is high without a period
        top = (peak >= before) & (peak >= after)
        score = torch.where(top, peak - self.cost, -1.0)
        best = score.argmax(-1, keepdim=True)
        before, peak, after = (part.gather(-1, best)[..., 0] for part in (before, peak, after))
        shift = 0.5 * (before - after) / (before - 2.0 * peak + after).clamp(max=-1e-6)
        found = top.any(-1).to(peak.dtype)
        periodicity = (peak * found).clamp(0.0, 1.0)
        hz = SAMPLE_RATE_HZ / (self.lags[best[..., 0]] + shift.clamp(-0.5, 0.5))
        return torch.where(periodicity > PERIODIC, hz, 0.0), periodicity


def semitones(pitch_hz: torch.Tensor, reference_hz: float = 100.0) -> torch.Tensor:
    """Pitch in semitones over the reference; 0 where there is none."""
    return torch.where(pitch_hz > 0, 12.0 * (pitch_hz.clamp(min=1.0).log2() - math.log2(reference_hz)), 0.0)
