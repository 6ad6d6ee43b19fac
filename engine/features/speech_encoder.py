"""The speech encoder: HuBERT's trunk, and beside its content everything else that plugins hear, from one pass."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import nn

from engine.errors import WeightsError
from engine.features.hubert import SMALL, Hubert, HubertConfig, HubertState
from engine.features.levels import VOICE_FRAMES, loudness_db, mean_voice
from engine.features.log_mel import LogMel
from engine.features.phones import GESTURES, PHONES, SIL, VISEME_NAMES, VISEME_OF_PHONE
from engine.features.pitch import Pitch
from engine.features.tick_mix import TickMix
from engine.frames import FEATURE_FRAMES, TICK_SAMPLES, SpeechFeatures
from engine.stage import Stage, State
from engine.torchkit.causal_conv import PastState, recall

# Power of phone probabilities before a viseme's are added up: on new voices the likeliest phone is too sure of itself.
FLATTEN = 0.7
SIDE_OUTPUTS = ("phones", "visemes", "gestures", "pitch_hz", "periodicity", "units")


@dataclass(frozen=True)
class SpeechConfig:
    """The trunk; delays in ticks that the heads were trained for; units: clusters of content, 0 for none; mixed:
    whether phones of a tick's first frame are answered with what the second has heard."""

    hubert: HubertConfig = field(default_factory=lambda: SMALL)
    delays: tuple[int, ...] = (0, 1, 2)
    units: int = 0
    mixed: bool = False

    def table(self) -> dict[str, Any]:
        """For the metadata of a weight file."""
        return asdict(self)

    @staticmethod
    def read(table: Mapping[str, Any]) -> "SpeechConfig":
        """From the metadata of a weight file."""
        lists: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in table["hubert"].items()}
        mixed = table.get("mixed", False)  # older files do not say
        return SpeechConfig(HubertConfig(**lists), tuple(table["delays"]), table["units"], mixed)


@dataclass(slots=True)
class SpeechState(State):
    """trunk; voice: (S, 3, 1) probabilities before; pitch: samples before, where it is asked for;
    late: (S, 1, 640 * lookahead) samples that the trunk has heard but not answered yet."""

    trunk: HubertState
    voice: PastState
    pitch: tuple[PastState, ...]
    late: tuple[PastState, ...]


