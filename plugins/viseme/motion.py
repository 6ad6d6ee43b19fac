"""The viseme decoder: speech features of one tick -> the mouth, by a small causal recurrent network.

A projection of the tick's two feature frames, a GRU, and one head per look-ahead: head d was trained to
answer for the tick d before the newest, so one set of weights serves 0, 1 and 2 ticks of look-ahead. A head
gives 15 articulators. Three gates act on them: lips shut, lip on teeth, awake. The gates are explicit because a
missed closure is what a lip-reader sees first; blended over a ramp they stay smooth. They are read off the encoder's
side outputs (`engine.motion.evidence`): it heard far more varied speech than this network, which, given the choice,
learns a synthesizer's way of closing lips, and takes a crowd for silence.
"""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from engine.errors import WeightsError
from engine.features.checkpoint import fingerprint, fit, read_checkpoint, save_checkpoint
from engine.features.phones import PHONE_INDEX, PHONES
from engine.features.speech_encoder import SpeechEncoder
from engine.frames import FEATURE_FRAMES, SpeechFeatures
from engine.motion import layout
from engine.motion.articulation import A, Composer
from engine.motion.evidence import (
    FIRST_FLOOR_DB,
    QUIET_TICKS,
    REST_EASE,
    Evidence,
    floors,
    heard,
    next_floor,
    noise_of,
)
from engine.stage import Stage, State

MODEL = "viseme-decoder"
RELEASE = 0.7  # most that a gate lets go in one tick
# Phones with the tip of the tongue at the ridge, or at the teeth.
TIP_PHONES = {"L": 1.0, "N": 1.0, "T": 1.0, "D": 1.0, "DX": 1.0, "TH": 0.6, "DH": 0.6}
TIP_LOW, TIP_SPAN = 0.15, 0.45  # probability of those from which the tip begins to rise, and until it is up


@dataclass(frozen=True)
class DecoderConfig:
    """Sizes of a Decoder. lookaheads: ticks that its heads were trained for, the delays of the encoder's own heads.
    encoder: fingerprint of the one whose features it knows."""

    content: int = 384
    width: int = 208
    layers: int = 1
    head: int = 128
    lookaheads: tuple[int, ...] = (0, 1, 2)
    # Where a gate's probability begins and ends to count: (shut, bite, awake).
    gate_low: tuple[float, float, float] = (0.40, 0.06, 0.15)
    gate_high: tuple[float, float, float] = (0.66, 0.30, 0.70)
    encoder: str = ""


class Mouth(NamedTuple):
    """Articulators (..., A) and gate logits (..., 3): shut, bite, awake."""

    articulators: torch.Tensor
    gates: torch.Tensor


@dataclass(slots=True)
class DecoderState(State):
    """hidden: (S, layers, width) of the recurrent layers; heard: (S, 9) which past ticks were not quiet;
    held: (S, 2) how far the lips were shut and bitten in the last tick; floor: (S,) level between words, dBFS."""

    hidden: torch.Tensor
    heard: torch.Tensor
    held: torch.Tensor
    floor: torch.Tensor


