"""Group norm over time, made causal: statistics of the last ten seconds of speech, not of the whole utterance.

Stock HuBERT base normalises each channel of its first convolution by mean and variance over the utterance, which
a stream does not have. Three definitions were weighed. Cumulative statistics stop adapting and, with a counter
that grows, lose precision after hours. Frozen statistics cost nothing but do not follow a microphone. Chosen:
an exponentially weighted mean of fixed horizon. Each tick's statistics join with the weight 1 / count, where
count rises to the horizon and stays: every value is a convex mix of what was heard, so nothing can drift, and
hour eight is computed as minute one.

Pauses do not count: a tick weighs in proportion to its energy up to a hundredth of speech at the engine's level
(-43 dBFS), so silence neither amplifies noise nor is it remembered. The start is known without data: the variance
that a filter w gives on average speech is w' R w, R the autocorrelation of speech at the engine's level.
"""

from dataclasses import dataclass

import torch
from torch import nn

from engine.frames import FPS
from engine.stage import State

# Autocorrelation of speech at 16 kHz by lag in samples (150 clips of the corpus, mean), and its mean square (-23 dBFS).
SPEECH = (1.0, 0.949, 0.873, 0.791, 0.700, 0.617, 0.530, 0.451, 0.376, 0.307)
SPEECH_POWER = 10**-2.3
PRIOR_TICKS = 12.0  # the start weighs like half a second of speech
QUIET = 0.01  # share of the energy of speech from which a tick counts in full
TICK_SAMPLES = 640


@dataclass(slots=True)
class GroupNormState(State):
    """mean, square: float32 (S, channels), of the channel and of its square; count: (S, 1) ticks of speech in them;
    loud: (S, 1) energy from which a tick counts in full (a constant that travels with the state)."""

    mean: torch.Tensor
    square: torch.Tensor
    count: torch.Tensor
    loud: torch.Tensor


class CausalGroupNorm(nn.GroupNorm):
    """One group per channel, (B, channels, T). Called as it is, it is the stock norm over all of T."""

    def __init__(self, channels: int, horizon_s: float):
        super().__init__(channels, channels)
        self.horizon = horizon_s * FPS

    def init_state(self, slots: int, conv: nn.Conv1d) -> GroupNormState:
        """As if PRIOR_TICKS of average speech had gone before, heard through `conv`."""
        square = self._prior(conv).expand(slots, -1).clone()
        count = torch.full((slots, 1), PRIOR_TICKS, device=square.device)
        return GroupNormState(torch.zeros_like(square), square, count, QUIET * square.mean(-1, keepdim=True))

    def step(self, state: GroupNormState | None, y: torch.Tensor) -> torch.Tensor:
        """One tick (S, channels, T): the statistics take it in, then it is normalised by them."""
        assert state is not None
        mean, square = y.mean(-1), y.square().mean(-1)
        heard = (square.mean(-1, keepdim=True) / state.loud).clamp(max=1.0)
        state.count.copy_((state.count + heard).clamp(max=self.horizon))
        share = heard / state.count
        state.mean.copy_(state.mean + share * (mean - state.mean))
        state.square.copy_(state.square + share * (square - state.square))
        return self._apply_to(y, state.mean, state.square)

    def parallel(self, y: torch.Tensor, conv: nn.Conv1d) -> torch.Tensor:
        """All ticks of (B, channels, T) at once, as `step` takes them one after the other."""
        frames = TICK_SAMPLES // conv.stride[0]
        state = self.init_state(y.shape[0], conv)
        return torch.cat([self.step(state, tick) for tick in y.split(frames, -1)], -1)

    def at_start(self, y: torch.Tensor, conv: nn.Conv1d) -> torch.Tensor:
        """y normalised by the statistics of the start."""
        prior = self._prior(conv)[None]
        return self._apply_to(y, torch.zeros_like(prior), prior)

    def _apply_to(self, y: torch.Tensor, mean: torch.Tensor, square: torch.Tensor) -> torch.Tensor:
        variance = (square - mean.square()).clamp(min=0.0)
        scale = self.weight * (variance + self.eps).rsqrt()
        return y * scale[..., None] + (self.bias - mean * scale)[..., None]

    @torch.no_grad()
    def _prior(self, conv: nn.Conv1d) -> torch.Tensor:
        """Variance of each channel on average speech (channels,)."""
        kernel = conv.kernel_size[0]
        by_lag = torch.tensor((SPEECH + (0.0,) * kernel)[:kernel], device=conv.weight.device) * SPEECH_POWER
        at = torch.arange(kernel, device=conv.weight.device)
        filters = conv.weight[:, 0]
        return ((filters @ by_lag[(at[:, None] - at).abs()]) * filters).sum(-1)
