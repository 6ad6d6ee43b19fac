"""The autoregressive decoder of GMEG (section 3.2.2, eq. 6) and, with other numbers, of NFMG (section 3.3).

Tick by tick it says the next values from the speech around, a latent, and its own past: causal self-attention over
past values, cross-attention aligned to the speech, a feed-forward part. The paper adds z to positional encodings;
here z is added to the past values' projection, and positions are learned biases of distance, which never run out.
The speaker's embedding starts the sequence; since a bounded past forgets its start, a second one stands on every tick.
"""

from dataclasses import dataclass

import torch
from torch import nn

from engine.frames import SpeechFeatures
from engine.stage import State
from engine.torchkit.aligned_attention import AlignedAttention
from engine.torchkit.attention import CausalAttention
from engine.torchkit.ring_cache import RingCache, RingClock, RingWindow, advance, init_clock
from plugins.gmtalker.sizes import DecoderSize

MOST_AHEAD = 2
LEVELS = 2  # loudness and voice beside the content of a frame


@dataclass(slots=True)
class DecoderState(State):
    """own: clock of past values; caches: one per layer; speech: clock of the frames heard; heard: one per layer;
    past: (S, V) the values said last, scaled as the decoder says them; speaker: int64 (S,)."""

    own: RingClock
    caches: tuple[RingCache, ...]
    speech: RingClock
    heard: tuple[RingCache, ...]
    past: torch.Tensor
    speaker: torch.Tensor


class Ear(nn.Module):
    """SpeechFeatures (..., 2, D) -> what attention hears, (..., 2, width)."""

    def __init__(self, content: int, width: int):
        super().__init__()
        self.take = nn.Linear(content + LEVELS, width)

    def forward(self, x: SpeechFeatures) -> torch.Tensor:
        level = (x.loudness_db.clamp(-80.0, 0.0) + 40.0) / 20.0
        return nn.functional.silu(self.take(torch.cat((x.content, level[..., None], x.voice[..., None]), -1)))


class DecoderLayer(nn.Module):
    """Pre-norm: self-attention, attention to speech, feed-forward."""

    def __init__(self, size: DecoderSize, dropout: float):
        super().__init__()
        width = size.width
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.attention = CausalAttention(width, size.heads, size.context, dropout)
        self.hear = AlignedAttention(width, size.heads, size.hearing, MOST_AHEAD, dropout)
        self.feedforward = nn.Sequential(
            nn.Linear(width, size.feedforward), nn.GELU(), nn.Dropout(dropout), nn.Linear(size.feedforward, width)
        )

    def forward(self, x: torch.Tensor, speech: torch.Tensor, lookahead: int) -> torch.Tensor:
        x = x + self.attention(self.norms[0](x))
        x = x + self.hear(self.norms[1](x), speech, lookahead)
        return x + self.feedforward(self.norms[2](x))

    def step(
        self, own: RingCache, heard: RingCache, x: torch.Tensor, speech: torch.Tensor,
        windows: tuple[RingWindow, RingWindow], lookahead: int,
    ) -> torch.Tensor:  # fmt: skip
        x = x + self.attention.step(own, self.norms[0](x), windows[0])
        x = x + self.hear.step(heard, self.norms[1](x), speech, windows[1], lookahead)
        return x + self.feedforward(self.norms[2](x))


