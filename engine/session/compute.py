"""The engine: who is open, and the one thread that computes for all of them.

The thread owns the device. It takes one tick of everybody who has one waiting, hears them in one step and draws them
in turn, the oldest sound first; so nobody starves another, and nobody waits for one who is late. When a session falls
behind, its pictures are skipped and counted; its voice never is.
"""

import asyncio
import gc
import heapq
import logging
import threading
import time
from collections.abc import Callable
from functools import partial

import numpy as np

from engine.admission import Cost, admit, relieve
from engine.audio import AudioBlock, Rechunker
from engine.config import Config, shows_alpha
from engine.errors import ConfigError
from engine.frames import FPS, AudioTick
from engine.pipeline import Performer, Pipeline
from engine.session.session import Session

WARM_UP_TICKS = 5

log = logging.getLogger(__name__)


class Engine:
    """The pipeline and its sessions. `start` before the first session, `close` after the last.

    slots: the states of all sessions that may be open, up to motion, and their common step.
    """

    def __init__(self, config: Config):
        _refuse_what_only_files_can(config)
        self.config = config
        self.pipeline = Pipeline(config, sessions=config.serve.max_sessions)
        self.slots = self.pipeline.slots(config.serve.max_sessions)
        self.sessions: list[Session] = []
        self._free = list(range(self.slots.count))  # a heap: the open ones lie close together
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._running = False
        self._thread: threading.Thread | None = None
        self._opened = 0

    def start(self) -> None:
        """Warm up (the first step compiles kernels) and start the compute thread."""
        self.slots.warm_up(WARM_UP_TICKS)
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
        """A new session; Refused when as many are open as config.serve allows, or as this machine bears.

        identity: who is shown, None for the configured person; ConfigError: nobody of that name.
        """
        self.pipeline.renderer_of(identity)  # slow the first time: not while others wait for the lock
        serve = self.config.serve
        with self._lock:
            intervals = [session.interval for session in self.sessions]
            degrade = serve.when_busy == "degrade"
            most = min(serve.max_sessions, self.slots.count)
            interval = admit(self.cost(), intervals, most, serve.most_load, degrade)
            self._opened += 1
            chosen = self.config.engine.seed + self._opened - 1 if seed is None else seed
            session = Session(self, self._free[0], chosen, background, identity, loop)
            session.interval = interval
            heapq.heappop(self._free)
            self.sessions.append(session)
        return session

    def forget(self, session: Session) -> None:
        """Give a session's slot back (called by Session.close)."""
        with self._lock:
            if session in self.sessions:
                self.sessions.remove(session)
                heapq.heappush(self._free, session.slot)
                better = relieve(self.cost(), [one.interval for one in self.sessions], self.config.serve.most_load)
                for one, interval in zip(self.sessions, better, strict=True):
                    one.interval = interval

    def cost(self) -> Cost:
        """What a tick was measured to take here of late, half of the ticks more."""
        render_ms = self.pipeline.timings["render"].percentiles()["p50"]
        return Cost(self.slots.typical_ms(), render_ms * self.config.video.fps / FPS)

    @property
    def load(self) -> float:
        """Share of the compute thread that the open sessions take."""
        return self.cost().load([session.interval for session in self.sessions])

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

    def turn(self) -> bool:
        """Compute one tick of everybody who has one waiting (compute thread only). False if nobody had."""
        due: list[tuple[Session, AudioTick]] = []
        for session in list(self.sessions):
            tick = None if session.closed else _guarded(session, session.due)
            if tick is not None:
                due.append((session, tick))
        begun_ns = time.perf_counter_ns()
        answers = self.slots.step({session.slot: tick.samples for session, tick in due})
        heard_ns = time.perf_counter_ns() - begun_ns
        for session, tick in sorted(due, key=lambda one: one[1].captured_ns):
            _guarded(session, partial(session.show, tick, answers[session.slot], heard_ns))
        return bool(due)

    def _compute(self) -> None:
        while self._running:
            self._wake.wait()
            self._wake.clear()
            while self._running and self.turn():
                pass


def _guarded(session: Session, work: Callable[[], AudioTick | None]) -> AudioTick | None:
    """Work for one session, which ends if that fails; the others go on."""
    try:
        return work()
    except Exception as error:
        log.exception("a session ended with an error")
        session.close(error)  # raised where its moments are read
        return None


def _refuse_what_only_files_can(config: Config) -> None:
    if shows_alpha(config):
        raise ConfigError(
            "live pictures cannot be transparent: choose a key colour, --background green, and key it where the "
            "picture is used; files can, visema render IN OUT.webm --background alpha"
        )
    if config.render.quality == "offline":
        raise ConfigError("render.quality = 'offline' takes seconds a picture: it is for visema render and sheet")
