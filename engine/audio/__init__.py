"""From any sound to ticks: sources, rate conversion, re-chunking, loudness."""

from engine.audio.block import AudioBlock
from engine.audio.file import FileSource
from engine.audio.rechunk import Rechunker

__all__ = ["AudioBlock", "FileSource", "Rechunker"]
