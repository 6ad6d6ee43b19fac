"""What a line and a sender's clock do to packets, measured: how late they come, and how fast the sender counts."""

from bisect import bisect_left, insort
from collections import deque

MS = 1_000_000
WINDOW_PACKETS = 256  # transits that count: 5 s of packets of 20 ms
QUANTILE = 0.97  # of the packets come in time; the few others come into the patience
LONGEST_DELAY_NS = 200 * MS  # what is later than this is an outage, not jitter
SETTLE_NS = 500 * MS  # nothing but such packets for so long: the way has become longer, measure anew
EARLY_NS = 60 * MS  # a sender may be so far ahead of the wall clock, then its sound is cut
DRIFT_PPM = 1_000  # and its clock so much fast or slow


class Transit:
    """How long packets take: the quickest of the last `WINDOW_PACKETS`, and by how much most are later than it.

    Transits are differences of two clocks that share no zero, in ns; only how they change has a meaning.
    """

    def __init__(self) -> None:
        self._recent: deque[int] = deque()
        self._sorted: list[int] = []
        self._strange_ns: int | None = None

    @property
    def base_ns(self) -> int | None:
        return self._sorted[0] if self._sorted else None

    @property
    def delay_ns(self) -> int:
        """Jitter to be waited for."""
        if not self._sorted:
            return 0
        return min(LONGEST_DELAY_NS, self._sorted[int(QUANTILE * len(self._sorted))] - self._sorted[0])

    def add(self, transit_ns: int, now_ns: int) -> None:
        """One packet more. An outage, and all that was held up by it, is not jitter, unless it stays."""
        base_ns = transit_ns if self.base_ns is None else self.base_ns
        if transit_ns < base_ns - LONGEST_DELAY_NS:
            self.clear()
        elif transit_ns > base_ns + (LONGEST_DELAY_NS if self._strange_ns is None else self.delay_ns):
            if self._strange_ns is None:
                self._strange_ns = now_ns
            if now_ns - self._strange_ns < SETTLE_NS:
                return
            self.clear()
        self._strange_ns = None
        self._recent.append(transit_ns)
        insort(self._sorted, transit_ns)
        if len(self._recent) > WINDOW_PACKETS:
            self._sorted.pop(bisect_left(self._sorted, self._recent.popleft()))

    def clear(self) -> None:
        self._recent.clear()
        self._sorted.clear()
        self._strange_ns = None


class Pace:
    """Keeps a sender to the wall clock, within a drift."""

    def __init__(self) -> None:
        self._origin_ns: int | None = None
        self._given_ns = 0

    def admit(self, length_ns: int, now_ns: int) -> int:
        """Sound is to be handed on now: how much of it to leave out."""
        if self._origin_ns is None:
            self._origin_ns = now_ns - length_ns
        ahead_ns = self._origin_ns + self._given_ns + length_ns - now_ns
        skip_ns = min(length_ns, ahead_ns) if ahead_ns > EARLY_NS else 0
        self._given_ns += length_ns - skip_ns
        slide_ns = (length_ns - skip_ns) * DRIFT_PPM // 1_000_000
        self._origin_ns += max(-slide_ns, min(slide_ns, skip_ns - ahead_ns))
        return skip_ns
