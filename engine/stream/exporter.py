"""`GET /metrics`: counts and histograms in the text format of Prometheus, version 0.0.4.

Durations are in seconds, as its conventions want. What sessions counted is kept when they end, so that no counter
goes back; no label tells one visitor from another.
"""

import asyncio
import os
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from engine.metrics import Histogram, Timings

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OFFSET_BOUNDS_MS = (-125.0, -90.0, -45.0, -30.0, -15.0, 0.0, 15.0, 30.0, 45.0, 90.0, 125.0)
# Counters: name, key in a session's stats, unit's factor, meaning.
COUNTERS = (
    ("ticks", "ticks", 1, "ticks of 40 ms computed"),
    ("pictures_skipped", "skipped_pictures", 1, "pictures not drawn because the compute was late"),
    ("pictures_dropped", "pictures_dropped", 1, "pictures drawn but not sent"),
    ("departures_late", "late", 1, "ticks that were not ready when they should have left"),
    ("packets_lost", "packets_lost", 1, "packets of visitors' voices that never came"),
    ("silence_filled_seconds", "silence_filled_ms", 1e-3, "silence put where a visitor's voice was missing"),
    ("sound_cut_seconds", "sound_cut_ms", 1e-3, "voice left out because it came too late"),
    ("spoken_seconds", "spoken_ms", 1e-3, "programs' speech that was heard"),
    ("speech_underruns", "underruns", 1, "times that a program fell behind in mid-speech"),
    ("interrupts", "interrupts", 1, "times that a program stopped the speaker"),
)
HISTOGRAMS = {
    "encode": "encoding the picture and voice of a tick",
    "latency": "last sample of a tick to its packets",
}


class Totals:
    """What the sessions that have ended had counted, and what happened to the server.

    refused: sessions that were not opened, by reason. offsets_ms: sound against picture, as pages reported it.
    """

    def __init__(self) -> None:
        self.opened = 0
        self.refused: dict[str, int] = {"full": 0, "busy": 0, "offers": 0}
        self.offsets_ms = Histogram(OFFSET_BOUNDS_MS)
        self._counters = {key: 0.0 for _, key, _, _ in COUNTERS}
        self._histograms = {name: Histogram() for name in HISTOGRAMS}

    def keep(self, stats: Mapping[str, Any], timings: Mapping[str, Timings]) -> None:
        """Remember what a session had counted when it ended."""
        for key in self._counters:
            self._counters[key] += stats.get(key) or 0
        for name, histogram in self._histograms.items():
            histogram.include(timings[name].histogram)

    def counters(self, sessions: Iterable[Mapping[str, Any]]) -> dict[str, float]:
        """All of the ended and these."""
        sums = dict(self._counters)
        for stats in sessions:
            for key in sums:
                sums[key] += stats.get(key) or 0
        return sums

    def histograms(self, sessions: Iterable[Mapping[str, Timings]]) -> dict[str, Histogram]:
        """All of the ended and these."""
        sums = {name: Histogram() for name in self._histograms}
        for name, histogram in sums.items():
            histogram.include(self._histograms[name])
        for timings in sessions:
            for name, histogram in sums.items():
                histogram.include(timings[name].histogram)
        return sums


class Text:
    """An exposition, grown line by line."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def __str__(self) -> str:
        return "\n".join(self._lines) + "\n"

    def head(self, name: str, kind: str, meaning: str) -> None:
        self._lines += [f"# HELP {name} {meaning}", f"# TYPE {name} {kind}"]

    def value(self, name: str, value: float, **labels: str) -> None:
        inside = ",".join(f'{key}="{text}"' for key, text in labels.items())
        self._lines.append(f"{name}{{{inside}}} {value:.12g}" if inside else f"{name} {value:.12g}")

    def gauge(self, name: str, value: float, meaning: str) -> None:
        self.head(name, "gauge", meaning)
        self.value(name, value)

    def histogram(self, name: str, histogram: Histogram, unit: float = 1e-3, **labels: str) -> None:
        """Cumulative buckets, sum and count; `head` first."""
        below = 0
        for bound, count in zip((*histogram.bounds, None), histogram.counts, strict=True):
            below += count
            self.value(f"{name}_bucket", below, **labels, le="+Inf" if bound is None else f"{bound * unit:g}")
        self.value(f"{name}_sum", histogram.total * unit, **labels)
        self.value(f"{name}_count", below, **labels)


def expose(
    totals: Totals,
    stages: Mapping[str, Timings],
    together: Histogram,
    sessions: Sequence[tuple[Mapping[str, Any], Mapping[str, Timings]]],
    gauges: Mapping[str, tuple[float, str]],
) -> str:
    """The whole text. stages: timings of the pipeline's parts. together: how many sessions shared each step. sessions:
    stats and timings of the open ones. gauges: further values with their meaning."""
    text = Text()
    for name, (value, meaning) in gauges.items():
        text.gauge(f"visema_{name}", value, meaning)
    text.head("visema_sessions_opened_total", "counter", "sessions opened since the start")
    text.value("visema_sessions_opened_total", totals.opened)
    text.head("visema_sessions_refused_total", "counter", "sessions refused: all taken, the machine too busy, "
              "or too many offers of one address not connected yet")  # fmt: skip
    for reason, count in totals.refused.items():
        text.value("visema_sessions_refused_total", count, reason=reason)
    sums = totals.counters(stats for stats, _ in sessions)
    for name, key, unit, meaning in COUNTERS:
        text.head(f"visema_{name}_total", "counter", meaning)
        text.value(f"visema_{name}_total", sums[key] * unit)
    text.head("visema_stage_seconds", "histogram", "computing one tick; features and motion: of all due together")
    for stage, timings in stages.items():
        text.histogram("visema_stage_seconds", timings.histogram, stage=stage)
    text.head("visema_batch_sessions", "histogram", "sessions whose ticks were heard in one step")
    text.histogram("visema_batch_sessions", together, 1)
    for name, histogram in totals.histograms(timings for _, timings in sessions).items():
        text.head(f"visema_{name}_seconds", "histogram", HISTOGRAMS[name])
        text.histogram(f"visema_{name}_seconds", histogram)
    text.head("visema_av_offset_seconds", "histogram", "sound before picture, as pages reported it")
    text.histogram("visema_av_offset_seconds", totals.offsets_ms)
    _process(text)
    return str(text)


def _process(text: Text) -> None:
    """What a soak looks at."""
    text.gauge("visema_threads", threading.active_count(), "threads of this process")
    text.gauge("visema_tasks", len(asyncio.all_tasks()), "tasks of its event loop")
    if sys.platform == "linux":
        with open("/proc/self/statm", encoding="ascii") as file:
            pages = int(file.read().split()[1])
        text.gauge("process_resident_memory_bytes", pages * os.sysconf("SC_PAGE_SIZE"), "memory of this process")
        text.gauge("process_open_fds", len(os.listdir("/proc/self/fd")), "files and sockets of this process")