class AutoregressiveDecoder(nn.Module):
    """Values (B, T, V) from latents, speech and their own past. Values are scaled: mean 0, deviation about 1.

    condition: width of an extra input of every tick (an emotion given as a label), 0 for none.
    """

    def __init__(
        self, size: DecoderSize, values: int, latent: int, content: int, speakers: int, condition: int = 0,
        dropout: float = 0.0,
    ):  # fmt: skip
        super().__init__()
        self.size, self.values = size, values
        width = size.width
        self.ear = Ear(content, width)
        self.take_past = nn.Linear(values, width)
        self.take_latent = nn.Linear(latent, width, bias=False) if latent else None
        self.take_condition = nn.Linear(condition, width, bias=False) if condition else None
        self.start = nn.Embedding(speakers, values)  # "the initialized expression coefficients"
        self.speaker = nn.Embedding(speakers, width)
        self.ahead = nn.Embedding(MOST_AHEAD + 1, width)
        for table in (self.start, self.speaker, self.ahead):
            nn.init.normal_(table.weight, std=0.1)
        self.layers = nn.ModuleList(DecoderLayer(size, dropout) for _ in range(size.layers))
        self.norm, self.say = nn.LayerNorm(width), nn.Linear(width, values)

    def init_state(self, slots: int, lookahead: int) -> DecoderState:
        """Nothing said yet."""
        layers: list[DecoderLayer] = list(self.layers)  # type: ignore[arg-type]
        return DecoderState(
            own=init_clock(slots, self.size.context, 1, early=lookahead),
            caches=tuple(layer.attention.init_state(slots, 1) for layer in layers),
            speech=layers[0].hear.init_clock(slots, lookahead),
            heard=tuple(layer.hear.init_state(slots, lookahead) for layer in layers),
            past=torch.zeros(slots, self.values),
            speaker=torch.zeros(slots, dtype=torch.int64),
        )

    def shifted(self, values: torch.Tensor, speaker: torch.Tensor) -> torch.Tensor:
        """What is before each tick: the speaker's start, then all values but the last, (B, T, V)."""
        return torch.cat((self.start(speaker)[:, None], values[:, :-1]), 1)

    def forward(
        self, past: torch.Tensor, latent: torch.Tensor | None, speech: SpeechFeatures, speaker: torch.Tensor,
        lookahead: int, condition: torch.Tensor | None = None,
    ) -> torch.Tensor:  # fmt: skip
        """All ticks at once, given what is before each: `shifted` values (B, T, V). latent (B, T or 1, Z), speech
        with content (B, T, 2, D), speaker int64 (B,), condition (B, T or 1, C). The last `lookahead` ticks lack
        speech."""
        heard = self.ear(speech).flatten(1, 2)
        x = self._token(past, latent, speaker, lookahead, condition)
        for layer in self.layers:
            x = layer(x, heard, lookahead)
        return self.say(self.norm(x))

    def step(
        self, state: DecoderState, latent: torch.Tensor | None, speech: SpeechFeatures, lookahead: int,
        condition: torch.Tensor | None = None,
    ) -> torch.Tensor:  # fmt: skip
        """The values (S, V) of the tick `lookahead` before the newest speech; latent (S, Z), condition (S, C)."""
        begins = (state.own.filled <= 0)[:, None]  # no earlier tick has been said
        past = torch.where(begins, self.start(state.speaker), state.past)
        windows = (advance(state.own, 1), advance(state.speech, speech.content.shape[1]))
        x = self._token(
            past[:, None], None if latent is None else latent[:, None], state.speaker, lookahead,
            None if condition is None else condition[:, None],
        )  # fmt: skip
        heard = self.ear(speech)
        for layer, own, hears in zip(self.layers, state.caches, state.heard, strict=True):
            x = layer.step(own, hears, x, heard, windows, lookahead)  # type: ignore[operator]
        said = self.say(self.norm(x))[:, 0]
        state.past.copy_(said)
        return said

    def _token(
        self, past: torch.Tensor, latent: torch.Tensor | None, speaker: torch.Tensor, lookahead: int,
        condition: torch.Tensor | None,
    ) -> torch.Tensor:  # fmt: skip
        x = self.take_past(past) + self.speaker(speaker)[:, None] + self.ahead.weight[lookahead]
        if self.take_latent is not None:
            x = x + self.take_latent(latent)
        if self.take_condition is not None:
            x = x + self.take_condition(condition)
        return x
