"""The built-in voice, spoken in real time, over and over with a breath between."""

import asyncio
from collections.abc import Callable
from functools import cache
from importlib import resources

import numpy as np

from engine.audio import FileSource, Rechunker
from engine.clock import Clock, MonotonicClock
from engine.frames import VOICE_RATE_HZ

PAUSE_S = 1.0
BLOCK_SAMPLES = VOICE_RATE_HZ // 50  # 20 ms, as a browser sends


@cache
def load_sample() -> np.ndarray:
    """The sample with its pause, float32 (n,) mono at 48 kHz, whole blocks; read only."""
    with resources.as_file(resources.files("engine.assets") / "sample.opus") as path:
        rechunker = Rechunker()
        ticks = [tick for block in FileSource(path) for tick in rechunker.push(block)]
        ticks += rechunker.flush()
    voice = np.concatenate([tick.voice for tick in ticks] + [np.zeros(round(PAUSE_S * VOICE_RATE_HZ))])
    voice = voice[: len(voice) // BLOCK_SAMPLES * BLOCK_SAMPLES].astype(np.float32)
    voice.setflags(write=False)
    return voice


async def speak_sample(hear: Callable[[np.ndarray], None], clock: Clock | None = None) -> None:
    """Call `hear` with float32 (960, 1) every 20 ms until cancelled; late blocks follow at once."""
    clock = clock or MonotonicClock()
    voice = await asyncio.to_thread(load_sample)
    begun_ns = clock.now_ns()
    count = 0
    while True:
        start = count * BLOCK_SAMPLES % len(voice)
        hear(voice[start : start + BLOCK_SAMPLES, None])
        count += 1
        wait_ns = begun_ns + count * 20_000_000 - clock.now_ns()
        if wait_ns < -1_000_000_000:  # the machine slept: go on from here
            begun_ns -= wait_ns
        await asyncio.sleep(max(0, wait_ns) / 1e9)
