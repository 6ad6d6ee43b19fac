"""The ways of others: simulated queues against cases worked out by hand, and the runner's contract."""

import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.harness.baselines import bench_baselines
from benchmarks.harness.drive import WAYS, Way, drive, sample_latency
from benchmarks.harness.layouts import LAYOUTS, in_blocks, livetalking, paced
from benchmarks.harness.runner import run_runner
from engine.config import parse_config
from engine.errors import DeviceError
from engine.pipeline import Pipeline

SMALL = {"render": {"size": 64, "quality": "plain"}, "engine": {"executor": "eager"}, "motion": {"plugin": "viseme"}}


def test_pictures_leave_in_order_and_never_closer_than_a_tick():
    assert paced({0: 100.0, 1: 100.0, 2: 100.0, 3: 400.0}) == {0: 100.0, 1: 140.0, 2: 180.0, 3: 400.0}


def test_a_block_is_ready_when_its_last_sound_is():
    flow = in_blocks(4, block=2, cost_ms=5.0)
    assert flow.ready == {0: 85.0, 1: 85.0, 2: 165.0, 3: 165.0}
    assert flow.left == {0: 85.0, 1: 125.0, 2: 165.0, 3: 205.0}
    held = in_blocks(4, block=2, right_ms=10.0, held=1)
    assert held.ready == {0: 170.0, 1: 170.0, 2: 250.0, 3: 250.0}


def test_slices_of_a_second_take_a_second():
    """Worked out by hand: the first sample of a slice waits 1 s, the last none; played at 25 fps, all wait 1 s."""
    flow = in_blocks(100, block=25)
    assert {flow.left[tick] - tick * 40 for tick in range(100)} == {1000.0}
    assert flow.ready[25] - 25 * 40 == 1000.0 and flow.ready[49] - 49 * 40 == 40.0
    latency = sample_latency(flow, flow.left)
    assert latency.min() == 960.0 and latency.max() == 999.0 and len(latency) == 4_000


def test_dittos_floor_is_that_of_its_arithmetic():
    """80 ms of context and a block of 400 ms more behind each block: 480 ms for its last sample, 880 for its first."""
    ditto = next(layout for layout in LAYOUTS if layout.name.startswith("Ditto"))
    flow = ditto.run(100)
    waits = [flow.ready[tick] - (tick + 1) * 40 for tick in range(10, 20)]
    assert waits == [880.0 - 40 * (k + 1) for k in range(10)]


def test_livetalking_small_enough_to_follow():
    """Batches of one picture without context. By hand: every chunk (20 ms) is 10 ms late for the thread that takes two
    at a time, so a silent one goes before it, and a second of sound takes two seconds to be shown. With five pictures
    waiting the thread sleeps, chunks pile up, and no more silence is put in."""
    flow = livetalking(200, batch=1, right=0)
    assert [flow.ready[tick] for tick in range(4)] == [40, 80, 120, 160]
    assert [flow.left[tick] for tick in range(5)] == [60, 140, 220, 300, 380]
    assert {flow.left[tick] - (tick + 1) * 40 for tick in range(100, 200)} == {260}


def test_livetalking_comes_to_rest_over_a_batch_and_its_context():
    flow = livetalking(1_000)
    late = np.array([flow.left[tick] - (tick + 1) * 40 for tick in range(500, 1_000)])
    assert late.min() > 200 + 15 * 40 and late.max() < 2_500 and np.ptp(late) <= 40


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return Pipeline(parse_config(SMALL))


@pytest.mark.parametrize("way", [WAYS[0], Way("windows", window=3), Way("batches", batch=8)])
def test_our_networks_driven_as_others_do(pipeline, way):
    flow, dropped = drive(pipeline, way, 1.2)
    drawn = 30 // way.batch * way.batch - pipeline.lookahead
    assert len(flow.ready) + dropped >= drawn - (0 if way.window else way.batch)
    for tick, at in flow.ready.items():
        batch_end = (tick + pipeline.lookahead) // way.batch * way.batch + way.batch
        assert at >= batch_end * 40, "not before its sound was there"
    assert all(flow.left[tick] >= at for tick, at in flow.ready.items())


def test_a_runner_is_measured():
    voice = np.sin(np.arange(16_000) / 10).astype(np.float32)
    name, flow = run_runner(f"{sys.executable} benchmarks/harness/toy_runner.py", voice, 1.0)
    assert name == "toy, batches of 4" and sorted(flow.ready) == list(range(24))
    assert all(at >= (tick // 4 + 1) * 160 for tick, at in flow.ready.items())


@pytest.mark.parametrize("script, text", [
    ("print('hello', flush=True)", "ready NAME"),
    ("print('ready x', flush=True)", "ended before"),
    ("import sys; print('ready x', flush=True); print('frame 640', flush=True); print('frame 0', flush=True); "
     "sys.stdin.buffer.read()", "in order"),
    ("import sys; print('ready x', flush=True); print('picture', flush=True); sys.stdin.buffer.read()", "frame SAMPLE"),
])  # fmt: skip
def test_a_runner_that_breaks_its_contract_is_named(tmp_path: Path, script: str, text: str):
    (tmp_path / "runner.py").write_text(script)
    with pytest.raises(DeviceError, match=text):
        run_runner(f"{sys.executable} {tmp_path / 'runner.py'}", np.zeros(16_000, np.float32), 1.5)
    with pytest.raises(DeviceError, match="does not start"):
        run_runner(str(tmp_path / "nothing"), np.zeros(16_000, np.float32), 1.0)


def test_the_list_that_checks_rely_on():
    runner = f"{sys.executable} benchmarks/harness/toy_runner.py"
    result = bench_baselines(parse_config(SMALL), 2.0, [runner])
    rows = result.figures["baselines"]
    assert [row["kind"] for row in rows] == ["measured"] * 4 + ["simulation"] * 3 + ["runner"]
    assert all(set(row["mic_to_frame_ms"]) == {"p50", "p95", "p99"} and row["name"] for row in rows)
    assert result.tables[0].rows and "<svg" in result.plots[0].svg()
