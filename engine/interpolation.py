"""Pictures at other rates than that of the ticks: where they lie, and the motion there.

The engine has one clock, 25 ticks a second. Another rate is a matter of what goes out: a picture between two ticks is
drawn from motion between theirs. It cannot be drawn before the later tick is there, so everything leaves later by
`lag`: 20 ms at 50 pictures a second, 33 at 30, 37 at 60.
"""

import torch

from engine.frames import FPS

CLOCK_HZ = 90_000  # what video counts in; every rate used divides it
TICK = CLOCK_HZ // FPS


def places(index: int, fps: int) -> list[int]:
    """The pictures that tick `index` brings, oldest first: by how much (1/90 000 s) each comes before the tick's start.

    0 is the tick's own place. A tick brings those after the last tick's place up to its own; the first only its own.
    """
    step = CLOCK_HZ // fps
    first = (index - 1) * TICK // step + 1 if index else 0
    return [index * TICK - k * step for k in range(first, index * TICK // step + 1)]


def lag(fps: int) -> int:
    """How much later (1/90 000 s) everything has to leave, so that no picture is late."""
    return max(max(places(index, fps)) for index in range(1, 1 + fps))


def between(before: torch.Tensor, after: torch.Tensor, early: int) -> torch.Tensor:
    """Motion (..., M) at a place `early` before that of `after`, one tick after `before`: a straight line."""
    return torch.lerp(after, before, early / TICK) if early else after
