"""One program's conversation with a session, whatever carries it: messages in, calls on a Speaker, answers out.

PROTOCOL.md describes it from the program's side.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from engine.clock import Clock, MonotonicClock
from engine.config import ServeSection
from engine.errors import EngineError
from engine.frames import FPS, VOICE_RATE_HZ
from engine.motion.emotion import make_emotion
from engine.stream import protocol
from engine.stream.protocol import ProtocolError, message_id, read_message
from engine.stream.rate import Bucket
from engine.stream.sound import Decoder, make_decoder
from engine.stream.speaker import Ended, Speaker
from engine.stream.speech import Interrupted, Reached, Spoken

MESSAGES_PER_S, MESSAGES_AT_ONCE = 500, 2_000
START_WITHIN_S = 10.0
MOST_MARKS = 1_000  # marks and utterances that wait
PAUSE_AT, RESUME_AT = 0.5, 0.25  # shares of the queue at which the program is asked to wait, and to go on

SHOWN = 6  # characters of a session's id in logs: who knows all of it may change the session
log = logging.getLogger(__name__)

Find = Callable[[protocol.Start], Speaker]
Open = Callable[[protocol.Start], Awaitable[Speaker]]
Send = Callable[[dict[str, Any]], None]


@dataclass(slots=True)
class _Program:
    """What a start settled. first: number of the program's first utterance."""

    speaker: Speaker
    decoder: Decoder
    first: int
    ack_s: float


