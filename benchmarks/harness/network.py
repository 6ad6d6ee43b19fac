"""`visema bench network`: what bad lines do to latency, pictures, and sound against picture.

The same peer as in `latency`, then Chromium by its own statistics, with the same faults in both directions. Their own
delay, 20 ms each way, is part of the latency.

Where a user and network namespace can be made and the kernel has netem (`namespace.choose`), server, peer and browser
run in one, whose loopback `tc netem` spoils: the kernel's line, for everything alike. Elsewhere, and many kernels are
built without netem, the lines are the deterministic ones of the tests (engine/stream/lossy.py), which lose the same
packets in every run: our peer's transport takes them, and Chromium's packets take a detour through relay.py.

Our peer shows what the timestamps that we send allow. A browser aims at less: libwebrtc leaves sound and picture as
they are until its own estimate, averaged over some seconds, says that they are more than 30 ms apart (`kMinDeltaMs` of
its video/stream_synchronization.cc), then moves one of its buffers by 80 ms a second at most.
"""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

import numpy as np

from benchmarks.harness import timeline
from benchmarks.harness.apart import run_apart
from benchmarks.harness.bad_line import spoil_both
from benchmarks.harness.chromium import EVERY_S, look_on
from benchmarks.harness.figures import OFFSET, describe_run, percentiles
from benchmarks.harness.latency import over_time, settled
from benchmarks.harness.namespace import Choice, Link, choose, enter
from benchmarks.harness.netem import Netem, netem
from benchmarks.harness.peer import Peer
from benchmarks.harness.plots import Lines
from benchmarks.harness.report import Result, Table
from benchmarks.harness.rig import Rig
from engine.config import Config
from engine.stream.lossy import NETWORKS, Faults

WINDOW_MS = (-45.0, 15.0)
CHROMIUM_NOTE = "Chromium moves its buffers only when it believes sound and picture more than 30 ms apart."
DETERMINISTIC, NAMESPACE = "deterministic lossy link", "network namespace with tc netem"
MEASURE = f"{__name__}:measure"
CASE_S, BESIDE_S, PATIENCE = 60.0, 300.0, 3.0  # of its own process: for a case beside the talk, for all, and times that
Cases = dict[str, Faults]


def bench_network(
    config: Config, seconds: float = 30.0, cases: Cases | None = None, browser: bool = True, link: Link = "auto",
    waiting: Callable[[float], None] = lambda passed_s: None, **_: Any,
) -> Result:  # fmt: skip
    """So many seconds of every case, for our peer and then for Chromium; the outage begins after 5 s.

    It runs in a process of its own, since nobody enters a namespace with threads running. waiting: see `run_apart`.
    ConfigError, DeviceError: a link that there is not, or not here.
    """
    cases = NETWORKS if cases is None else cases
    choice = choose(link)
    how = {"cases": cases, "browser": browser, "choice": choice}
    limit_s = PATIENCE * (len(cases) * (2 * seconds + CASE_S) + BESIDE_S)
    return run_apart(MEASURE, config, seconds, how, limit_s, waiting, choice.through)


def measure(config: Config, seconds: float, cases: Cases, browser: bool, choice: Choice) -> Result:
    """What `bench_network` runs, in the namespace if there is one."""
    inside = bool(choice.through)
    if inside:
        enter()
    run = describe_run(config)
    rows, delays, offsets, others = [], {}, {}, {}
    for seed, (name, faults) in enumerate(cases.items()):
        with Rig(config) as rig:
            peer, stats = asyncio.run(_visit(rig.url, seconds, faults, None if inside else seed))
            seen = _look_on(rig.url, seconds, faults, None if inside else seed) if browser else None
        row, delays[name], offsets[name] = _judge(name, peer, stats, seconds)
        if inside:
            row["netem"] = " ".join(netem(faults)[1:])
        if seen is not None:
            others[name] = [(EVERY_S * k, offset) for k, offset in enumerate(seen.pop("offsets"))]
        rows.append(row | {"chromium": seen})
    figures = {"benchmark": "network", **run, "seconds": seconds, "link": NAMESPACE if inside else DETERMINISTIC,
               "no_namespace": choice.why or None, "cases": rows}  # fmt: skip
    plots = [Lines("Latency over the run", "s", "ms from a tick's last sample to its picture", delays),
             Lines("Sound against picture", "s", "ms, sound first is positive", offsets, band=WINDOW_MS)]  # fmt: skip
    if others:
        plots.append(Lines("Sound against picture in Chromium", "s", "ms, sound first is positive", others,
                           band=WINDOW_MS))  # fmt: skip
    return Result(figures, _tables(rows), plots, notes=[describe_link(choice), *([CHROMIUM_NOTE] if others else [])])


