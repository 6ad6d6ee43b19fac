"""`visema bench lookahead`: what 40 and 80 ms more buy the lips, against what they cost: the plot behind the default.

Latency is measured here at 0, 1 and 2 ticks of look-ahead, as `visema bench latency` does. The lips are those of
`benchmarks/harness/lips.py`, which no machine changes: read where they are kept, else measured.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from benchmarks.harness.figures import describe_run
from benchmarks.harness.latency import bench_latency
from benchmarks.harness.lips import LOOKAHEADS, measure_lips, read_lips
from benchmarks.harness.plots import Lines
from benchmarks.harness.report import Result, Table
from engine.config import Config
from engine.errors import ConfigError, EngineError
from engine.frames import TICK_MS

PERCENT = {"closure_recall": "P B M shut the lips", "labiodental_recall": "F V bring the lip to the teeth",
           "viseme_accuracy": "visemes named"}  # fmt: skip
FALSE = "false_closure"
TARGETS = {"closure_recall": 0.90, FALSE: 0.03, "labiodental_recall": 0.93}  # design/quality.md; FALSE: at most
LEAD = (0.0, 80.0)  # ms that lips may be ahead of the reference; late ones are worse than early ones
LOOPBACK = {"p50": 120.0, "p99": 200.0}  # ms, of the default settings
MARGIN = 0.02  # of a share: less above its target, and another voice misses it
NOTICED = 0.01  # of a share: less gain than this is not worth 40 ms

Lips = Mapping[int, Mapping[str, float]]  # by look-ahead in ticks
Latencies = Mapping[int, Mapping[str, Any]]


def bench_lookahead(config: Config, seconds: float = 30.0, quick: bool = False, **_: Any) -> Result:
    """`seconds` in one process and as many over WebRTC, at each look-ahead. Without the recordings there is latency
    alone, and "lips_missing" says why."""
    run = describe_run(config)
    kept: dict[str, Any] = {}
    missing = None
    try:
        kept = _find_lips(config.motion.plugin, 40 if quick else None)
    except EngineError as error:
        missing = str(error)
    lips = {int(ticks): figures for ticks, figures in kept.get("lookaheads", {}).items()}
    latencies = {}
    for ticks in LOOKAHEADS:
        motion = config.motion.model_copy(update={"lookahead_ticks": ticks})
        latencies[ticks] = bench_latency(config.model_copy(update={"motion": motion}), seconds, browser=False).figures
    about = {"lips_commit": kept.get("commit"), "clips": kept.get("clips"), "lips_missing": missing}
    result = join(lips, latencies, config.motion.lookahead_ticks)
    return Result({"benchmark": "lookahead", **run, "seconds": seconds, **about, **result.figures},
                  result.tables, result.plots, notes=result.notes)  # fmt: skip


def _find_lips(plugin: str, limit: int | None) -> dict[str, Any]:
    try:
        return read_lips(plugin)
    except ConfigError:
        return measure_lips(plugin, limit)


def join(lips: Lips, latencies: Latencies, default: int) -> Result:
    """Figures of both, side by side: table, plots and the reasoning. latencies: figures of `bench_latency`."""
    rows = [
        {"lookahead_ticks": ticks, "lookahead_ms": ticks * TICK_MS, "default": ticks == default,
         "mic_to_frame_ms": latencies[ticks]["mic_to_frame_ms"], "loopback_ms": latencies[ticks]["loopback_ms"],
         "dropped": latencies[ticks]["dropped"], **lips.get(ticks, {})}
        for ticks in sorted(latencies)
    ]  # fmt: skip
    figures = {"rows": rows, "chosen_ticks": choose(lips, latencies)}
    names = [*PERCENT, FALSE]
    cells = [
        [f"{row['lookahead_ms']} ms" + (" (default)" if row["default"] else ""),
         *(round(100 * row[name], 1) if name in row else None for name in names), row.get("rounding_contrast"),
         row["mic_to_frame_ms"]["p50"], row["mic_to_frame_ms"]["p99"], row["loopback_ms"]["p50"],
         row["loopback_ms"]["p99"]]
        for row in rows
    ]  # fmt: skip
    head = ["look-ahead", "P B M shut, %", "F V, %", "visemes, %", "falsely shut, %", "rounding", "frame p50", "p99",
            "loopback p50", "p99"]  # fmt: skip
    return Result(figures, [Table("Lips and latency (ms)", head, cells)], _plots(rows), notes=reason(lips, latencies))


def _plots(rows: list[dict[str, Any]]) -> list[Lines]:
    """Over the measured latency: p50 of the loopback, each point one look-ahead."""
    known = [row for row in rows if FALSE in row and row["loopback_ms"]["p50"] is not None]
    x_name = "ms from spoken to decoded over WebRTC, median; look-ahead 0, 40, 80 ms"
    good = {text: [(row["loopback_ms"]["p50"], 100 * row[name]) for row in known] for name, text in PERCENT.items()}
    bad = {"open vowels falsely shut": [(row["loopback_ms"]["p50"], 100 * row[FALSE]) for row in known]}
    times = {f"{text} {name}": [(row["lookahead_ms"], row[key][name]) for row in rows if row[key][name] is not None]
             for key, text in (("mic_to_frame_ms", "to frame"), ("loopback_ms", "to decoded"))
             for name in ("p50", "p95", "p99")}  # fmt: skip
    return [Lines("Lips against latency", x_name, "% right", good), Lines("Lips wrongly shut", x_name, "%", bad),
            Lines("Latency against look-ahead", "ms of look-ahead", "ms", times)]  # fmt: skip


def meets_lips(figures: Mapping[str, float], margin: float = 0.0) -> bool:
    """Whether lips reach their targets, with so much to spare where more is better, and are not late."""
    return LEAD[0] <= figures["lip_lead_ms"] <= LEAD[1] and all(
        figures[name] <= target if name == FALSE else figures[name] >= target + margin
        for name, target in TARGETS.items()
    )


def choose(lips: Lips, latencies: Latencies) -> int | None:
    """The least look-ahead whose lips reach their targets with a margin and whose latency reaches its own; without
    one, the best lips within the latency. None where nothing was measured."""
    in_time = [ticks for ticks in sorted(lips) if ticks in latencies and _in_time(latencies[ticks]["loopback_ms"])]
    safe = [ticks for ticks in in_time if meets_lips(lips[ticks], MARGIN)]
    if safe:
        return safe[0]
    return max(in_time, key=lambda ticks: lips[ticks]["closure_recall"] - lips[ticks][FALSE], default=None)


def _in_time(loopback_ms: Mapping[str, float | None]) -> bool:
    return all((loopback_ms[name] or float("inf")) <= ms for name, ms in LOOPBACK.items())


def reason(lips: Lips, latencies: Latencies) -> list[str]:
    """The choice in sentences, out of the figures themselves."""
    if not lips:
        return ["The recordings that lips are judged by are not at hand here: latency alone."]
    sentences = []
    both = [ticks for ticks in sorted(lips) if ticks in latencies]
    for ticks in both:
        spare = 100 * min(lips[ticks][name] - target for name, target in TARGETS.items() if name != FALSE)
        met = "reach their targets" if meets_lips(lips[ticks]) else "miss a target"
        fast = "within" if _in_time(latencies[ticks]["loopback_ms"]) else "beyond"
        sentences.append(
            f"{ticks * TICK_MS} ms: lips {met} ({spare:+.1f} points at the tightest recall, "
            f"{100 * lips[ticks][FALSE]:.1f} % of open vowels falsely shut, "
            f"{lips[ticks]['lip_lead_ms']:+.0f} ms ahead), "
            f"latency here is {fast} {LOOPBACK['p50']:.0f}/{LOOPBACK['p99']:.0f} ms."
        )
    for fewer, more in pairwise(both):
        gain = {name: lips[more][name] - lips[fewer][name] for name in PERCENT}
        worth = "worth it" if max(gain.values()) >= NOTICED else "not worth it"
        points = ", ".join(f"{100 * gain[name]:+.1f} points {text}" for name, text in PERCENT.items())
        sentences.append(f"From {fewer * TICK_MS} to {more * TICK_MS} ms: {points}; {worth} for 40 ms.")
    chosen = choose(lips, latencies)
    rule = f"Rule: the least look-ahead whose recalls lie {100 * MARGIN:.0f} points over their targets, in time"
    if chosen is None:
        sentences.append(f"{rule}: none, here.")
    elif meets_lips(lips[chosen], MARGIN):
        sentences.append(f"{rule}: {chosen * TICK_MS} ms.")
    else:
        sentences.append(f"{rule}: none, here; of those in time the best lips have {chosen * TICK_MS} ms.")
    return sentences
