"""What a program wants said: a queue of speech with marks, and the account of what has been heard of it.

Nothing here reads a clock or waits. Two timelines meet: speech, the samples that the program sent, and media, the
samples that the session gives out, in which silence fills the gaps. Both count samples at 48 kHz.

Speech comes in utterances: one begins with the first sample after a start, a flush or an interrupt.
"""

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from engine.frames import VOICE_RATE_HZ

FADE_SAMPLES = VOICE_RATE_HZ // 200  # 5 ms, where the program did not keep up and speech breaks off
FADE = np.linspace(1.0, 0.0, FADE_SAMPLES, dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in the speech. at: the sample before which it stands. name, text: the program's own, may be empty."""

    utterance: int
    at: int
    name: str
    text: str


@dataclass(slots=True)
class Utterance:
    """start, end: its samples in the speech, end None while it is open. number: from 1 on. said: texts of its marks."""

    number: int
    start: int
    end: int | None = None
    said: list[str] = field(default_factory=list)
    last_mark: str = ""


@dataclass(frozen=True, slots=True)
class Reached:
    """A mark has been heard."""

    mark: Mark


@dataclass(frozen=True, slots=True)
class Spoken:
    """An utterance has been heard to its end: `samples` of it, all."""

    utterance: int
    samples: int


@dataclass(frozen=True, slots=True)
class Interrupted:
    """What an interrupt left: `samples` of `utterance` were heard, `dropped` samples (later utterances too) never
    will be. mark, text: the last named mark that was reached, and the texts of all reached ones, of this utterance."""

    utterance: int
    samples: int
    dropped: int
    mark: str
    text: str


class SpeechQueue:
    """Speech that waits, is being said, or has been heard.

    buffer: samples that must wait before speech begins, or goes on after the program fell behind; a flush lifts that.
    received, given, heard: samples of speech that came, that went on their way, and that were heard.
    underruns: how often speech broke off because the program fell behind.
    """

    def __init__(self, buffer: int = 0):
        self.buffer = buffer
        self.received = self.given = self.heard = 0
        self.underruns = 0
        self._waiting: deque[np.ndarray] = deque()
        self._flowing = False
        self._marks: deque[Mark] = deque()
        self._segments: deque[tuple[int, int, int]] = deque()  # (media, speech, count) of what is on its way
        self._utterances: deque[Utterance] = deque([Utterance(1, 0)])  # the last one is open

    @property
    def waiting(self) -> int:
        """Samples that are not on their way yet."""
        return self.received - self.given

    @property
    def utterance(self) -> int:
        """Number of the utterance that is being said, or comes next."""
        return self._utterances[0].number

    @property
    def last_utterance(self) -> int:
        """Number of the utterance to which the next sample will belong."""
        return self._utterances[-1].number

    @property
    def said(self) -> int:
        """Samples of that utterance heard so far."""
        return max(0, self.heard - self._utterances[0].start)

    @property
    def marks(self) -> int:
        """Marks that were not reached yet."""
        return len(self._marks)

    @property
    def utterances(self) -> int:
        """Utterances that were not heard to their end, the open one included."""
        return len(self._utterances)

    def append(self, samples: np.ndarray) -> None:
        """Speech float32 (n,) behind what is there."""
        if len(samples):
            self._waiting.append(samples)
            self.received += len(samples)

    def mark(self, name: str = "", text: str = "", held: int = 0) -> None:
        """A mark behind the last sample, and behind `held` more that are still on their way here."""
        self._marks.append(Mark(self._utterances[-1].number, self.received + held, name, text))

    def flush(self) -> int:
        """The utterance is complete: say it to its end, however little it is. Returns its number."""
        last = self._utterances[-1]
        last.end = self.received
        self._utterances.append(Utterance(last.number + 1, self.received))
        return last.number

    def take(self, media: int, count: int) -> np.ndarray:
        """What the media samples from `media` on are to hold, float32 (count,): speech, and silence after it."""
        out = np.zeros(count, np.float32)
        if not self._may_flow():
            return out
        filled = 0
        while filled < count and self._waiting:
            block = self._waiting.popleft()
            used = min(len(block), count - filled)
            out[filled : filled + used] = block[:used]
            if used < len(block):
                self._waiting.appendleft(block[used:])
            filled += used
        if filled:
            self._segments.append((media, self.given, filled))
            self.given += filled
        complete = self._utterances[-1].start == self.received
        if filled < count and not complete:
            self._break_off(out, filled)
        elif filled < count:
            self._flowing = False
        return out

    def _may_flow(self) -> bool:
        complete = self._utterances[-1].start > self.given  # a flush: something waits that is whole
        self._flowing = self._flowing or complete or self.waiting >= max(1, self.buffer)
        return self._flowing

    def _break_off(self, out: np.ndarray, filled: int) -> None:
        """The program has fallen behind in the middle of an utterance."""
        if filled:
            length = min(FADE_SAMPLES, filled)
            out[filled - length : filled] *= FADE[-length:]
        self.underruns += self._flowing
        self._flowing = False

    def hear(self, media: int) -> list[Reached | Spoken]:
        """The session's voice was let out up to this media sample: which marks and ends it passed, in order."""
        while self._segments and self._segments[0][0] < media:
            start, speech, count = self._segments[0]
            passed = min(count, media - start)
            self.heard = speech + passed
            if passed < count:
                break
            self._segments.popleft()
        events: list[Reached | Spoken] = []
        while True:
            utterance = self._utterances[0]
            mark = self._marks[0] if self._marks else None
            if mark is not None and mark.utterance == utterance.number and mark.at <= self.heard:
                self._marks.popleft()
                utterance.said.append(mark.text)
                utterance.last_mark = mark.name or utterance.last_mark
                events.append(Reached(mark))
            elif utterance.end is not None and utterance.end <= self.heard:
                self._utterances.popleft()
                events.append(Spoken(utterance.number, utterance.end - utterance.start))
            else:
                return events

    def interrupt(self) -> Interrupted:
        """Forget everything that was not heard; call `hear` with the last media sample first."""
        current, last = self._utterances[0], self._utterances[-1]
        report = Interrupted(
            current.number, self.said, self.received - self.heard, current.last_mark, "".join(current.said)
        )
        self._waiting.clear()
        self._marks.clear()
        self._segments.clear()
        self.given = self.heard = self.received
        self._flowing = False
        self._utterances = deque([Utterance(last.number + 1, self.received)])
        return report

    def leave(self) -> int:
        """The program has gone: what is complete will be said, the open utterance will not. Samples dropped."""
        keep = max(self._utterances[-1].start, self.given)
        dropped = self.received - keep
        kept, left = deque[np.ndarray](), keep - self.given
        while left > 0:
            kept.append(self._waiting.popleft()[:left])
            left -= len(kept[-1])
        self._waiting, self.received = kept, keep
        self._marks = deque(mark for mark in self._marks if mark.at <= keep)
        self.flush()
        return dropped