class SpeechEncoder(nn.Module, Stage):
    """Samples float32 (S, 640) -> SpeechFeatures of one tick, `lookahead` ticks late.

    keep: side outputs to give, of SIDE_OUTPUTS and layer0 ... layerN. The phone and gesture heads need trained weights;
    a trunk without them (a published checkpoint) has random ones: read content, loudness, pitch and layers only.

    Content, voice, gestures and layers depend on the trunk and the linear heads only: what was trained on them stays
    valid with another mix.
    """

    apart = ("mix.",)  # no feature depends on these weights: see `checkpoint.fingerprint`
    centroids: torch.Tensor

    def __init__(self, config: SpeechConfig | None = None, keep: Sequence[str] = (), dropout: float = 0.0):
        super().__init__()
        self.config = config = config or SpeechConfig()
        self.trunk = Hubert(config.hubert, dropout)
        self.lookahead = self.trunk.lookahead
        width = self.trunk.width
        self.phone_head = nn.Linear(width, len(config.delays) * len(PHONES))
        self.gesture_head = nn.Linear(width, len(config.delays) * len(GESTURES))
        self.mix = TickMix(len(config.delays)) if config.mixed else None
        self.register_buffer("centroids", torch.zeros(config.units, width))
        self.pitch = Pitch()
        viseme = torch.nn.functional.one_hot(torch.tensor(VISEME_OF_PHONE), len(VISEME_NAMES)).float()
        self.register_buffer("viseme_of_phone", viseme, persistent=False)
        self.keep: tuple[str, ...] = ()
        self.ask(keep)

    viseme_of_phone: torch.Tensor

    @property
    def width(self) -> int:
        """D, the width of `SpeechFeatures.content`."""
        return self.trunk.width

    def ask(self, names: Sequence[str]) -> None:
        """Choose the side outputs. Raises WeightsError for one that these weights cannot give."""
        layers = tuple(f"layer{i}" for i in range(self.config.hubert.layers + 1))
        able = [name for name in SIDE_OUTPUTS if name != "units" or self.config.units] + list(layers)
        for name in names:
            if name not in able:
                raise WeightsError(f"this encoder has no side output {name!r}; it has {', '.join(able)}")
        self.keep = tuple(names)

    @property
    def mel(self) -> LogMel:
        """The log-mels that a trunk with that front end hears."""
        assert self.trunk.mel is not None, "this trunk hears samples"
        return self.trunk.mel

    def init_state(self, slots: int) -> SpeechState:
        return SpeechState(
            trunk=self.trunk.init_state(slots),
            voice=PastState(torch.zeros(slots, VOICE_FRAMES - 1, 1)),
            pitch=(self.pitch.init_state(slots),) if self._hears_pitch() else (),
            late=(PastState(torch.zeros(slots, 1, self.lookahead * TICK_SAMPLES)),) if self.lookahead else (),
        )

    def step(self, state: SpeechState, x: torch.Tensor) -> SpeechFeatures:
        """One tick: samples (S, 640) in -1..1."""
        hidden = self.trunk.step_layers(state.trunk, x)
        content = self.trunk.answer(hidden[-1])
        # while the look-ahead fills nobody has spoken yet
        begun = (state.trunk.clock.filled > 0).to(content.dtype)[:, None, None]
        joined = torch.cat((state.voice.past, self._speaks(content) * begun), 1)
        state.voice.past.copy_(joined[:, FEATURE_FRAMES:])
        if state.late:  # loudness and pitch belong to the same tick as content
            x = recall(state.late[0], x[:, None])[:, 0, :TICK_SAMPLES]
        pitch = self.pitch.step(state.pitch[0], x) if state.pitch else None
        return SpeechFeatures(content, loudness_db(x), mean_voice(joined), self._side(content, hidden, pitch))

    def forward(self, samples: torch.Tensor) -> SpeechFeatures:
        """All of a clip at once: samples (B, N), N a multiple of 640 -> features with N / 320 frames."""
        hidden = list(self.trunk.layers(samples))
        content = self.trunk.answer(hidden[-1])
        joined = torch.nn.functional.pad(self._speaks(content), (0, 0, VOICE_FRAMES - 1, 0))
        pitch = self.pitch(samples) if self._hears_pitch() else None
        return SpeechFeatures(content, loudness_db(samples), mean_voice(joined), self._side(content, hidden, pitch))

    def content(self, mel: torch.Tensor) -> torch.Tensor:
        """Content (B, T, D) from log-mels (B, 2 T, mels), in parallel: what training uses."""
        return self.trunk.answer(list(self.trunk.layers_of(mel.transpose(1, 2)))[-1])

    def phone_logits(self, content: torch.Tensor) -> torch.Tensor:
        """(..., T, D), whole ticks -> (..., T, delays, 43); entry k of frame i speaks of frame i - 2 * delays[k]."""
        logits = self.frame_logits(content)
        return logits if self.mix is None else self.mix(logits)

    def frame_logits(self, content: torch.Tensor) -> torch.Tensor:
        """(..., D) -> (..., delays, 43): what each frame says by itself."""
        return self.phone_head(content).unflatten(-1, (len(self.config.delays), len(PHONES)))

    def gesture_logits(self, content: torch.Tensor) -> torch.Tensor:
        """(..., D) -> (..., delays, 4) in the order of `phones.GESTURES`, delayed in the same way."""
        return self.gesture_head(content).unflatten(-1, (len(self.config.delays), len(GESTURES)))

    def visemes_of(self, phones: torch.Tensor) -> torch.Tensor:
        """Phone probabilities (..., 43) -> viseme probabilities (..., 12), which count close rivals for more."""
        shares = phones.pow(FLATTEN) @ self.viseme_of_phone
        return shares / shares.sum(-1, keepdim=True)

    def phones(self, content: torch.Tensor, lookahead_ticks: int = 0) -> torch.Tensor:
        """Probabilities (..., T, 43) of the phone that sounded `lookahead_ticks` before each frame; whole ticks."""
        return self.phone_logits(content)[..., self._delay(lookahead_ticks), :].softmax(-1)

    def gestures(self, content: torch.Tensor, lookahead_ticks: int = 0) -> torch.Tensor:
        """Probabilities (..., 4) of `phones.GESTURES`, `lookahead_ticks` before each frame."""
        return self.gesture_logits(content)[..., self._delay(lookahead_ticks), :].sigmoid()

    def nearest_units(self, content: torch.Tensor) -> torch.Tensor:
        """Number of the nearest centroid, int64 (...)."""
        return (content @ self.centroids.T - 0.5 * self.centroids.square().sum(-1)).argmax(-1)

    def _side(self, content: torch.Tensor, hidden: list[torch.Tensor], pitch: Any) -> dict[str, torch.Tensor]:
        made: dict[str, torch.Tensor] = {}
        if {"phones", "visemes"} & set(self.keep):
            made["phones"] = self.phone_logits(content).softmax(-1)
            made["visemes"] = self.visemes_of(made["phones"])
        if "gestures" in self.keep:
            made["gestures"] = self.gesture_logits(content).sigmoid()
        if "units" in self.keep:
            made["units"] = self.nearest_units(content)
        if pitch is not None:
            made["pitch_hz"], made["periodicity"] = pitch
        made |= {f"layer{i}": h for i, h in enumerate(hidden)}
        return {name: made[name] for name in self.keep}

    def _hears_pitch(self) -> bool:
        return bool({"pitch_hz", "periodicity"} & set(self.keep))

    def _delay(self, ticks: int) -> int:
        if ticks not in self.config.delays:
            raise ValueError(f"look-ahead {ticks} ticks; these weights were trained for {self.config.delays}")
        return self.config.delays.index(ticks)

    def _speaks(self, content: torch.Tensor) -> torch.Tensor:
        return 1.0 - self.frame_logits(content)[..., 0, :].softmax(-1)[..., SIL : SIL + 1]
