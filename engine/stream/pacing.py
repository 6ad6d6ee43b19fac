"""When things leave: pure functions of (state, media time, now).

Nothing here reads a clock or waits, so an hour of talk is tested in milliseconds. Picture and voice of one tick
get one departure time, and the sender reports pair media time with it (`wiring.stamp_reports`): that pairing is
what the receiver's lip-sync goes by.
"""

from dataclasses import dataclass

MS = 1_000_000  # nanoseconds
HEADROOM_NS = 8 * MS  # how long a moment waits before it leaves: what takes up the jitter of the compute
WINDOW = 50  # moments over which the schedule is judged: 2 s
PULL_NS = 10 * MS  # at most so much earlier after one window: the receiver must not hear it
PUSH_NS = 20 * MS  # at most so much later

FAR_NS = 2**62


@dataclass(frozen=True, slots=True)
class Schedule:
    """Where media time stands on the wall clock.

    anchor_ns: wall time at which media time 0 is due; None before the first moment.
    count, lowest_ns, second_ns: how early the moments of this window were ready, the two worst of them.
    late: moments so far that were not ready when due.
    """

    anchor_ns: int | None = None
    count: int = 0
    lowest_ns: int = FAR_NS
    second_ns: int = FAR_NS
    late: int = 0


def schedule_departure(state: Schedule, media_ns: int, ready_ns: int) -> tuple[Schedule, int]:
    """Departure time of what is ready now: (new state, due_ns); due_ns may lie in the past: leave at once.

    A single late moment does not move the schedule (the receiver's buffer takes it up); two in a window
    push it later, and a window in which all were early pulls it back, so delay never piles up.
    """
    anchor_ns = ready_ns + HEADROOM_NS - media_ns if state.anchor_ns is None else state.anchor_ns
    due_ns = anchor_ns + media_ns
    slack_ns = due_ns - ready_ns
    lowest_ns, second_ns, _ = sorted((state.lowest_ns, state.second_ns, slack_ns))
    state = Schedule(anchor_ns, state.count + 1, lowest_ns, second_ns, state.late + (slack_ns < 0))
    return (_judge_window(state) if state.count >= WINDOW else state), due_ns


def _judge_window(state: Schedule) -> Schedule:
    assert state.anchor_ns is not None
    move_ns = 0
    if state.second_ns < 0:
        move_ns = min(PUSH_NS, -state.second_ns)
    elif state.lowest_ns > HEADROOM_NS:
        move_ns = -min(PULL_NS, state.lowest_ns - HEADROOM_NS)
    return Schedule(state.anchor_ns + move_ns, late=state.late)


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
