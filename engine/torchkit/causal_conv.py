"""Causal convolutions over time, in a parallel and a streaming form that agree."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from engine.stage import State


@dataclass(slots=True)
class PastState(State):
    """past: float32 (S, channels, P) the last P inputs of a causal filter, zeros at the start."""

    past: torch.Tensor


def recall(state: PastState, x: torch.Tensor) -> torch.Tensor:
    """The past joined in front of x (S, channels, T); the state keeps the newest inputs, in place."""
    joined = torch.cat((state.past, x), -1)
    state.past.copy_(joined[..., joined.shape[-1] - state.past.shape[-1] :])
    return joined


class CausalConv(nn.Module):
    """1-D convolution (B, channels_in, T) -> (B, channels_out, T / stride).

    An output frame ends with the newest of its inputs: nothing is delayed and nothing looks ahead.
    T must be a multiple of the stride.
    """

    def __init__(self, channels_in: int, channels_out: int, kernel: int, stride: int = 1, groups: int = 1):
        super().__init__()
        self.conv = nn.Conv1d(channels_in, channels_out, kernel, stride, groups=groups)
        self.channels_in, self.past = channels_in, kernel - stride

    def init_state(self, slots: int) -> PastState:
        """Silence before the start."""
        return PastState(torch.zeros(slots, self.channels_in, self.past))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """All of x at once, zeros before it."""
        return self.conv(F.pad(x, (self.past, 0)))

    def step(self, state: PastState, x: torch.Tensor) -> torch.Tensor:
        """The next frames."""
        return self.conv(recall(state, x))


class DepthwiseConv(nn.Module):
    """One causal filter per channel, (B, T, channels) -> the same shape.

    Written as shifted products: on CPUs this trains several times faster than a grouped convolution.
    """

    def __init__(self, channels: int, kernel: int):
        super().__init__()
        self.kernel, self.channels = kernel, channels
        self.weight = nn.Parameter(torch.randn(kernel, channels) * kernel**-0.5)
        self.bias = nn.Parameter(torch.zeros(channels))

    def init_state(self, slots: int) -> PastState:
        """Silence before the start."""
        return PastState(torch.zeros(slots, self.kernel - 1, self.channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """All of x at once, zeros before it."""
        return self._filter(F.pad(x, (0, 0, self.kernel - 1, 0)), x.shape[1])

    def step(self, state: PastState, x: torch.Tensor) -> torch.Tensor:
        """The next frames; here the state's time axis is the second one."""
        joined = torch.cat((state.past, x), 1)
        state.past.copy_(joined[:, x.shape[1] :])
        return self._filter(joined, x.shape[1])

    def _filter(self, padded: torch.Tensor, frames: int) -> torch.Tensor:
        y = self.bias + padded[:, :frames] * self.weight[0]
        for i in range(1, self.kernel):
            y = torch.addcmul(y, padded[:, i : i + frames], self.weight[i])
        return y
