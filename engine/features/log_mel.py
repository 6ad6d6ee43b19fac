"""Log-mel front end: 25 ms windows every 10 ms, each ending at the newest sample. Always fp32."""

import math

import numpy as np
import torch
from torch import nn

from engine.frames import SAMPLE_RATE_HZ
from engine.torchkit.causal_conv import PastState, recall

WINDOW = 400
HOP = 160
FFT = 512
FLOOR = 1e-9  # -90 dBFS: digital silence and the last bit of 16-bit sound look the same
CENTRE_DB, SPREAD_DB = -62.0, 18.0  # brings speech at -23 dBFS to about zero mean, unit deviation
SILENCE = (10.0 * math.log10(FLOOR) - CENTRE_DB) / SPREAD_DB  # what every band says of digital silence


LOW_HZ, HIGH_HZ = 50.0, 7_600.0


def _edges_hz(mels: int) -> np.ndarray:
    """Where the triangles begin, peak and end, evenly spaced on the HTK mel scale: float64 (mels + 2,)."""
    low, high = (2595.0 * math.log10(1.0 + hz / 700.0) for hz in (LOW_HZ, HIGH_HZ))
    return 700.0 * (10.0 ** (np.linspace(low, high, mels + 2) / 2595.0) - 1.0)


def mel_centres_hz(mels: int) -> np.ndarray:
    """Middle frequency of every band, float64 (mels,)."""
    return _edges_hz(mels)[1:-1]


def mel_filters(mels: int) -> np.ndarray:
    """Triangular filters float64 (FFT / 2 + 1, mels), each summing to one, on the HTK mel scale."""
    centres_hz = _edges_hz(mels)
    bins_hz = np.arange(FFT // 2 + 1) * SAMPLE_RATE_HZ / FFT
    left, centre, right = centres_hz[:-2], centres_hz[1:-1], centres_hz[2:]
    rise = (bins_hz[:, None] - left) / (centre - left)
    fall = (right - bins_hz[:, None]) / (right - centre)
    weights = np.maximum(np.minimum(rise, fall), 0.0)
    # the lowest filters are narrower than a bin: give each its nearest bin
    nearest = np.abs(bins_hz[:, None] - centre).argmin(0)
    weights[nearest, np.arange(mels)] = np.maximum(weights[nearest, np.arange(mels)], 1e-3)
    return weights / weights.sum(0)


class LogMel(nn.Module):
    """Samples (B, N) in -1..1 -> normalised log-mels (B, N / 160, mels)."""

    def __init__(self, mels: int):
        super().__init__()
        window = np.hanning(WINDOW + 1)[:-1]
        angle = 2.0 * np.pi * np.outer(np.arange(WINDOW), np.arange(FFT // 2 + 1)) / FFT
        norm = 2.0 / window.sum()
        basis = np.concatenate((np.cos(angle), np.sin(angle)), 1) * (window * norm)[:, None]
        self.basis = nn.Buffer(torch.tensor(basis, dtype=torch.float32), persistent=False)
        filters = torch.tensor(mel_filters(mels), dtype=torch.float32)
        self.filters = nn.Buffer(filters, persistent=False)

    def init_state(self, slots: int) -> PastState:
        """Digital silence before the start."""
        return PastState(torch.zeros(slots, 1, WINDOW - HOP))

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        """All samples at once; N is a multiple of 160."""
        return self._mels(torch.nn.functional.pad(samples, (WINDOW - HOP, 0)).unfold(-1, WINDOW, HOP))

    def step(self, state: PastState, samples: torch.Tensor) -> torch.Tensor:
        """The next samples (S, N)."""
        padded = recall(state, samples[:, None])[:, 0]
        # slices, not unfold: OpenVINO does not convert unfold, and there are only four of them
        starts = range(0, samples.shape[1], HOP)
        return self._mels(torch.stack([padded[:, at : at + WINDOW] for at in starts], 1))

    def _mels(self, frames: torch.Tensor) -> torch.Tensor:
        real, imaginary = (frames @ self.basis).chunk(2, -1)
        power = (real.square() + imaginary.square()) @ self.filters
        return ((power + FLOOR).log10() * 10.0 - CENTRE_DB) / SPREAD_DB
