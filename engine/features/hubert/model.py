"""HuBERT (Hsu et al. 2021), whole: as published, in parallel causal form, and as a stage that streams.

    stock(samples)      non-causal over the utterance: equals the published model with the same weights
    forward(samples)    causal, all at once: what training uses and what streaming must equal
    step(state, tick)   causal, 640 samples in, two frames out

All three use the same weights. A causal frame i ends with sample 320 (i + 1); as the published front end needs
80 samples more than 320 a frame, its frame i is that of stock on sound with 80 zeros in front.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from engine.features.hubert.block import Block, BlockState
from engine.features.hubert.config import HubertConfig
from engine.features.hubert.convolutions import Convolutions, ConvState
from engine.features.hubert.position import PositionalConv, PositionState
from engine.features.log_mel import SILENCE, LogMel
from engine.frames import FEATURE_FRAMES, TICK_SAMPLES
from engine.stage import Stage, State
from engine.torchkit.causal_conv import PastState
from engine.torchkit.ring_cache import RingClock, advance, init_clock


@dataclass(slots=True)
class HubertState(State):
    """mel: samples before the tick (mel front only); conv: of the front end; position: frames before; blocks."""

    mel: tuple[PastState, ...]
    conv: ConvState
    position: tuple[PositionState, ...]
    clock: RingClock
    blocks: tuple[BlockState, ...]


class Hubert(nn.Module, Stage):
    """Samples float32 (S, 640) at engine level -> features (S, 2, D), `lookahead` ticks late."""

    def __init__(self, config: HubertConfig | None = None, dropout: float = 0.0):
        super().__init__()
        self.config = config = config or HubertConfig()
        self.lookahead = config.lookahead
        self.mel = LogMel(config.mels) if config.front == "mel" else None
        self.convolutions = Convolutions(config, config.mels if config.front == "mel" else 1)
        self.projection_norm = nn.LayerNorm(config.channels) if config.projection_norm else nn.Identity()
        self.projection = nn.Linear(config.channels, config.width) if config.projection else nn.Identity()
        self.position = PositionalConv(config) if config.position_kernel else None
        self.norm = nn.LayerNorm(config.width)
        self.blocks = nn.ModuleList(Block(config, dropout) for _ in range(config.layers))
        self.units = nn.Linear(config.width, config.units) if config.units else None
        self.dropout = nn.Dropout(dropout)

    @property
    def width(self) -> int:
        """D, the width of what `step` gives: of the soft-unit head, or of the blocks."""
        return self.config.units or self.config.width

    def stock(self, samples: torch.Tensor) -> torch.Tensor:
        """As published, for waveforms as its weights expect them: (B, N) -> (B, frames, D)."""
        return self.answer(list(self.stock_layers(samples))[-1])

    def stock_layers(self, samples: torch.Tensor) -> Iterator[torch.Tensor]:
        """Every hidden state of the published model: the input of the blocks, then each block's output."""
        if self.mel is None:
            h = self._project(self.convolutions.stock(samples[:, None]))
        else:
            h = self._project(self.convolutions(self.mel(samples).transpose(1, 2), self._silence()))
        if self.position is not None:
            h = self.position.stock(h)
        yield from self._through(h, causal=False)

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        """Causal over a clip (B, N), N a multiple of 640: (B, N / 320, D), aligned to the input."""
        return self.answer(list(self.layers(samples))[-1])

    def layers(self, samples: torch.Tensor) -> Iterator[torch.Tensor]:
        """Every hidden state of the causal form: the input of the blocks, then each block's output."""
        samples = F.pad(samples, (0, self.config.lookahead * TICK_SAMPLES))
        yield from self.layers_of(self.hear(samples))

    def hear(self, samples: torch.Tensor) -> torch.Tensor:
        """What the convolutions read, (B, channels, T): scaled samples, or log-mels at 100 Hz."""
        return samples[:, None] * self.config.gain if self.mel is None else self.mel(samples).transpose(1, 2)

    def layers_of(self, heard: torch.Tensor, masked=None, causal: bool = True) -> Iterator[torch.Tensor]:
        """Hidden states from what `hear` gave. masked: changes the projected frames (B, T, width), for pre-training.

        causal=False: attention and positional convolution see the whole clip (a teacher's way of hearing).
        """
        h = self._project(self.convolutions(heard, self._silence()))
        h = masked(h) if masked is not None else h
        if self.position is not None:
            h = self.position(h) if causal else self.position.stock(h)
        yield from self._through(h, causal)

    def init_state(self, slots: int) -> HubertState:
        config = self.config
        early = FEATURE_FRAMES * config.lookahead
        return HubertState(
            mel=(self.mel.init_state(slots),) if self.mel is not None else (),
            conv=self.convolutions.init_state(slots, self._silence()),
            position=(self.position.init_state(slots),) if self.position is not None else (),
            clock=init_clock(slots, config.context, FEATURE_FRAMES, early),
            blocks=tuple(block.init_state(slots, FEATURE_FRAMES) for block in self._blocks()),
        )

    def step(self, state: HubertState, x: torch.Tensor) -> torch.Tensor:
        """One tick: samples (S, 640) in -1..1."""
        return self.answer(self.step_layers(state, x)[-1])

    def step_layers(self, state: HubertState, x: torch.Tensor) -> list[torch.Tensor]:
        """One tick, every hidden state (S, 2, width)."""
        if self.mel is None:
            heard = x[:, None] * self.config.gain
        else:
            heard = self.mel.step(state.mel[0], x).transpose(1, 2)
        h = self._project(self.convolutions.step(state.conv, heard))
        if self.position is not None:
            h = self.position.step(state.position[0], h)
        window = advance(state.clock, FEATURE_FRAMES)
        h = h if self.config.pre_norm else self.norm(h)
        hidden = [h]
        for block, own in zip(self._blocks(), state.blocks, strict=True):
            h = block.step(own, h, window)
            hidden.append(h)
        return hidden

    def _project(self, features: torch.Tensor) -> torch.Tensor:
        return self.dropout(self.projection(self.projection_norm(features.transpose(1, 2))))

    def _through(self, h: torch.Tensor, causal: bool) -> Iterator[torch.Tensor]:
        h = self.dropout(h if self.config.pre_norm else self.norm(h))
        yield h
        for block in self._blocks():
            h = block(h, causal)
            yield h

    def answer(self, last: torch.Tensor) -> torch.Tensor:
        """What the encoder gives, from the output of its last block."""
        if self.config.pre_norm:
            last = self.norm(last)
        return last if self.units is None else self.units(last)

    def _silence(self) -> torch.Tensor:
        """What `hear` says of endless digital silence: (channels, 1)."""
        quiet = torch.zeros(1, 1) if self.mel is None else torch.full((self.config.mels, 1), SILENCE)
        return quiet.to(self.norm.weight.device)

    def _blocks(self) -> list[Block]:
        return [block for block in self.blocks if isinstance(block, Block)]
