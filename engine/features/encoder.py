"""The small causal speech encoder: 640 samples in, two feature frames out, nothing looked ahead.

Log-mels at 100 Hz -> causal convolutions to 50 Hz -> blocks of (attention over 2 s, depthwise
convolution, feed-forward), pre-norm. The trunk is causal to the sample. Look-ahead is served by
side outputs trained for delays: at frame i they name the phone of frame i, i - 2 and i - 4
(0, 1 and 2 ticks), so one set of weights serves every latency.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from engine.errors import WeightsError
from engine.features.checkpoint import fingerprint, fit, read_checkpoint, save_checkpoint
from engine.features.log_mel import LogMel
from engine.features.phones import GESTURES, PHONES, SIL
from engine.frames import FEATURE_FRAMES, SpeechFeatures
from engine.stage import Stage, State
from engine.torchkit.attention import CausalAttention
from engine.torchkit.causal_conv import CausalConv, DepthwiseConv, PastState
from engine.torchkit.ring_cache import RingCache, RingClock, RingWindow, advance, init_clock

FRAME_SAMPLES = 320  # one feature frame, 20 ms
VOICE_FRAMES = 4  # the voice probability is a mean over this many frames


@dataclass(frozen=True)
class EncoderConfig:
    """Sizes of a SmallEncoder; context in 20 ms frames, delays in ticks."""

    mels: int = 64
    stem: int = 128
    width: int = 192
    layers: int = 4
    heads: int = 4
    context: int = 100
    feed_forward: int = 768
    conv_frames: int = 9
    delays: tuple[int, ...] = (0, 1, 2)


@dataclass(slots=True)
class BlockState(State):
    """One block's past: attention ring and the inputs of its convolution."""

    ring: RingCache
    conv: PastState


@dataclass(slots=True)
class EncoderState(State):
    """mel: samples (S, 1, 240); stem: mels and stem channels; voice: (S, 1, 3) probabilities."""

    mel: PastState
    stem: tuple[PastState, PastState]
    clock: RingClock
    blocks: tuple[BlockState, ...]
    voice: PastState


class Block(nn.Module):
    """Attention, then a gated depthwise convolution, then a feed-forward net; (B, T, width)."""

    def __init__(self, config: EncoderConfig, dropout: float):
        super().__init__()
        width = config.width
        self.attention_norm = nn.LayerNorm(width)
        self.attention = CausalAttention(width, config.heads, config.context, dropout)
        self.conv_norm = nn.LayerNorm(width)
        self.conv_in = nn.Linear(width, 2 * width)
        self.conv = DepthwiseConv(width, config.conv_frames)
        self.conv_out = nn.Linear(width, width)
        self.ff_norm = nn.LayerNorm(width)
        self.ff_in = nn.Linear(width, config.feed_forward)
        self.ff_out = nn.Linear(config.feed_forward, width)
        self.dropout = nn.Dropout(dropout)

    def init_state(self, slots: int, frames: int) -> BlockState:
        return BlockState(self.attention.init_state(slots, frames), self.conv.init_state(slots))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.dropout(self.attention(self.attention_norm(x)))
        x = x + self._conv_out(self.conv(self._gate(x)))
        return x + self._feed_forward(x)

    def step(self, state: BlockState, x: torch.Tensor, window: RingWindow) -> torch.Tensor:
        x = x + self.attention.step(state.ring, self.attention_norm(x), window)
        x = x + self._conv_out(self.conv.step(state.conv, self._gate(x)))
        return x + self._feed_forward(x)

    def _gate(self, x: torch.Tensor) -> torch.Tensor:
        return F.glu(self.conv_in(self.conv_norm(x)), -1)

    def _conv_out(self, x: torch.Tensor) -> torch.Tensor:
        return self.dropout(self.conv_out(F.silu(x)))

    def _feed_forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dropout(self.ff_out(self.dropout(F.silu(self.ff_in(self.ff_norm(x))))))


