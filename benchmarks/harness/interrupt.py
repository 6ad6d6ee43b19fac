"""`visema bench interrupt`: from the word "stop" to the last picture that speaks and the last sound that is heard.

A voice speaks in real time and is interrupted over and over, each time at another point of a tick. First over loopback
WebRTC: a program speaks through a WebSocket (engine/stream/PROTOCOL.md), a peer sees and hears. Then in one process,
at the end of the session: what the encoder would be given.

A picture is seen for its whole tick, so a speaking one counts until 40 ms after it came. It speaks while its mouth is
open and holds or opens further; a mouth that lets go returns to rest naturally, which is told apart (rest_ms). Sound is
played when it comes.
"""

import asyncio
import json
import time
from collections.abc import Sequence
from typing import Any

import aiohttp
import numpy as np

from benchmarks.harness.figures import describe_run, percentiles
from benchmarks.harness.peer import Peer, audible_ms
from benchmarks.harness.plots import Bars
from benchmarks.harness.report import Result, Table
from benchmarks.harness.rig import Rig
from benchmarks.harness.stamp import REST, SPEAKS, MouthWatch
from engine.audio import AudioBlock
from engine.config import Config
from engine.errors import SessionError
from engine.frames import TICK_MS, VOICE_RATE_HZ
from engine.session import Engine, Session
from engine.stream.protocol import VERSION
from engine.stream.sample import BLOCK_SAMPLES, load_sample

TALK_S, REST_S = 1.5, 0.5  # between interrupts
PART = VOICE_RATE_HZ // 2  # samples in a message of the program
PARTS = 6  # sent at once: more than is said before the interrupt

Pictures = Sequence[tuple[int, int]]  # (when it came, ns; what its mouth does, see stamp.py)
Sounds = Sequence[tuple[int, float | None]]  # (when it came, ns; its last audible sample, ms after that, None: silent)
Stops = list[tuple[int, int]]  # (when the interrupt was said, when speech went on), ns


def bench_interrupt(config: Config, seconds: float = 60.0, **_: Any) -> Result:
    """As many interrupts as go into so many seconds, each way. video_ms, rest_ms, audio_ms: over WebRTC; the same in
    "session": without."""
    run, times = describe_run(config), max(1, round(seconds / (TALK_S + REST_S)))
    with Rig(config) as rig:
        stops, peer = asyncio.run(_through_a_program(rig.url, times))
    pictures = [(one.at_ns, one.stamp.mouth) for one in peer.seen if one.stamp is not None]
    figures: dict[str, Any] = {"benchmark": "interrupt", **run, "seconds": seconds, "interrupts": len(stops)}
    figures |= sum_up(stops, pictures, peer.voice.sounds)
    engine = Engine(config)
    engine.start()
    try:
        figures["session"] = sum_up(*asyncio.run(_talk(engine, times)))
    finally:
        engine.close()
    named = {"last speaking picture": "video_ms", "last audible sample": "audio_ms", "mouth at rest": "rest_ms"}
    parts = {"WebRTC": figures, "session": figures["session"]}
    rows = [[f"{name}, {where}", *part[key].values()] for where, part in parts.items() for name, key in named.items()]
    bars = {name: (p50, p99) for name, p50, _, p99 in rows}
    table = Table("Interrupt, ms (target: p99 100)", ["", "p50", "p95", "p99"], rows)
    return Result(figures, [table], [Bars("From the interrupt on", "ms, median and p99", bars)])


def sum_up(stops: Stops, pictures: Pictures, sounds: Sounds) -> dict[str, Any]:
    """video_ms, rest_ms, audio_ms: percentiles; those interrupts count at which something spoke."""
    judged = [judge(stop_ns, until_ns, pictures, sounds) for stop_ns, until_ns in stops]
    names = ("video_ms", "rest_ms", "audio_ms")
    return {name: percentiles(one[name] for one in judged if one[name] is not None) for name in names}


