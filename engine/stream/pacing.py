"""When things leave, and what is heard when nobody speaks: pure functions of (state, media time, now).

Nothing here reads a clock or waits, so an hour of talk is tested in milliseconds.

Downlink: picture and voice of one tick get one departure time, and the sender reports pair media time with
it (`tracks.stamp_reports`): that pairing is what the receiver's lip-sync goes by.
Uplink: a source that falls silent is filled up with silence so that the face keeps living, and sound that
comes too late for that is left out, so that no stall makes the delay grow.
"""

from dataclasses import dataclass, replace

MS = 1_000_000  # nanoseconds
HEADROOM_NS = 8 * MS  # how long a moment waits before it leaves: what takes up the jitter of the compute
WINDOW = 50  # moments over which the schedule is judged: 2 s
PULL_NS = 10 * MS  # at most so much earlier after one window: the receiver must not hear it
PUSH_NS = 20 * MS  # at most so much later

STALL_NS = 100 * MS  # no sound for so long: silence takes its place
EARLY_NS = 60 * MS  # sound ahead of its time by more than this is a backlog and is cut
FAR_NS = 2**62
DRIFT_PPM = 1_000  # a microphone's clock may run so much fast or slow


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


@dataclass(frozen=True, slots=True)
class Uplink:
    """How much sound a source has given, against the wall clock.

    anchor_ns: wall time of media time 0; None before the first sound or silence.
    given_ns: media time handed on so far, silence included. arrived_ns: when sound last came.
    filled_ns, cut_ns: silence put in and late sound left out so far.
    owed_ns: silence put in since sound last came in time; what still comes for that stretch is too late.
    """

    anchor_ns: int | None = None
    given_ns: int = 0
    arrived_ns: int = 0
    filled_ns: int = 0
    cut_ns: int = 0
    owed_ns: int = 0


def admit_sound(state: Uplink, length_ns: int, now_ns: int) -> tuple[Uplink, int]:
    """Sound of some length has come: (new state, how much of its beginning to leave out)."""
    if state.anchor_ns is None:
        return Uplink(now_ns - length_ns, length_ns, now_ns), 0
    ahead_ns = state.anchor_ns + state.given_ns + length_ns - now_ns
    skip_ns = 0
    if ahead_ns > EARLY_NS:
        skip_ns = min(length_ns, ahead_ns)
    elif state.owed_ns and ahead_ns > 0:
        skip_ns = min(length_ns, ahead_ns, state.owed_ns)
    kept_ns = length_ns - skip_ns
    ahead_ns -= skip_ns
    slide_ns = kept_ns * DRIFT_PPM // 1_000_000
    # The anchor follows the source's clock slowly; a source that is late is not filled up for that.
    anchor_ns = state.anchor_ns + max(-slide_ns, min(slide_ns, -ahead_ns))
    state = replace(
        state,
        anchor_ns=anchor_ns,
        given_ns=state.given_ns + kept_ns,
        arrived_ns=now_ns,
        cut_ns=state.cut_ns + skip_ns,
        owed_ns=max(0, state.owed_ns - skip_ns) if skip_ns else 0,
    )
    return state, skip_ns


def fill_silence(state: Uplink, now_ns: int) -> tuple[Uplink, int]:
    """To be asked every tick or so: (new state, how much silence to hand on now, often 0)."""
    if state.anchor_ns is None:
        return Uplink(now_ns, 0, now_ns - STALL_NS), 0
    if now_ns - state.arrived_ns < STALL_NS:
        return state, 0
    missing_ns = now_ns - state.anchor_ns - state.given_ns
    if missing_ns <= 0:
        return state, 0
    state = replace(
        state,
        given_ns=state.given_ns + missing_ns,
        filled_ns=state.filled_ns + missing_ns,
        owed_ns=state.owed_ns + missing_ns,
    )
    return state, missing_ns
