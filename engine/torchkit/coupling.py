"""A normalizing flow whose couplings are computed by causal Transformers; exact inverse and log-determinant.

One step of the flow (GMTalker, section 3.3): half of the features of every tick are bent, scaled and shifted by what
a Transformer makes of the other half, then the features are flipped. Dinh et al. 2017 for the coupling, Durkan et al.
2019 for bending (ours, see `spline`), Kim et al. 2021 for the flip. The Transformer also sees all earlier ticks: the
other half there, and the finished latents of the tick before, without which latents drawn tick by tick would hardly
hang together in time. The Jacobian stays triangular (a tick depends on itself and on what was before), so its
determinant is still the product of slopes. Latents -> noise, what training needs, is one parallel pass; noise ->
latents goes tick by tick, as speech does.
"""

from dataclasses import dataclass

import torch
from torch import nn

from engine.stage import State
from engine.torchkit import spline
from engine.torchkit.attention import CausalAttention
from engine.torchkit.ring_cache import RingCache, RingClock, RingWindow, advance, init_clock

BINS, EDGE = 8, 4.0  # of the splines; a Gaussian is hardly ever beyond the edge
MOST_LOG_SCALE = 2.0  # one step stretches by at most e^2: a flow of a few steps cannot blow up


class CausalLayer(nn.Module):
    """A pre-norm Transformer layer over a bounded past: (B, T, width) -> (B, T, width)."""

    def __init__(self, width: int, heads: int, feedforward: int, context: int, dropout: float = 0.0):
        super().__init__()
        self.norm_attention, self.norm_feedforward = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = CausalAttention(width, heads, context, dropout)
        self.feedforward = nn.Sequential(
            nn.Linear(width, feedforward), nn.GELU(), nn.Dropout(dropout), nn.Linear(feedforward, width)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attention(self.norm_attention(x))
        return x + self.feedforward(self.norm_feedforward(x))

    def step(self, cache: RingCache, x: torch.Tensor, window: RingWindow) -> torch.Tensor:
        x = x + self.attention.step(cache, self.norm_attention(x), window)
        return x + self.feedforward(self.norm_feedforward(x))


class Coupling(nn.Module):
    """z1 -> g(z1) exp(s) + t, with spline g, s and t from z2 and the past; z1 the first half of (B, T, Z), z2 the rest.

    past: (B, T, Z) the finished latents of the tick before each.
    """

    def __init__(self, features: int, width: int, layers: int, heads: int, context: int, dropout: float = 0.0):
        super().__init__()
        self.moved = features // 2
        self.take = nn.Linear(2 * features - self.moved, width)
        self.layers = nn.ModuleList(CausalLayer(width, heads, 4 * width, context, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.answer = nn.Linear(width, 2 * self.moved)
        self.curve = nn.Linear(width, spline.parameters_of(BINS) * self.moved)
        for layer in (self.answer, self.curve):
            nn.init.zeros_(layer.weight)  # a fresh flow is the identity
            nn.init.zeros_(layer.bias)

    def forward(
        self, x: torch.Tensor, past: torch.Tensor, inverse: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """All ticks: (y, log |det| of this direction per tick (B, T))."""
        h = self.take(torch.cat((x[..., self.moved :], past), -1))
        for layer in self.layers:
            h = layer(h)
        return self._transform(x, h, inverse)

    def step(
        self, caches: tuple[RingCache, ...], x: torch.Tensor, past: torch.Tensor, window: RingWindow
    ) -> torch.Tensor:
        """The next tick (S, 1, Z), in the direction of sampling."""
        h = self.take(torch.cat((x[..., self.moved :], past), -1))
        for layer, cache in zip(self.layers, caches, strict=True):
            h = layer.step(cache, h, window)  # type: ignore[operator]
        return self._transform(x, h, False)[0]

    def _transform(self, x: torch.Tensor, h: torch.Tensor, inverse: bool) -> tuple[torch.Tensor, torch.Tensor]:
        moved, kept = x[..., : self.moved], x[..., self.moved :]
        h = self.norm(h)
        raw, shift = self.answer(h).chunk(2, -1)
        curve = self.curve(h).unflatten(-1, (self.moved, -1))
        log_scale = MOST_LOG_SCALE * torch.tanh(raw / MOST_LOG_SCALE)
        if inverse:
            moved, log_slope = spline.bend((moved - shift) * torch.exp(-log_scale), curve, EDGE, inverse=True)
            log_scale = -log_scale
        else:
            moved, log_slope = spline.bend(moved, curve, EDGE)
            moved = moved * torch.exp(log_scale) + shift
        return torch.cat((moved, kept), -1), (log_scale + log_slope).sum(-1)


@dataclass(slots=True)
class FlowState(State):
    """clock: of all caches; caches: one per layer of every step of the flow; past: (S, 1, Z) the latents drawn last."""

    clock: RingClock
    caches: tuple[tuple[RingCache, ...], ...]
    past: torch.Tensor


class TransformerFlow(nn.Module):
    """N steps of (coupling, flip) between noise and latents, both (B, T, Z). steps = 0 is the identity.

    forward: noise -> latents, as sampling goes; inverse: latents -> noise, as the density is computed.
    """

    def __init__(
        self, features: int, steps: int, width: int, layers: int, heads: int, context: int, dropout: float = 0.0
    ):
        super().__init__()
        self.features, self.context = features, context
        self.couplings = nn.ModuleList(
            Coupling(features, width, layers, heads, context, dropout) for _ in range(steps)
        )

    def init_state(self, slots: int, early: int = 0) -> FlowState:
        """Nothing drawn yet. early: see `init_clock`."""
        caches = tuple(
            tuple(layer.attention.init_state(slots, 1) for layer in coupling.layers)  # type: ignore[union-attr]
            for coupling in self.couplings
        )
        return FlowState(init_clock(slots, self.context, 1, early), caches, torch.zeros(slots, 1, self.features))

    def forward(self, noise: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(latents, log |det d latents / d noise| per tick (B, T)).

        Every tick anew from all before it: what `sample` says, slowly, but with gradients.
        """
        latents, totals = noise[:, :0], []
        for t in range(noise.shape[1]):
            past = nn.functional.pad(latents, (0, 0, 1, 0))
            x, total = noise[:, : t + 1], noise.new_zeros(noise.shape[0])
            for coupling in self.couplings:
                x, log_det = coupling(x, past)
                x, total = x.flip(-1), total + log_det[:, -1]
            latents = torch.cat((latents, x[:, -1:]), 1)
            totals.append(total)
        return latents, torch.stack(totals, 1)

    @torch.no_grad()
    def sample(self, noise: torch.Tensor) -> torch.Tensor:
        """Latents (B, T, Z) of noise, step by step."""
        state = self.init_state(len(noise))
        return torch.cat([self.step(state, noise[:, t : t + 1]).clone() for t in range(noise.shape[1])], 1)

    def inverse(self, latents: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(noise, log |det d noise / d latents| per tick (B, T))."""
        x, total = latents, latents.new_zeros(latents.shape[:-1])
        past = nn.functional.pad(latents[:, :-1], (0, 0, 1, 0))
        for coupling in reversed(self.couplings):
            x, log_det = coupling(x.flip(-1), past, inverse=True)
            total = total + log_det
        return x, total

    def log_prob(self, latents: torch.Tensor) -> torch.Tensor:
        """Log-density (B, T) of latents under the flow of standard normal noise (eq. 13)."""
        noise, log_det = self.inverse(latents)
        return log_normal(noise, torch.zeros_like(noise), torch.zeros_like(noise)) + log_det

    def step(self, state: FlowState, noise: torch.Tensor) -> torch.Tensor:
        """The next tick's latents (S, 1, Z) from its noise."""
        past = torch.where((state.clock.filled <= 0)[:, None, None], 0.0, state.past)  # nothing was before the start
        window = advance(state.clock, 1)
        x = noise
        for coupling, caches in zip(self.couplings, state.caches, strict=True):
            x = coupling.step(caches, x, past, window).flip(-1)  # type: ignore[operator]
        state.past.copy_(x)
        return x


def log_normal(x: torch.Tensor, mean: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
    """Log-density (...) of x (..., Z) under a diagonal Gaussian."""
    square = (x - mean).square() * torch.exp(-log_variance)
    return -0.5 * (square + log_variance + 1.8378770664093453).sum(-1)  # log 2 pi
