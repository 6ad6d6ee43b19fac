"""Cross-attention from one query per tick to the speech around that tick, in a parallel and a streaming form.

Speech brings FRAMES frames per tick, answers one query. Query t may read the frames of ticks t - hearing + 1 .. t +
lookahead, as an alignment mask does in FaceFormer (Fan et al. 2022, eq. 7) and, after it, in GMTalker; here the mask
is a window, with a learned bias for every distance between a frame and the query's own tick.
"""

import torch
from torch import nn

from engine.frames import FEATURE_FRAMES
from engine.torchkit.ring_cache import RingCache, RingClock, RingWindow, init_cache, init_clock, write

FRAMES = FEATURE_FRAMES


class AlignedAttention(nn.Module):
    """Queries (B, T, width), one a tick, and frames (B, FRAMES T, width) -> (B, T, width).

    hearing: ticks of speech behind a query, its own among them. ahead: most ticks of look-ahead.
    """

    def __init__(self, width: int, heads: int, hearing: int, ahead: int, dropout: float = 0.0):
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} is not a multiple of heads {heads}")
        self.heads, self.head_width, self.hearing, self.ahead = heads, width // heads, hearing, ahead
        self.scale = self.head_width**-0.5
        self.query, self.out = nn.Linear(width, width), nn.Linear(width, width)
        self.keys_values = nn.Linear(width, 2 * width)
        self.dropout = nn.Dropout(dropout)
        # entry d: a frame d - FRAMES * ahead frames before the newest of the query's own tick
        away = (torch.arange(FRAMES * (hearing + ahead)) - FRAMES * ahead).abs()
        slopes = torch.tensor([2.0 ** -(h / 2 + 2) if h % 2 == 0 else 0.0 for h in range(heads)])
        self.bias = nn.Parameter(-slopes[:, None] * away)

    def init_clock(self, slots: int, lookahead: int) -> RingClock:
        """The clock that all layers which hear the same speech share."""
        return init_clock(slots, FRAMES * (self.hearing + lookahead), FRAMES)

    def init_state(self, slots: int, lookahead: int) -> RingCache:
        """An empty cache."""
        return init_cache(slots, FRAMES * (self.hearing + lookahead), FRAMES, self.heads, self.head_width)

    def forward(self, x: torch.Tensor, speech: torch.Tensor, lookahead: int) -> torch.Tensor:
        """All ticks at once. The last `lookahead` answers lack speech that streaming would have heard."""
        batch, time, _ = x.shape
        q = self._split(self.query(x)) * self.scale
        k, v = self.keys_values(speech).view(batch, -1, 2, self.heads, self.head_width).permute(2, 0, 3, 1, 4)
        newest = FRAMES * (torch.arange(time, device=x.device) + lookahead) + FRAMES - 1
        distance = newest[:, None] - torch.arange(k.shape[2], device=x.device)
        heard = (distance >= 0) & (distance < FRAMES * (self.hearing + lookahead))
        scores = (q @ k.transpose(2, 3) + self._bias_at(distance, lookahead)).masked_fill(~heard, float("-inf"))
        weights = self.dropout(scores.softmax(-1))
        return self.out((weights @ v).transpose(1, 2).flatten(2))

    def step(
        self, cache: RingCache, x: torch.Tensor, speech: torch.Tensor, window: RingWindow, lookahead: int
    ) -> torch.Tensor:
        """One tick: query (S, 1, width) and the newest FRAMES frames (S, FRAMES, width); writes the cache in place."""
        slots = x.shape[0]
        q = self._split(self.query(x)) * self.scale
        k, v = self.keys_values(speech).view(slots, FRAMES, 2, self.heads, self.head_width).permute(2, 0, 3, 1, 4)
        size = cache.keys.shape[2]
        # the query sees what the newest frame may see
        distance, readable = window.distance[:, -1:], window.readable[:, -1:]
        scores = torch.cat((q @ cache.keys.transpose(2, 3), q @ k.transpose(2, 3)), -1)
        scores = scores + self._bias_at(distance, lookahead).transpose(0, 1)
        # entries that may not be read weigh exactly nothing: their values need no mask of their own, only be finite
        weights = torch.where(readable[:, None], scores, float("-inf")).softmax(-1)
        y = weights[..., :size] @ cache.values + weights[..., size:] @ v
        write(cache, window, k, v)
        return self.out(y.transpose(1, 2).flatten(2))

    def _split(self, x: torch.Tensor) -> torch.Tensor:
        return x.view(*x.shape[:2], self.heads, self.head_width).transpose(1, 2)

    def _bias_at(self, distance: torch.Tensor, lookahead: int) -> torch.Tensor:
        at = distance + FRAMES * (self.ahead - lookahead)
        return self.bias[:, at.clamp(0, self.bias.shape[1] - 1)]
