"""Speech features: the causal encoder and the phones it knows."""

from engine.features.encoder import EncoderConfig, SmallEncoder, check_pair, load_encoder, save_encoder

__all__ = ["EncoderConfig", "SmallEncoder", "check_pair", "load_encoder", "save_encoder"]
