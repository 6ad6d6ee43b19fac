"""Clocks are arguments: a monotonic one in the product, a manual one in tests."""

import time
from typing import Protocol


class Clock(Protocol):
    """Something that tells the time in nanoseconds, never backwards."""

    def now_ns(self) -> int: ...


class MonotonicClock:
    """The machine's monotonic clock."""

    def now_ns(self) -> int:
        return time.monotonic_ns()


class ManualClock:
    """A clock that stands until it is told to go on."""

    def __init__(self, start_ns: int = 0):
        self._now_ns = start_ns

    def now_ns(self) -> int:
        return self._now_ns

    def advance_ms(self, ms: float) -> None:
        if ms < 0:
            raise ValueError("a monotonic clock does not go back")
        self._now_ns += round(ms * 1_000_000)
