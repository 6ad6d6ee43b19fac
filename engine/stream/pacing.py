"""When things leave: pure functions of (state, media time, now).

Nothing here reads a clock or waits, so eight hours of talk are tested in seconds. Picture and voice of one tick
get one departure time, and one place on the media clock (see `departure`), with which the sender reports of both
are stamped: that pairing is what the receiver's lip-sync goes by, and no delay of ours enters it.
"""

from dataclasses import dataclass, replace

MS = 1_000_000  # nanoseconds
HEADROOM_NS = 8 * MS  # how long a moment waits before it leaves: what takes up the jitter of the compute
WINDOW = 50  # moments over which the schedule is judged: 2 s
PULL_NS = 10 * MS  # so much earlier after one window, the receiver does not hear it
PULLED = 4  # a quarter of a larger delay goes at once: it has to catch up by 4 % or so
PUSH_NS = 20 * MS  # at most so much later after one window
SPARE_NS = 2 * MS  # more than what was missing: the next window would need it as well
BEHIND_NS = 600 * MS  # late without a break for so long: time has stood still somewhere, and the schedule moves

FAR_NS = 2**62


@dataclass(frozen=True, slots=True)
class Schedule:
    """Where media time stands on the wall clock.

    anchor_ns: wall time at which media time 0 is due; None before the first moment.
    count, lowest_ns, second_ns: how early the moments of this window were ready, the two worst of them.
    late: moments so far that were not ready when due.
    behind_ns, least_ns: since when every moment has been late, None if the last was not; by how much, the best of them.
    """

    anchor_ns: int | None = None
    count: int = 0
    lowest_ns: int = FAR_NS
    second_ns: int = FAR_NS
    late: int = 0
    behind_ns: int | None = None
    least_ns: int = FAR_NS


def schedule_departure(state: Schedule, media_ns: int, ready_ns: int) -> tuple[Schedule, int]:
    """Departure time of what is ready now: (new state, due_ns); due_ns may lie in the past: leave at once.

    A single late moment does not move the schedule (the receiver's buffer takes it up); two in a window
    push it later, and a window in which all were early pulls it back, so delay never piles up. When all are late
    for long (a laptop has slept, a stage has become slow), the schedule starts again from the present.
    """
    anchor_ns = ready_ns + HEADROOM_NS - media_ns if state.anchor_ns is None else state.anchor_ns
    due_ns = anchor_ns + media_ns
    slack_ns = due_ns - ready_ns
    lowest_ns, second_ns, _ = sorted((state.lowest_ns, state.second_ns, slack_ns))
    late = state.late + (slack_ns < 0)
    behind_ns, least_ns = None, FAR_NS
    if slack_ns < 0:
        behind_ns = ready_ns if state.behind_ns is None else state.behind_ns
        least_ns = min(state.least_ns, -slack_ns)
        if ready_ns - behind_ns >= BEHIND_NS:
            return Schedule(anchor_ns + least_ns, late=late), due_ns
    state = Schedule(anchor_ns, state.count + 1, lowest_ns, second_ns, late, behind_ns, least_ns)
    return (_judge_window(state) if state.count >= WINDOW else state), due_ns


def _judge_window(state: Schedule) -> Schedule:
    assert state.anchor_ns is not None
    move_ns = 0
    if state.second_ns < 0:
        move_ns = min(PUSH_NS, SPARE_NS - state.second_ns)
    elif state.lowest_ns > HEADROOM_NS:
        excess_ns = state.lowest_ns - HEADROOM_NS
        move_ns = -max(min(PULL_NS, excess_ns), excess_ns // PULLED)
    fresh = Schedule(state.anchor_ns + move_ns, late=state.late)
    return replace(fresh, behind_ns=state.behind_ns, least_ns=state.least_ns) if move_ns == 0 else fresh


BURST_NS = 10 * MS  # packets that take no longer than this on the line leave together: most pictures do
PACE = 5  # times the bit rate of the pictures: what a larger one, a keyframe, is spread to
LEAST_PACE = 5_000_000  # bits a second


def pace_packet(free_ns: int, length: int, bit_rate: int, now_ns: int) -> tuple[int, int]:
    """A packet of `length` bytes is to leave: (new free_ns, how long to wait before).

    free_ns: when a line of the pace would have carried all that was sent; 0 at first. Without this a keyframe is one
    burst of fifty packets, of which a router with a short queue loses the last.
    """
    pace = max(LEAST_PACE, PACE * bit_rate)
    begun_ns = max(free_ns, now_ns)
    return begun_ns + length * 8_000_000_000 // pace, max(0, begun_ns - now_ns - BURST_NS)
