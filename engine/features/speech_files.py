"""Weight files of the speech encoder: its own, and those of the first small encoder."""

import re
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from engine.errors import WeightsError
from engine.features.checkpoint import (
    MODEL,
    fingerprint,
    fingerprint_of,
    fit,
    read_checkpoint,
    read_metadata,
    save_checkpoint,
)
from engine.features.hubert import SMALL
from engine.features.speech_encoder import SpeechConfig, SpeechEncoder
from engine.stage import Stage

SHIPPED = Path(__file__).parents[1] / "assets" / "encoder_small.safetensors"
NAME, FIRST = "speech-encoder", "small-encoder"
# From the names of the first small encoder to those of the trunk.
RENAMED = (
    (r"^stem_in\.", "trunk.convolutions.layers.0."),
    (r"^stem_out\.", "trunk.convolutions.layers.1."),
    (r"^(blocks\.\d+)\.conv_norm\.", r"trunk.\1.conv.norm."),
    (r"^(blocks\.\d+)\.conv_in\.", r"trunk.\1.conv.gate."),
    (r"^(blocks\.\d+)\.conv_out\.", r"trunk.\1.conv.out."),
    (r"^(blocks\.\d+)\.conv\.", r"trunk.\1.conv.filter."),
    (r"^(blocks|norm)\.", r"trunk.\1."),
)


def save_speech_encoder(encoder: SpeechEncoder, path: Path, half: bool = True) -> None:
    """Write weights and sizes as safetensors."""
    save_checkpoint(path, NAME, encoder.config.table(), encoder.state_dict(), half)


def load_speech_encoder(path: Path | str | None = None) -> SpeechEncoder:
    """The shipped encoder, or the one in `path`. Raises WeightsError when the file does not fit."""
    found = Path(path) if path else SHIPPED
    first = found.is_file() and read_metadata(found).get(MODEL) == FIRST
    table, tensors = read_checkpoint(found, FIRST if first else NAME)
    config, ours = of_first(table, tensors) if first else (SpeechConfig.read(table), tensors)
    encoder = SpeechEncoder(config)
    fit(encoder, ours, found)
    encoder.origin = fingerprint_of(tensors) if first else ""
    return encoder.eval().requires_grad_(False)


def check_pair(encoder: nn.Module, motion: Stage) -> None:
    """Raises WeightsError when a motion stage was trained on the features of other encoder weights."""
    if motion.made_for and motion.made_for != (own := fingerprint(encoder)):
        raise WeightsError(
            f"the motion weights were trained on encoder {motion.made_for}, but the encoder loaded is {own}: "
            "set features.weights to the encoder that belongs to them, or train them on this one "
            "(visema train viseme --encoder FILE)"
        )


def of_first(table: dict, tensors: dict[str, torch.Tensor]) -> tuple[SpeechConfig, dict[str, torch.Tensor]]:
    """Sizes and tensors of the first small encoder, which was this structure under other names."""
    trunk = replace(
        SMALL, mels=table["mels"], channels=table["stem"],
        **{name: table[name] for name in ("width", "layers", "heads", "context", "feed_forward", "conv_frames")},
    )  # fmt: skip
    config = SpeechConfig(trunk, tuple(table["delays"]))
    renamed = {_renamed(name): tensor for name, tensor in tensors.items()}
    return config, renamed | {"centroids": torch.zeros(0, trunk.width)}


def _renamed(name: str) -> str:
    for pattern, ours in RENAMED:
        if re.match(pattern, name):
            return re.sub(pattern, ours, name)
    return name
