"""Causal self-attention over a bounded past, with a learned bias for every distance where it is asked for.

A bias per head and distance (as in T5, one bucket per frame) instead of positions: it knows only
how far back a key lies, so it holds for hours. `forward` is the parallel form for training,
`step` the streaming one; both see exactly `context` frames, the query's own among them.
"""

import torch
from torch import nn

from engine.torchkit.ring_cache import RingCache, RingWindow, init_cache, write


class CausalAttention(nn.Module):
    """Multi-head attention (B, T, width) -> (B, T, width) over the last `context` frames."""

    bias: torch.Tensor | None

    def __init__(self, width: int, heads: int, context: int, dropout: float = 0.0, distance_bias: bool = True):
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} is not a multiple of heads {heads}")
        self.heads, self.head_width, self.context = heads, width // heads, context
        self.scale = self.head_width**-0.5
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)
        # half of the heads begin by looking near, the others by looking everywhere
        slopes = torch.tensor([2.0 ** -(h / 2 + 2) if h % 2 == 0 else 0.0 for h in range(heads)])
        bias = nn.Parameter(-slopes[:, None] * torch.arange(context)) if distance_bias else None
        self.register_parameter("bias", bias)

    def init_state(self, slots: int, frames: int) -> RingCache:
        """An empty cache for steps of `frames` frames."""
        return init_cache(slots, self.context, frames, self.heads, self.head_width)

    def _split(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        batch, time, _ = x.shape
        qkv = self.qkv(x).view(batch, time, 3, self.heads, self.head_width).permute(2, 0, 3, 1, 4)
        return qkv[0] * self.scale, qkv[1], qkv[2]

    def forward(self, x: torch.Tensor, causal: bool = True) -> torch.Tensor:
        """All frames at once: (B, T, width), with the mask that streaming implies, or without any."""
        q, k, v = self._split(x)
        scores = q @ k.transpose(2, 3)
        at = torch.arange(x.shape[1], device=x.device)
        distance = at[:, None] - at[None, :]
        if self.bias is not None:
            scores = scores + self.bias[:, distance.clamp(0, self.context - 1)]
        if causal:
            scores = scores.masked_fill((distance < 0) | (distance >= self.context), float("-inf"))
        return self._merge(self.dropout(scores.softmax(-1)), v)

    def step(self, cache: RingCache, x: torch.Tensor, window: RingWindow) -> torch.Tensor:
        """The next frames: (S, T, width); writes the cache in place.

        Past and own frames are multiplied apart, so that no executor has to join or copy whole caches.
        """
        q, k, v = self._split(x)
        size = cache.keys.shape[2]
        scores = torch.cat((q @ cache.keys.transpose(2, 3), q @ k.transpose(2, 3)), -1)
        if self.bias is not None:
            scores = scores + self.bias[:, window.distance].transpose(0, 1)
        # entries that may not be read weigh exactly nothing: their values need no mask of their own, only be finite
        weights = torch.where(window.readable[:, None], scores, float("-inf")).softmax(-1)
        y = weights[..., :size] @ cache.values + weights[..., size:] @ v
        write(cache, window, k, v)
        return self.out(y.transpose(1, 2).flatten(2))

    def _merge(self, weights: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        return self.out((weights @ values).transpose(1, 2).flatten(2))
