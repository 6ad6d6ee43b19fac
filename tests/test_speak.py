"""Programs that speak through a session: the real server, a real viewer, real sockets."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import numpy as np
import pytest

from engine.session import Engine
from engine.stream.encode import VoiceEncoder
from engine.stream.sample import load_sample
from tests.peers import PATIENCE_S, Viewer, make_config, request, serving, until


@pytest.fixture(scope="module")
def engine():
    engine = Engine(make_config())
    engine.start()
    yield engine
    engine.close()


class Program:
    """A program on a WebSocket. answers: all that came, in order."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse):
        self.socket = socket
        self.answers: list[dict[str, Any]] = []
        self._read = 0
        self.reading = asyncio.create_task(self._reader())

    async def _reader(self) -> None:
        async for message in self.socket:
            self.answers.append(json.loads(message.data))

    async def say(self, kind: str, **content: Any) -> None:
        await self.socket.send_str(json.dumps({"type": kind, **content}))

    async def hear(self, kind: str) -> dict[str, Any]:
        """The next answer of a kind."""

        def found() -> bool:
            return any(answer["type"] == kind for answer in self.answers[self._read :])

        await until(lambda: found() or self.reading.done(), f"{kind} among {self.answers[self._read :]}")
        assert found(), f"no {kind}, but the end: {self.answers[self._read :]}"
        while self.answers[self._read]["type"] != kind:
            self._read += 1
        self._read += 1
        return self.answers[self._read - 1]

    async def start(self, **content: Any) -> dict[str, Any]:
        await self.say("start", **{"version": 1, **content})
        return await self.hear("started")


@asynccontextmanager
async def program(url: str, **how: Any) -> AsyncIterator[Program]:
    async with aiohttp.ClientSession() as client, client.ws_connect(f"{url}/speak", **how) as socket:
        program = Program(socket)
        try:
            yield program
        finally:
            await socket.close()
            await program.reading


@asynccontextmanager
async def watched(engine: Engine, **more: Any) -> AsyncIterator[tuple[str, Viewer]]:
    """(url, viewer) of a server with one session whose voice comes from programs."""
    async with serving(engine, engine.config) as url:
        viewer = Viewer(url)
        viewer.source = "program"
        assert await viewer.connect(**more) == 200
        await viewer.see(2)
        yield url, viewer
        await viewer.close()


async def find_place(url: str) -> None:
    """Wait until the session can be taken: the server hears in its own time that somebody has gone."""
    for _ in range(200):
        async with program(url) as talk:
            await talk.say("start", version=1)
            await until(lambda talk=talk: talk.answers, "an answer")
            if talk.answers[0]["type"] == "started":
                return
    raise AssertionError("the place was never free again")


def pcm(samples: np.ndarray) -> bytes:
    return (np.clip(samples, -1, 1) * 32_767).astype("<i2").tobytes()


def tone(seconds: float, rate_hz: int = 24_000, hz: float = 300.0) -> np.ndarray:
    return 0.4 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate_hz)) / rate_hz)