def judge(stop_ns: int, until_ns: int, pictures: Pictures, sounds: Sounds) -> dict[str, Any]:
    """Ms to the end of the last speaking picture, of the last whose mouth is open, and to the last audible sample."""
    ends = [(at_ns / 1e6 + TICK_MS, mouth) for at_ns, mouth in pictures if at_ns < until_ns]
    return {
        "video_ms": _last([end for end, mouth in ends if mouth == SPEAKS], stop_ns),
        "rest_ms": _last([end for end, mouth in ends if mouth != REST], stop_ns),
        "audio_ms": _last([at_ns / 1e6 + ms for at_ns, ms in sounds if ms is not None and at_ns < until_ns], stop_ns),
    }  # fmt: skip


def _last(ends_ms: list[float], stop_ns: int) -> float | None:
    """Ms from the interrupt to the last end; None where all was over before it."""
    return max((end - stop_ns / 1e6 for end in ends_ms if end >= stop_ns / 1e6), default=None)


async def _through_a_program(url: str, times: int) -> tuple[Stops, Peer]:
    peer, stops = Peer(url), []
    voice = (np.clip(load_sample(), -1, 1) * 32_767).astype("<i2")
    chance = np.random.default_rng(0)
    try:
        await peer.connect(source="program")
        async with aiohttp.ClientSession() as client, client.ws_connect(f"{url}/speak") as socket:
            start = {"type": "start", "version": VERSION, "format": "pcm16", "rate_hz": VOICE_RATE_HZ}
            await socket.send_json(start | {"session": peer.id})
            reading = asyncio.create_task(_read_on(socket))
            for number in range(times):
                for part in range(number * PARTS, (number + 1) * PARTS):
                    places = np.arange(part * PART, (part + 1) * PART)
                    await socket.send_bytes(voice[places % len(voice)].tobytes())
                await asyncio.sleep(TALK_S + chance.uniform(0, TICK_MS / 1000))
                stop_ns = time.monotonic_ns()
                await socket.send_json({"type": "interrupt"})
                await asyncio.sleep(REST_S)
                stops.append((stop_ns, time.monotonic_ns()))
                if reading.done():
                    reading.result()
                    raise SessionError("the server ended the conversation")
            reading.cancel()
        return stops, peer
    finally:
        await peer.close()


async def _read_on(socket: aiohttp.ClientWebSocketResponse) -> None:
    """Answers have to be fetched; SessionError for one that says that something is wrong."""
    async for message in socket:
        answer = json.loads(message.data)
        if answer["type"] == "error":
            raise SessionError(answer["message"])


async def _talk(engine: Engine, times: int) -> tuple[Stops, Pictures, Sounds]:
    """The same in this process: the session is hushed, and what leaves it is looked at."""
    session = engine.open_session(seed=0, loop=asyncio.get_running_loop())
    pictures: list[tuple[int, int]] = []
    mouth = MouthWatch()
    sounds: list[tuple[int, float | None]] = []

    async def watch() -> None:
        async for moment in session.moments:
            now_ns = time.monotonic_ns()
            pictures.append((now_ns, mouth.look(moment.motion.vector)))
            sounds.append((now_ns, audible_ms(moment.audio.voice)))

    stops: Stops = []
    watching, speaking = asyncio.create_task(watch()), asyncio.Event()
    feeding = asyncio.create_task(_feed(session, speaking))
    chance = np.random.default_rng(0)
    for _ in range(times):
        speaking.set()
        await asyncio.sleep(TALK_S + chance.uniform(0, TICK_MS / 1000))
        stop_ns = time.monotonic_ns()
        session.hush()
        speaking.clear()
        await asyncio.sleep(REST_S)
        stops.append((stop_ns, time.monotonic_ns()))
    feeding.cancel()
    session.finish()
    await watching
    return stops, pictures, sounds


async def _feed(session: Session, speaking: asyncio.Event) -> None:
    """The sample in real time while somebody is speaking, else silence."""
    voice, begun_ns, count, said = load_sample(), time.monotonic_ns(), 0, 0
    while True:
        count += 1
        due_ns = begun_ns + count * 20_000_000
        await asyncio.sleep(max(0, due_ns - time.monotonic_ns()) / 1e9)
        sound = np.zeros(BLOCK_SAMPLES, np.float32)
        if speaking.is_set():
            sound, said = voice[np.arange(said, said + BLOCK_SAMPLES) % len(voice)], said + BLOCK_SAMPLES
        session.push(AudioBlock(sound[:, None], VOICE_RATE_HZ, due_ns))
