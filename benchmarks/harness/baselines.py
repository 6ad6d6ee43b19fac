"""`visema bench baselines`: mic to frame, ours and the ways in which peers do it, in the same run.

Measured: our own networks and renderer, driven tick by tick, in windows, in batches and in slices. Simulated: the
queues of three peers with networks that cost nothing. And real ones, where a runner script plugs one in (runner.py).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.harness.drive import WAYS, drive, sample_latency, sample_ticks
from benchmarks.harness.figures import describe_run, percentiles
from benchmarks.harness.layouts import LAYOUTS, Flow
from benchmarks.harness.plots import Bars
from benchmarks.harness.report import Result, Table
from benchmarks.harness.runner import run_runner
from engine.config import Config
from engine.pipeline import Pipeline

SIMULATED_TICKS = 1_500  # a minute
SETTLE_TICKS = 50  # left out; at most half of a run


def bench_baselines(config: Config, seconds: float = 30.0, runners: Sequence[str] = (), **_: Any) -> Result:
    """Each of the measured ones runs for so many seconds. DeviceError for a runner that breaks its contract."""
    run = describe_run(config)
    pipeline = Pipeline(config)
    rows: list[dict[str, Any]] = []
    settle = min(SETTLE_TICKS, int(seconds * 25 / 2))
    for way in WAYS:
        flow, dropped = drive(pipeline, way, seconds)
        rows.append(_row(way.name, "measured", flow, settle, dropped))
    for layout in LAYOUTS:
        flow = layout.run(SIMULATED_TICKS)
        rows.append(_row(layout.name, "simulation", flow, SIMULATED_TICKS // 2) | {"layout": layout.source})
    voice = np.concatenate([tick.samples for tick in sample_ticks()])
    for command in runners:
        name, flow = run_runner(command, voice, seconds)
        rows.append(_row(name, "runner", flow, settle))
    ours = rows[0]["mic_to_frame_ms"]["p50"]
    for row in rows:
        p50 = row["mic_to_frame_ms"]["p50"]
        row["ratio"] = round(p50 / ours, 2) if p50 and ours else None
    figures = {"benchmark": "baselines", **run, "seconds": seconds, "lookahead_ms": pipeline.lookahead_ms,
               "baselines": rows}  # fmt: skip
    return Result(figures, [_table(rows)], [_plot(rows)])


def _row(name: str, kind: str, flow: Flow, settle: int, dropped: int = 0) -> dict[str, Any]:
    """mic_to_frame_ms: to the picture that leaves at its place in 25 fps; ready_ms: to the picture that exists."""
    return {
        "name": name, "kind": kind, "mic_to_frame_ms": percentiles(sample_latency(flow, flow.left, settle)),
        "ready_ms": percentiles(sample_latency(flow, flow.ready, settle)), "dropped": dropped,
    }  # fmt: skip


def _table(rows: list[dict[str, Any]]) -> Table:
    cells = [[row["name"], row["kind"], *row["mic_to_frame_ms"].values(), row["ratio"], row["dropped"]] for row in rows]
    return Table("Mic sample to frame, ms", ["", "how", "p50", "p95", "p99", "ratio", "dropped"], cells)


def _plot(rows: list[dict[str, Any]]) -> Bars:
    names = [row["name"] if row["kind"] == "measured" else f"{row['name']} ({row['kind']})" for row in rows]
    times = [(row["mic_to_frame_ms"]["p50"], row["mic_to_frame_ms"]["p99"]) for row in rows]
    bars = dict(zip(names, times, strict=True))
    return Bars("Mic to frame, ours and others", "ms, median and p99 (simulations: networks cost nothing)", bars)