class Decoder(nn.Module, Stage):
    """SpeechFeatures of one tick -> motion vectors float32 (S, M), for the tick `lookahead` ago.

    The tongue's tip follows the encoder's phones. It was not learned: lips do not tell L from D.
    """

    needs = ("phones", "gestures")

    gain: torch.Tensor
    ease: torch.Tensor
    gate_low: torch.Tensor
    gate_span: torch.Tensor
    head_rest: torch.Tensor
    tip: torch.Tensor
    tongue: torch.Tensor

    def __init__(self, config: DecoderConfig | None = None, lookahead_ticks: int = 1):
        super().__init__()
        self.config = config = config or DecoderConfig()
        if lookahead_ticks not in config.lookaheads:
            raise WeightsError(
                f"the viseme weights answer for look-aheads of {config.lookaheads} ticks, not {lookahead_ticks}"
            )
        self.lookahead, self.made_for = lookahead_ticks, config.encoder
        self.take = nn.Linear(FEATURE_FRAMES * (config.content + 2), config.width)
        self.layers = nn.ModuleList(nn.GRU(config.width, config.width, batch_first=True) for _ in range(config.layers))
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Linear(config.layers * config.width, config.head), nn.SiLU(), nn.Linear(config.head, A))
            for _ in config.lookaheads
        )
        self.evidence, self.compose = Evidence(), Composer()
        # A network trained on averages moves a little less than its targets: fitted after training.
        self.register_buffer("gain", torch.ones(A))
        low, high = torch.tensor(config.gate_low), torch.tensor(config.gate_high)
        ease = REST_EASE ** torch.arange(QUIET_TICKS - 1, -1, -1)
        rest = torch.zeros(layout.M - layout.E)
        tip = torch.zeros(len(PHONES))
        for phone, share in TIP_PHONES.items():
            tip[PHONE_INDEX[phone]] = share
        buffers = {
            "gate_low": low, "gate_span": high - low, "ease": ease, "head_rest": rest, "tip": tip,
            "tongue": torch.eye(layout.E)[layout.INDEX["tongueUp"]],
        }  # fmt: skip
        for name, value in buffers.items():
            self.register_buffer(name, value, persistent=False)

    def init_state(self, slots: int) -> DecoderState:
        return DecoderState(
            hidden=torch.zeros(slots, self.config.layers, self.config.width),
            heard=torch.zeros(slots, QUIET_TICKS - 1),
            held=torch.zeros(slots, 2),
            floor=torch.full((slots,), FIRST_FLOOR_DB),
        )

    def step(self, state: DecoderState, x: SpeechFeatures) -> torch.Tensor:
        h, answer = self._take(x), self.config.lookaheads.index(self.lookahead)
        for i, layer in enumerate(self.layers):
            h = _gru_step(layer, h, state.hidden[:, i])
            state.hidden[:, i].copy_(h)
        joined = torch.cat((state.heard, heard(x.loudness_db)[:, None]), 1)
        state.heard.copy_(joined[:, 1:])
        state.floor.copy_(next_floor(state.floor, x.loudness_db))
        mouth = self._answer(state.hidden.flatten(1), x, noise_of(state.floor), answer)
        gates = self.open_gates(mouth.gates)
        values = self._blend(mouth, gates, state.held) + self._tip_up(x.side["phones"], gates, answer)
        state.held.copy_(gates[:, :2])
        return self._vector(values, (joined * self.ease).amax(-1))

    def forward(self, x: SpeechFeatures) -> torch.Tensor:
        """All ticks at once, content (B, T, 2, D): the same vectors (B, T, M) as `step` gives."""
        answer = self.config.lookaheads.index(self.lookahead)
        mouth = self.mouths(x)[answer]
        awake = nn.functional.pad(heard(x.loudness_db), (QUIET_TICKS - 1, 0))
        values = self.coefficients(mouth) + self._tip_up(x.side["phones"], self.open_gates(mouth.gates), answer)
        return self._vector(values, (awake.unfold(-1, QUIET_TICKS, 1) * self.ease).amax(-1))

    def mouths(self, x: SpeechFeatures) -> list[Mouth]:
        """What every head says, (B, T, ...): entry k at tick t is about tick t - lookaheads[k]."""
        h, outs = self._take(x), []
        for layer in self.layers:
            h, _ = layer(h)
            outs.append(h)
        joined = torch.cat(outs, -1)
        noise = noise_of(floors(x.loudness_db))
        return [self._answer(joined, x, noise, k) for k in range(len(self.heads))]

    def belong_to(self, encoder: SpeechEncoder) -> None:
        """Remember whose features these weights know. Raises WeightsError when its heads speak of other delays."""
        if encoder.config.delays != self.config.lookaheads:
            raise WeightsError(
                f"the encoder speaks of delays of {encoder.config.delays} ticks; "
                f"the viseme decoder is made for {self.config.lookaheads}"
            )
        self.made_for = fingerprint(encoder)
        self.config = replace(self.config, encoder=self.made_for)

    def _tip_up(self, phones: torch.Tensor, gates: torch.Tensor, answer: int) -> torch.Tensor:
        """Coefficients (..., E) of the tongue alone, from posteriors (..., 2, K, 43): how likely its tip is up."""
        likely = (phones[..., answer, :] * self.tip).sum(-1).mean(-1)
        up = ((likely - TIP_LOW) / TIP_SPAN).clamp(0.0, 1.0) * gates[..., 2]
        return up[..., None] * self.tongue

    def open_gates(self, gates: torch.Tensor) -> torch.Tensor:
        """Gate logits (..., 3) -> how far each gate acts, 0 to 1."""
        share = ((gates.sigmoid() - self.gate_low) / self.gate_span).clamp(0.0, 1.0)
        return share * share * (3.0 - 2.0 * share)

    def coefficients(self, mouth: Mouth) -> torch.Tensor:
        """Expression coefficients (B, T, E) of mouths (B, T, ...)."""
        gates = self.open_gates(mouth.gates)
        return self._blend(mouth, gates, nn.functional.pad(gates[:, :-1, :2], (0, 0, 1, 0)))

    def _blend(self, mouth: Mouth, gates: torch.Tensor, held: torch.Tensor) -> torch.Tensor:
        """Coefficients (..., E); lips that were shut or bitten let go over two ticks, as flesh does."""
        shut, bite = torch.maximum(gates[..., :2], held - RELEASE).unbind(-1)
        return self.compose(mouth.articulators, shut, bite) * gates[..., 2:]

    def _take(self, x: SpeechFeatures) -> torch.Tensor:
        level = (x.loudness_db.clamp(-80.0, 0.0) + 40.0) / 20.0
        return nn.functional.silu(self.take(torch.cat((x.content.flatten(-2), level, x.voice), -1)))

    def _answer(self, h: torch.Tensor, x: SpeechFeatures, noise: torch.Tensor, head: int) -> Mouth:
        # softplus-like: articulators rest at zero and never pull the other way
        articulators = nn.functional.softplus(self.heads[head](h) * 4.0 - 2.0) * 0.25 * self.gain
        gates = self.evidence(x.side["phones"][..., head, :], x.side["gestures"][..., head, :], noise)
        return Mouth(articulators, gates)

    def _vector(self, values: torch.Tensor, awake: torch.Tensor) -> torch.Tensor:
        awake = (awake - self.ease[0]) / (1.0 - self.ease[0])  # the oldest quiet tick brings exact rest
        values = values * awake.clamp(min=0.0)[..., None]
        return torch.cat((values, self.head_rest.expand(*values.shape[:-1], -1)), -1)


