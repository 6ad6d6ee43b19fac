"""How peers find a way to each other: STUN and TURN servers, and the UDP ports that are used.

Without any server nobody on the internet is told anything, and peers on this machine and network find each other.
"""

import asyncio
import errno
import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from urllib.parse import unquote

from aiortc import RTCConfiguration, RTCIceServer

from engine.config import ServeSection
from engine.errors import ConfigError

# stun:host:port, turn:user:password@host:port?transport=tcp, turns:...; user and password percent-encoded
SERVER = re.compile(
    r"(?P<scheme>stun|turns?):((?P<user>[^:@/]+):(?P<password>[^@/]*)@)?"
    r"(?P<place>[^:@/?\s]+(:\d{1,5})?(\?transport=(udp|tcp))?)"
)
# The ports that sockets made in this context are to use.
_PORTS: ContextVar[tuple[int, int] | None] = ContextVar("ports", default=None)


def read_servers(config: ServeSection) -> list[RTCIceServer]:
    """The servers of serve.ice_servers; ConfigError for what is none, and for more than one of a kind."""
    servers, kinds = [], set()
    for text in config.ice_servers:
        found = SERVER.fullmatch(text)
        if found is None or (found["scheme"] == "stun") != (found["user"] is None):
            raise ConfigError(
                f"serve.ice_servers: {text.partition('@')[2] or text!r} is no server; allowed: stun:HOST:PORT, "
                "turn:USER:PASSWORD@HOST:PORT, turns:USER:PASSWORD@HOST:PORT?transport=tcp"
            )
        kind = found["scheme"][:4]
        if kind in kinds:
            raise ConfigError(f"serve.ice_servers: one {kind} server is used, not two")
        kinds.add(kind)
        user, password = (unquote(found[name]) if found[name] is not None else None for name in ("user", "password"))
        servers.append(RTCIceServer(f"{found['scheme']}:{found['place']}", user, password))
    return servers


def make_configuration(config: ServeSection) -> RTCConfiguration:
    """For a peer connection."""
    return RTCConfiguration(iceServers=read_servers(config))


def describe_servers(config: ServeSection) -> list[dict[str, Any]]:
    """As a browser's RTCPeerConnection takes them."""
    return [
        {"urls": one.urls} | ({"username": one.username, "credential": one.credential} if one.username else {})
        for one in read_servers(config)
    ]


@contextmanager
def ports_within(first: int, last: int) -> Iterator[None]:
    """UDP sockets that are opened inside, by this task or its children, on a free port of its own get one of these.

    0, 0: any. aioice has no setting for it, and asks the event loop for port 0. OSError where all are taken.
    """
    if not last:
        yield
        return
    loop = asyncio.get_running_loop()
    if not hasattr(loop.create_datagram_endpoint, "within_ports"):
        loop.create_datagram_endpoint = _choosing(loop.create_datagram_endpoint)  # type: ignore[method-assign]
    token = _PORTS.set((first, last))
    try:
        yield
    finally:
        _PORTS.reset(token)


def _choosing(create: Any) -> Any:
    async def choose(factory: Any, local_addr: Any = None, **more: Any) -> Any:
        ports = _PORTS.get()
        if ports is None or local_addr is None or local_addr[1] != 0:
            return await create(factory, local_addr=local_addr, **more)
        for port in random.sample(range(ports[0], ports[1] + 1), ports[1] - ports[0] + 1):
            try:
                return await create(factory, local_addr=(local_addr[0], port), **more)
            except OSError as error:
                if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                    raise
        raise OSError(errno.EADDRINUSE, f"all UDP ports from {ports[0]} to {ports[1]} are taken")

    choose.within_ports = True  # type: ignore[attr-defined]
    return choose
