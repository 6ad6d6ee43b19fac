"""Performers: made performances of real phone timings, to learn motion from. See `perform.perform`."""

from engine.training.performers.dataset import Example, Performances, Recipe, Voice
from engine.training.performers.emotion import EMOTION_INDEX, EMOTIONS, LEVELS, Feeling
from engine.training.performers.perform import Performance, join, perform, split
from engine.training.performers.prosody import Prosody, measure
from engine.training.performers.style import PERFORMER_INDEX, PERFORMERS, Performer, performer, random_performer

__all__ = [
    "EMOTIONS", "EMOTION_INDEX", "LEVELS", "PERFORMERS", "PERFORMER_INDEX", "Example", "Feeling", "Performance",
    "Performances", "Performer", "Prosody", "Recipe", "Voice", "join", "measure", "perform", "performer",
    "random_performer", "split",
]  # fmt: skip
