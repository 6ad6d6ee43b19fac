"""`visema bench throughput`: how many people at once, until the first picture is late or left out.

One session, then two, and so on, each speaking in real time, in one process with one compute thread. A picture is late
when it is ready more than one tick after it could be: 40 ms after its sound, its look-ahead included, was there.
Admission is switched off here; a machine in use refuses earlier (serve.most_load).
"""

import asyncio
import time
from typing import Any

import numpy as np

from benchmarks.harness.figures import describe_run, percentiles
from benchmarks.harness.plots import Lines
from benchmarks.harness.report import Result, Table
from engine.audio import AudioBlock
from engine.config import Config
from engine.frames import TICK_MS, VOICE_RATE_HZ
from engine.session import Engine
from engine.stream.sample import BLOCK_SAMPLES, load_sample

MOST = 16  # the engine makes room, and steps of every size, for so many
SETTLE_S = 2.0  # at most a quarter of a run
STRICT_PERCENT = 100.0


def bench_throughput(config: Config, seconds: float = 20.0, most: int = MOST, **_: Any) -> Result:
    """So many seconds for each number of sessions. sessions: the most of which every picture was in time."""
    run = describe_run(config)
    serve = config.serve.model_copy(update={"max_sessions": most, "most_load": 0.0})
    engine = Engine(config.model_copy(update={"serve": serve}))
    engine.start()
    rows = []
    try:
        for count in range(1, most + 1):
            rows.append(_sum_up(count, asyncio.run(_talk(engine, count, seconds)), seconds))
            if rows[-1]["in_time_percent"] < STRICT_PERCENT:
                break
    finally:
        engine.close()
    figures = {
        "benchmark": "throughput", **run, "seconds": seconds,
        "sessions": strict_sessions(rows), "rows": rows,
    }  # fmt: skip
    head = ["sessions", "in time, %", "left out", "p50", "p99", "worst"]
    cells = [[row["sessions"], row["in_time_percent"], row["left_out"], row["ready_ms"]["p50"], row["ready_ms"]["p99"],
              row["worst_ms"]] for row in rows]  # fmt: skip
    lines = {name: [(row["sessions"], row["ready_ms"][name]) for row in rows if row["ready_ms"][name] is not None]
             for name in ("p50", "p99")}  # fmt: skip
    title = f"Sessions at {config.render.size} px: {figures['sessions']} with every picture in time; ms to a picture"
    return Result(figures, [Table(title, head, cells)], [Lines("More and more sessions", "sessions", "ms", lines)])


def strict_sessions(rows: list[dict[str, Any]]) -> int:
    """The most sessions of which no picture was late, nor of fewer; 0 if already one was."""
    most = 0
    for row in rows:
        if row["in_time_percent"] < STRICT_PERCENT:
            break
        most = row["sessions"]
    return most


async def _talk(engine: Engine, count: int, seconds: float) -> tuple[list[float], int]:
    """(ms from each tick's possible begin to its picture, all sessions; pictures left out)."""
    loop = asyncio.get_running_loop()
    sessions = [engine.open_session(seed=k, loop=loop) for k in range(count)]
    lookahead_ms = engine.pipeline.lookahead_ms
    voice, begun_ns = load_sample(), time.monotonic_ns()
    settle_ns = begun_ns + round(min(SETTLE_S, seconds / 4) * 1e9)
    end_ns = begun_ns + round(seconds * 1e9)
    taken: list[float] = []
    left_out = 0

    async def watch(session: Any) -> None:
        nonlocal left_out
        async for moment in session.moments:
            possible_ns = moment.audio.captured_ns + lookahead_ms * 1_000_000
            if not settle_ns <= possible_ns <= end_ns:
                continue
            if moment.image.index == moment.audio.index:
                taken.append((moment.finished_ns - possible_ns) / 1e6)
            else:
                left_out += 1

    watching = [asyncio.create_task(watch(session)) for session in sessions]
    for block in range(round(seconds * 50)):
        due_ns = begun_ns + (block + 1) * 20_000_000
        await asyncio.sleep(max(0, due_ns - time.monotonic_ns()) / 1e9)
        for k, session in enumerate(sessions):  # each is at another place of the sample
            places = np.arange(block * BLOCK_SAMPLES, (block + 1) * BLOCK_SAMPLES) + k * VOICE_RATE_HZ
            session.push(AudioBlock(voice[places % len(voice), None], VOICE_RATE_HZ, due_ns))
    for session in sessions:
        session.finish()
    await asyncio.gather(*watching)
    return taken, left_out


def _sum_up(count: int, result: tuple[list[float], int], seconds: float) -> dict[str, Any]:
    taken, left_out = result
    late = sum(ms > TICK_MS for ms in taken) + left_out
    total = len(taken) + left_out
    return {
        "sessions": count, "pictures": total, "left_out": left_out, "late": late,
        "in_time_percent": 100.0 * (total - late) / total if total else 0.0,
        "ready_ms": percentiles(taken), "worst_ms": round(max(taken, default=0.0), 1),
    }  # fmt: skip
