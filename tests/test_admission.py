"""Who is let in beside whom: by number, and by what a machine bears."""

import itertools

import pytest

from engine.admission import Cost, Refused, admit, relieve

FAST = Cost({n: 4.0 * n for n in range(1, 9)}, draw_ms=8.0)  # 0.3 of a thread for each
SLOW = Cost({1: 10.0, 2: 20.0}, draw_ms=25.0)  # 0.875
SHARED = Cost({1: 5.0, 2: 5.5, 4: 6.5, 8: 8.5}, draw_ms=4.0)  # as measured, at 256 pixels


def test_as_many_as_allowed():
    assert [admit(FAST, [1] * n, 2, 0.9, False) for n in range(2)] == [1, 1]
    with pytest.raises(Refused, match="max_sessions") as refused:
        admit(FAST, [1, 1], 2, 0.9, True)
    assert refused.value.reason == "full"


def test_as_many_as_the_machine_bears():
    assert admit(FAST, [1, 1], 8, 0.9, False) == 1
    with pytest.raises(Refused, match=r"busy.*90%") as refused:
        admit(FAST, [1, 1, 1], 8, 0.9, False)
    assert refused.value.reason == "busy"
    assert admit(SLOW, [], 8, 0.5, False) == 1, "the first one always"
    assert admit(SLOW, [1], 8, 0.0, False) == 1, "no limit"


def test_fewer_pictures_rather_than_none():
    assert admit(FAST, [1, 1], 8, 0.85, True) == 2
    assert admit(FAST, [1, 1], 8, 0.75, True) == 4
    with pytest.raises(Refused):
        admit(FAST, [1, 1], 8, 0.7, True)
    for load, count in itertools.product((0.5, 0.7, 0.9), range(1, 7)):
        intervals: list[int] = []
        for _ in range(count):
            try:
                intervals.append(admit(FAST, intervals, 8, load, True))
            except Refused:
                break
        assert len(intervals) == 1 or FAST.load(intervals) <= load + 1e-9


def test_who_stays_gets_the_pictures_of_who_goes():
    assert relieve(FAST, [1, 4], 0.85) == [1, 1]
    assert relieve(FAST, [1, 1, 4], 0.75) == [1, 1, 4]
    assert relieve(FAST, [2, 4], 0.5) == [1, 2] and relieve(FAST, [], 0.5) == []
    assert relieve(FAST, [4, 4], 0.0) == [1, 1]


def test_a_shared_step_makes_room_for_more():
    assert SHARED.load([1]) == pytest.approx(9 / 40) and SHARED.load([]) == 0.0
    assert SHARED.load([1, 1]) == pytest.approx(13.5 / 40), "heard together"
    assert SHARED.load([1, 1, 1, 4]) - SHARED.load([1, 1, 1]) == pytest.approx(1 / 40), "a slot to spare"
    intervals: list[int] = []
    with pytest.raises(Refused, match="busy"):
        while True:
            intervals.append(admit(SHARED, intervals, 64, 0.9, False))
    assert len(intervals) == 6, "by turns it would be four"
