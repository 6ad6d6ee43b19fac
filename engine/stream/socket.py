"""The messages of PROTOCOL.md over a WebSocket, `GET /speak`."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from socket import SO_SNDBUF, SOL_SOCKET
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from engine.channel import Channel, ChannelFull, Policy
from engine.config import ServeSection
from engine.stream.guard import bearer
from engine.stream.link import Link
from engine.stream.offer import RequestError
from engine.stream.protocol import ProtocolError, Start
from engine.stream.speaker import Speaker

UNREAD_ANSWERS = 512  # more wait for the program: it does not read
UNREAD_BYTES = 65_536  # beside those, what the system holds: it would take megabytes
GOODBYE_S = 2.0

log = logging.getLogger(__name__)


class Sockets:
    """All WebSockets of a server.

    find, open_: the speaker that a start asks for, of a session that is there or of a new one; whether the upgrade
    brought the token.
    """

    def __init__(
        self, find: Callable[[Start, bool], Speaker], open_: Callable[[Start, bool], Awaitable[Speaker]],
        limits: ServeSection,
    ):  # fmt: skip
        self._find, self._open, self._limits = find, open_, limits
        self._links: set[Link] = set()

    def __len__(self) -> int:
        return len(self._links)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """One conversation, from the upgrade to its end. RequestError 503 if too many are open."""
        if len(self._links) >= self._limits.max_programs:
            raise RequestError(503, f"all {self._limits.max_programs} places for programs are taken")
        socket = web.WebSocketResponse(
            heartbeat=self._limits.vanish_timeout_s, max_msg_size=self._limits.max_message_bytes, compress=False,
            timeout=GOODBYE_S,
        )  # fmt: skip
        answers: Channel[dict[str, Any]] = Channel(UNREAD_ANSWERS, Policy.BLOCK)
        authorised = bearer(request) is not None  # the guard has let no wrong one in

        def find(start: Start) -> Speaker:
            return self._find(start, authorised)

        def open_(start: Start) -> Awaitable[Speaker]:
            return self._open(start, authorised)

        link = Link(find, lambda answer: _put(answers, answer, link), self._limits, open_=open_)
        self._links.add(link)
        try:
            await socket.prepare(request)
            plain = request.get_extra_info("socket")
            if plain is not None:
                plain.setsockopt(SOL_SOCKET, SO_SNDBUF, UNREAD_BYTES)
            await self._converse(socket, link, answers, request)
        finally:
            link.close()
            self._links.discard(link)
        return socket

    async def _converse(
        self, socket: web.WebSocketResponse, link: Link, answers: Channel[dict[str, Any]], request: web.Request
    ) -> None:
        reading = asyncio.create_task(_read(socket, link))
        writing = asyncio.create_task(_write(socket, answers))
        try:
            await link.run()
            link.close()
            answers.close()
            # What was answered last is still sent, unless the program does not read.
            await asyncio.wait([writing], timeout=GOODBYE_S)
            if writing.done():
                await socket.close(code=WSCloseCode.OK)
            elif request.transport is not None:
                request.transport.abort()
        finally:
            for task in (reading, writing):
                task.cancel()
            await asyncio.gather(reading, writing, return_exceptions=True)

    def close(self) -> None:
        """End all conversations: the server goes."""
        for link in list(self._links):
            link.fail(ProtocolError("session", "the server ends", fatal=True))


async def _read(socket: web.WebSocketResponse, link: Link) -> None:
    try:
        async for message in socket:
            if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                link.receive(message.data)
            if link.opening is not None:
                await asyncio.shield(link.opening)  # which goes on when the program hangs up
    finally:
        link.over.set()


async def _write(socket: web.WebSocketResponse, answers: Channel[dict[str, Any]]) -> None:
    try:
        async for answer in answers:
            await socket.send_str(json.dumps(answer))
    except ConnectionError:
        return


def _put(answers: Channel[dict[str, Any]], answer: dict[str, Any], link: Link) -> None:
    try:
        answers.put_nowait(answer)
    except ChannelFull:
        log.info("a program does not read its answers")
        answers.close()
        link.over.set()