def sound(viewer: Viewer) -> np.ndarray:
    """Level of each 20 ms that a viewer heard."""
    heard = np.concatenate([samples for _, samples in viewer.sounds])
    return np.sqrt((heard[: len(heard) // 960 * 960].reshape(-1, 960) ** 2).mean(1))


def test_a_program_is_faster_than_speech_and_every_word_is_heard(engine):
    async def scene() -> None:
        async with watched(engine) as (url, viewer), program(url) as talk:
            started = await talk.start(id="s", rate_hz=24_000)
            assert started["id"] == "s" and started["session"] == viewer.id and started["version"] == 1
            for part in range(10):  # 2 s at once
                await talk.socket.send_bytes(pcm(tone(0.2)))
                await talk.say("mark", name=f"m{part}", text=f"{part} ")
            await talk.say("flush", id=7)
            assert await talk.hear("flushed") == {"type": "flushed", "id": 7, "utterance": started["utterance"]}
            ack = await talk.hear("ack")
            assert ack["queued_s"] > 0.5 and ack["room_s"] + ack["queued_s"] == pytest.approx(30.0)
            spoken = await talk.hear("spoken")
            assert spoken["samples"] == 48_000 and spoken["ms"] == 2000.0
            reached = [answer["name"] for answer in talk.answers if answer["type"] == "reached"]
            assert reached == [f"m{part}" for part in range(10)]
            counts = [answer["samples"] for answer in talk.answers if answer["type"] == "ack"]
            assert max(counts) <= 48_000
            _status, stats = await request("GET", f"{url}/session/{viewer.id}")
            assert stats["program"] and stats["source"] == "program" and stats["queued_s"] == 0
            count = len(viewer.sounds)
            await until(lambda: len(viewer.sounds) > count + 30, "the rest of the sound")
        loud = np.flatnonzero(sound(viewer) > 0.1)
        assert 98 <= len(loud) <= 106, "2 s, no more and no less"

    asyncio.run(scene())


def test_an_interrupt_is_heard_at_once_and_reported(engine):
    async def scene() -> None:
        async with watched(engine) as (url, viewer), program(url) as talk:
            await talk.start(rate_hz=16_000, ack_ms=40)
            for part in range(50):
                await talk.socket.send_bytes(pcm(tone(0.1, 16_000)))
                await talk.say("mark", text=f"{part} ")
            await talk.say("flush")
            for _ in range(8):
                await talk.hear("reached")
            await talk.say("interrupt", id="stop")
            count = len(viewer.sounds)
            report = await talk.hear("interrupted")
            assert report["id"] == "stop" and 0.8 * 16_000 <= report["samples"] < 4 * 16_000
            assert report["ms"] + report["dropped_ms"] == pytest.approx(5000, abs=0.2)
            assert report["text"] == "".join(f"{part} " for part in range(int(report["ms"]) // 100))
            await until(lambda: len(viewer.sounds) > count + 40, "sound after the interrupt")
            loud = np.flatnonzero(sound(viewer) > 0.02)
            assert abs(len(loud) * 20 - report["ms"]) < 60, "as much was heard as was reported"
            await talk.socket.send_bytes(pcm(tone(0.3, 16_000)))
            await talk.say("flush")
            spoken = await talk.hear("spoken")
            assert spoken["samples"] == 4_800 and spoken["utterance"] > report["utterance"]
            await talk.say("interrupt")
            assert (await talk.hear("interrupted"))["samples"] == 0

    asyncio.run(scene())


def test_opus_packets(engine):
    encoder = VoiceEncoder()
    voice = load_sample()[: 25 * 1920]
    packets = [bytes(packet) for i in range(25) for packet in encoder.encode(voice[i * 1920 :][:1920], i)]

    async def scene() -> None:
        async with watched(engine) as (url, _viewer), program(url) as talk:
            assert (await talk.start(format="opus"))["rate_hz"] == 48_000
            for packet in packets:
                await talk.socket.send_bytes(packet)
            await talk.socket.send_bytes(b"")
            assert (await talk.hear("error"))["code"] == "audio"
            await talk.say("flush")
            assert (await talk.hear("spoken"))["samples"] == pytest.approx(48_000, abs=400)

    asyncio.run(scene())


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


def test_a_program_that_is_much_too_fast_is_asked_to_pause_and_loses_nothing(engine):
    async def scene() -> None:
        config = engine.config.model_copy(
            update={"serve": engine.config.serve.model_copy(update={"speech_queue_s": 2.0})}
        )
        async with serving(engine, config) as url:
            viewer = Viewer(url)
            viewer.source = "program"
            assert await viewer.connect() == 200
            async with program(url) as talk:
                await talk.start(rate_hz=8_000)
                taken = refused = 0
                for _ in range(30):  # 3 s, and nobody waits
                    await talk.socket.send_bytes(pcm(tone(0.1, 8_000)))
                await talk.hear("pause")
                refused = 0
                await talk.say("state", id="all read")
                await talk.hear("state")
                refused = sum(answer.get("code") == "full" for answer in talk.answers)
                taken = 30 - refused
                assert 5 <= refused <= 11
                await talk.hear("resume")
                await talk.say("flush")
                assert (await talk.hear("spoken"))["samples"] == taken * 800
            await viewer.close()

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


def test_an_emotion_over_http(engine, monkeypatch):
    async def scene() -> None:
        async with watched(engine) as (url, viewer):
            where = f"{url}/session/{viewer.id}"
            for wanted in ({"happy": 1.0}, "happy", {"furious": 1.0}, {"happy": -1.0}, {"happy": True}):
                status, reply = await request("POST", where, json={"emotion": wanted})
                assert status == 422 and reply["error"], wanted
            assert (await request("POST", where, json={"emotion": {"sad": 1}, "intensity": 2}))[0] == 422
            monkeypatch.setattr(engine.pipeline.motion, "emotional", True)
            told: list[tuple[tuple[float, ...], float]] = []
            monkeypatch.setattr(
                engine.pipeline.motion, "set_emotion", lambda state, slot, weights, i: told.append((weights, i))
            )
            mixture = {"emotion": {"happy": 1, "sad": 3}, "intensity": 0.5}
            assert (await request("POST", where, json=mixture | {"background": "#00ff00"}))[0] == 200
            await until(lambda: told, "the stage's call")
            assert sorted(told[0][0])[-2:] == [0.25, 0.75] and told[0][1] == 0.5
            async with program(url) as talk:
                started = await talk.start()
                assert len(started["emotions"]) == 8
                assert started["emotion"] == {"weights": {"happy": 0.25, "sad": 0.75}, "intensity": 0.5}
                await talk.say("emotion", weights={"angry": 1.0}, id="e")
                assert (await talk.hear("emotion"))["id"] == "e"
                await until(lambda: len(told) == 2, "the stage's second call")

    asyncio.run(scene())
