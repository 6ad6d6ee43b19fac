"""Weight files of the speech encoder."""

from pathlib import Path

from torch import nn

from engine.errors import WeightsError
from engine.features.checkpoint import fingerprint, fit, read_checkpoint, save_checkpoint
from engine.features.speech_encoder import SpeechConfig, SpeechEncoder
from engine.stage import Stage

SHIPPED = Path(__file__).parents[1] / "assets" / "encoder_small.safetensors"
NAME = "speech-encoder"


def save_speech_encoder(encoder: SpeechEncoder, path: Path, half: bool = True) -> None:
    """Write weights and sizes as safetensors."""
    save_checkpoint(path, NAME, encoder.config.table(), encoder.state_dict(), half)


def load_speech_encoder(path: Path | str | None = None) -> SpeechEncoder:
    """The shipped encoder, or the one in `path`. Raises WeightsError when the file does not fit."""
    found = Path(path) if path else SHIPPED
    table, tensors = read_checkpoint(found, NAME)
    encoder = SpeechEncoder(SpeechConfig.read(table))
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
