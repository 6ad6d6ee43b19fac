"""Voices that no training heard, saying what no training heard, in every emotion; and performances of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from engine.features import SpeechEncoder
from engine.frames import SpeechFeatures
from engine.motion.emotion import EMOTIONS, K
from engine.training.performers import LEVELS, Feeling, Performances, Voice, perform, performer
from plugins.gmtalker.evidence.streaming import Line, hear

FULL = len(LEVELS)  # the intensity that figures are taken at, where none is said
STRIDE = 11  # of test utterances: neighbours in the manifest are one voice or one text


@dataclass(frozen=True)
class Scene:
    """One utterance with an emotion on the face. plain: the voice stays neutral. performer, seed: who, which take."""

    voice: Voice
    heard: SpeechFeatures
    emotion: int
    plain: bool
    performer: str
    seed: int

    def line(self, weights: np.ndarray | None = None, level: int = FULL, seed: int | None = None) -> Line:
        """What a slot speaks: this emotion, or other weights (K,), at MEAD's level 1 to 3."""
        chosen = one_hot(self.emotion) if weights is None else weights
        return Line(self.heard, self.performer, chosen, self.seed if seed is None else seed, LEVELS[level - 1])

    def performed(self, weights: np.ndarray | None = None, level: int = FULL, seed: int | None = None) -> np.ndarray:
        """The reference: a performance (T, M) of the same."""
        feeling = Feeling(one_hot(self.emotion) if weights is None else weights, LEVELS[level - 1])
        who, take = performer(self.performer), self.seed if seed is None else seed
        return perform(self.voice.phones, self.voice.prosody, feeling, who, take, self.voice.stress).motion


def one_hot(emotion: int) -> np.ndarray:
    """Weights (K,) of one emotion."""
    return np.eye(K, dtype=np.float32)[emotion]


class Scenes:
    """`clips` test utterances, each in eight emotions: half with a voice that feels the same, half neutral ones."""

    def __init__(
        self, corpus: Performances, encoder: SpeechEncoder, lookahead: int, performers: Sequence[str], clips: int,
        tell: Callable[[str], None],
    ):  # fmt: skip
        self._corpus, self._encoder, self._lookahead, self._tell = corpus, encoder, lookahead, tell
        names = corpus.utterances("test")
        stride = STRIDE if len(names) % STRIDE else 1
        self.names = [names[i * stride % len(names)] for i in range(min(clips, len(names)))]
        self._who = list(performers)

    @cached_property
    def plain(self) -> list[Scene]:
        """Every utterance once, in its neutral voice and with a neutral face; the same seeds as in `felt`."""
        self._tell(f"{len(self.names)} neutral voices")
        voices = [self._corpus.voice(name, "neutral", 1) for name in self.names]
        return self._scenes(voices, [EMOTIONS.index("neutral")] * len(voices), [True] * len(voices), range(len(voices)))

    @cached_property
    def felt(self) -> list[Scene]:
        """Every utterance in every emotion."""
        count = len(self.names)
        pairs = [(i, k) for i in range(count) for k in range(K)]
        of_its_own = [(i, k) for i, k in pairs if (i + k) % 2]
        self._tell(f"{len(of_its_own)} voices with emotions")
        voices = [self._corpus.voice(self.names[i], EMOTIONS[k], FULL if EMOTIONS[k] != "neutral" else 1)
                  for i, k in of_its_own]  # fmt: skip
        felt = self._scenes(voices, [k for _, k in of_its_own], [False] * len(voices), [i for i, _ in of_its_own])
        plain = [
            Scene(self.plain[i].voice, self.plain[i].heard, k, True, self._who[i % len(self._who)], _seed(i, k))
            for i, k in pairs if not (i + k) % 2
        ]  # fmt: skip
        return felt + plain

    def _scenes(self, voices: list[Voice], emotions: list[int], plain: list[bool], at: Sequence[int]) -> list[Scene]:
        heard = hear(self._encoder, [voice.samples for voice in voices], self._lookahead)
        return [
            Scene(voice, features, k, flat, self._who[i % len(self._who)], _seed(i, k))
            for voice, features, k, flat, i in zip(voices, heard, emotions, plain, at, strict=True)
        ]


def _seed(utterance: int, emotion: int) -> int:
    return 1000 + utterance * K + emotion
