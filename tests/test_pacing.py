"""Pacing in virtual time: when packets leave, and what a silent or bursting microphone becomes."""

import numpy as np

from engine.stream.pacing import (
    EARLY_NS,
    HEADROOM_NS,
    MS,
    STALL_NS,
    Schedule,
    Uplink,
    admit_sound,
    fill_silence,
    schedule_departure,
)

TICK = 40 * MS
BLOCK = 20 * MS


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


def test_a_steady_microphone_is_neither_cut_nor_filled():
    jitter = np.random.default_rng(1).integers(0, 30 * MS, 3000)
    arrivals = np.sort(np.arange(3000) * BLOCK + jitter)
    state = Uplink()
    for now_ns in arrivals.tolist():
        state, skip_ns = admit_sound(state, BLOCK, now_ns)
        state, missing_ns = fill_silence(state, now_ns + MS)
        assert skip_ns == missing_ns == 0


def live(state: Uplink, since_ns: int, until_ns: int, speaks: bool) -> Uplink:
    """Blocks of 20 ms (or none), and a look every 20 ms whether silence is due."""
    for now_ns in range(since_ns + BLOCK, until_ns + 1, BLOCK):
        if speaks:
            state, _ = admit_sound(state, BLOCK, now_ns)
        state, _ = fill_silence(state, now_ns + MS)
    return state


def test_silence_takes_the_place_of_a_muted_microphone():
    second = 1000 * MS
    state = live(Uplink(), 0, second, speaks=True)
    state = live(state, second, 4 * second, speaks=False)
    assert 0 <= 4 * second + MS - state.given_ns <= BLOCK  # media time keeps up with the wall
    assert state.filled_ns >= 3 * second - STALL_NS
    state = live(state, 4 * second, 6 * second, speaks=True)
    assert abs(state.given_ns - 6 * second) <= 2 * BLOCK and state.cut_ns <= 2 * BLOCK


def test_sound_that_comes_after_its_silence_adds_no_delay():
    second = 1000 * MS
    state = live(Uplink(), 0, second, speaks=True)
    state = live(state, second, 3 * second, speaks=False)
    for _ in range(100):  # the two seconds that hung in the network, all at once
        state, _ = admit_sound(state, BLOCK, 3 * second + 2 * MS)
    assert state.given_ns <= 3 * second + EARLY_NS and state.cut_ns >= 1_900 * MS
    state = live(state, 3 * second, 5 * second, speaks=True)
    assert state.given_ns - 5 * second <= BLOCK


def test_a_burst_without_silence_before_it_is_kept():
    state = live(Uplink(), 0, 1000 * MS, speaks=True)
    for _ in range(4):  # 80 ms late, which is less than a stall
        state, skip_ns = admit_sound(state, BLOCK, 1080 * MS)
        assert skip_ns == 0


def test_nobody_speaks_at_all():
    state = live(Uplink(), 0, 2000 * MS, speaks=False)
    assert 2000 * MS - state.given_ns <= 2 * BLOCK
