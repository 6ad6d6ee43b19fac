"""A Transformer block of HuBERT: attention and feed-forward net, normalised after (base) or before (large)."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from engine.features.hubert.config import ACTIVATIONS, HubertConfig
from engine.stage import State
from engine.torchkit.attention import CausalAttention
from engine.torchkit.causal_conv import DepthwiseConv, PastState
from engine.torchkit.ring_cache import RingCache, RingWindow


@dataclass(slots=True)
class BlockState(State):
    """The attention's ring, and the past of the convolution where there is one."""

    ring: RingCache
    conv: tuple[PastState, ...]


class GatedConv(nn.Module):
    """Norm, gate, causal depthwise filter, SiLU, projection: what small encoders gain from (ours)."""

    def __init__(self, width: int, frames: int):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.gate = nn.Linear(width, 2 * width)
        self.filter = DepthwiseConv(width, frames)
        self.out = nn.Linear(width, width)

    def forward(self, x: torch.Tensor, state: PastState | None = None) -> torch.Tensor:
        x = F.glu(self.gate(self.norm(x)), -1)
        return self.out(F.silu(self.filter(x) if state is None else self.filter.step(state, x)))


class Block(nn.Module):
    """(B, T, width) -> the same shape."""

    def __init__(self, config: HubertConfig, dropout: float = 0.0):
        super().__init__()
        self.pre_norm, self.activate = config.pre_norm, ACTIVATIONS[config.activation]
        self.attention_norm = nn.LayerNorm(config.width)
        self.attention = CausalAttention(config.width, config.heads, config.context, dropout, config.distance_bias)
        self.conv = GatedConv(config.width, config.conv_frames) if config.conv_frames else None
        self.ff_norm = nn.LayerNorm(config.width)
        self.ff_in = nn.Linear(config.width, config.feed_forward)
        self.ff_out = nn.Linear(config.feed_forward, config.width)
        self.dropout = nn.Dropout(dropout)

    def init_state(self, slots: int, frames: int) -> BlockState:
        conv = (self.conv.filter.init_state(slots),) if self.conv is not None else ()
        return BlockState(self.attention.init_state(slots, frames), conv)

    def forward(self, x: torch.Tensor, causal: bool = True) -> torch.Tensor:
        """All frames at once, with the mask that streaming implies, or (causal=False) without any."""
        return self._with(x, lambda h: self.attention(h, causal), None)

    def step(self, state: BlockState, x: torch.Tensor, window: RingWindow) -> torch.Tensor:
        """The next frames."""
        past = state.conv[0] if state.conv else None
        return self._with(x, lambda h: self.attention.step(state.ring, h, window), past)

    def _with(self, x: torch.Tensor, attend, past: PastState | None) -> torch.Tensor:
        if not self.pre_norm:
            x = self.attention_norm(x + self.dropout(attend(x)))
            return self.ff_norm(x + self._feed_forward(x))
        x = x + self.dropout(attend(self.attention_norm(x)))
        if self.conv is not None:
            x = x + self.dropout(self.conv(x, past))
        return x + self._feed_forward(self.ff_norm(x))

    def _feed_forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dropout(self.ff_out(self.dropout(self.activate(self.ff_in(x)))))
