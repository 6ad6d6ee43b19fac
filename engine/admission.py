"""Whether one session more fits: by number, and by what the machine was measured to bear.

One compute thread hears all sessions in one step and draws them in turn. When a tick of all of them costs more than
there is time for, all become late, so the one that would be too many is refused, or shown with fewer pictures.
"""

from collections.abc import Mapping, Sequence
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
    """Compute of a tick. hear_ms: from sound to motion, of all sessions together, by how many slots the step has,
    ascending. draw_ms: the pictures of one session."""

    hear_ms: Mapping[int, float]
    draw_ms: float

    def load(self, intervals: Sequence[int]) -> float:
        """Share of the compute thread that sessions take which are drawn every so many ticks, all heard together.

        Sessions whose ticks come at different times are heard apart while there is time for it, and together as soon
        as they have to wait: what counts is whether a tick of everybody fits into a tick.
        """
        if not intervals:
            return 0.0
        hear_ms = next((ms for slots, ms in self.hear_ms.items() if slots >= len(intervals)), 0.0)
        return (hear_ms + sum(self.draw_ms / interval for interval in intervals)) / TICK_MS


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
    for interval in INTERVALS if degrade else INTERVALS[:1]:
        if cost.load([*open_intervals, interval]) <= most_load:
            return interval
    raise Refused(
        "busy",
        f"this machine is busy: {len(open_intervals)} open sessions take {cost.load(open_intervals):.0%} of its "
        f"compute, one more would make them late (serve.most_load = {most_load:g}); try again later, "
        "or choose a smaller render.size",
    )


def relieve(cost: Cost, intervals: Sequence[int], most_load: float) -> list[int]:
    """Better intervals for the sessions that are open, oldest first, when another has ended."""
    better = list(intervals)
    for i, interval in enumerate(intervals):
        for wanted in INTERVALS:
            if wanted >= interval:
                break
            if not most_load or cost.load([*better[:i], wanted, *better[i + 1 :]]) <= most_load:
                better[i] = wanted
                break
    return better
