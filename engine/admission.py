"""Whether one session more fits: by number, and by what the machine was measured to bear.

One compute thread serves all sessions in turn. When their ticks cost more than there is time for, all of them become
late, so the one that would be too many is refused, or shown with fewer pictures.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from engine.errors import SessionError
from engine.frames import TICK_MS

INTERVALS = (1, 2, 4)  # ticks from picture to picture: every one, or fewer where pictures may be left out


class Refused(SessionError):
    """No session more. reason: "full" (as many as allowed) or "busy" (as many as the machine bears)."""

    def __init__(self, reason: str, text: str):
        super().__init__(text)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Cost:
    """Compute of one tick of one session. hear_ms: from sound to motion. draw_ms: its pictures."""

    hear_ms: float
    draw_ms: float

    def load(self, interval: int) -> float:
        """Share of the compute thread that a session takes which is drawn every `interval` ticks."""
        return (self.hear_ms + self.draw_ms / interval) / TICK_MS


def admit(cost: Cost, open_intervals: Sequence[int], most_sessions: int, most_load: float, degrade: bool) -> int:
    """The picture interval of one session more beside those that are open; Refused if there is no place.

    most_load: share of the compute thread that sessions may take together; 0: whatever it is. The first session is
    always admitted. degrade: fewer pictures rather than none.
    """
    if len(open_intervals) >= most_sessions:
        raise Refused(
            "full", f"all {most_sessions} sessions are taken; try again later, or raise serve.max_sessions"
        )
    if not open_intervals or not most_load:
        return 1
    taken = sum(cost.load(interval) for interval in open_intervals)
    for interval in INTERVALS if degrade else INTERVALS[:1]:
        if taken + cost.load(interval) <= most_load:
            return interval
    raise Refused(
        "busy",
        f"this machine is busy: {len(open_intervals)} open sessions take {taken:.0%} of its compute, one more would "
        f"make them late (serve.most_load = {most_load:g}); try again later, or choose a smaller render.size",
    )


def relieve(cost: Cost, intervals: Sequence[int], most_load: float) -> list[int]:
    """Better intervals for the sessions that are open, oldest first, when another has ended."""
    better = list(intervals)
    for i, interval in enumerate(intervals):
        for wanted in INTERVALS:
            if wanted >= interval:
                break
            others = sum(cost.load(other) for k, other in enumerate(better) if k != i)
            if not most_load or others + cost.load(wanted) <= most_load:
                better[i] = wanted
                break
    return better
