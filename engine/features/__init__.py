"""Speech features: the causal encoder, what it hears beside its content, and the phones it knows."""

from engine.features.speech_encoder import SIDE_OUTPUTS, SpeechConfig, SpeechEncoder
from engine.features.speech_files import check_pair, save_speech_encoder
from engine.features.speech_files import load_speech_encoder as load_encoder

__all__ = ["SIDE_OUTPUTS", "SpeechConfig", "SpeechEncoder", "check_pair", "load_encoder", "save_speech_encoder"]