class Link:
    """A conversation. `receive` what comes, `run` beside it until `over`, then `close`.

    find: the speaker that a start asks for, or ProtocolError. send: takes an answer, never waits.
    own: the speaker of the connection that carries this, if there is one: it may be told things before a start.
    open_: that of a new session, where a start may ask for one. opening: while that is on its way; what comes
    meanwhile is to be received after it.
    """

    def __init__(
        self, find: Find, send: Send, limits: ServeSection, own: Speaker | None = None, clock: Clock | None = None,
        open_: Open | None = None,
    ):  # fmt: skip
        self.over = asyncio.Event()
        self.opening: asyncio.Task[None] | None = None
        self._open = open_
        self._find, self._send, self._limits, self._own = find, send, limits, own
        self._clock = clock or MonotonicClock()
        self._bucket = Bucket(MESSAGES_PER_S, MESSAGES_AT_ONCE, self._clock)
        self._most = int(limits.speech_queue_s * VOICE_RATE_HZ)
        self._program: _Program | None = None
        self._paused = False
        self._told: tuple[int, ...] = ()
        self._last_ns = self._clock.now_ns()

    def receive(self, data: str | bytes) -> None:
        """One message. Errors are told to the program; a fatal one ends the conversation."""
        if self.over.is_set():
            return
        self._last_ns = self._clock.now_ns()
        try:
            if not self._bucket.take():
                raise ProtocolError("rate", f"more than {MESSAGES_PER_S} messages a second", fatal=True)
            if len(data) > self._limits.max_message_bytes:
                raise ProtocolError("message", f"more than {self._limits.max_message_bytes} bytes", fatal=True)
            if isinstance(data, bytes):
                self._take_sound(data)
            else:
                self._take_message(read_message(data))
        except ProtocolError as error:
            self.fail(error, None if isinstance(data, bytes) else message_id(data))
        except EngineError as error:
            self.fail(ProtocolError("refused", str(error)), None if isinstance(data, bytes) else message_id(data))

    def fail(self, error: ProtocolError, number: Any = None) -> None:
        """Tell the program of an error, and end if it is fatal."""
        self._answer("error", number, code=error.code, message=str(error), fatal=error.fatal)
        if error.fatal:
            self.over.set()

    async def run(self) -> None:
        """Acknowledge, resume, and watch for silence, until the conversation is over."""
        begun_ns = self._clock.now_ns()
        while not self.over.is_set():
            try:
                await asyncio.wait_for(self.over.wait(), self._program.ack_s if self._program else 0.5)
            except TimeoutError:
                self.tick(begun_ns)

    def tick(self, begun_ns: int) -> None:
        """What is due every now and then."""
        now_ns, program = self._clock.now_ns(), self._program
        if program is None:
            if self._own is None and self.opening is None and now_ns - begun_ns > START_WITHIN_S * 1e9:
                self.fail(ProtocolError("idle", f"no start within {START_WITHIN_S:g} s", fatal=True))
            return
        queue = program.speaker.queue
        if self._paused and queue.waiting <= RESUME_AT * self._most:
            self._paused = False
            self._answer("resume", queued_s=_seconds(queue.waiting))
        state = (queue.received, queue.given, queue.heard, queue.underruns)
        if state != self._told:
            self._told = state
            self._last_ns = now_ns  # who is being listened to is not idle
            self._answer("ack", **self._account(program))
        elif now_ns - self._last_ns > self._limits.idle_timeout_s * 1e9:
            self.fail(ProtocolError("idle", f"nothing for {self._limits.idle_timeout_s:g} s", fatal=True))

    def close(self) -> None:
        """The carrier has gone."""
        self.over.set()
        if self._program is not None:
            log.info("a program has left", extra={"session": self._program.speaker.name[:SHOWN]})
            self._program.speaker.leave()
            self._program = None

    def _take_sound(self, data: bytes) -> None:
        program = self._started()
        queue = program.speaker.queue
        # A message is taken whole or not at all, so that a program can send it again.
        if queue.waiting + program.decoder.most(data) > self._most:
            raise ProtocolError("full", f"{_seconds(queue.waiting)} s of speech wait; this was not taken")
        queue.append(program.decoder.decode(data))
        if not self._paused and queue.waiting > PAUSE_AT * self._most:
            self._paused = True
            self._answer("pause", queued_s=_seconds(queue.waiting))

    def _take_message(self, message: protocol.AnyMessage) -> None:
        match message:
            case protocol.Start():
                self._start(message)
            case protocol.SetEmotion():
                emotion = make_emotion(message.weights, message.intensity)
                self._speaker().session.set_emotion(emotion)
                self._answer("emotion", message.id, weights=message.weights, intensity=message.intensity)
            case protocol.AskState():
                self._answer("state", message.id, **self._speaker().state())
            case protocol.Seen():
                if self._own is None:
                    raise ProtocolError("message", "only a viewer sees")
                self._own.seen(message.av_offset_ms)
            case protocol.Stop():
                self._answer("stopped", message.id)
                self.over.set()
            case protocol.MarkHere():
                program = self._roomy()
                program.speaker.queue.mark(message.name, message.text, program.decoder.held)
            case protocol.Flush():
                program = self._roomy()
                program.speaker.queue.append(program.decoder.finish())
                self._answer("flushed", message.id, utterance=program.speaker.queue.flush())
            case protocol.Interrupt():
                self._interrupt(message)

    def _start(self, message: protocol.Start) -> None:
        if self._program is not None:
            raise ProtocolError("message", "this conversation has started already")
        if not message.open:
            if message.identity is not None or message.background is not None:
                raise ProtocolError("message", "identity and background are for a session that the start opens")
            self._begin(self._own or self._find(message), message)
        elif self._open is None:
            raise ProtocolError("message", "only over a WebSocket may a program open a session")
        elif message.session is not None:
            raise ProtocolError("message", "a session is opened or named, not both", fatal=True)
        else:
            self.opening = asyncio.create_task(self._begin_new(self._open(message), message))

    async def _begin_new(self, opened: Awaitable[Speaker], message: protocol.Start) -> None:
        """Begin once the session is there. If the program has gone by then, the session ends as without one."""
        try:
            speaker = await opened
            if not self.over.is_set():
                self._begin(speaker, message)
        except ProtocolError as error:
            self.fail(error, message.id)
        except EngineError as error:
            self.fail(ProtocolError("refused", str(error), fatal=True), message.id)
        finally:
            self.opening = None

    def _begin(self, speaker: Speaker, message: protocol.Start) -> None:
        if speaker.taken:
            raise ProtocolError("busy", "another program speaks through this session", fatal=self._own is None)
        decoder = make_decoder(message.format, message.rate_hz)
        first = speaker.take(self._on_event, message.buffer_ms * VOICE_RATE_HZ // 1000)
        self._program = _Program(speaker, decoder, first, message.ack_ms / 1000)
        log.info("a program speaks", extra={"session": speaker.name[:SHOWN], "format": message.format})
        self._answer(
            "started", message.id, version=protocol.VERSION, format=message.format, rate_hz=decoder.rate_hz, fps=FPS,
            utterance=first, message_bytes=self._limits.max_message_bytes, queue_s=self._limits.speech_queue_s,
            **speaker.state(),
        )  # fmt: skip

    def _interrupt(self, message: protocol.Interrupt) -> None:
        program = self._started()
        program.decoder.finish()
        report = program.speaker.interrupt()
        if report.utterance < program.first:  # what an earlier program had left
            report = Interrupted(program.first, 0, report.dropped, "", "")
        self._answer(
            "interrupted", message.id, utterance=report.utterance, **self._spoken(report.samples),
            dropped_ms=_ms(report.dropped), mark=report.mark, text=report.text,
        )  # fmt: skip
        self._told = ()
        if self._paused:
            self._paused = False
            self._answer("resume", queued_s=0.0)

    def _on_event(self, event: Reached | Spoken | Ended) -> None:
        program = self._program
        if isinstance(event, Ended):
            self.fail(ProtocolError("session", event.reason or "the session has ended", fatal=True))
        elif program is None:
            return
        elif isinstance(event, Reached):
            if event.mark.utterance >= program.first:
                self._answer("reached", utterance=event.mark.utterance, name=event.mark.name, text=event.mark.text)
        elif event.utterance >= program.first:
            self._answer("spoken", utterance=event.utterance, **self._spoken(event.samples))

    def _account(self, program: _Program) -> dict[str, Any]:
        queue = program.speaker.queue
        return {
            "utterance": max(queue.utterance, program.first),
            **self._spoken(queue.said if queue.utterance >= program.first else 0),
            "queued_s": _seconds(queue.waiting),
            "room_s": _seconds(self._most - queue.waiting),
            "underruns": queue.underruns,
        }

    def _spoken(self, samples: int) -> dict[str, Any]:
        """How much was heard, in samples as the program counts them, and in ms."""
        assert self._program is not None
        return {"samples": round(samples * self._program.decoder.rate_hz / VOICE_RATE_HZ), "ms": _ms(samples)}

    def _started(self) -> _Program:
        if self._program is None:
            raise ProtocolError("message", "the first message is a start", fatal=self._own is None)
        return self._program

    def _roomy(self) -> _Program:
        program = self._started()
        if program.speaker.queue.marks >= MOST_MARKS or program.speaker.queue.utterances >= MOST_MARKS:
            raise ProtocolError("full", f"{MOST_MARKS} marks or utterances wait; this was not taken")
        return program

    def _speaker(self) -> Speaker:
        return self._own or self._started().speaker

    def _answer(self, kind: str, number: Any = None, **content: Any) -> None:
        self._send({"type": kind} | ({} if number is None else {"id": number}) | content)


def _seconds(samples: int) -> float:
    return round(samples / VOICE_RATE_HZ, 3)


def _ms(samples: int) -> float:
    return round(1000 * samples / VOICE_RATE_HZ, 1)
