"""Speech features: the causal encoder, what it hears beside its content, and the phones it knows."""

from engine.features.encoder import EncoderConfig, SmallEncoder, check_pair, save_encoder
from engine.features.speech_encoder import SIDE_OUTPUTS, SpeechConfig, SpeechEncoder
from engine.features.speech_files import load_speech_encoder as load_encoder
from engine.features.speech_files import save_speech_encoder

__all__ = [
    "SIDE_OUTPUTS", "EncoderConfig", "SmallEncoder", "SpeechConfig", "SpeechEncoder", "check_pair", "load_encoder",
    "save_encoder", "save_speech_encoder",
]  # fmt: skip
