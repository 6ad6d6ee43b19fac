"""How many bits a second a picture may have: pure functions of what peers report about their lines."""

from dataclasses import dataclass, replace

CONGESTED = 1.1  # a line that is said to carry less than this times what was sent is full
KEPT = 0.9  # of what a full line carries is used
GROWTH = 1.08  # a report without complaint; they come about once a second
LEAST = 300_000


@dataclass(frozen=True, slots=True)
class Steering:
    """wanted: bits a second that the configuration asks for. rate: those in force."""

    wanted: int
    rate: int


def begin_steering(wanted: int) -> Steering:
    return Steering(wanted, wanted)


def steer(state: Steering, reported: int, sent: int) -> Steering:
    """A peer reports that its line carries `reported` bits a second, while `sent` were sent.

    What a receiver reports is never much above what it gets, so only a report near that is a complaint.
    """
    if reported < sent * CONGESTED:
        rate = min(state.rate, round(reported * KEPT))
    else:
        rate = round(state.rate * GROWTH)
    return replace(state, rate=max(min(LEAST, state.wanted), min(state.wanted, rate)))
