"""Convolutions of the head generator: plain and modulated by a style, and the same in 8 bits.

In 8 bits the numbers that go into a convolution, and its weights, are rounded to 256 steps and used as such. The
roundings are operations of the graph, so eager torch shows exactly what is lost, and OpenVINO, which knows the
pattern, multiplies bytes. Ranges are found on examples (`calibrate`) and kept with the weights.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import nn

SLOPE, GAIN = 0.2, math.sqrt(2.0)  # of the leaky ReLU, as in StyleGAN2


class Convolution(nn.Module):
    """(S, C, H, W) -> (S, D, H, W), with bias. act: followed by a leaky ReLU that keeps the variance.

    Learning rates are equalised (Karras et al. 2018): what is learned has variance 1 and is scaled when used.
    low, high: range of what goes in, for 8 bits. With `bytes_` on, input and weights are rounded.
    """

    low: torch.Tensor
    high: torch.Tensor

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, act: bool = True):
        super().__init__()
        self.raw = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.gain = 1 / math.sqrt(inputs * kernel**2)
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.act, self.bytes_, self._watching = act, False, False
        self.register_buffer("low", torch.zeros(()))
        self.register_buffer("high", torch.zeros(()))

    @property
    def weight(self) -> torch.Tensor:
        """As it is used, (D, C, k, k)."""
        return self.raw * self.gain

    def convolve(self, x: torch.Tensor) -> torch.Tensor:
        """The product alone, without bias."""
        weight = self.weight
        if self._watching:
            self.low.copy_(torch.minimum(self.low, _edge(x, low=True)))
            self.high.copy_(torch.maximum(self.high, _edge(x, low=False)))
        if self.bytes_:
            x, weight = self._rounded(x), _rounded_weights(weight)
        return F.conv2d(x, weight, padding=weight.shape[-1] // 2)

    def finish(self, x: torch.Tensor) -> torch.Tensor:
        """Bias and non-linearity."""
        x = x + self.bias[:, None, None]
        return F.leaky_relu(x, SLOPE) * GAIN if self.act else x

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.finish(self.convolve(x))

    def _rounded(self, x: torch.Tensor) -> torch.Tensor:
        """x in 256 steps between low and high, of which one is zero."""
        low, high = min(float(self.low), 0.0), max(float(self.high), 1e-6)
        step = (high - low) / 255
        return torch.fake_quantize_per_tensor_affine(x, step, int(round(-low / step)), 0, 255)


class StyledConvolution(Convolution):
    """A convolution modulated by a style code (S, D), as in StyleGAN2 (Karras et al. 2020, section 2.2).

    Scaling the weights by the style, and normalising them, is the same as scaling what goes in and what comes out;
    so the weights stay constants, one set for all slots, which a compiler can pack and round.
    """

    def __init__(
        self, inputs: int, outputs: int, style: int, kernel: int = 3, act: bool = True, demodulate: bool = True
    ):
        super().__init__(inputs, outputs, kernel, act)
        self.scale = nn.Linear(style, inputs)
        nn.init.normal_(self.scale.weight, std=0.3 / math.sqrt(style))
        nn.init.ones_(self.scale.bias)
        self.demodulate = demodulate

    def forward(self, x: torch.Tensor, style: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        scale = self.scale(style)
        y = self.convolve(x * scale[..., None, None])
        if self.demodulate:
            power = scale.square() @ self.weight.square().sum((2, 3)).T
            y = y * torch.rsqrt(power + 1e-8)[..., None, None]
        return self.finish(y)


def _edge(x: torch.Tensor, low: bool) -> torch.Tensor:
    """Nearly the least or greatest number: what is beyond is rare enough to be cut off."""
    flat = x.detach().flatten().float()
    rare = max(1, int(len(flat) * 1e-5))
    return torch.topk(flat, rare, largest=not low).values[-1]


def _rounded_weights(weight: torch.Tensor) -> torch.Tensor:
    """Weights (D, C, k, k) in 255 steps, symmetric, with a scale for every output."""
    step = weight.detach().abs().amax((1, 2, 3)).clamp(min=1e-8) / 127
    zero = torch.zeros(len(step), dtype=torch.int32)
    return torch.fake_quantize_per_channel_affine(weight, step, zero, 0, -127, 127)


def use_bytes(module: nn.Module, on: bool = True) -> None:
    """Round, or not, in all convolutions of a module."""
    for part in module.modules():
        if isinstance(part, Convolution):
            part.bytes_ = on


@contextmanager
def _watched(parts: list[Convolution]) -> Iterator[None]:
    for part in parts:
        part.low.zero_()
        part.high.zero_()
        part._watching = True
    yield
    for part in parts:
        part._watching = False


@torch.no_grad()
def calibrate(module: nn.Module, run: Callable[[], None]) -> None:
    """Find the ranges of all convolutions while `run` shows the module examples."""
    parts = [part for part in module.modules() if isinstance(part, Convolution)]
    for part in parts:
        part.bytes_ = False
    with _watched(parts):
        run()
