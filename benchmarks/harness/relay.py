"""A bad line between a server and a browser: UDP through here, with the faults of the deterministic link.

A browser's sockets cannot be spoiled from outside, so its media takes a detour: the page's offer and the server's
answer each name the relay as the other side's only address. No privileges are needed, and no kernel module (`tc netem`
is missing from many kernels).

    browser <-> front (a port) [faults both ways] (a port) back <-> server
"""

import asyncio
import re
import threading
import time
from types import TracebackType
from typing import Any

from engine.errors import SessionError
from engine.stream.lossy import Faults, Link

CANDIDATE = re.compile(r"^a=candidate:\S+ 1 udp \d+ (\d+\.\d+\.\d+\.\d+) (\d+) typ host.*$", re.M | re.I)
PRIORITY = 2_130_706_431  # of a host address
Address = tuple[str, int]


class Relay:
    """Runs on a thread of its own while a `with` lasts.

    front, back: where the browser and the server find it. faults may be set at any time: `spoil`.
    """

    def __init__(self, host: str = "127.0.0.1"):
        self._host = host
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="relay", daemon=True)

    def __enter__(self) -> "Relay":
        self._thread.start()
        self._front, self._back = self._call(self._open())
        self._front.towards, self._back.towards = self._back, self._front
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def front(self) -> Address:
        return self._front.address

    @property
    def back(self) -> Address:
        return self._back.address

    def spoil(self, faults: Faults, seed: int = 0) -> None:
        """From now on both directions have these faults."""
        links = Link(faults, 2 * seed), Link(faults, 2 * seed + 1)
        self._loop.call_soon_threadsafe(self._set, *links)

    def offer(self, sdp: str) -> str:
        """A browser's offer, as the server shall see it: it lives at `back`."""
        return instead(sdp, self.back)

    def answer(self, sdp: str) -> str:
        """The server's answer, as the browser shall see it: it lives at `front`. SessionError without an address."""
        found = CANDIDATE.search(sdp)
        if found is None:
            raise SessionError("the server's answer names no UDP address over IPv4")
        self._back.partner = found[1], int(found[2])
        return instead(sdp, self.front)

    def _set(self, out: Link, back: Link) -> None:
        self._front.link, self._back.link = out, back

    def _call(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _open(self) -> list["_Side"]:
        sides = []
        for _ in range(2):
            side = _Side()
            await self._loop.create_datagram_endpoint(lambda side=side: side, local_addr=(self._host, 0))
            sides.append(side)
        return sides

    async def _close(self) -> None:
        for side in (self._front, self._back):
            side.transport.close()
        await asyncio.sleep(0)


class _Side(asyncio.DatagramProtocol):
    """One socket. What it gets leaves through `towards`, to that one's partner; partner: who wrote here last, or who
    was named. Before there is one, packets are lost."""

    transport: asyncio.DatagramTransport
    towards: "_Side"

    def __init__(self) -> None:
        self.partner: Address | None = None
        self.link = Link(Faults())

    @property
    def address(self) -> Address:
        return self.transport.get_extra_info("sockname")[:2]

    def connection_made(self, transport: Any) -> None:
        self.transport = transport  # until Python 3.12 its class is no DatagramTransport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.partner = addr[:2]
        now_ns, loop = time.monotonic_ns(), asyncio.get_running_loop()
        for arrival_ns in self.link.arrivals(now_ns):
            loop.call_later((arrival_ns - now_ns) / 1e9, self.towards.send, data)

    def error_received(self, exc: Exception) -> None:
        """A port where nobody listens any more: lost, as on any network."""

    def send(self, data: bytes) -> None:
        if self.partner is not None and not self.transport.is_closing():
            self.transport.sendto(data, self.partner)


def instead(sdp: str, address: Address) -> str:
    """A description whose only candidate, in every section, is this address."""
    end = "\r\n" if "\r\n" in sdp else "\n"
    kept = [line for line in sdp.splitlines() if not line.startswith(("a=candidate:", "a=end-of-candidates"))]
    own = [f"a=candidate:1 1 udp {PRIORITY} {address[0]} {address[1]} typ host", "a=end-of-candidates"]
    out: list[str] = []
    for line in kept:
        out.append(line)
        if line.startswith("a=ice-pwd:"):
            out += own
    return end.join(out) + end
