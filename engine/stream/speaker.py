"""A program's voice on its way into a session: paced by the clock, heard to the last sample, stopped at once."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.audio import AudioBlock
from engine.frames import VOICE_RATE_HZ
from engine.motion.emotion import EMOTIONS
from engine.session import Session
from engine.stream.pacing import MS
from engine.stream.speech import Interrupted, Reached, SpeechQueue, Spoken

BLOCK_SAMPLES = VOICE_RATE_HZ // 50
BLOCK_NS = 20 * MS
STALL_NS = 100 * MS  # this process stood still for longer: the lost time is given as silence, and speech goes on


@dataclass(frozen=True, slots=True)
class Ended:
    """The session is over; reason: an error's text, or None."""

    reason: str | None


MOST_BEHIND_S = 0.24  # the compute lags by more: speech waits here, where it can still be interrupted, not there
Listener = Callable[[Reached | Spoken | Ended], None]


class Speaker:
    """Speech of one program at a time, or silence.

    name: of the session, as programs call it. seen: takes what a viewer's page reports of sound against picture (ms).
    always: also gives silence while no program is here (a session
    without any other voice).
    """

    def __init__(self, session: Session, name: str = "", always: bool = False):
        self.session = session
        self.name = name
        self.queue = SpeechQueue()
        self.seen: Callable[[float], None] = lambda offset_ms: None
        self._watch_id, self._viewers = "", lambda: 0
        self.channel = False  # whether a data channel is open
        self.interrupts = 0
        self._dropped = 0  # samples that were interrupted, which the queue counts as heard
        self._always = always
        self._listener: Listener | None = None
        self._begun_ns: int | None = None
        self._given = 0  # blocks since then
        self._changed = asyncio.Event()
        session.moments.taken = self._hear

    def share(self, watch_id: str, viewers: Callable[[], int]) -> None:
        """What programs are told of those who look on: the key with which they may, and how many are there."""
        self._watch_id, self._viewers = watch_id, viewers

    @property
    def taken(self) -> bool:
        """Whether a program is here."""
        return self._listener is not None

    @property
    def active(self) -> bool:
        """Whether the voice comes from here; another source is not heard meanwhile."""
        return self._always or self.taken or self.queue.waiting > 0

    def take(self, listener: Listener, buffer: int) -> int:
        """A program takes the voice over; what an earlier one left is said first. Only if not `taken`.

        Returns the number of its first utterance.
        """
        self._listener = listener
        self.queue.buffer = buffer
        self._changed.set()
        return self.queue.last_utterance

    def leave(self) -> None:
        """The program goes: complete utterances are still said, the open one breaks off."""
        self._listener = None
        self.queue.leave()

    def interrupt(self) -> Interrupted:
        """Stop now: nothing that was not let out is heard or shown any more."""
        self._hear(self.session.hush())
        report = self.queue.interrupt()
        self.interrupts += 1
        self._dropped += report.dropped
        return report

    def end(self, reason: str | None) -> None:
        """The session is over: the program is told."""
        if self._listener is not None:
            self._listener(Ended(reason))

    def stats(self) -> dict[str, Any]:
        """Counts since the session began, for its viewers and for /metrics."""
        return {
            "program": self.taken,
            "queued_s": round(self.queue.waiting / VOICE_RATE_HZ, 3),
            "spoken_ms": (self.queue.heard - self._dropped) * 1000 // VOICE_RATE_HZ,
            "underruns": self.queue.underruns,
            "interrupts": self.interrupts,
        }

    def state(self) -> dict[str, Any]:
        """Of the session, for programs."""
        emotion = self.session.emotion
        weights = {name: round(w, 4) for name, w in zip(EMOTIONS, emotion.weights, strict=True) if w}
        return {
            "session": self.name,
            "watch": self._watch_id,
            "viewers": self._viewers(),
            "identity": self.session.identity,
            "program": self.taken,
            "queued_s": round(self.queue.waiting / VOICE_RATE_HZ, 3),
            "lookahead_ms": self.session.lookahead_ms,
            "emotions": list(EMOTIONS) if self.session.emotional else [],
            "emotion": {"weights": weights, "intensity": emotion.intensity},
        }

    async def speak(self) -> None:
        """Push sound while `active`, in real time; runs until cancelled."""
        while True:
            if not self.active:
                self._begun_ns = None
                self._changed.clear()
                await self._changed.wait()
            wait_ns = self.advance(time.monotonic_ns())
            await asyncio.sleep(wait_ns / 1e9)

    def advance(self, now_ns: int) -> int:
        """Push what is due by now; nanoseconds until there is something to do again.

        A program's speech has no clock of its own: on a machine that cannot keep up it comes with gaps, and nothing
        piles up.
        """
        if self.session.behind_s > MOST_BEHIND_S:
            self._begun_ns = None
            return BLOCK_NS
        if self._begun_ns is None:
            self._begun_ns, self._given = now_ns, 0
        due = (now_ns - self._begun_ns) // BLOCK_NS - self._given
        if due * BLOCK_NS > STALL_NS:
            self._push(np.zeros((due - 1) * BLOCK_SAMPLES, np.float32), now_ns)
            self._given += due - 1
            due = 1
        for _ in range(due):
            self._push(self.queue.take(self.session.end, BLOCK_SAMPLES), now_ns)
            self._given += 1
        return self._begun_ns + (self._given + 1) * BLOCK_NS - now_ns

    def _push(self, samples: np.ndarray, now_ns: int) -> None:
        self.session.push(AudioBlock(samples[:, None], VOICE_RATE_HZ, now_ns))

    def _hear(self, position: int) -> None:
        for event in self.queue.hear(position):
            if self._listener is not None:
                self._listener(event)
