"""A session that a program opened before anybody looks: it speaks to whoever comes, and ends after the program."""

import asyncio
import secrets
import time
from collections.abc import Callable
from typing import Any

from engine.config import ServeSection
from engine.metrics import Timings
from engine.session import Session
from engine.stream.departure import Departure
from engine.stream.lifetime import Lifetime
from engine.stream.speaker import Speaker
from engine.stream.webrtc import Peer

WATCH_EVERY_S = 1.0


class Room(Lifetime):
    """To its guests what a `Peer` with a session of its own is, without a connection of its own.

    It ends when no program has been here and nothing was left to be said for `serve.vanish_timeout_s`, or with the
    session's error; guests see the end. id: for the program, which may do all. watch_id: for guests, who may only
    look on. forget: called once, when everything is given back.
    """

    host = None

    def __init__(self, session: Session, config: ServeSection, departure: Departure, background: str):
        super().__init__()
        self.id, self.watch_id = secrets.token_urlsafe(16), secrets.token_urlsafe(16)
        self.session, self.config, self.departure, self.background = session, config, departure, background
        self.guests: list[Peer] = []
        self.forget: Callable[[Room], None] = lambda room: None
        self.speaker = Speaker(session, self.id, always=True)
        self.speaker.share(self.watch_id, lambda: len(departure.downlinks))

    def begin(self) -> None:
        """The face is there from now on, whether or not anybody sees it."""
        self._start(self.departure.encode(self.session.moments))
        self._start(self.departure.depart())
        self._start(self.speaker.speak())
        self._start(self._watch())

    def set_background(self, colour: str) -> None:
        """ConfigError if there is no such colour."""
        self.session.set_background(colour)

    @property
    def timings(self) -> dict[str, Timings]:
        """Histograms of this session, named as in `exporter.HISTOGRAMS`."""
        return {"encode": self.departure.encoding, "latency": self.departure.latency}

    def stats(self) -> dict[str, Any]:
        """Counts and times, as of a peer."""
        departure = self.departure
        return {
            "state": "open", "source": "program", **self.speaker.stats(),
            "latency_ms": departure.latency.percentiles(), "encode_ms": departure.encoding.percentiles(),
            "encoders": departure.encoder_names, "viewers": len(departure.downlinks),
            "pictures_dropped": departure.dropped, "late": departure.schedule.late, **self.session.stats(),
        }  # fmt: skip

    async def _watch(self) -> None:
        """Return when nobody speaks through it any more."""
        used_s = time.monotonic()
        while time.monotonic() - used_s <= self.config.vanish_timeout_s:
            await asyncio.sleep(min(WATCH_EVERY_S, self.config.vanish_timeout_s / 4))
            if self.speaker.taken or self.speaker.queue.waiting:
                used_s = time.monotonic()

    async def _close(self) -> None:
        self.session.close()
        self.speaker.end(self.error)
        await asyncio.gather(*(guest.close(self.error) for guest in list(self.guests)))
        await self._stop()
        self.departure.close()
        self.forget(self)
