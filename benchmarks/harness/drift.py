"""`visema bench drift`: does sound leave picture, or the voice its clock, over hours?

Eight hours in virtual time: the engine's own pacing (engine/stream/pacing.py), fed with ticks from a sender whose clock
is off and whose compute is uneven. Then real time: a WebRTC peer for as long as asked, the offset of every picture
against its sound by the sender's reports, and a line through them.
"""

import asyncio
from typing import Any

import numpy as np

from benchmarks.harness import timeline
from benchmarks.harness.figures import OFFSET, describe_run, percentiles
from benchmarks.harness.latency import over_time, settled, visit
from benchmarks.harness.plots import Lines
from benchmarks.harness.report import Result, Table
from benchmarks.harness.rig import Rig
from engine.config import Config
from engine.frames import TICK_MS
from engine.stream.pacing import MS, Schedule, schedule_departure

HOURS = 8
TICK_NS = TICK_MS * MS
CASES = {"true clock": 0, "200 ppm slow": -200, "200 ppm fast": 200}  # parts per million by which the sender is fast
JITTER_MS = 7.0  # of the compute
EVERY = 25 * 60  # ticks: one point of a plot a minute


def bench_drift(config: Config, seconds: float = 600.0, **_: Any) -> Result:
    """Eight hours of every case, then `seconds` in real time. drift_ms: how far the offset moved from begin to end."""
    run = describe_run(config)
    virtual = {name: run_virtual(ppm) for name, ppm in CASES.items()}
    with Rig(config) as rig:
        peer, stats = asyncio.run(visit(rig.url, seconds))
    came = settled(timeline.arrivals(peer.seen, peer.microphone.begun_ns), seconds)
    offsets = timeline.offsets(peer.seen, peer.voice.heard, came, peer.reports)
    line = over_time(came, offsets) if len(offsets) else []
    latency = timeline.last_sample_latency(came, peer.microphone.begun_ns)
    figures = {
        "benchmark": "drift", **run, "seconds": seconds, "hours_virtual": HOURS,
        "virtual": {name: summary for name, (summary, _) in virtual.items()},
        "drift_ms": moved(line), "av_offset_ms": percentiles(offsets, OFFSET),
        "latency_drift_ms": moved(over_time(came, latency)) if came else None, "late": stats.get("late"),
    }  # fmt: skip
    rows = [[f"virtual, {name}", row["drift_ms"], row["delay_ms"]["p50"], row["delay_ms"]["p99"]]
            for name, row in figures["virtual"].items()]  # fmt: skip
    rows.append([f"real, {seconds:g} s: sound against picture", figures["drift_ms"], None, None])
    rows.append(["real: spoken to decoded", figures["latency_drift_ms"], None, None])
    table = Table("Drift, ms (target: 5 at most)", ["", "moved", "delay p50", "delay p99"], rows)
    delays = Lines("Delay of the pacing over eight hours", "h", "ms", {name: one for name, (_, one) in virtual.items()})
    offset = Lines("Sound against picture", "s", "ms, sound first is positive", {"offset": line}, band=(-45.0, 15.0))
    return Result(figures, [table], [delays, offset])


def run_virtual(ppm: float, hours: float = HOURS, seed: int = 0) -> tuple[dict[str, Any], list[tuple[float, float]]]:
    """The pacing under ticks that come from a clock `ppm` fast, each up to JITTER_MS later than it should.

    drift_ms: how far the delay from sound to departure moved from the first to the last tenth. Also (hours, ms) a
    minute apart.
    """
    count = round(hours * 3_600_000 / TICK_MS)
    jitter = np.random.default_rng(seed).integers(0, round(JITTER_MS * MS), count)
    period_ns = TICK_NS * 1_000_000 / (1_000_000 + ppm)
    captured_ns = np.arange(1, count + 1) * period_ns
    state, delays = Schedule(), np.empty(count)
    for tick in range(count):
        ready_ns = round(captured_ns[tick]) + int(jitter[tick])
        state, due_ns = schedule_departure(state, tick * TICK_NS, ready_ns)
        delays[tick] = max(due_ns, ready_ns) - captured_ns[tick]
    delays /= MS
    hour = 3_600_000 / TICK_MS
    line = [(tick / hour, float(np.median(delays[tick : tick + EVERY]))) for tick in range(0, count, EVERY)]
    return {"ppm": ppm, "drift_ms": moved(line), "delay_ms": percentiles(delays), "late": state.late}, line


def moved(line: list[tuple[float, float]]) -> float | None:
    """By how much a line's last tenth lies above its first: medians; None for an empty one."""
    if not line:
        return None
    tenth = max(1, len(line) // 10)
    values = [value for _, value in line]
    return round(float(np.median(values[-tenth:]) - np.median(values[:tenth])), 3)
