"""The eight emotions, mixtures of them, and how a person writes one down.

The names and their order are those of the MEAD corpus, on which GMTalker was trained (Wang et al. 2020).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.errors import ConfigError

EMOTIONS = ("angry", "contempt", "disgusted", "fear", "happy", "neutral", "sad", "surprised")
K = len(EMOTIONS)
NEUTRAL = EMOTIONS.index("neutral")


@dataclass(frozen=True, slots=True)
class Emotion:
    """A mixture of emotions. weights: one share per name of EMOTIONS, sum 1; intensity: 0 (neutral) to 1 (full)."""

    weights: tuple[float, ...]
    intensity: float = 1.0

    def text(self) -> str:
        """As `parse_emotion` reads it."""
        return ",".join(f"{name}={w:g}" for name, w in zip(EMOTIONS, self.weights, strict=True) if w)


def make_emotion(weights: Sequence[float] | Mapping[str, float], intensity: float = 1.0) -> Emotion:
    """An emotion from relative weights, by name or one for each of EMOTIONS; no weight at all is neutral.

    Raises ConfigError: an unknown name, a negative or infinite number, an intensity outside 0..1.
    """
    if isinstance(weights, Mapping):
        for name in weights:
            if name not in EMOTIONS:
                raise ConfigError(f"there is no emotion {name!r}; there are {', '.join(EMOTIONS)}")
        weights = [weights.get(name, 0.0) for name in EMOTIONS]
    if len(weights) != K:
        raise ConfigError(f"an emotion has {K} weights, for {', '.join(EMOTIONS)}; not {len(weights)}")
    values = [_number(w, "a weight of an emotion") for w in weights]
    if min(values) < 0.0:
        raise ConfigError("weights of emotions are 0 or more")
    strength = _number(intensity, "the intensity of an emotion")
    if not 0.0 <= strength <= 1.0:
        raise ConfigError(f"the intensity of an emotion is 0 to 1, not {strength:g}")
    total = sum(values)
    if not total:
        values[NEUTRAL], total = 1.0, 1.0
    return Emotion(tuple(v / total for v in values), strength)


def parse_emotion(text: str, intensity: float = 1.0) -> Emotion:
    """`happy`, or `happy=0.7,sad=0.3`: weights are relative. Raises ConfigError for anything else."""
    weights: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        try:
            weights[name] = float(value) if equals else 1.0
        except ValueError:
            raise ConfigError(f"{part!r}: an emotion is written like happy=0.7,sad=0.3") from None
    return make_emotion(weights, intensity)


def _number(value: float, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ConfigError(f"{what} is a number, not {value!r}")
    return float(value)
