"""StyleGAN2's discriminator (Karras et al. 2020) on six channels: a portrait and the rendering it belongs to."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn

from plugins.gmtalker.generator.convolution import GAIN, SLOPE, Convolution
from plugins.gmtalker.generator.haar import to_bands
from plugins.gmtalker.generator.sizes import GeneratorSize

GROUP = 4  # pictures whose deviation is one feature


class _Block(nn.Module):
    """Residual: two convolutions and a halving, beside one 1 x 1."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.first, self.second = Convolution(inputs, inputs), Convolution(inputs, outputs)
        self.aside = Convolution(inputs, outputs, 1, act=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.second(F.avg_pool2d(self.first(x), 2))
        return (y + self.aside(F.avg_pool2d(x, 2))) / GAIN


class Discriminator(nn.Module):
    """Portraits and renderings, (B, 3, Q, Q) each, -1 to 1 -> (B,): how real the pair looks."""

    def __init__(self, size: GeneratorSize):
        super().__init__()
        self.haar = size.critic_haar
        channels = size.critic
        self.inlet = Convolution(6 * 4**size.critic_haar, channels[0], 1)
        self.blocks = nn.ModuleList(_Block(*pair) for pair in pairwise(channels))
        side = size.square >> (size.critic_haar + len(channels) - 1)
        self.last = Convolution(channels[-1] + 1, channels[-1])
        self.judge = nn.Sequential(
            nn.Linear(channels[-1] * side * side, channels[-1]), nn.LeakyReLU(SLOPE), nn.Linear(channels[-1], 1)
        )

    def forward(self, portrait: torch.Tensor, rendering: torch.Tensor) -> torch.Tensor:
        x = self.inlet(to_bands(torch.cat((portrait, rendering), 1), self.haar))
        for block in self.blocks:
            x = block(x)
        x = self.last(torch.cat((x, _spread(x)), 1))
        return self.judge(x.flatten(1))[:, 0]


def _spread(x: torch.Tensor) -> torch.Tensor:
    """How different the pictures of a group are, one map (B, 1, H, W): a generator must not always draw the same."""
    count = len(x)
    group = min(GROUP, count)
    while count % group:
        group -= 1
    parts = x.view(group, -1, *x.shape[1:])
    spread = torch.sqrt(parts.var(0, unbiased=False) + 1e-8).mean((1, 2, 3), keepdim=True)
    return spread.repeat(group, 1, *x.shape[2:])
