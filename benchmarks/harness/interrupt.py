"""`visema bench interrupt`: from the word "stop" to the last picture that speaks and the last sound that is heard.

A session speaks the built-in sample in real time and is interrupted over and over, each time at another point of a
tick. What counts is what leaves the session: the voice sample by sample, and the mouth's opening picture by picture.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.harness.figures import describe_run, percentiles
from benchmarks.harness.plots import Bars
from benchmarks.harness.report import Result, Table
from engine.audio import AudioBlock
from engine.config import Config
from engine.frames import TICK_MS, VOICE_RATE_HZ, Moment
from engine.motion import layout
from engine.session import Engine, Session
from engine.stream.sample import BLOCK_SAMPLES, load_sample

AUDIBLE = 10 ** (-60 / 20)  # of full scale
SPEAKING = 0.05  # of the jaw's or lips' range: less is a mouth at rest
TALK_S, REST_S = 1.5, 0.5  # between interrupts
MOUTH = tuple(layout.INDEX[name] for name in ("jawOpen", "mouthFunnel", "mouthPucker"))


@dataclass(frozen=True, slots=True)
class Out:
    """A moment as it left. at_ns: when; sample: of its tick that was audible last, -1 for none; mouth: its opening."""

    at_ns: int
    sample: int
    mouth: float
    tick: int


def bench_interrupt(config: Config, seconds: float = 60.0, **_: Any) -> Result:
    """As many interrupts as go into so many seconds. video_ms, audio_ms: percentiles over them."""
    run = describe_run(config)
    engine = Engine(config)
    engine.start()
    try:
        stops, left = asyncio.run(_talk(engine, max(1, round(seconds / (TALK_S + REST_S)))))
    finally:
        engine.close()
    pairs = [judge(stop_ns, until_ns, left) for stop_ns, until_ns in stops]
    video, audio = ([pair[k] for pair in pairs if pair[k] is not None] for k in (0, 1))
    figures = {
        "benchmark": "interrupt", **run, "seconds": seconds, "interrupts": len(stops),
        "video_ms": percentiles(video), "audio_ms": percentiles(audio),  # type: ignore[arg-type]
    }  # fmt: skip
    names = {"last spoken picture": "video_ms", "last audible sample": "audio_ms"}
    rows = [[name, *figures[key].values()] for name, key in names.items()]
    bars = {name: (p50, p99) for name, p50, _, p99 in rows}
    table = Table("Interrupt, ms (target: p99 100)", ["", "p50", "p95", "p99"], rows)
    return Result(figures, [table], [Bars("From the interrupt on", "ms, median and p99", bars)])


async def _talk(engine: Engine, times: int) -> tuple[list[tuple[int, int]], list[Out]]:
    """((when each interrupt was, when speech went on), what left)."""
    session = engine.open_session(seed=0, loop=asyncio.get_running_loop())
    left: list[Out] = []
    watching = asyncio.create_task(_watch(session, left))
    stops, speech, begun_ns, block = [], 0, time.monotonic_ns(), 0
    voice, chance = load_sample(), np.random.default_rng(0)
    speaking_until = talk_until(begun_ns, chance)
    resting_until = None
    while len(stops) < times or resting_until is not None:
        block += 1
        due_ns = begun_ns + block * 20_000_000
        if resting_until is None and speaking_until <= due_ns and len(stops) < times:
            await asyncio.sleep(max(0, speaking_until - time.monotonic_ns()) / 1e9)
            stop_ns = time.monotonic_ns()
            session.hush()
            resting_until = stop_ns + round(REST_S * 1e9)
            stops.append((stop_ns, resting_until))
        await asyncio.sleep(max(0, due_ns - time.monotonic_ns()) / 1e9)
        if resting_until is not None and due_ns >= resting_until:
            resting_until, speaking_until = None, talk_until(due_ns, chance)
        sound = np.zeros(BLOCK_SAMPLES, np.float32)
        if resting_until is None:
            places = np.arange(speech, speech + BLOCK_SAMPLES) % len(voice)
            sound, speech = voice[places], speech + BLOCK_SAMPLES
        session.push(AudioBlock(sound[:, None], VOICE_RATE_HZ, due_ns))
    session.finish()
    await watching
    return stops, left


def talk_until(now_ns: int, chance: np.random.Generator) -> int:
    """When the next interrupt comes: at any point of a tick."""
    return now_ns + round((TALK_S + chance.uniform(0, TICK_MS / 1000)) * 1e9)


async def _watch(session: Session, left: list[Out]) -> None:
    async for moment in session.moments:
        left.append(_look(moment, time.monotonic_ns()))


def _look(moment: Moment, now_ns: int) -> Out:
    audible = np.flatnonzero(np.abs(moment.audio.voice) > AUDIBLE)
    mouth = float(np.abs(moment.motion.vector[list(MOUTH)]).max())
    return Out(now_ns, int(audible[-1]) if len(audible) else -1, mouth, moment.audio.index)


def judge(stop_ns: int, until_ns: int, left: list[Out]) -> tuple[float | None, float | None]:
    """(ms to the last speaking picture, ms to the last audible sample) after an interrupt, None where nothing spoke.

    A picture is shown for its whole tick, and a moment's voice plays from the time at which it leaves: a speaking
    picture ends 40 ms after it left. What left before the interrupt is still being played then.
    """
    video = audio = None
    for out in left:
        end_ns = out.at_ns + TICK_MS * 1_000_000
        if end_ns < stop_ns or out.at_ns >= until_ns:
            continue
        if out.mouth > SPEAKING:
            video = (end_ns - stop_ns) / 1e6
        if out.sample >= 0:
            audio = max(0.0, (out.at_ns - stop_ns) / 1e6 + out.sample * 1000 / VOICE_RATE_HZ)
    return video, audio
