"""A bad network that is the same every time: for tests and benchmarks where no real one can be had.

`Link` says when what is sent arrives, and knows no clock; `spoil` puts one under a connection of aiortc.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiortc import RTCPeerConnection

MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Faults:
    """What a link does to packets. Fractions are of all packets, times in ms.

    loss, doubled, reordered: lost, sent twice, and overtaken by those sent in the next `overtaken_ms`.
    delay_ms, jitter_ms: every packet takes delay_ms, and up to jitter_ms more (uniform); order is kept.
    outages: (begin, length) since the first packet; what is sent then is lost, or, with held, comes all at once
    when the outage ends.
    """

    loss: float = 0.0
    doubled: float = 0.0
    reordered: float = 0.0
    overtaken_ms: float = 30.0
    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    outages: tuple[tuple[float, float], ...] = ()
    held: bool = False


# The cases of the network benchmark, by name.
NETWORKS = {
    "clean": Faults(),
    "loss 1 %": Faults(loss=0.01, delay_ms=20),
    "loss 5 %": Faults(loss=0.05, delay_ms=20),
    "jitter 30 ms": Faults(delay_ms=20, jitter_ms=30),
    "reordering": Faults(delay_ms=20, jitter_ms=5, reordered=0.05),
    "outage 2 s": Faults(delay_ms=20, outages=((5_000, 2_000),)),
}


class Link:
    """One direction of a network with faults; the same seed and the same times of sending give the same arrivals."""

    def __init__(self, faults: Faults, seed: int = 0):
        self.faults = faults
        self._random = random.Random(seed)
        self._begun_ns: int | None = None
        self._last_ns = 0

    def arrivals(self, sent_ns: int) -> list[int]:
        """When a packet sent at this time (ns, never going back) arrives: never, once, or twice."""
        faults, chance = self.faults, self._random.random
        self._begun_ns = sent_ns if self._begun_ns is None else self._begun_ns
        # The same number of draws for every packet, so that one fault more does not move all the others.
        lost, doubled, reordered, jitter = chance(), chance(), chance(), chance()
        arrival_ns = sent_ns + round((faults.delay_ms + jitter * faults.jitter_ms) * MS)
        since_ms = (sent_ns - self._begun_ns) / MS
        for begin_ms, length_ms in faults.outages:
            if begin_ms <= since_ms < begin_ms + length_ms:
                if not faults.held:
                    return []
                arrival_ns = max(arrival_ns, self._begun_ns + round((begin_ms + length_ms + faults.delay_ms) * MS))
        if lost < faults.loss:
            return []
        if reordered < faults.reordered:
            arrival_ns += round(faults.overtaken_ms * MS)
        else:
            arrival_ns = self._last_ns = max(arrival_ns, self._last_ns)
        return [arrival_ns] * (2 if doubled < faults.doubled else 1)


def spoil(connection: RTCPeerConnection, link: Link) -> None:
    """From now on all that a connected peer sends takes this link: media and reports, already encrypted."""
    transports: set[Any] = {t.sender.transport.transport for t in connection.getTransceivers()}
    for transport in transports:
        transport._send = _Sending(transport._send, link).send


class _Sending:
    def __init__(self, send: Callable[[bytes], Awaitable[None]], link: Link):
        self._send, self._link = send, link
        self._under_way: set[asyncio.Task[None]] = set()

    async def send(self, data: bytes) -> None:
        now_ns = time.monotonic_ns()
        for arrival_ns in self._link.arrivals(now_ns):
            task = asyncio.create_task(self._deliver(data, (arrival_ns - now_ns) / 1e9))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def _deliver(self, data: bytes, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        try:
            await self._send(data)
        except ConnectionError:
            return  # closed meanwhile: what is under way is lost, as on any network
