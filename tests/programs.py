"""For the tests of programs that speak through a session: a program on a WebSocket, and a viewer beside it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import numpy as np

from engine.session import Engine
from tests.peers import Viewer, serving, until


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
