"""HuBERT: published checkpoints and our own, non-causal as published, causal in parallel, or streaming."""

from engine.features.hubert.config import BASE, LARGE, NAMED, SMALL, SOFT, HubertConfig
from engine.features.hubert.model import Hubert, HubertState

__all__ = ["BASE", "LARGE", "NAMED", "SMALL", "SOFT", "Hubert", "HubertConfig", "HubertState"]
