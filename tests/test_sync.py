"""Sound and picture in virtual time, from capture to departure: stalls, slow stages, odd clocks, sleep, eight hours."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from engine.session import LATE_TICKS
from engine.stream.departure import LATE_MOMENTS
from engine.stream.pacing import HEADROOM_NS, MS, Schedule, schedule_departure

TICK = 40 * MS
SECOND = 25
PICTURED, BLIND, ENCODE = 14 * MS, 6 * MS, 2 * MS  # what a tick costs with and without a picture, and its encoding


@dataclass
class Left:
    """What left: times in ns by tick. picture is nan where none was sent; delay from capture to the voice's leaving."""

    voice: np.ndarray
    picture: np.ndarray
    captured: np.ndarray
    stamp: np.ndarray

    @property
    def delay(self) -> np.ndarray:
        return (self.voice - self.captured) / MS

    @property
    def dropped(self) -> np.ndarray:
        return np.isnan(self.picture)


def run(
    captured: np.ndarray, cost: Callable[[int, bool], int] | None = None, encode: Callable[[int], int] | None = None
):
    """The engine's own rules (which pictures are left out, when things leave) with a clock of numbers.

    cost(tick, drawn), encode(tick): what a tick takes, ns. One thread computes, another encodes.
    """
    count, state = len(captured), Schedule()
    voice, picture, stamp = np.zeros(count), np.full(count, np.nan), np.zeros(count)
    computed = encoded = zero = 0
    finished = np.zeros(count, np.int64)
    drawn = np.zeros(count, bool)
    for i in range(count):
        begin = max(computed, int(captured[i]))
        waiting = int(np.searchsorted(captured[i + 1 : i + 100], begin, "right"))
        drawn[i] = waiting < LATE_TICKS
        computed = begin + (cost(i, drawn[i]) if cost else (PICTURED if drawn[i] else BLIND))
        finished[i] = computed
    for i in range(count):
        begin = max(encoded, int(finished[i]))
        waiting = int(np.searchsorted(finished[i + 1 : i + 100], begin, "right"))
        shown = waiting < LATE_MOMENTS
        encoded = begin + (encode(i) if encode and shown else ENCODE if shown else 0)
        state, due = schedule_departure(state, i * TICK, encoded)
        zero = due if i == 0 else zero
        voice[i] = max(due, encoded, voice[i - 1] if i else 0)
        stamp[i] = zero + i * TICK
        if shown and drawn[i]:
            picture[i] = voice[i]
    return Left(voice, picture, captured, stamp)


def ticks(seconds: float, ppm: float = 0.0) -> np.ndarray:
    return (np.arange(1, round(seconds * SECOND) + 1) * TICK * (1 + ppm / 1e6)).astype(np.int64)


def check_whole(left: Left) -> None:
    """Every tick of sound leaves, in order, and no picture goes without its sound."""
    assert (np.diff(left.voice) >= 0).all() and (left.voice >= left.captured).all()
    sent = ~left.dropped
    assert (left.picture[sent] == left.voice[sent]).all()
    assert (np.diff(left.stamp) == TICK).all(), "the clock that reports go by is never moved"


@pytest.mark.parametrize("where", ["compute", "encode"])
def test_a_stall_of_half_a_second(where):
    at = 10 * SECOND

    def stall(i: int, drawn: bool = True) -> int:
        usual = (PICTURED if drawn else BLIND) if where == "compute" else ENCODE
        return usual + (500 * MS if i == at else 0)

    left = run(ticks(20), **({"cost": stall} if where == "compute" else {"encode": stall}))
    check_whole(left)
    before, after = left.delay[at - SECOND : at].max(), left.delay[at + 13 + SECOND :]
    assert 8 <= left.dropped.sum() <= 13 and not left.dropped[at + 13 + SECOND :].any()
    assert after.max() <= before + 21, "no more than one push of the schedule remains"
    assert left.delay[at : at + SECOND].max() >= 500


def test_a_stage_that_is_too_slow_for_a_while():
    slow = slice(5 * SECOND, 15 * SECOND)

    def cost(i: int, drawn: bool) -> int:
        return (55 * MS if drawn else BLIND) if slow.start <= i < slow.stop else (PICTURED if drawn else BLIND)

    left = run(ticks(30), cost)
    check_whole(left)
    during = left.dropped[slow]
    assert 0.2 <= during.mean() <= 0.6, "some pictures are left out, not all"
    assert left.delay[slow].max() <= 200, "and the sound is not late for it"
    assert not left.dropped[slow.stop + SECOND :].any()
    assert left.delay[-SECOND:].max() <= left.delay[:SECOND].max() + 20


@pytest.mark.parametrize("ppm", [-200, 200])
def test_eight_hours_with_a_clock_that_is_off(ppm):
    captured = ticks(8 * 3_600, ppm)
    jitter = np.random.default_rng(0).integers(0, 5 * MS, len(captured))
    state, first = Schedule(), []
    voice = np.zeros(len(captured))
    for i, ready in enumerate((captured + PICTURED + jitter).tolist()):
        state, due = schedule_departure(state, i * TICK, ready)
        voice[i] = max(due, ready)
    delay = (voice - captured) / MS
    minute = 60 * SECOND
    first, last = delay[minute : 2 * minute], delay[-minute:]
    assert abs(last.mean() - first.mean()) <= 5, "drift of sound against its capture, 8 h"
    assert delay[minute:].max() <= (PICTURED + HEADROOM_NS) / MS + 12
    assert state.late <= 0.05 * len(captured)


def test_a_laptop_that_slept():
    captured = ticks(40)
    captured[20 * SECOND :] += 3_600_000 * MS  # an hour in which nothing was captured, and media time stood still
    left = run(captured)
    check_whole(left)
    assert not left.dropped.any()
    assert left.delay[20 * SECOND + 16 :].max() <= left.delay[: 20 * SECOND].max() + 1
    early = np.diff(left.voice[21 * SECOND :])
    assert np.abs(early - TICK).max() <= 1 * MS, "paced again within a second"


def test_a_microphone_that_comes_in_bursts():
    captured = np.repeat(ticks(20)[3::4], 4)[: 19 * SECOND]  # 160 ms of it at a time
    left = run(captured)
    check_whole(left)
    delay = left.voice - ticks(20)[: len(captured)]
    assert delay[-5 * SECOND :].max() / MS <= 160 + 60
    assert np.percentile(np.diff(left.voice[10 * SECOND :]) / MS, 90) <= 61, "they leave more evenly than they came"


@pytest.mark.parametrize("seed", range(8))
def test_any_hiccups_at_all(seed):
    chance = np.random.default_rng(seed)
    captured = ticks(60, chance.uniform(-300, 300))
    gaps, hiccups = (
        (chance.random(len(captured)) < rate) * chance.integers(0, longest, len(captured)) * MS
        for rate, longest in ((0.02, 400), (0.01, 700))
    )
    gaps[-20 * SECOND :] = hiccups[-20 * SECOND :] = 0
    captured = np.maximum.accumulate(captured + gaps)
    left = run(captured, lambda i, drawn: int(hiccups[i]) + (PICTURED if drawn else BLIND))
    check_whole(left)
    assert left.dropped.mean() <= 0.5
    assert np.median(left.delay[-3 * SECOND :]) <= 80, "nothing of it remains"
