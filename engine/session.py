"""Live sessions: voices pushed from the event loop, moments coming back, one compute thread between.

The thread owns the device. It takes one tick of each session in turn, so that no session starves another.
When a session falls behind, its pictures are skipped and counted; its voice never is.
"""

import asyncio
import gc
import logging
import threading
from collections import deque
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from engine.admission import Cost, admit, relieve
from engine.audio import AudioBlock, Rechunker
from engine.config import Config, shows_alpha
from engine.errors import ConfigError, PluginError, SessionError
from engine.frames import FPS, SAMPLE_RATE_HZ, VOICE_RATE_HZ, VOICE_TICK_SAMPLES, AudioTick
from engine.motion.emotion import Emotion, parse_emotion
from engine.outlet import Outlet
from engine.pipeline import Performer, Pipeline

LATE_TICKS = 2  # a session with this many ticks waiting mostly repeats pictures until it has caught up
LATE_INTERVAL = 10  # ticks from picture to picture meanwhile
BACKLOG_BLOCKS = 500  # 10 s of 20 ms blocks: more means that this machine cannot keep up at all
UNREAD_MOMENTS = 100  # 4 s that nobody fetched: the peer has gone
# A lead-in of 1 ms, the filter's reach, lets 20 ms packets end exactly with ticks: without it every tick would wait
# for one packet more.
LEAD_IN_MS = 1

log = logging.getLogger(__name__)


class Session:
    """One voice and its face. All methods may be called from the event loop; none of them waits.

    identity: who is shown. emotion: what the face heads for.
    moments: what comes out, closed after `finish` or with the error that ended the session.
    interval: ticks from picture to picture, 1 unless the machine is too busy for more.
    end: sample of the 48 kHz media timeline at which the sound pushed so far ends.
    """

    def __init__(self, engine: "Engine", performer: Performer, loop: asyncio.AbstractEventLoop | None):
        self.identity = performer.identity
        self._engine = engine
        self._performer = performer
        self._blocks: deque[AudioBlock | int | None] = deque()  # an int: hush what ends there; None: the end
        self._ticks: deque[AudioTick] = deque()
        self._rechunker = Rechunker(lead_in_ms=LEAD_IN_MS)
        self._pushed_s = Fraction(LEAD_IN_MS, 1000)
        self._silent_until = 0
        self._background: str | None = None
        motion = engine.config.motion
        self.emotion = parse_emotion(motion.emotion, motion.intensity)
        self._emotion: Emotion | None = None  # not told to the stages yet
        self.moments = Outlet(UNREAD_MOMENTS, loop)
        self._ended = False
        self.closed = False
        self.interval = 1
        self.ticks = 0

    def push(self, block: AudioBlock) -> None:
        """Hand over some sound, of any rate and length; SessionError when 10 s wait unheard."""
        if self.closed:
            return
        if len(self._blocks) >= BACKLOG_BLOCKS:
            self.close(SessionError("this machine cannot keep up: 10 s of sound are waiting"))
            return
        self._blocks.append(block)
        self._pushed_s += Fraction(len(block.samples), block.rate_hz)
        self._engine.wake()

    @property
    def end(self) -> int:
        return int(self._pushed_s * VOICE_RATE_HZ)

    @property
    def behind_s(self) -> float:
        """How much of what was pushed has not been computed yet; up to 40 ms of it is the tick that is filling."""
        return float(self._pushed_s) - self.ticks / FPS

    def hush(self) -> int:
        """Stop speaking now: nothing that was pushed and has not come out is heard or shown any more.

        The timeline goes on: what is pushed next follows in its place. Returns the sample of the media timeline up
        to which the voice has come out.
        """
        self.moments.hush(self.end)
        self._blocks.append(self.end)
        self._engine.wake()
        return min(self.moments.position, self.end)

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

    @property
    def emotional(self) -> bool:
        """Whether `set_emotion` does anything."""
        return self._performer.pipeline.motion.emotional

    @property
    def lookahead_ms(self) -> int:
        return self._performer.pipeline.lookahead_ms

    def set_emotion(self, emotion: Emotion) -> None:
        """What the face heads for from the next tick on; PluginError at once if the plugin shows no emotions."""
        if not self.emotional:
            raise PluginError(f"the plugin {self._engine.config.motion.plugin!r} shows no emotions")
        self.emotion = self._emotion = emotion

    def close(self, error: BaseException | None = None) -> None:
        """End now and give the slot back; the receiver sees the end, or the error."""
        self.closed = True
        self._engine.forget(self)  # before the receiver hears of it: it may open the next session at once
        self.moments.close(error)

    def stats(self) -> dict[str, Any]:
        return {
            "ticks": self.ticks,
            "waiting_ticks": len(self._ticks),
            "picture_interval": self.interval,
            "skipped_pictures": self._performer.skipped,
            "lookahead_ms": self.lookahead_ms,
        }

    def advance(self) -> bool:
        """Compute one tick, if there is one (compute thread only). True if there may be more."""
        if self._background is not None:
            colour, self._background = self._background, None
            self._performer.set_background(colour)
        if self._emotion is not None:
            emotion, self._emotion = self._emotion, None
            self._performer.set_emotion(emotion)
        self._rechunk()
        if self._ticks:
            tick = self._ticks.popleft()
            moment = self._performer.step(tick, draw=self._draws())
            self.ticks += 1
            if moment is not None:
                self.moments.put_nowait(moment)
        if self._ended and not self._ticks:
            for moment in self._performer.finish():
                self.moments.put_nowait(moment)
            self.close()
        return bool(self._ticks or self._blocks)

    def _draws(self) -> bool:
        """Whether this tick gets a picture; one that is late for long shows some, rather than a frozen face."""
        return self.ticks % (self.interval if len(self._ticks) < LATE_TICKS else LATE_INTERVAL) == 0

    def _rechunk(self) -> None:
        while self._blocks:
            block = self._blocks.popleft()
            if block is None:
                self._ticks.extend(_silence(tick, self._silent_until) for tick in self._rechunker.flush())
                self._ended = True
            elif isinstance(block, int):
                self._silent_until = block
                self._ticks = deque(_silence(tick, block) for tick in self._ticks)
                self._performer.hush()
            elif not self._ended:
                self._ticks.extend(_silence(tick, self._silent_until) for tick in self._rechunker.push(block))