def describe_link(choice: Choice) -> str:
    """The sentence that stands with the tables."""
    if choice.through:
        return f"The lines: a {NAMESPACE}."
    return f"The lines: the {DETERMINISTIC} of the tests. No network namespace: {choice.why}."


def _tables(rows: list[dict[str, Any]]) -> list[Table]:
    head = ["", "p50", "p95", "p99", "dropped", "longest gap", "offset p0.1", "p99.9", "inside, %", "made up", "silent"]
    cells = [
        [row["name"], *row["loopback_ms"].values(), row["dropped"], row["longest_gap_ms"], row["av_offset_ms"]["p0.1"],
         row["av_offset_ms"]["p99.9"], row["inside_percent"], row["sound_made_up_ms"], row["silence_filled_ms"]]
        for row in rows
    ]  # fmt: skip
    tables = [Table("Spoken to decoded, ms, on bad lines", head, cells)]
    keys = ("fps", "freezes", "packets_lost", "av_offset_inside_percent", "made_up_ms", "video_buffer_ms",
            "audio_buffer_ms")  # fmt: skip
    seen = [(row["name"], row["chromium"]) for row in rows if row["chromium"] is not None]
    if seen:
        head = ["", "offset p1", "p50", "p99", "fps", "freezes", "lost", "inside, %", "made up, ms", "video buffer, ms",
                "audio buffer, ms"]  # fmt: skip
        cells = [[name, *one["av_offset_ms"].values(), *(one[key] for key in keys)] for name, one in seen]
        tables.append(Table(f"Chromium {seen[0][1]['version']} on the same lines, by its own statistics", head, cells))
    return tables


async def _visit(url: str, seconds: float, faults: Faults, seed: int | None) -> tuple[Peer, dict[str, Any]]:
    """Our peer's visit. seed: of the deterministic link; None: the namespace's loopback is spoiled."""
    peer = Peer(url)
    try:
        await peer.connect()
        with ExitStack() as stack:
            if seed is None:
                await asyncio.to_thread(stack.enter_context(Netem()).spoil, faults)
            else:
                spoil_both(peer.connection, faults, seed)
            await asyncio.sleep(seconds)
        return peer, await peer.stats()
    finally:
        await peer.close()


def _look_on(url: str, seconds: float, faults: Faults, seed: int | None) -> dict[str, Any] | None:
    """The same for Chromium."""
    if seed is not None:
        return look_on(url, seconds, faults, seed)
    with Netem() as line:
        return look_on(url, seconds, begin=partial(line.spoil, faults))


def _judge(name: str, peer: Peer, stats: dict[str, Any], seconds: float) -> tuple[dict[str, Any], list, list]:
    """(a case's figures, its latency and its offsets over time)."""
    begun_ns = peer.microphone.begun_ns
    came = settled(timeline.arrivals(peer.seen, begun_ns), seconds)
    last_ms = timeline.last_sample_latency(came, begun_ns)
    offsets = timeline.offsets(peer.seen, peer.voice.heard, came, peer.reports)
    row = {
        "name": name, "loopback_ms": percentiles(timeline.every_sample(last_ms)) if came else percentiles([]),
        "av_offset_ms": percentiles(offsets, OFFSET), "inside_percent": inside(offsets),
        "pictures": len(came), "dropped": timeline.dropped(came), "longest_gap_ms": longest_gap(came),
        "packets_lost": peer.lost,
        **{key: stats.get(key) for key in ("sound_made_up_ms", "silence_filled_ms", "sound_cut_ms", "uplink_delay_ms")},
    }  # fmt: skip
    return row, over_time(came, last_ms) if came else [], over_time(came, offsets) if len(offsets) else []


def inside(offsets: np.ndarray) -> float | None:
    """Percent of pictures whose sound is no more than 15 ms early and 45 ms late."""
    if not len(offsets):
        return None
    return round(100 * float(np.mean((offsets >= WINDOW_MS[0]) & (offsets <= WINDOW_MS[1]))), 2)


def longest_gap(came: list[timeline.Arrival]) -> float | None:
    """Ms, from one picture to the next."""
    return round(float(np.diff([one.at_ns for one in came]).max()) / 1e6, 1) if len(came) > 1 else None
