"""Live sessions: voices pushed from the event loop, moments coming back, one compute thread between.

The thread owns the device. It takes one tick of each session in turn, so that no session starves another.
When a session falls behind, its pictures are skipped and counted; its voice never is.
"""

import asyncio
import gc
import logging
import threading
from collections import deque
from typing import Any

import numpy as np

from engine.audio import AudioBlock, Rechunker
from engine.channel import Channel, Policy
from engine.config import Config, shows_alpha
from engine.errors import ConfigError, SessionError
from engine.frames import AudioTick, Moment
from engine.pipeline import Performer, Pipeline

LATE_TICKS = 2  # a session with this many ticks waiting repeats pictures until it has caught up
BACKLOG_BLOCKS = 500  # 10 s of 20 ms blocks: more means that this machine cannot keep up at all
UNREAD_MOMENTS = 100  # 4 s that nobody fetched: the peer has gone

log = logging.getLogger(__name__)


class Session:
    """One voice and its face. All methods may be called from the event loop; none of them waits.

    identity: who is shown. moments: channel of Moment, closed after `finish` or with the error that ended the session.
    """

    def __init__(self, engine: "Engine", performer: Performer, loop: asyncio.AbstractEventLoop | None):
        self.identity = performer.identity
        self._engine = engine
        self._performer = performer
        self._blocks: deque[AudioBlock | None] = deque()
        self._ticks: deque[AudioTick] = deque()
        # A lead-in of 1 ms, the filter's reach, lets 20 ms packets end exactly with ticks: without it every
        # tick would wait for one packet more.
        self._rechunker = Rechunker(lead_in_ms=1.0)
        self._background: str | None = None
        self.moments: Channel[Moment] = Channel(UNREAD_MOMENTS, Policy.BLOCK, loop)
        self._ended = False
        self.closed = False
        self.ticks = 0

    def push(self, block: AudioBlock) -> None:
        """Hand over some sound, of any rate and length; SessionError when 10 s wait unheard."""
        if self.closed:
            return
        if len(self._blocks) >= BACKLOG_BLOCKS:
            self.close(SessionError("this machine cannot keep up: 10 s of sound are waiting"))
            return
        self._blocks.append(block)
        self._engine.wake()

    def finish(self) -> None:
        """The source has ended: what the look-ahead holds comes out, then the channel closes."""
        if not self.closed:
            self._blocks.append(None)
            self._engine.wake()

    def set_background(self, colour: str) -> None:
        """A colour behind the head, from the next picture on; ConfigError at once if it is none."""
        from engine.render.colour import parse_colour

        parse_colour(colour)
        self._background = colour

    def close(self, error: BaseException | None = None) -> None:
        """End now and give the slot back; the receiver sees the end, or the error."""
        self.closed = True
        self._engine.forget(self)  # before the receiver hears of it: it may open the next session at once
        self.moments.close(error)

    def stats(self) -> dict[str, Any]:
        return {
            "ticks": self.ticks,
            "waiting_ticks": len(self._ticks),
            "skipped_pictures": self._performer.skipped,
            "lookahead_ms": self._performer.pipeline.lookahead_ms,
        }

    def advance(self) -> bool:
        """Compute one tick, if there is one (compute thread only). True if there may be more."""
        if self._background is not None:
            self._performer.set_background(self._background)
            self._background = None
        self._rechunk()
        if self._ticks:
            tick = self._ticks.popleft()
            moment = self._performer.step(tick, draw=len(self._ticks) < LATE_TICKS)
            self.ticks += 1
            if moment is not None:
                self.moments.put_nowait(moment)
        if self._ended and not self._ticks:
            for moment in self._performer.finish():
                self.moments.put_nowait(moment)
            self.close()
        return bool(self._ticks or self._blocks)

    def _rechunk(self) -> None:
        while self._blocks:
            block = self._blocks.popleft()
            if block is None:
                self._ticks.extend(self._rechunker.flush())
                self._ended = True
            elif not self._ended:
                self._ticks.extend(self._rechunker.push(block))


class Engine:
    """The pipeline and its sessions. `start` before the first session, `close` after the last."""

    def __init__(self, config: Config):
        _refuse_what_only_files_can(config)
        self.config = config
        self.pipeline = Pipeline(config)
        self.sessions: list[Session] = []
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._running = False
        self._thread: threading.Thread | None = None
        self._opened = 0

    def start(self) -> None:
        """Warm up (the first step compiles kernels) and start the compute thread."""
        warm = Performer(self.pipeline)
        silence = Rechunker()
        for tick in [*silence.push(AudioBlock(np.zeros((3200, 1), np.float32), 16_000, 0)), *silence.flush()]:
            warm.step(tick)
        # What is there now stays: the collector need not look through it again and again, a hiccup of many pictures.
        gc.collect()
        gc.freeze()
        self._running = True
        self._thread = threading.Thread(target=self._compute, name="visema-compute", daemon=True)
        self._thread.start()

    def open_session(
        self,
        seed: int | None = None,
        background: str | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
        identity: str | None = None,
    ) -> Session:
        """A new session; SessionError when as many are open as config.serve.max_sessions allows.

        identity: who is shown, None for the configured person; ConfigError: nobody of that name.
        """
        self.pipeline.renderer_of(identity)  # slow the first time: not while others wait for the lock
        with self._lock:
            if len(self.sessions) >= self.config.serve.max_sessions:
                raise SessionError(
                    f"all {self.config.serve.max_sessions} sessions are taken; try again later, "
                    "or raise serve.max_sessions"
                )
            self._opened += 1
            chosen = self.config.engine.seed + self._opened - 1 if seed is None else seed
            session = Session(self, Performer(self.pipeline, chosen, background, identity), loop)
            self.sessions.append(session)
        return session

    def forget(self, session: Session) -> None:
        """Give a session's slot back (called by Session.close)."""
        with self._lock:
            if session in self.sessions:
                self.sessions.remove(session)

    def wake(self) -> None:
        self._wake.set()

    def close(self) -> None:
        """End all sessions and the compute thread."""
        self._running = False
        self.wake()
        if self._thread is not None:
            self._thread.join(timeout=5)
        gc.unfreeze()
        for session in list(self.sessions):
            session.close()

    def _compute(self) -> None:
        while self._running:
            self._wake.wait()
            self._wake.clear()
            busy = True
            while busy and self._running:
                busy = False
                for session in list(self.sessions):
                    busy |= self._advance(session)

    def _advance(self, session: Session) -> bool:
        try:
            return not session.closed and session.advance()
        except Exception as error:
            log.exception("a session ended with an error")
            session.close(error)  # raised where its moments are read; the others go on
            return False


def _refuse_what_only_files_can(config: Config) -> None:
    if shows_alpha(config):
        raise ConfigError(
            "live pictures cannot be transparent: choose a key colour, --background green, and key it where the "
            "picture is used; files can, visema render IN OUT.webm --background alpha"
        )
    if config.render.quality == "offline":
        raise ConfigError("render.quality = 'offline' takes seconds a picture: it is for visema render and sheet")
