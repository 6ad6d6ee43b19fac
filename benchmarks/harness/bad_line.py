"""Both directions of a peer's line made bad, from the peer's side: the server under test knows nothing of it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiortc import RTCPeerConnection

from engine.stream.lossy import Faults, Link, spoil


def spoil_both(connection: RTCPeerConnection, faults: Faults, seed: int = 0) -> None:
    """From now on what a connected peer sends and what it gets has these faults: media, reports, requests."""
    spoil(connection, Link(faults, 2 * seed))
    ice: Any = connection.getTransceivers()[0].receiver.transport.transport
    ice._recv = _Receiving(ice._recv, Link(faults, 2 * seed + 1)).recv


class _Receiving:
    """Stands where packets are fetched: what comes is held back, lost or doubled, as the link says."""

    def __init__(self, receive: Callable[[], Awaitable[bytes]], link: Link):
        self._receive, self._link = receive, link
        self._come: asyncio.Queue[bytes | Exception] = asyncio.Queue()
        self._pump: asyncio.Task[None] | None = None

    async def recv(self) -> bytes:
        if self._pump is None:
            self._pump = asyncio.create_task(self._run())
        found = await self._come.get()
        if isinstance(found, Exception):
            raise found
        return found

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                data = await self._receive()
            except ConnectionError as error:  # closed: whoever waits for packets must hear of it
                self._come.put_nowait(error)
                return
            now_ns = time.monotonic_ns()
            for arrival_ns in self._link.arrivals(now_ns):
                loop.call_later((arrival_ns - now_ns) / 1e9, self._come.put_nowait, data)
