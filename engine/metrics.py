"""Timings and counts, cheap enough to stay on: fixed memory, percentiles on demand."""

import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

# Upper bounds of a histogram's buckets: a tick lasts 40 ms, a conversation bears 150 ms.
BOUNDS_MS = (1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 60.0, 80.0, 100.0, 150.0, 200.0, 300.0, 500.0, 1000.0)


class Histogram:
    """How many values fell under which bound, since the start, and their sum: what adds up over sessions.

    counts: one for each of `bounds`, and one for what is above all of them.
    """

    def __init__(self, bounds: Sequence[float] = BOUNDS_MS):
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def include(self, other: "Histogram") -> None:
        """Add all of another one with the same bounds."""
        self.counts = [own + more for own, more in zip(self.counts, other.counts, strict=True)]
        self.total += other.total


class Timings:
    """The last `depth` durations of one part, in milliseconds, their percentiles, and a histogram of all."""

    def __init__(self, depth: int = 4096):
        self._ms = np.zeros(depth, np.float64)
        self.count = 0
        self.histogram = Histogram()

    def add_ns(self, ns: int) -> None:
        self._ms[self.count % len(self._ms)] = ns / 1e6
        self.histogram.add(ns / 1e6)
        self.count += 1

    @contextmanager
    def measure(self) -> Iterator[None]:
        """Time the body of a `with`."""
        begun = time.perf_counter_ns()
        yield
        self.add_ns(time.perf_counter_ns() - begun)

    def percentiles(self) -> dict[str, float]:
        """p50, p95 and p99 in ms; zeros before the first duration."""
        seen = self._ms[: min(self.count, len(self._ms))]
        if not len(seen):
            return {"p50": 0.0, "p95": 0.0, "p99": 0.0}
        return {f"p{q}": round(float(np.percentile(seen, q)), 3) for q in (50, 95, 99)}
