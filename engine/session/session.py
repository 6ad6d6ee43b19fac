"""One live session: what the event loop may do with it, and what the compute thread does for it."""

import asyncio
from typing import TYPE_CHECKING, Any

from engine.audio import AudioBlock
from engine.errors import PluginError, SessionError
from engine.frames import FPS, AudioTick
from engine.motion.emotion import Emotion, parse_emotion
from engine.outlet import Outlet
from engine.session.intake import Intake
from engine.slots import Answer

if TYPE_CHECKING:
    from engine.session.compute import Engine

LATE_TICKS = 2  # a session with this many ticks waiting mostly repeats pictures until it has caught up
LATE_INTERVAL = 10  # ticks from picture to picture meanwhile
UNREAD_MOMENTS = 100  # 4 s that nobody fetched: the peer has gone


class Session:
    """One voice and its face. All methods may be called from the event loop, none of them waits; but `due` and `show`
    are the compute thread's.

    identity: who is shown. slot: which of the shared ones is its own. emotion: what the face heads for.
    moments: what comes out, closed after `finish` or with the error that ended the session.
    interval: ticks from picture to picture, 1 unless the machine is too busy for more.
    """

    def __init__(
        self,
        engine: "Engine",
        slot: int,
        seed: int,
        background: str | None = None,
        identity: str | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
    ):
        config = engine.config
        self.identity = identity or config.render.identity
        self.slot = slot
        self.moments = Outlet(UNREAD_MOMENTS, loop)
        self.emotion = parse_emotion(config.motion.emotion, config.motion.intensity)
        self.closed = False
        self.interval = 1
        self.ticks = 0
        self._engine = engine
        self._presenter = engine.pipeline.presenter(identity, config.video.fps)
        if background is not None:
            self._presenter.set_background(background)
        self._intake = Intake(self._let_go)
        self._seed: int | None = seed  # the slot is not its own yet
        self._told: Emotion | None = None  # not told to the stages yet
        self._background: str | None = None
        self._rest: list[AudioTick] | None = None  # after the end: what brings out the look-ahead

    def push(self, block: AudioBlock) -> None:
        """Hand over some sound, of any rate and length; SessionError when 10 s wait unheard."""
        if self.closed:
            return
        try:
            self._intake.push(block)
        except SessionError as error:
            self.close(error)
            return
        self._engine.wake()

    @property
    def end(self) -> int:
        """Sample of the 48 kHz media timeline at which the sound pushed so far ends."""
        return self._intake.end

    @property
    def behind_s(self) -> float:
        """How much of what was pushed has not been computed yet; up to 40 ms of it is the tick that is filling."""
        return float(self._intake.pushed_s) - self.ticks / FPS

    def hush(self) -> int:
        """Stop speaking now: nothing that was pushed and has not come out is heard or shown any more.

        The timeline goes on: what is pushed next follows in its place. Returns the sample of the media timeline up
        to which the voice has come out.
        """
        self.moments.hush(self.end)
        self._intake.hush()
        self._engine.wake()
        return min(self.moments.position, self.end)

    def finish(self) -> None:
        """The source has ended: what the look-ahead holds comes out, then the channel closes."""
        if not self.closed:
            self._intake.finish()
            self._engine.wake()

    def set_background(self, colour: str) -> None:
        """A colour behind the head, from the next picture on; ConfigError at once if it is none."""
        from engine.render.colour import parse_colour

        parse_colour(colour)
        self._background = colour

    @property
    def emotional(self) -> bool:
        """Whether `set_emotion` does anything."""
        return self._engine.pipeline.motion.emotional

    @property
    def lookahead_ms(self) -> int:
        return self._engine.pipeline.lookahead_ms

    def set_emotion(self, emotion: Emotion) -> None:
        """What the face heads for from the next tick on; PluginError at once if the plugin shows no emotions."""
        if not self.emotional:
            raise PluginError(f"the plugin {self._engine.config.motion.plugin!r} shows no emotions")
        self.emotion = self._told = emotion

    def close(self, error: BaseException | None = None) -> None:
        """End now and give the slot back; the receiver sees the end, or the error."""
        self.closed = True
        self._engine.forget(self)  # before the receiver hears of it: it may open the next session at once
        self._presenter.release()
        self.moments.close(error)

    def stats(self) -> dict[str, Any]:
        return {
            "ticks": self.ticks,
            "waiting_ticks": len(self._intake),
            "picture_interval": self.interval,
            "skipped_pictures": self._presenter.skipped,
            "lookahead_ms": self.lookahead_ms,
        }

    def due(self) -> AudioTick | None:
        """The tick that waits to be heard, if there is one; closes the session after its last."""
        self._bring_up_to_date()
        self._intake.rechunk()
        tick = self._intake.take()
        if tick is not None:
            return tick
        if not self._intake.ended:
            return None
        if self._rest is None:
            self._rest = self._presenter.silence()
        if self._rest:
            return self._rest.pop(0)
        self.close()
        return None

    def show(self, tick: AudioTick, heard: Answer, heard_ns: int) -> None:
        """The tick that was due has been heard: motion (1, M), for the tick of `lookahead` ago, which leaves now.

        Raises what was raised instead.
        """
        if isinstance(heard, Exception):
            raise heard
        if self.closed:
            return
        draw = self._rest is not None or self._draws()
        self.ticks += self._rest is None
        voice = self._presenter.hold(tick)
        if voice is not None:
            self.moments.put_nowait(self._presenter.show(heard, voice, heard_ns, draw))

    def _bring_up_to_date(self) -> None:
        """Whatever was asked for since the last tick."""
        stage, state = self._engine.pipeline.hearing, self._engine.slots.state
        if self._seed is not None:
            seed, self._seed = self._seed, None
            stage.reset(state, self.slot, seed)
        if self._background is not None:
            colour, self._background = self._background, None
            self._presenter.set_background(colour)
        if self._told is not None:
            emotion, self._told = self._told, None
            stage.set_emotion(state, self.slot, emotion.weights, emotion.intensity)
            self._presenter.set_emotion(emotion)

    def _let_go(self) -> None:
        """The voice broke off: so does the mouth, before the next tick."""
        self._engine.pipeline.hearing.hush(self._engine.slots.state, self.slot)

    def _draws(self) -> bool:
        """Whether this tick gets a picture; one that is late for long shows some, rather than a frozen face."""
        return self.ticks % (self.interval if len(self._intake) < LATE_TICKS else LATE_INTERVAL) == 0
