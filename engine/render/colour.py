"""Colours as users write them."""

import numpy as np

from engine.errors import ConfigError

NAMES = {
    "black": "#000000", "white": "#ffffff", "grey": "#808080", "gray": "#808080", "red": "#ff0000",
    "green": "#00ff00", "blue": "#0000ff", "magenta": "#ff00ff", "cyan": "#00ffff", "yellow": "#ffff00",
}  # fmt: skip


def parse_colour(text: str) -> np.ndarray:
    """"#rrggbb", "#rgb" or a name (green and blue are the keys of chroma keyers) -> uint8 (3,)."""
    word = NAMES.get(text.strip().lower(), text.strip())
    digits = word.removeprefix("#")
    if len(digits) == 3:
        digits = "".join(d + d for d in digits)
    try:
        if not word.startswith("#") or len(digits) != 6:
            raise ValueError
        return np.frombuffer(bytes.fromhex(digits), np.uint8).copy()
    except ValueError:
        raise ConfigError(f"{text!r} is no colour; write #rrggbb or one of {', '.join(NAMES)}") from None
