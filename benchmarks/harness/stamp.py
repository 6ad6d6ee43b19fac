"""Numbers painted into pictures: which tick a picture was drawn for, and which mark its voice holds.

A stamp is read from the decoded picture, so what it proves holds for everything between: the picture that is seen now
was drawn for the tick that it names, whatever timestamps claim. It lies over the bottom of the picture.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.harness.marks import Mark, MarkFinder
from benchmarks.harness.spans import Recorder, Span
from engine.config import Config
from engine.frames import VOICE_TICK_SAMPLES, Moment
from engine.motion import layout
from engine.outlet import Outlet
from engine.session import Engine, Session

TICK_BITS, MOUTH_BITS, MARK_BITS, PLACE_BITS, CHECK_BITS = 12, 2, 4, 11, 5
COLUMNS, ROWS = 17, 2
TICKS = 1 << TICK_BITS  # nearly three minutes until numbers come again
PLACE_FROM_MS = -984.0  # a mark is found once it is over, and waits for the next picture that is drawn
PLACE_STEP_MS = 0.5
MOUTH = tuple(layout.INDEX[name] for name in ("jawOpen", "mouthFunnel", "mouthPucker"))
AT_REST = 0.05  # of the range of these: less is a mouth at rest
HOLDS = 0.9  # of how open it was one picture ago: less is a mouth that lets go
REST, LETS_GO, SPEAKS = range(3)


@dataclass(frozen=True, slots=True)
class Stamp:
    """tick: number modulo `TICKS`. kind: of a mark, None for none; place_ms: where it began, from the tick's begin.
    mouth: REST, LETS_GO (open still, but quickly less so) or SPEAKS."""

    tick: int
    kind: int | None = None
    place_ms: float = 0.0
    mouth: int = REST


def paint(picture: np.ndarray, stamp: Stamp) -> None:
    """Write a stamp over the bottom of uint8 (H, W, 3)."""
    place = round((stamp.place_ms - PLACE_FROM_MS) / PLACE_STEP_MS) if stamp.kind is not None else 0
    if not 0 <= place < 1 << PLACE_BITS:
        raise ValueError(f"a mark cannot begin {stamp.place_ms} ms from its tick")
    kind = 0 if stamp.kind is None else stamp.kind + 1
    head = (stamp.tick % TICKS) << MOUTH_BITS | stamp.mouth
    number = (head << MARK_BITS | kind) << PLACE_BITS | place
    number = number << CHECK_BITS | _check(number)
    bits = number >> np.arange(COLUMNS * ROWS)[::-1] & 1
    cell = picture.shape[1] // COLUMNS
    cells = np.repeat(np.repeat((bits * 219 + 16).astype(np.uint8).reshape(ROWS, COLUMNS), cell, 0), cell, 1)
    picture[-ROWS * cell :, : COLUMNS * cell] = cells[..., None]


def read(picture: np.ndarray) -> Stamp | None:
    """The stamp of a decoded picture, grey uint8 (H, W); None where there is none, or it came out unreadable."""
    cell = picture.shape[1] // COLUMNS
    cells = picture[-ROWS * cell :, : COLUMNS * cell].reshape(ROWS, cell, COLUMNS, cell)
    inner = slice(cell // 4, cell - cell // 4)
    bits = cells[:, inner, :, inner].mean((1, 3)).reshape(-1) > 127
    number = int(bits @ (1 << np.arange(COLUMNS * ROWS)[::-1]))
    number, check = number >> CHECK_BITS, number & (1 << CHECK_BITS) - 1
    if check != _check(number):
        return None
    place = number & (1 << PLACE_BITS) - 1
    kind = number >> PLACE_BITS & (1 << MARK_BITS) - 1
    head = number >> PLACE_BITS + MARK_BITS
    tick, mouth = head >> MOUTH_BITS, head & (1 << MOUTH_BITS) - 1
    if not kind:
        return Stamp(tick, mouth=mouth)
    return Stamp(tick, kind - 1, place * PLACE_STEP_MS + PLACE_FROM_MS, mouth)


class MouthWatch:
    """Tells what a mouth does, from the motion of one tick after the other, float32 (M,)."""

    def __init__(self) -> None:
        self._before = 0.0

    def look(self, motion: np.ndarray) -> int:
        opening, before = float(np.abs(motion[list(MOUTH)]).max()), self._before
        self._before = opening
        if opening <= AT_REST:
            return REST
        return SPEAKS if opening >= HOLDS * before else LETS_GO


def _check(number: int) -> int:
    """A remainder that an all-black or all-white strip does not pass."""
    return (number * 7 + 13) % 31


class StampedOutlet(Outlet):
    """Stamps what leaves a session, in the voice's own timeline.

    Adds two spans for every tick whose picture is new: "captured to finished", from the last sample of the tick to
    its picture, and "hand over", from there to the event loop that sends it.
    """

    def __init__(self, depth: int, loop: asyncio.AbstractEventLoop | None, recorder: Recorder):
        super().__init__(depth, loop)
        self._recorder = recorder
        self._finder = MarkFinder()
        self._mouth = MouthWatch()
        self._mark: Mark | None = None  # found, but not painted yet

    async def get(self) -> Moment:
        moment = await super().get()
        taken_ns = time.monotonic_ns()
        tick, audio = moment.image.index, moment.audio
        for mark in self._finder.push(audio.voice):
            self._mark = mark
        mouth = self._mouth.look(moment.motion.vector)
        stamp = Stamp(tick, mouth=mouth)
        if self._mark is not None and tick == audio.index:
            place_ms = (self._mark.at - tick * VOICE_TICK_SAMPLES) / (VOICE_TICK_SAMPLES / 40)
            if place_ms >= PLACE_FROM_MS:
                stamp = Stamp(tick, self._mark.kind, place_ms, mouth)
            self._mark = None
        paint(moment.image.rgb, stamp)
        if tick == audio.index:
            self._recorder.add(Span("captured to finished", "ticks", audio.captured_ns, moment.finished_ns, tick))
            self._recorder.add(Span("hand over", "ticks", moment.finished_ns, taken_ns, tick))
        return moment


class StampedEngine(Engine):
    """An engine whose sessions give stamped pictures, and whose stages are watched: spans "features", "motion" and
    "render", whose ticks are right as long as one session is open."""

    def __init__(self, config: Config, recorder: Recorder):
        super().__init__(config)
        self._recorder = recorder
        self._tick = -1

    def start(self) -> None:
        super().start()
        pipeline, watch = self.pipeline, self._recorder.wrap
        watch(pipeline.ears, "step", "features", lambda *_: self._next_tick())
        watch(pipeline.motion, "step", "motion", lambda *_: self._tick)
        watch(pipeline.renderer, "step", "render", lambda *_: self._tick - pipeline.lookahead)

    def _next_tick(self) -> int:
        self._tick += 1
        return self._tick

    def open_session(self, *given: Any, **named: Any) -> Session:
        session = super().open_session(*given, **named)
        session.moments = StampedOutlet(session.moments.depth, named.get("loop"), self._recorder)
        self._tick = -1
        return session
