"""Readers of recorded performances that others hold: MEAD, CREMA-D, FaceVerse models, and fitted coefficients."""

from engine.training.readers.faceverse import FaceVerse, read_faceverse
from engine.training.readers.fitted import Fitted, read_fitted, read_index, write_fitted, write_index
from engine.training.readers.recordings import Recording, read_crema_d, read_mead

__all__ = [
    "FaceVerse", "Fitted", "Recording", "read_crema_d", "read_faceverse", "read_fitted", "read_index", "read_mead",
    "write_fitted", "write_index",
]  # fmt: skip
