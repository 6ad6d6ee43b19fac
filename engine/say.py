"""`visema say`: a recording spoken through a running server, as a program would do it."""

import asyncio
import json
from typing import Any

import aiohttp
import numpy as np
from rich.console import Console

from engine.audio import FileSource, Rechunker
from engine.errors import DeviceError, MediaError, SessionError
from engine.frames import VOICE_RATE_HZ
from engine.stream.protocol import VERSION

BLOCK_S = 0.1
ASK_S = 0.5  # whether somebody looks


def say_file(
    path: str, url: str, session: str | None, token: str, speed: float, emotion: dict[str, float], opens: bool = False
) -> None:
    """Send a file at `speed` times real time and wait until it was heard. MediaError, DeviceError, SessionError.

    opens: a new session, whose address is printed; speech begins when somebody looks on.
    """
    voice = _read(path)
    try:
        asyncio.run(_say(voice, url, session, token, speed, emotion, opens))
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise DeviceError(f"no server answers at {url}: {error}") from None


def _read(path: str) -> bytes:
    """Any sound file to PCM16 at 48 kHz, mono."""
    rechunker = Rechunker()
    ticks = [tick for block in FileSource(path) for tick in rechunker.push(block)] + rechunker.flush()
    if not ticks:
        raise MediaError(f"{path} holds no sound")
    voice = np.concatenate([tick.voice for tick in ticks])
    return (np.clip(voice, -1, 1) * 32_767).astype("<i2").tobytes()


async def _say(
    voice: bytes, url: str, session: str | None, token: str, speed: float, emotion: dict[str, float], opens: bool
) -> None:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with aiohttp.ClientSession() as client, client.ws_connect(_address(url), headers=headers) as socket:
        start = {"type": "start", "version": VERSION, "format": "pcm16", "rate_hz": VOICE_RATE_HZ}
        await socket.send_json(start | ({"session": session} if session else {}) | ({"open": True} if opens else {}))
        if opens:
            await _wait_for_viewers(socket, _address(url))
        if emotion:
            await socket.send_json({"type": "emotion", "weights": emotion})
        may_send = asyncio.Event()
        may_send.set()
        sending = asyncio.create_task(_send(socket, voice, speed, may_send))
        try:
            await _follow(socket, may_send, len(voice) / 2 / VOICE_RATE_HZ)
        except (KeyboardInterrupt, asyncio.CancelledError):
            await socket.send_json({"type": "interrupt"})
            raise
        finally:
            sending.cancel()


async def _wait_for_viewers(socket: aiohttp.ClientWebSocketResponse, address: str) -> None:
    """Say where the new session can be seen, and ask every now and then whether somebody looks."""
    page = address.replace("ws", "http", 1).removesuffix("speak")
    async for message in socket:
        answer: dict[str, Any] = json.loads(message.data)
        if answer["type"] == "error":
            raise SessionError(answer["message"])
        if answer["type"] == "started":
            print(f"To be seen at {page}?watch={answer['watch']}", flush=True)
        if answer.get("viewers"):
            return
        if answer["type"] == "state":
            await asyncio.sleep(ASK_S)
        await socket.send_json({"type": "state"})


async def _send(socket: aiohttp.ClientWebSocketResponse, voice: bytes, speed: float, may_send: asyncio.Event) -> None:
    size = round(BLOCK_S * VOICE_RATE_HZ) * 2
    for at in range(0, len(voice), size):
        await may_send.wait()
        await socket.send_bytes(voice[at : at + size])
        await asyncio.sleep(BLOCK_S / speed)
    await socket.send_json({"type": "flush"})


async def _follow(socket: aiohttp.ClientWebSocketResponse, may_send: asyncio.Event, seconds: float) -> None:
    console = Console(stderr=True)
    with console.status("waiting") as status:
        async for message in socket:
            answer: dict[str, Any] = json.loads(message.data)
            match answer["type"]:
                case "ack":
                    status.update(f"{answer['ms'] / 1000:.1f} of {seconds:.1f} s spoken, {answer['queued_s']:.1f} wait")
                case "pause":
                    may_send.clear()
                case "resume":
                    may_send.set()
                case "spoken":
                    console.print(f"{answer['ms'] / 1000:.1f} s spoken")
                    return
                case "error":
                    raise SessionError(answer["message"])
    raise SessionError("the server ended the conversation")


def _address(url: str) -> str:
    """ws://host/speak of whatever address of the server was given."""
    base = url.rstrip("/")
    for http, socket in (("http://", "ws://"), ("https://", "wss://")):
        if base.startswith(http):
            base = socket + base[len(http) :]
    if not base.startswith(("ws://", "wss://")):
        base = f"ws://{base}"
    return base if base.endswith("/speak") else f"{base}/speak"
