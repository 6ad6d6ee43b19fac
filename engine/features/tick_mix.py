"""The first frame of a tick, answered with what the second has heard."""

import torch
from torch import nn

from engine.features.phones import PHONES
from engine.frames import FEATURE_FRAMES


class TickMix(nn.Module):
    """Phone logits (..., T, K, 43) of whole ticks, T even -> the same with the first frame of each tick answered anew.

    Both frames of a tick arrive at the same moment, so the first may be answered with 20 ms more of hearing, and no
    later: at every delay by a weighted sum of all that both frames say of now and of the past, and a bias. Two dozen
    weights, since more of them learned the training voices (engine/training/README.md). The second frame, by which
    lips shut and bite, stays as it was. A fresh mix changes nothing.
    """

    def __init__(self, delays: int):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(delays, FEATURE_FRAMES * delays))  # beside the frame's own answer
        self.bias = nn.Parameter(torch.zeros(delays, len(PHONES)))

    def forward(self, logits: torch.Tensor) -> torch.Tensor:
        if logits.shape[-3] % FEATURE_FRAMES:
            raise ValueError(f"{logits.shape[-3]} frames: phones are answered for whole ticks of {FEATURE_FRAMES}")
        ticks = logits.unflatten(-3, (-1, FEATURE_FRAMES))
        first, second = ticks.unbind(-3)
        first = first + self.weight @ ticks.flatten(-3, -2) + self.bias
        return torch.stack((first, second), -3).flatten(-4, -3)
