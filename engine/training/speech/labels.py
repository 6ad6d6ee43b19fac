"""Token durations of the synthesizer -> phones with times.

The durations lag the sound by 2.5 units; measured on 27 voices against an aligner and against acoustic steps. The
time of a space in running speech is halved between its neighbours, a stress mark at a word's start belongs to the
vowel behind it, one inside a word is halved.
"""

from dataclasses import dataclass

import numpy as np

from engine.training.speech.synthesizer import UNIT_S

SHIFT_S = -0.0625
VOWELS = {
    "i": "IY", "ɪ": "IH", "ᵻ": "IH", "ɨ": "IH", "e": "EH", "ɛ": "EH", "æ": "AE", "a": "AE", "ɑ": "AA", "ɒ": "OH",
    "ɔ": "AO", "o": "AO", "ʊ": "UH", "u": "UW", "ʌ": "AH", "ə": "AX", "ɐ": "AX", "ᵊ": "AX", "ɜ": "ER", "ɚ": "ER",
    "A": "EY", "I": "AY", "O": "OW", "Q": "OW", "W": "AW", "Y": "OY",
}  # fmt: skip
CONSONANTS = {
    "p": "P", "b": "B", "t": "T", "d": "D", "k": "K", "ɡ": "G", "ʧ": "CH", "ʤ": "JH", "f": "F", "v": "V", "θ": "TH",
    "ð": "DH", "s": "S", "z": "Z", "ʃ": "SH", "ʒ": "ZH", "h": "HH", "m": "M", "n": "N", "ŋ": "NG", "l": "L", "ɹ": "R",
    "r": "R", "w": "W", "j": "Y", "ɾ": "DX", "T": "DX", "ʔ": "T", "x": "K",
}  # fmt: skip
STRESS = {"ˈ": 1, "ˌ": 2}
PUNCTUATION = frozenset('.,!?;:—…"()“”')


@dataclass
class Segment:
    """A phone or a silence in s; stress 0, 1, 2 on vowels; word: its number, -1 in silence."""

    name: str
    start: float
    end: float
    stress: int | None = None
    word: int = -1


class _Reader:
    """Reads tokens from left to right and keeps what is still open: a pause, a stress mark, time to give away."""

    def __init__(self, first_end: float):
        self.out = [Segment("sil", 0.0, first_end)]
        self.word, self.stress = -1, 0
        self.new_word = True
        self.carried: float | None = None  # where the next phone begins, when earlier than its token
        self.pause: float | None = None  # where a run of spaces and punctuation began
        self.punctuated = False

    def space(self, token: str, start: float) -> None:
        if self.pause is None:
            self.pause, self.punctuated = start, False
        self.punctuated |= token in PUNCTUATION
        self.new_word |= token in " —"

    def close_pause(self, start: float) -> None:
        if self.pause is None:
            return
        if len(self.out) == 1:
            self.out[0].end = start
        elif self.punctuated:
            self.out.append(Segment("sil", self.pause, start))
        else:
            self.out[-1].end = self.carried = (self.pause + start) / 2
        self.pause = None

    def stress_mark(self, token: str, start: float, end: float) -> None:
        self.stress = STRESS[token]
        if self.new_word:
            self.carried = start if self.carried is None else self.carried
        else:
            self.out[-1].end = self.carried = (start + end) / 2

    def phone(self, token: str, start: float, end: float) -> None:
        self.word += self.new_word
        self.new_word = False
        begin = start if self.carried is None else self.carried
        self.carried = None
        if token in VOWELS:
            self.out.append(Segment(VOWELS[token], begin, end, self.stress, self.word))
            self.stress = 0
        else:
            self.out.append(Segment(CONSONANTS[token], begin, end, None, self.word))

    def colour_vowel(self, end: float) -> None:
        """American vowel and r become one: ER."""
        self.out.pop()
        self.out[-1].name, self.out[-1].end = "ER", end


def segments_of(tokens: str, durations: np.ndarray, british: bool, shift_s: float = SHIFT_S) -> list[Segment]:
    """Gapless segments from 0 to the end. durations: units per token and for the pads before and behind them."""
    if len(durations) != len(tokens) + 2:
        raise ValueError(f"{len(durations)} durations for {len(tokens)} tokens and two pads")
    times = np.maximum(np.concatenate(([0.0], np.cumsum(durations))) * UNIT_S + shift_s, 0.0)
    times[0], times[-1] = 0.0, float(np.sum(durations)) * UNIT_S
    reader = _Reader(times[1])
    for i, token in enumerate(tokens):
        start, end = times[i + 1], times[i + 2]
        if token == " " or token in PUNCTUATION:
            reader.space(token, start)
            continue
        reader.close_pause(start)
        if token in STRESS:
            reader.stress_mark(token, start, end)
        elif token in VOWELS or token in CONSONANTS:
            reader.phone(token, start, end)
            if token == "ɹ" and not british and _colours(tokens, i):
                reader.colour_vowel(end)
        else:
            reader.out[-1].end = end  # a length mark and the like
    last = times[-2] if reader.pause is None else reader.pause
    reader.out.append(Segment("sil", last, times[-1]))
    return [segment for segment in reader.out if segment.end > segment.start + 1e-6]


def _colours(tokens: str, i: int) -> bool:
    """Whether the r at i belongs to the vowel before it."""
    before = tokens[i - 1] if i else ""
    behind = next((token for token in tokens[i + 1 :] if token not in STRESS), " ")
    return before == "ɜ" or (before == "ə" and behind not in VOWELS)


def words_of(text: str, segments: list[Segment]) -> list[tuple[str, float, float]]:
    """(word, start s, end s); empty where text and phones do not split alike."""
    words = [word for word in (part.strip(".,!?;:\"'") for part in text.split()) if word]
    if len(words) != max((segment.word for segment in segments), default=-1) + 1:
        return []
    own = [[s for s in segments if s.word == k] for k in range(len(words))]
    return [(word, some[0].start, some[-1].end) for word, some in zip(words, own, strict=True) if some]
