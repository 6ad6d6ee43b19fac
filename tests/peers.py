"""For the tests of `visema serve`: a small real engine behind a real server, and aiortc peers that visit it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from fractions import Fraction
from typing import Any

import aiohttp
import av
import numpy as np
from aiohttp.test_utils import TestServer
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError

from engine.config import Config
from engine.session import Engine
from engine.stream.server import make_app

SIZE = 128
PATIENCE_S = 60.0  # for whatever a busy machine takes; tests wait for things, never for a time


def make_config(**serve: Any) -> Config:
    return Config.model_validate(
        {
            "engine": {"executor": "eager"},
            "motion": {"plugin": "viseme"},  # the light one: several sessions on a busy machine
            "render": {"size": SIZE, "background": "#204060"},
            "serve": {"max_sessions": 2, "most_load": 0.0, **serve},  # a busy machine refuses no test
        }
    )


@asynccontextmanager
async def serving(engine: Engine, config: Config) -> AsyncIterator[str]:
    """URL of a server on a free port; when it closes, all sessions have been given back."""
    server = TestServer(make_app(engine, config), host="127.0.0.1")
    await server.start_server()
    try:
        yield str(server.make_url("")).rstrip("/")
    finally:
        await server.close()
    assert not engine.sessions


async def until(condition: Callable[[], Any], what: str) -> None:
    """Wait until something is so."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"waited in vain: {what}") from None


class Speaker(MediaStreamTrack):
    """A microphone that says float32 samples (48 kHz), then nothing more: no packets at all."""

    kind = "audio"

    def __init__(self, voice: np.ndarray):
        super().__init__()
        self._blocks = [voice[i : i + 960] for i in range(0, len(voice) // 960 * 960, 960)]
        self._count = 0
        self._begun = 0.0

    async def recv(self) -> av.AudioFrame:
        loop = asyncio.get_running_loop()
        self._begun = self._begun or loop.time()
        if self._count >= len(self._blocks):
            await asyncio.Event().wait()
        await asyncio.sleep(max(0.0, self._begun + self._count * 0.02 - loop.time()))
        block = (self._blocks[self._count] * 32_767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(block[None], format="s16", layout="mono")
        frame.sample_rate, frame.time_base = 48_000, Fraction(1, 48_000)
        frame.pts = self._count * 960
        self._count += 1
        return frame


class Viewer:
    """A peer that looks and listens, and perhaps speaks.

    pictures, sounds: (pts in seconds, array) as they came.
    """

    def __init__(self, url: str, voice: np.ndarray | None = None):
        self.url = url
        self.id = ""
        self.answer: dict[str, Any] = {}
        self.pictures: list[tuple[float, np.ndarray]] = []
        self.sounds: list[tuple[float, np.ndarray]] = []
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.connection.addTransceiver("video", "recvonly")
        if voice is None:
            self.connection.addTransceiver("audio", "recvonly")
        else:
            self.connection.addTransceiver(Speaker(voice), "sendrecv")
        self.source = "sample" if voice is None else "mic"
        self._readers: list[asyncio.Task[None]] = []
        self.connection.on("track", lambda track: self._readers.append(asyncio.create_task(self._read(track))))

    async def _read(self, track: MediaStreamTrack) -> None:
        try:
            while True:
                frame = await track.recv()
                assert isinstance(frame, av.VideoFrame | av.AudioFrame) and frame.pts is not None
                place_s = float(frame.pts * frame.time_base)
                if isinstance(frame, av.VideoFrame):
                    self.pictures.append((place_s, frame.to_ndarray(format="rgb24")))
                else:  # 16-bit stereo, interleaved
                    self.sounds.append((place_s, frame.to_ndarray().reshape(-1, 2).mean(1) / 32_768))
        except MediaStreamError:
            return

    async def offer(self, **more: Any) -> dict[str, Any]:
        """The body of an offer."""
        await self.connection.setLocalDescription(await self.connection.createOffer())
        sdp = self.connection.localDescription.sdp
        return {"type": "offer", "sdp": sdp, "source": self.source, **more}

    async def connect(self, **more: Any) -> int:
        """HTTP status; on 200 the answer is taken."""
        status, self.answer = await request("POST", f"{self.url}/offer", json=await self.offer(**more))
        if status == 200:
            self.id = self.answer["id"]
            await self.connection.setRemoteDescription(RTCSessionDescription(self.answer["sdp"], "answer"))
        return status

    async def see(self, count: int) -> None:
        """Wait for so many more pictures."""
        wanted = len(self.pictures) + count
        await until(lambda: len(self.pictures) >= wanted, f"{wanted} pictures")

    async def vanish(self) -> None:
        """Go without a word: the sockets close, nothing is said."""
        transport = self.connection.getTransceivers()[0].receiver.transport.transport
        await transport._connection.close()

    async def close(self) -> None:
        await self.connection.close()
        for reader in self._readers:
            reader.cancel()  # one that was never connected would wait for ever
        for error in await asyncio.gather(*self._readers, return_exceptions=True):
            if isinstance(error, Exception):
                raise error


async def request(method: str, url: str, **how: Any) -> tuple[int, dict[str, Any]]:
    """(status, JSON) of one request."""
    async with aiohttp.ClientSession() as client, client.request(method, url, **how) as reply:
        return reply.status, await reply.json()
