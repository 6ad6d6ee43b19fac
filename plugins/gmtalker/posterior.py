"""The encoder of both generators (section 3.2.2, blue in the paper's figure 3): only training needs it.

A linear embedding of the values joined with the speech, sinusoidal positions, Transformer encoder layers.
"""

import math

import torch
from torch import nn

from engine.frames import SpeechFeatures
from plugins.gmtalker.decoder import Ear
from plugins.gmtalker.sizes import DecoderSize


class PosteriorTrunk(nn.Module):
    """Values (B, T, V) and their speech -> (B, T, width), every tick seeing all others."""

    def __init__(self, size: DecoderSize, layers: int, values: int, content: int, dropout: float = 0.0):
        super().__init__()
        self.ear = Ear(content, size.width)
        self.take = nn.Linear(values, size.width)
        self.join = nn.Linear(3 * size.width, size.width)
        self.layers = encoder_layers(size.width, size.heads, size.feedforward, layers, dropout)

    def forward(self, values: torch.Tensor, speech: SpeechFeatures) -> torch.Tensor:
        heard = self.ear(speech).flatten(-2)
        x = self.join(torch.cat((self.take(values), heard), -1))
        return self.layers(x + sinusoids(x.shape[1], x.shape[2]).to(x))


def encoder_layers(width: int, heads: int, feedforward: int, layers: int, dropout: float = 0.0) -> nn.Module:
    """A stack of Transformer encoder layers (B, T, width), without positions."""
    layer = nn.TransformerEncoderLayer(
        width, heads, feedforward, dropout, "gelu", batch_first=True, norm_first=True
    )
    return nn.TransformerEncoder(layer, layers, nn.LayerNorm(width), enable_nested_tensor=False)


def sinusoids(time: int, width: int) -> torch.Tensor:
    """Positional encodings (T, width) of Vaswani et al. 2017."""
    rates = torch.exp(torch.arange(0, width, 2) * (-math.log(10_000.0) / width))
    angles = torch.arange(time)[:, None] * rates
    return torch.stack((angles.sin(), angles.cos()), -1).flatten(1)[:, :width]
