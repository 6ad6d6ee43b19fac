"""Performances of a speech corpus, to train on: felt voice and motion, made on demand, the same for the same recipe.

    corpus = Performances("../shared/corpus", cache="runs/performances")
    for recipe in corpus.plan("train", count=4000, seed=0):
        example = corpus.make(recipe)               # voice, motion (T, M), labels

Splits are the corpus' own, apart by voice and by text. A voice depends on utterance, emotion and level only, so
performers and seeds share it: encode it once. With a cache folder voices are kept as 16-bit samples, about 0.1 MB each;
motion takes milliseconds and is made anew.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from zlib import crc32

import numpy as np

from engine.errors import ConfigError, MediaError
from engine.frames import TICK_SAMPLES
from engine.training.corpus import decode, read_rows, sound_of
from engine.training.performers.emotion import EMOTION_INDEX, EMOTIONS, LEVELS, Feeling
from engine.training.performers.perform import perform
from engine.training.performers.prosody import Prosody, measure
from engine.training.performers.style import PERFORMER_INDEX, PERFORMERS, performer
from engine.training.performers.voice import feel

SPLITS = ("train", "valid", "test")
CACHE_VERSION = 2  # raise it when voices change


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to make. utterance: id in the corpus; level: 1, 2, 3 (neutral has 1 only); performer: a name or random:N."""

    utterance: str
    emotion: str
    level: int
    performer: str
    seed: int


@dataclass(frozen=True, slots=True)
class Voice:
    """Felt speech: int16 (T * 640,) at 16 kHz, ending on a tick; its phones and their stress; its prosody."""

    samples: np.ndarray
    phones: list
    stress: list | None
    prosody: Prosody


@dataclass(frozen=True, slots=True)
class Example:
    """One performed utterance.

    voice: see Voice, T ticks. motion: float32 (T, M). closure, bite: float32 (T,), where lips must meet.
    emotion: index into EMOTIONS; level 1 to 3 and the strength that it means; performer: index into PERFORMERS, -1
    for a random one.
    """

    recipe: Recipe
    voice: Voice
    motion: np.ndarray
    closure: np.ndarray
    bite: np.ndarray
    emotion: int
    level: int
    strength: float
    performer: int


class Performances:
    """Examples from a corpus folder (manifest.jsonl and audio/). MediaError: the folder is none."""

    def __init__(self, corpus: Path | str, cache: Path | str | None = None):
        self.folder, self.cache = Path(corpus), Path(cache) if cache else None
        if not (self.folder / "manifest.jsonl").is_file():
            raise MediaError(f"{self.folder}: no manifest.jsonl here; name a corpus folder")

    @cached_property
    def rows(self) -> dict[str, dict]:
        """Manifest rows by utterance."""
        return {row["id"]: row for row in read_rows(self.folder / "manifest.jsonl")}

    def utterances(self, split: str) -> list[str]:
        """Ids of a split, in the manifest's order. ConfigError: no such split."""
        if split not in SPLITS:
            raise ConfigError(f"split {split!r}: there are {', '.join(SPLITS)}")
        return [name for name, row in self.rows.items() if row["split"] == split]

    def plan(
        self, split: str, count: int, seed: int = 0, random_performers: bool = False, takes: int = 1,
        emotions: tuple[str, ...] = EMOTIONS,
    ) -> list[Recipe]:  # fmt: skip
        """`count` recipes in which utterances, emotions and performers are even, and levels drawn.

        random_performers: performers that nobody has met, other ones in every split (for wide pre-training).
        takes: performances in a row of one voice, by other performers with other seeds; voices cost more than motion.
        The first n recipes of a longer plan are those of a shorter one. ConfigError: no such split, nothing to choose.
        """
        names = self.utterances(split)
        if not names or not emotions or takes < 1:
            raise ConfigError(f"nothing to plan: {len(names)} utterances, {len(emotions)} emotions, {takes} takes")
        draw = np.random.default_rng((seed, crc32(split.encode())))
        utterance, emotion, who = _even(draw, len(names)), _even(draw, len(emotions)), _even(draw, len(PERFORMERS))
        out: list[Recipe] = []
        while len(out) < count:
            name, felt, level = names[next(utterance)], emotions[next(emotion)], int(draw.integers(1, 4))
            for _ in range(takes):
                stranger, seen, take = int(draw.integers(2**31)), PERFORMERS[next(who)].name, int(draw.integers(2**31))
                actor = f"random:{stranger}" if random_performers else seen
                out.append(Recipe(name, felt, 1 if felt == "neutral" else level, actor, take))
        return out[:count]

    def make(self, recipe: Recipe) -> Example:
        """The example of a recipe. ConfigError: an unknown utterance, emotion, level or performer."""
        who, voice = performer(recipe.performer), self.voice(recipe.utterance, recipe.emotion, recipe.level)
        feeling = _feeling(recipe.emotion, recipe.level)
        done = perform(voice.phones, voice.prosody, feeling, who, recipe.seed, voice.stress)
        return Example(
            recipe, voice, done.motion, done.closure, done.bite, EMOTION_INDEX[recipe.emotion], recipe.level,
            LEVELS[recipe.level - 1], PERFORMER_INDEX.get(recipe.performer, -1),
        )  # fmt: skip

    def __call__(self, recipes: list[Recipe]) -> Iterator[Example]:
        """The examples of many recipes, one after another."""
        return (self.make(recipe) for recipe in recipes)

    def voice(self, utterance: str, emotion: str, level: int) -> Voice:
        """An utterance as if it were felt; from the cache when it is there."""
        row = self.rows.get(utterance)
        if row is None:
            raise ConfigError(f"no utterance {utterance!r} in {self.folder}")
        feeling = _feeling(emotion, level)
        kept = self.cache / f"{utterance}-{emotion}{level}-v{CACHE_VERSION}.npz" if self.cache else None
        if kept and kept.is_file():
            with np.load(kept) as file:
                samples, times = file["samples"], file["times"]
            phones = [[name, float(a), float(b)] for (name, *_), (a, b) in zip(row["phones"], times, strict=True)]
        else:
            said = feel(decode(str(sound_of(row, self.folder))), row["phones"], feeling, crc32(utterance.encode()))
            padded = np.pad(said.samples, (0, -len(said.samples) % TICK_SAMPLES))
            samples, phones = np.round(np.clip(padded, -1, 1) * 32767).astype(np.int16), said.phones
            if kept:
                _keep(kept, samples, phones)
        return Voice(samples, phones, row.get("stress"), measure(samples))


def _even(draw: np.random.Generator, count: int) -> Iterator[int]:
    """Numbers below count for ever, every one once before any comes again, in an order of a stream of its own."""
    own = np.random.default_rng(draw.integers(2**63))
    while True:
        yield from own.permutation(count).tolist()


def _feeling(emotion: str, level: int) -> Feeling:
    return Feeling.of(level, **{emotion: 1.0})


def _keep(path: Path, samples: np.ndarray, phones: list) -> None:
    """Write a voice; its name appears only when the file is whole, so that several may fill one folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    with partial.open("wb") as file:
        np.savez(file, samples=samples, times=np.array([[start, end] for _, start, end in phones]))
    partial.replace(path)
