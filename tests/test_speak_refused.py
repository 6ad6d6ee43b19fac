"""Programs that say what they may not, too much, or no more: each is told, and nobody else is harmed."""

import asyncio
import json
import socket
from typing import Any

import aiohttp
import pytest

from tests.peers import PATIENCE_S, request, serving, until
from tests.programs import find_place, pcm, program, tone, watched

BAD = [
    ("message", "{"),
    ("message", "[]"),
    ("message", "[" * 9_000),
    ("message", '{"type": "dance"}'),
    ("message", '{"type": "flush", "when": "now"}'),
    ("message", '{"type": "mark", "text": 7}'),
    ("message", json.dumps({"type": "mark", "text": "x" * 1_001})),
    ("message", '{"type": "start", "version": 1}'),
    ("refused", '{"type": "emotion", "weights": {"furious": 1.0}}'),
    ("refused", '{"type": "emotion", "weights": {"happy": 1.0}}'),  # the viseme plugin shows none
    ("message", '{"type": "emotion", "weights": {"happy": 1.0}, "intensity": 7}'),
    ("message", '{"type": "emotion", "weights": {"happy": "much"}}'),
    ("audio", b"\x00"),
]


def test_what_is_wrong_is_told_and_harms_nothing(engine):
    async def scene() -> None:
        async with watched(engine) as (url, _), program(url) as talk:
            await talk.start()
            for code, message in BAD:
                if isinstance(message, bytes):
                    await talk.socket.send_bytes(message)
                else:
                    await talk.socket.send_str(message)
                error = await talk.hear("error")
                assert (error["code"], error["fatal"]) == (code, False), message
                assert error["message"] and "Traceback" not in error["message"]
            await talk.socket.send_bytes(pcm(tone(0.2)))
            await talk.say("flush")
            assert (await talk.hear("spoken"))["samples"] == 4_800

    asyncio.run(scene())


def test_who_may_not_speak_at_all(engine):
    async def fails(url: str, code: str, *messages: Any, **how: Any) -> None:
        async with program(url, **how) as talk:
            for message in messages:
                if isinstance(message, bytes):
                    await talk.socket.send_bytes(message)
                else:
                    await talk.say(**message)
            error = await talk.hear("error")
            assert (error["code"], error["fatal"]) == (code, True)
            await until(lambda: talk.socket.closed or talk.reading.done(), "the end")

    async def scene() -> None:
        async with serving(engine, engine.config) as url:
            await fails(url, "session", {"kind": "start", "version": 1})
            async with aiohttp.ClientSession() as client:
                with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
                    await client.ws_connect(f"{url}/speak", headers={"Origin": "http://evil.example"})
        async with watched(engine) as (url, viewer):
            await fails(url, "message", {"kind": "flush"})
            await fails(url, "message", b"\x00\x00")
            await fails(url, "version", {"kind": "start", "version": 2})
            await fails(url, "session", {"kind": "start", "version": 1, "session": "unknown"})
            async with program(url) as talk:
                await talk.start(session=viewer.id)
                await fails(url, "busy", {"kind": "start", "version": 1, "session": viewer.id})
                await talk.socket.send_bytes(b"\x00" * (engine.config.serve.max_message_bytes + 2))
                await asyncio.wait_for(talk.reading, PATIENCE_S)
                assert talk.socket.close_code == aiohttp.WSCloseCode.MESSAGE_TOO_BIG

    asyncio.run(scene())


def test_a_program_that_vanishes_leaves_its_place(engine):
    async def scene() -> None:
        async with watched(engine) as (url, _viewer):
            async with program(url) as talk:
                await talk.start()
                await talk.socket.send_bytes(pcm(tone(5.0)[: 60_000]))
                assert talk.socket._writer is not None
                transport = talk.socket._writer.transport
                assert transport is not None
                transport.abort()
            await find_place(url)

    asyncio.run(scene())


def test_a_program_that_reads_nothing_is_sent_off(engine):
    async def scene() -> None:
        def narrow(address: Any) -> socket.socket:
            narrow = socket.socket(*address[:3])
            narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            return narrow

        async with (
            watched(engine) as (url, viewer),
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(socket_factory=narrow)) as client,
        ):
            talk = await client.ws_connect(f"{url}/speak")
            await talk.send_str(json.dumps({"type": "start", "version": 1}))
            assert talk._response is not None and talk._response.connection is not None
            transport = talk._response.connection.transport
            assert isinstance(transport, asyncio.Transport)
            transport.pause_reading()
            for _ in range(1_900):
                if transport.is_closing():
                    break
                await talk.send_str(json.dumps({"type": "state", "id": 64 * "x"}))
            await find_place(url)
            await viewer.see(5)

    asyncio.run(scene())


def test_the_session_that_ends_is_told(engine):
    async def scene() -> None:
        async with watched(engine) as (url, viewer), program(url) as talk:
            await talk.start()
            await request("DELETE", f"{url}/session/{viewer.id}")
            error = await talk.hear("error")
            assert (error["code"], error["fatal"]) == ("session", True)

    asyncio.run(scene())