def _silence(tick: AudioTick, until: int) -> AudioTick:
    """A tick without what lies before a sample of the 48 kHz timeline."""
    silent = min(VOICE_TICK_SAMPLES, until - tick.index * VOICE_TICK_SAMPLES)
    if silent <= 0:
        return tick
    samples, voice = tick.samples.copy(), tick.voice.copy()
    samples[: silent * SAMPLE_RATE_HZ // VOICE_RATE_HZ] = 0.0
    voice[:silent] = 0.0
    return replace(tick, samples=samples, voice=voice)


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
        """A new session; Refused when as many are open as config.serve allows, or as this machine bears.

        identity: who is shown, None for the configured person; ConfigError: nobody of that name.
        """
        self.pipeline.renderer_of(identity)  # slow the first time: not while others wait for the lock
        serve = self.config.serve
        with self._lock:
            intervals = [session.interval for session in self.sessions]
            degrade = serve.when_busy == "degrade"
            interval = admit(self.cost(), intervals, serve.max_sessions, serve.most_load, degrade)
            self._opened += 1
            chosen = self.config.engine.seed + self._opened - 1 if seed is None else seed
            session = Session(self, Performer(self.pipeline, chosen, background, identity, self.config.video.fps), loop)
            session.interval = interval
            self.sessions.append(session)
        return session

    def forget(self, session: Session) -> None:
        """Give a session's slot back (called by Session.close)."""
        with self._lock:
            if session in self.sessions:
                self.sessions.remove(session)
                better = relieve(self.cost(), [one.interval for one in self.sessions], self.config.serve.most_load)
                for one, interval in zip(self.sessions, better, strict=True):
                    one.interval = interval

    def cost(self) -> Cost:
        """What a tick was measured to take here of late, half of the ticks more."""
        p50 = {part: timings.percentiles()["p50"] for part, timings in self.pipeline.timings.items()}
        return Cost(p50["features"] + p50["motion"], p50["render"] * self.config.video.fps / FPS)

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