class SmallEncoder(nn.Module, Stage):
    """The encoder as a stage: samples float32 (S, 640) -> SpeechFeatures of one tick."""

    lookahead = 0

    def __init__(self, config: EncoderConfig | None = None, dropout: float = 0.0):
        super().__init__()
        self.config = config = config or EncoderConfig()
        self.mel = LogMel(config.mels)
        self.stem_in = CausalConv(config.mels, config.stem, 5)
        self.stem_out = CausalConv(config.stem, config.width, 4, stride=2)
        self.blocks = nn.ModuleList(Block(config, dropout) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        self.phone_head = nn.Linear(config.width, len(config.delays) * len(PHONES))
        self.gesture_head = nn.Linear(config.width, len(config.delays) * len(GESTURES))

    @property
    def width(self) -> int:
        """D, the width of `SpeechFeatures.content`."""
        return self.config.width

    def init_state(self, slots: int) -> EncoderState:
        return EncoderState(
            mel=self.mel.init_state(slots),
            stem=(self.stem_in.init_state(slots), self.stem_out.init_state(slots)),
            clock=init_clock(slots, self.config.context, FEATURE_FRAMES),
            blocks=tuple(self._block(i).init_state(slots, FEATURE_FRAMES) for i in range(self.config.layers)),
            voice=PastState(torch.zeros(slots, VOICE_FRAMES - 1, 1)),
        )

    def step(self, state: EncoderState, x: torch.Tensor) -> SpeechFeatures:
        """One tick: samples (S, 640) in -1..1."""
        mel = self.mel.step(state.mel, x).transpose(1, 2)
        h = F.silu(self.stem_in.step(state.stem[0], mel))
        h = F.silu(self.stem_out.step(state.stem[1], h)).transpose(1, 2)
        window = advance(state.clock, FEATURE_FRAMES)
        for i, own in enumerate(state.blocks):
            h = self._block(i).step(own, h, window)
        content = self.norm(h)
        joined = torch.cat((state.voice.past, self._speaks(content)), 1)
        state.voice.past.copy_(joined[:, FEATURE_FRAMES:])
        return SpeechFeatures(content, loudness_db(x), mean_voice(joined))

    def forward(self, samples: torch.Tensor) -> SpeechFeatures:
        """All of a clip at once: samples (B, N), N a multiple of 320 -> features with N / 320 frames."""
        content = self.content(self.mel(samples))
        joined = F.pad(self._speaks(content), (0, 0, VOICE_FRAMES - 1, 0))
        return SpeechFeatures(content, loudness_db(samples), mean_voice(joined))

    def content(self, mel: torch.Tensor) -> torch.Tensor:
        """Content (B, T, D) from log-mels (B, 2 T, mels), in parallel: what training uses."""
        h = F.silu(self.stem_in(mel.transpose(1, 2)))
        h = F.silu(self.stem_out(h)).transpose(1, 2)
        for block in self.blocks:
            h = block(h)
        return self.norm(h)

    def phone_logits(self, content: torch.Tensor) -> torch.Tensor:
        """(..., D) -> (..., delays, 43); entry k of frame i speaks of frame i - 2 * delays[k]."""
        return self.phone_head(content).unflatten(-1, (len(self.config.delays), len(PHONES)))

    def gesture_logits(self, content: torch.Tensor) -> torch.Tensor:
        """(..., D) -> (..., delays, 4) in the order of `phones.GESTURES`, delayed in the same way."""
        return self.gesture_head(content).unflatten(-1, (len(self.config.delays), len(GESTURES)))

    def phones(self, content: torch.Tensor, lookahead_ticks: int = 0) -> torch.Tensor:
        """Probabilities (..., 43) of the phone that sounded `lookahead_ticks` before each frame."""
        return self.phone_logits(content)[..., self._delay(lookahead_ticks), :].softmax(-1)

    def gestures(self, content: torch.Tensor, lookahead_ticks: int = 0) -> torch.Tensor:
        """Probabilities (..., 4) of `phones.GESTURES`, `lookahead_ticks` before each frame."""
        return self.gesture_logits(content)[..., self._delay(lookahead_ticks), :].sigmoid()

    def _delay(self, ticks: int) -> int:
        if ticks not in self.config.delays:
            raise ValueError(f"look-ahead {ticks} ticks; these weights were trained for {self.config.delays}")
        return self.config.delays.index(ticks)

    def _speaks(self, content: torch.Tensor) -> torch.Tensor:
        return 1.0 - self.phone_logits(content)[..., 0, :].softmax(-1)[..., SIL : SIL + 1]

    def _block(self, i: int) -> Block:
        block = self.blocks[i]
        assert isinstance(block, Block)
        return block


def loudness_db(samples: torch.Tensor) -> torch.Tensor:
    """Level of each 20 ms frame in dBFS, floor -100: (S, N) -> (S, N / 320)."""
    power = samples.unflatten(-1, (-1, FRAME_SAMPLES)).square().mean(-1)
    return 10.0 * (power + 1e-10).log10()


def mean_voice(joined: torch.Tensor) -> torch.Tensor:
    """Mean over VOICE_FRAMES past frames: (S, T + 3, 1) -> (S, T)."""
    frames = joined.shape[1] - VOICE_FRAMES + 1
    total = joined[:, :frames, 0]
    for back in range(1, VOICE_FRAMES):
        total = total + joined[:, back : back + frames, 0]
    return total / VOICE_FRAMES


MODEL = "small-encoder"


def save_encoder(encoder: SmallEncoder, path: Path, half: bool = True) -> None:
    """Write an encoder's weights and sizes as safetensors."""
    save_checkpoint(path, MODEL, asdict(encoder.config), encoder.state_dict(), half)


def load_encoder(path: Path | str | None = None) -> SmallEncoder:
    """The shipped encoder, or the one in `path`. Raises WeightsError when the file does not fit."""
    found = Path(path) if path else Path(__file__).parents[1] / "assets" / "encoder_small.safetensors"
    config, tensors = read_checkpoint(found, MODEL)
    encoder = SmallEncoder(EncoderConfig(**{**config, "delays": tuple(config["delays"])}))
    fit(encoder, tensors, found)
    return encoder.eval().requires_grad_(False)


def check_pair(encoder: nn.Module, motion: Stage) -> None:
    """Raises WeightsError when a motion stage was trained on the features of other encoder weights."""
    if motion.made_for and motion.made_for != (own := fingerprint(encoder)):
        raise WeightsError(
            f"the motion weights were trained on encoder {motion.made_for}, but the encoder loaded is {own}: "
            "set features.weights to the encoder that belongs to them, or train them on this one "
            "(visema train viseme --encoder FILE)"
        )
