"""`visema bench soak`: visitors who come and go, and what is left of them in the server.

Peers connect, see some pictures and go, over and over, some without a word. Before the first and after the last the
server is asked for its tasks, threads, open files and memory; what does not come back has leaked. Then one peer talks
for as long as asked, and memory is watched.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from benchmarks.harness.figures import describe_run
from benchmarks.harness.peer import Peer, RefusedError
from benchmarks.harness.plots import Lines
from benchmarks.harness.report import Result, Table
from benchmarks.harness.rig import Rig
from engine.config import Config

CYCLES = 100
WARM_CYCLES = 20  # before the first count: what is made once, and for a second session beside the first
SILENT_EVERY = 4  # every so many peers go without a word
REST_S = 20.0  # at most, until the last has been forgotten
WATCH_EVERY_S = 1.0
KINDS = ("tasks", "threads", "files")


def bench_soak(config: Config, seconds: float = 1_800.0, cycles: int = CYCLES, **_: Any) -> Result:
    """So many cycles, then so many seconds of talk. rss_growth_mb: the larger of the two growths."""
    run = describe_run(config)
    serve = config.serve.model_copy(update={"vanish_timeout_s": 3.0, "connect_timeout_s": 10.0})
    with Rig(config.model_copy(update={"serve": serve}), most_spans=0) as rig:
        asyncio.run(_cycle(rig.url, WARM_CYCLES))
        before = rest(rig.count)
        asyncio.run(_cycle(rig.url, cycles))
        after = rest(rig.count, before)
        line = asyncio.run(_talk(rig, seconds))
    growth = {"cycles": after["rss_mb"] - before["rss_mb"], "talk": grown(line)}
    leaked = {kind: after[kind] - before[kind] for kind in KINDS}
    figures = {
        "benchmark": "soak", **run, "seconds": seconds, "cycles": cycles, "before": before, "after": after,
        "leaked": leaked, "rss_growth_mb": round(max(growth.values()), 1),
        "growth_mb": {name: round(mb, 1) for name, mb in growth.items()},
    }  # fmt: skip
    rows = [[kind, before[kind], after[kind], leaked[kind]] for kind in KINDS]
    rows.append(["memory, MB", before["rss_mb"], after["rss_mb"], growth["cycles"]])
    rows.append([f"memory over {seconds:g} s of talk, MB", line[0][1], line[-1][1], growth["talk"]])
    table = Table(f"{cycles} visitors (target: 0 leaked, 20 MB at most)", ["", "before", "after", "more"], rows)
    return Result(figures, [table], [Lines("Memory while one talks", "s", "MB", {"resident": line})])


def grown(line: list[tuple[float, float]]) -> float:
    """By how much the last tenth lies above the second (in the first, buffers fill): means."""
    tenth = max(1, len(line) // 10)
    values = [value for _, value in line]
    early = values[tenth : 2 * tenth] or values[:tenth]
    late = values[-tenth:]
    return sum(late) / len(late) - sum(early) / len(early)


def rest(count: Callable[[], dict[str, Any]], wanted: dict[str, Any] | None = None) -> dict[str, Any]:
    """The server's counts once its sessions are gone and, if given, nothing is more than wanted; or after a while."""
    begun_s = time.monotonic()
    while True:
        found = count()
        quiet = not found["sessions"] and all(wanted is None or found[kind] <= wanted[kind] for kind in KINDS)
        if quiet or time.monotonic() - begun_s > REST_S:
            return found
        time.sleep(0.2)


async def _cycle(url: str, cycles: int) -> None:
    for number in range(cycles):
        peer = await _when_there_is_room(url)
        if number % SILENT_EVERY == SILENT_EVERY - 1:
            await peer.vanish()
        await peer.close()


async def _when_there_is_room(url: str) -> Peer:
    """A peer that sees pictures. Those who went without a word keep their place for a while."""
    begun_s = time.monotonic()
    while True:
        peer = Peer(url)
        try:
            await peer.connect()
            return peer
        except RefusedError:
            await peer.close()
            if time.monotonic() - begun_s > REST_S:
                raise
            await asyncio.sleep(0.2)


async def _talk(rig: Rig, seconds: float) -> list[tuple[float, float]]:
    """(s, MB) of the server while a peer talks to it."""
    peer = await _when_there_is_room(rig.url)
    begun_s, line = time.monotonic(), []
    try:
        while time.monotonic() - begun_s < seconds or not line:
            await asyncio.sleep(min(WATCH_EVERY_S, seconds / 4))
            found = await asyncio.to_thread(rig.count)
            line.append((time.monotonic() - begun_s, found["rss_mb"]))
    finally:
        await peer.close()
    return line
