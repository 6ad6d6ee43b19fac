"""Timings and counts, cheap enough to stay on: fixed memory, percentiles on demand."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np


class Timings:
    """The last `depth` durations of one part, in milliseconds, and their percentiles."""

    def __init__(self, depth: int = 4096):
        self._ms = np.zeros(depth, np.float64)
        self.count = 0

    def add_ns(self, ns: int) -> None:
        self._ms[self.count % len(self._ms)] = ns / 1e6
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
