"""HuBERT's positional convolution: a wide grouped filter over time, added to its input.

Stock, its taps reach 64 frames back and 63 ahead. The causal form keeps the taps where they are and drops those
that reach further ahead than the look-ahead allows: frames near and past are weighted as the weights were trained.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from engine.features.hubert.config import HubertConfig
from engine.frames import FEATURE_FRAMES
from engine.stage import State


@dataclass(slots=True)
class PositionState(State):
    """past: (S, back + ahead, width) frames before the newest."""

    past: torch.Tensor


class PositionalConv(nn.Module):
    """x (B, T, width) -> x + GELU(conv(x))."""

    def __init__(self, config: HubertConfig):
        super().__init__()
        kernel = config.position_kernel
        self.conv = nn.Conv1d(config.width, config.width, kernel, padding=kernel // 2, groups=config.position_groups)
        self.back, self.ahead = kernel // 2, FEATURE_FRAMES * config.lookahead

    def stock(self, x: torch.Tensor) -> torch.Tensor:
        """As published: zeros around the clip."""
        y = self.conv(x.transpose(1, 2))[..., : x.shape[1]]
        return x + F.gelu(y).transpose(1, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The causal form of a clip: (B, T + ahead, width) -> T frames."""
        padded = F.pad(x, (0, 0, self.back, 0))
        return self._filter(padded, x.shape[1] - self.ahead)

    def init_state(self, slots: int) -> PositionState:
        """Zeros before the start, as around a clip."""
        return PositionState(torch.zeros(slots, self.back + self.ahead, self.conv.in_channels))

    def step(self, state: PositionState, x: torch.Tensor) -> torch.Tensor:
        """The next frames in, as many out, `ahead` frames older."""
        joined = torch.cat((state.past, x), 1)
        state.past.copy_(joined[:, x.shape[1] :])
        return self._filter(joined, x.shape[1])

    def _filter(self, padded: torch.Tensor, frames: int) -> torch.Tensor:
        taps = self.conv.weight[..., : self.back + 1 + self.ahead]
        y = F.conv1d(padded.transpose(1, 2), taps, self.conv.bias, groups=self.conv.groups)
        return padded[:, self.back : self.back + frames] + F.gelu(y).transpose(1, 2)
