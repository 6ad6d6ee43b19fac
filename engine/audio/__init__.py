"""From any sound to ticks: sources, rate conversion, re-chunking, loudness."""