def _gru_step(layer: nn.Module, x: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
    """One step of a one-layer nn.GRU: the same numbers as the parallel form."""
    gates_x = nn.functional.linear(x, layer.weight_ih_l0, layer.bias_ih_l0)  # type: ignore[arg-type]
    gates_h = nn.functional.linear(h, layer.weight_hh_l0, layer.bias_hh_l0)  # type: ignore[arg-type]
    reset_x, update_x, new_x = gates_x.chunk(3, -1)
    reset_h, update_h, new_h = gates_h.chunk(3, -1)
    update = torch.sigmoid(update_x + update_h)
    new = torch.tanh(new_x + torch.sigmoid(reset_x + reset_h) * new_h)
    return new + update * (h - new)


def save_decoder(decoder: Decoder, path: Path) -> None:
    """Write weights (fp16) and sizes as safetensors."""
    save_checkpoint(path, MODEL, asdict(decoder.config), decoder.state_dict())


def build(lookahead_ticks: int = 1, weights: Path | str | None = None) -> Decoder:
    """The motion stage with the shipped weights, or those of a file. Raises WeightsError when they do not fit."""
    path = Path(weights) if weights else Path(__file__).with_name("viseme.safetensors")
    table, tensors = read_checkpoint(path, MODEL)
    lists: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in table.items()}
    config = DecoderConfig(**lists)
    decoder = Decoder(config, lookahead_ticks)
    fit(decoder, tensors, path)
    return decoder.eval().requires_grad_(False)
