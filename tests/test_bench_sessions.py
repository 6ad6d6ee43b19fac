"""The benchmarks of whole sessions: their pure parts by hand, and tiny runs for the shape of what they write."""

import numpy as np
import pytest

from benchmarks.harness.drift import HOURS, moved, run_virtual
from benchmarks.harness.interrupt import bench_interrupt, judge, sum_up
from benchmarks.harness.peer import audible_ms
from benchmarks.harness.soak import bench_soak, grown, rest
from benchmarks.harness.stamp import LETS_GO, REST, SPEAKS
from benchmarks.harness.throughput import bench_throughput, strict_sessions
from engine.config import parse_config

SMALL = {"render": {"size": 64, "quality": "plain"}, "engine": {"executor": "eager"}, "motion": {"plugin": "viseme"}}
MS = 1_000_000


def test_a_line_that_rises_by_three_has_moved_three():
    assert moved([(k, 10.0 + 3 * (k >= 50)) for k in range(100)]) == 3.0
    assert moved([(0.0, 4.0)]) == 0.0 and moved([]) is None


@pytest.mark.parametrize("ppm", [-200, 0, 200])
def test_the_pacing_does_not_drift_in_virtual_hours(ppm):
    summary, line = run_virtual(ppm, hours=1.0)
    assert abs(summary["drift_ms"]) <= 5 and len(line) == 60 and HOURS == 8
    assert 0 <= summary["delay_ms"]["p50"] <= summary["delay_ms"]["p99"] < 80


def test_an_interrupt_is_judged_by_what_left():
    closing = [(440 * MS, LETS_GO), (480 * MS, LETS_GO), (520 * MS, REST), (560 * MS, REST)]
    pictures = [*((k * 40 * MS, SPEAKS) for k in range(11)), *closing]
    silence = [((400 + 20 * k) * MS, None) for k in range(9)]
    sounds = [*((k * 20 * MS, 19.9) for k in range(19)), (380 * MS, 15.0), *silence]
    found = {"video_ms": 50.0, "rest_ms": 130.0, "audio_ms": 5.0}  # the picture of 400 ms is seen until 440
    assert judge(390 * MS, 10**12, pictures, sounds) == found
    again = judge(390 * MS, 700 * MS, [*pictures, (800 * MS, SPEAKS)], [*sounds, (800 * MS, 19.9)])
    assert again == found, "speech that goes on later is not the interrupted one"
    assert set(judge(700 * MS, 10**12, pictures, sounds).values()) == {None}
    assert sum_up([(390 * MS, 10**12), (700 * MS, 10**12)], pictures, sounds)["audio_ms"]["p99"] == 5.0


def test_audible_is_what_is_over_the_threshold():
    sound = np.zeros(960, np.float32)
    sound[479], sound[480:] = 0.1, 1e-4
    assert audible_ms(sound) == pytest.approx(479 / 48) and audible_ms(sound[480:]) is None


def test_interrupts_are_measured():
    config = parse_config({**SMALL, "render": {"size": 128, "quality": "plain"}})
    result = bench_interrupt(config, 4.0)
    figures = result.figures
    assert figures["interrupts"] == 2
    for name in ("video_ms", "audio_ms"):
        assert set(figures[name]) == set(figures["session"][name]) == {"p50", "p95", "p99"}
    assert np.isfinite([row[1] for row in result.tables[0].rows if row[1] is not None]).all()


def test_sessions_count_up_to_the_first_late_picture():
    rows = [{"sessions": k + 1, "in_time_percent": share} for k, share in enumerate((100.0, 100.0, 99.9, 100.0))]
    assert strict_sessions(rows) == 2 and strict_sessions(rows[2:]) == 0 and strict_sessions([]) == 0


def test_more_sessions_are_tried_until_one_is_late():
    figures = bench_throughput(parse_config(SMALL), 1.0, most=2).figures
    rows = figures["rows"]
    assert [row["sessions"] for row in rows] == list(range(1, len(rows) + 1)) and len(rows) <= 2
    assert all(row["pictures"] and set(row["ready_ms"]) == {"p50", "p95", "p99"} for row in rows)
    assert figures["sessions"] in (0, 1, 2) and figures["sessions"] <= len(rows)


def test_growth_is_that_after_the_beginning():
    assert grown([(k, 100.0 + (k < 10) * -30 + (k >= 90) * 7) for k in range(100)]) == 7.0
    assert grown([(0.0, 5.0)]) == 0.0


def test_counts_are_taken_when_the_server_has_come_to_rest():
    counts = iter([{"sessions": 1, "tasks": 9, "threads": 4, "files": 8}, {"sessions": 0, "tasks": 5, "threads": 4,
                   "files": 9}, {"sessions": 0, "tasks": 4, "threads": 4, "files": 8}])  # fmt: skip
    wanted = {"tasks": 4, "threads": 4, "files": 8}
    assert rest(lambda: next(counts), wanted)["tasks"] == 4


def test_visitors_who_come_and_go_leave_nothing():
    config = parse_config({**SMALL, "render": {"size": 128, "quality": "plain"}})
    figures = bench_soak(config, 1.0, cycles=4).figures
    assert figures["cycles"] == 4 and isinstance(figures["rss_growth_mb"], float)
    assert set(figures["leaked"]) == {"tasks", "threads", "files"}
    assert figures["leaked"]["tasks"] <= 0 and figures["leaked"]["files"] <= 0
    assert figures["after"]["sessions"] == 0
