"""How much may come: a token bucket, in virtual time if need be."""

from engine.clock import Clock, MonotonicClock


class Bucket:
    """`rate` takings a second, and up to `burst` at once."""

    def __init__(self, rate: float, burst: float, clock: Clock | None = None):
        self._rate, self._burst = rate, burst
        self._clock = clock or MonotonicClock()
        self._level, self._at_ns = burst, self._clock.now_ns()

    def take(self, amount: float = 1.0) -> bool:
        """Whether that much may come now."""
        now_ns = self._clock.now_ns()
        self._level = min(self._burst, self._level + (now_ns - self._at_ns) * 1e-9 * self._rate)
        self._at_ns = now_ns
        if self._level < amount:
            return False
        self._level -= amount
        return True
