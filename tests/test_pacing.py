"""Pacing in virtual time: when packets leave."""

import numpy as np

from engine.stream.pacing import HEADROOM_NS, MS, Schedule, schedule_departure

TICK = 40 * MS


def leave(ready: list[int]) -> tuple[np.ndarray, Schedule]:
    """Departures (ns) of ticks that are ready at these times."""
    state, left = Schedule(), []
    for index, ready_ns in enumerate(ready):
        state, due_ns = schedule_departure(state, index * TICK, ready_ns)
        left.append(max(due_ns, ready_ns))
    return np.array(left), state


def test_departures_are_even_although_the_compute_is_not():
    jitter = np.random.default_rng(0).integers(0, 7 * MS, 500)
    left, state = leave([i * TICK + int(jitter[i]) for i in range(500)])
    assert np.abs(np.diff(left)[100:] - TICK).max() <= 3 * MS
    assert state.late <= 50


def test_a_single_stall_leaves_no_delay_behind():
    ready = [i * TICK for i in range(300)]
    ready[100:105] = [104 * TICK] * 5  # 160 ms in which nothing was ready
    left, _ = leave(ready)
    assert (np.diff(left) >= 0).all()
    delay = left - np.arange(300) * TICK
    assert delay[:90].max() <= HEADROOM_NS and delay[-100:].max() <= HEADROOM_NS + 20 * MS
    assert (
        leave([i * TICK for i in range(1000)] + [i * TICK for i in range(1000, 1003)])[0][-1]
        <= 1002 * TICK + HEADROOM_NS
    )


def test_the_schedule_follows_clocks_that_run_fast_and_slow():
    for ppm in (-300, 300):
        period = TICK * (1_000_000 + ppm) // 1_000_000
        ready = [i * period for i in range(25 * 600)]
        delay = leave(ready)[0] - np.array(ready)
        assert delay.min() >= 0 and delay[1000:].max() <= HEADROOM_NS + 15 * MS


def test_a_slow_start_is_forgotten():
    ready = [300 * MS, *(i * TICK for i in range(1, 2000))]
    left, _ = leave(sorted(ready))
    assert left[-1] - 1999 * TICK <= HEADROOM_NS + 10 * MS
