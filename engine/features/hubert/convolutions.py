"""The convolutional front end: samples or log-mels to 50 Hz, in a stock, a parallel causal and a streaming form.

A causal output ends with the newest of its inputs. Before the start lies endless digital silence: every layer's
past begins as that layer's answer to it, so a stream equals the stock front end on sound with silence in front.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from engine.features.hubert.config import ACTIVATIONS, HubertConfig
from engine.features.hubert.group_norm import CausalGroupNorm, GroupNormState
from engine.stage import State
from engine.torchkit.causal_conv import PastState, recall


@dataclass(slots=True)
class ConvState(State):
    """past: (S, channels, kernel - stride) of each layer that has one; norm: of the group norm, where there is one."""

    past: tuple[PastState, ...]
    norm: tuple[GroupNormState, ...]


class ConvLayer(nn.Module):
    """Convolution, norm, activation: (B, channels_in, T) -> (B, channels, T / stride)."""

    norm: CausalGroupNorm | nn.LayerNorm | None

    def __init__(self, config: HubertConfig, number: int, channels_in: int):
        super().__init__()
        self.stride, kernel = config.strides[number], config.kernels[number]
        self.past = kernel - self.stride
        self.activate = ACTIVATIONS[config.activation]
        last = number == len(config.kernels) - 1
        channels = config.width if last and not config.projection else config.channels
        self.conv = nn.Conv1d(channels_in, channels, kernel, self.stride, bias=config.conv_bias)
        self.norm = None
        if config.conv_norm == "group" and number == 0:
            self.norm = CausalGroupNorm(channels, config.horizon_s)
        elif config.conv_norm == "layer":
            self.norm = nn.LayerNorm(channels)

    def stock(self, x: torch.Tensor) -> torch.Tensor:
        """As published: every position that has all its inputs; group norm over the whole of them."""
        return self._rest(self.conv(x), None)

    def causal(self, x: torch.Tensor) -> torch.Tensor:
        """x with its past in front -> the frames of x, all at once."""
        y = self.conv(x)
        return self._rest(y, self.norm.parallel(y, self.conv) if isinstance(self.norm, CausalGroupNorm) else None)

    def step(self, norm: GroupNormState | None, x: torch.Tensor) -> torch.Tensor:
        """One tick with its past in front."""
        y = self.conv(x)
        return self._rest(y, self.norm.step(norm, y) if isinstance(self.norm, CausalGroupNorm) else None)

    def _rest(self, y: torch.Tensor, normed: torch.Tensor | None) -> torch.Tensor:
        norm: Any = self.norm
        if normed is not None:
            y = normed
        elif isinstance(norm, CausalGroupNorm):
            y = norm(y)  # over all of y
        elif norm is not None:
            y = norm(y.transpose(1, 2)).transpose(1, 2)
        return self.activate(y)


class Convolutions(nn.Module):
    """All layers: (B, channels_in, T) -> (B, channels, frames)."""

    def __init__(self, config: HubertConfig, channels_in: int):
        super().__init__()
        inputs = [channels_in] + [config.channels] * (len(config.kernels) - 1)
        self.layers = nn.ModuleList(ConvLayer(config, i, n) for i, n in enumerate(inputs))

    def stock(self, x: torch.Tensor) -> torch.Tensor:
        """As published, without padding."""
        for layer in self._layers():
            x = layer.stock(x)
        return x

    def forward(self, x: torch.Tensor, silence: torch.Tensor) -> torch.Tensor:
        """The causal form for whole clips. silence: (channels_in, 1), what lies before the start."""
        for layer, quiet in zip(self._layers(), self._silences(silence), strict=True):
            x = layer.causal(torch.cat((quiet.expand(x.shape[0], -1, layer.past), x), -1))
        return x

    def init_state(self, slots: int, silence: torch.Tensor) -> ConvState:
        """Endless silence before the start."""
        pasts = tuple(
            PastState(quiet.expand(slots, -1, layer.past).clone())
            for layer, quiet in zip(self._layers(), self._silences(silence), strict=True)
            if layer.past
        )
        first = self._layers()[0]
        norm = first.norm
        return ConvState(pasts, (norm.init_state(slots, first.conv),) if isinstance(norm, CausalGroupNorm) else ())

    def step(self, state: ConvState, x: torch.Tensor) -> torch.Tensor:
        """One tick."""
        pasts = iter(state.past)
        for i, layer in enumerate(self._layers()):
            joined = recall(next(pasts), x) if layer.past else x
            x = layer.step(state.norm[0] if i == 0 and state.norm else None, joined)
        return x

    @torch.no_grad()
    def _silences(self, silence: torch.Tensor) -> list[torch.Tensor]:
        """What each layer hears in endless silence: (channels, 1) of its input."""
        heard = [silence]
        for layer in self._layers()[:-1]:
            x = heard[-1].expand(1, -1, layer.conv.kernel_size[0])
            y = layer.conv(x)
            normed = layer.norm.at_start(y, layer.conv) if isinstance(layer.norm, CausalGroupNorm) else None
            heard.append(layer._rest(y, normed)[0])
        return heard

    def _layers(self) -> list[ConvLayer]:
        return [layer for layer in self.layers if isinstance(layer, ConvLayer)]
