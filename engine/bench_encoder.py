"""`visema bench encoder`: milliseconds per tick of a speech encoder, over half an hour and at hour eight."""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engine.device import describe_device, use_one_thread
from engine.errors import ConfigError
from engine.frames import FPS, TICK_SAMPLES
from engine.stage import Stage, State, tree_leaves
from engine.torchkit.executors import EXECUTORS, ears_executor, make_executor
from engine.torchkit.ring_cache import RingClock

WARM_UP = 25  # ticks: the first ones reserve memory
COMPARED = 8 * FPS  # ticks held against the full-sequence pass: more than three caches of two seconds
EAGER = 4 * FPS  # ticks of the eager reference
MINUTE = 60 * FPS
HOURS = 8


def bench_encoder(
    model: str = "small", executor: str = "auto", slots: int = 1, lookahead: int | None = None, minutes: float = 30.0
) -> dict[str, Any]:
    """p50_ms, p99_ms, first_minute_p50_ms, last_minute_p50_ms, hour8_p50_ms, max_abs_diff, eager_p50_ms, and on what.

    max_abs_diff is that of streaming in fp32 against the full-sequence pass: of this executor, or, where it stores
    weights in fewer bits, of eager; executor_max_abs_diff is this executor's own in any case.
    model: "small" with the shipped weights, "base", "large", "soft" with random ones (costs, not quality), or a
    checkpoint. Times are processor time of the one compute thread, or on a GPU, what the clock says; wall_p50_ms and
    wall_p99_ms beside them are the clock's in any case. Raises ConfigError, WeightsError, DeviceError.
    """
    use_one_thread()
    if slots < 1 or minutes <= 0:
        raise ConfigError("--slots is 1 or more, --minutes more than 0")
    stage, weights = make_encoder(model, lookahead)
    name = ears_executor(executor)
    sound = speech(slots)
    stepped = make_executor(stage, name, sound[:, 0].clone())
    state = stepped.init_state(slots)
    difference = against_full_sequence(stage, stepped, sound)
    exact = difference if name in ("eager", "graph", "openvino") else against_full_sequence(stage, stage, sound)
    _run(stepped, state, sound, WARM_UP)
    spent, wall = _run(stepped, state, sound, max(round(minutes * MINUTE), 2 * FPS))
    age(state, HOURS * 60 * MINUTE)
    clock = 1 if name == "graph" else 0  # which of the two times counts
    old = _run(stepped, state, sound, min(MINUTE, len(spent)))[clock]
    times = (spent, wall)[clock]
    minute = min(MINUTE, len(times))
    eager = times
    if name != "eager":
        eager = _run(stage, _fresh(stage, slots, name), sound, EAGER + WARM_UP)[clock][WARM_UP:]
    return {
        "p50_ms": _percentile(times, 50), "p99_ms": _percentile(times, 99),
        "first_minute_p50_ms": _percentile(times[:minute], 50), "last_minute_p50_ms": _percentile(times[-minute:], 50),
        "hour8_p50_ms": _percentile(old, 50), "max_abs_diff": exact, "executor_max_abs_diff": difference,
        "eager_p50_ms": _percentile(eager, 50),
        "wall_p50_ms": _percentile(wall, 50), "wall_p99_ms": _percentile(wall, 99),
        "model": model, "weights": weights, "executor": name, "slots": slots, "lookahead": stage.lookahead,
        "minutes": round(len(times) / MINUTE, 2), "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if name == "graph" else describe_device(),
    }  # fmt: skip


def make_encoder(model: str, lookahead: int | None) -> tuple[Stage, str]:
    """The encoder and a word on its weights."""
    from engine.features import load_encoder
    from engine.features.checkpoint import MODEL, read_metadata
    from engine.features.hubert import NAMED, Hubert
    from engine.features.hubert.checkpoint import load_hubert
    from engine.features.speech_files import NAME as SPEECH

    own = Path(model).is_file() and read_metadata(Path(model)).get(MODEL) == SPEECH
    if model == "small" or own:
        encoder = load_encoder(model if own else None)
        if lookahead not in (None, *encoder.config.delays):
            raise ConfigError(f"--lookahead {lookahead}: the shipped weights answer for {encoder.config.delays} ticks")
        # its look-ahead lies in its heads: the same step, whatever is read of it
        return encoder, model if own else "shipped"
    streaming: dict[str, Any] = {} if lookahead is None else {"lookahead": lookahead}
    if model in NAMED:
        torch.manual_seed(0)
        return Hubert(replace(NAMED[model], **streaming)).eval().requires_grad_(False), "random"
    if not Path(model).exists():
        raise ConfigError(f"--model {model!r} is no file; or one of {', '.join(map(repr, NAMED))}")
    return load_hubert(model, **streaming), model


def speech(slots: int) -> torch.Tensor:
    """The built-in sample with a second of digital silence behind it: float32 (slots, ticks, 640)."""
    from engine.audio.file import FileSource
    from engine.offline import read_ticks

    sample = FileSource(str(Path(__file__).parent / "assets" / "sample.opus"))
    ticks = np.stack([tick.samples for tick in read_ticks(sample)] + [np.zeros(TICK_SAMPLES, np.float32)] * FPS)
    return torch.from_numpy(np.stack([np.roll(ticks, 7 * slot, 0) for slot in range(slots)]))


@torch.inference_mode()
def against_full_sequence(stage: Any, stepped: Stage, sound: torch.Tensor) -> float:
    """Largest difference between what the executor streams and the eager pass over the whole sequence."""
    slots, length = sound.shape[0], min(COMPARED, sound.shape[1])
    place = next(stage.parameters()).device
    whole = stage(sound[:, :length].flatten(1).to(place))
    whole = whole if isinstance(whole, torch.Tensor) else whole.content
    state, worst = stepped.init_state(slots), 0.0
    for t in range(length):
        answer = tree_leaves(stepped.step(state, sound[:, t].clone().to(place)))[0]
        at = 2 * (t - stepped.lookahead)
        if at >= 0:
            worst = max(worst, float((answer.cpu() - whole[:, at : at + 2].cpu()).abs().max()))
    return worst


def age(state: State, ticks: int) -> None:
    """Put a state where it would be after so many ticks: rings turned on, and full. Nothing else in it knows time."""
    for value in _parts(state):
        if isinstance(value, RingClock):
            size = value.entries.shape[1]
            value.head.copy_((value.head + 2 * ticks) % size)
            value.filled.fill_(size)


def _parts(value: Any) -> list[State]:
    if isinstance(value, tuple):
        return [part for item in value for part in _parts(item)]
    if not isinstance(value, State):
        return []
    return [value, *(part for name in value.__dataclass_fields__ for part in _parts(getattr(value, name)))]


def _fresh(stage: Stage, slots: int, executor: str) -> State:
    with torch.device("cuda" if executor == "graph" else "cpu"):
        return stage.init_state(slots)


@torch.inference_mode()
def _run(stage: Stage, state: State, sound: torch.Tensor, ticks: int) -> tuple[list[float], list[float]]:
    """Milliseconds of every tick: processor time of this process, and the clock's."""
    spent, wall = [], []
    place = next(state.tensors())[1].device
    heard = [sound[:, t].clone().to(place) for t in range(sound.shape[1])]
    for t in range(ticks):
        clock, seen = time.process_time_ns(), time.perf_counter_ns()
        stage.step(state, heard[t % len(heard)])
        if place.type == "cuda":
            torch.cuda.synchronize()
        spent.append((time.process_time_ns() - clock) / 1e6)
        wall.append((time.perf_counter_ns() - seen) / 1e6)
    return spent, wall


def _percentile(times: list[float], share: int) -> float:
    return round(float(np.percentile(times, share)), 3)


def main(argv: Sequence[str]) -> None:
    """Command line of `visema bench encoder`."""
    from engine.offline import write_text

    parser = argparse.ArgumentParser(prog="visema bench encoder", description=__doc__)
    parser.add_argument(
        "--model",
        default="small",
        metavar="NAME",
        help="small (shipped), base, large, soft (published sizes), or a checkpoint",
    )
    parser.add_argument(
        "--executor", default="auto", choices=("auto", *EXECUTORS), metavar="NAME", help=f"auto, {', '.join(EXECUTORS)}"
    )
    parser.add_argument("--slots", type=int, default=1, metavar="N", help="sessions in one step (default 1)")
    parser.add_argument("--lookahead", type=int, metavar="N", help="ticks: 0, 1 or 2")
    parser.add_argument("--minutes", type=float, metavar="N", help="of sound (default: 30 for small, else 5)")
    parser.add_argument("--json", metavar="FILE.json", help="write the figures")
    options = vars(parser.parse_args(argv))
    target = options.pop("json")
    if options["minutes"] is None:
        options["minutes"] = 30.0 if options["model"] == "small" else 5.0
    report = bench_encoder(**options)
    print(
        f"{report['model']}, {report['executor']}, {report['slots']} slot(s), {report['minutes']} min; "
        f"{report['threads']} thread of {report['device']}"
    )
    print(
        f"ms per tick: p50 {report['p50_ms']:.2f}, p99 {report['p99_ms']:.2f}; eager {report['eager_p50_ms']:.2f}; "
        f"first minute {report['first_minute_p50_ms']:.2f}, last {report['last_minute_p50_ms']:.2f}, "
        f"hour {HOURS} {report['hour8_p50_ms']:.2f}; max_abs_diff {report['max_abs_diff']:.2g}, "
        f"the executor's {report['executor_max_abs_diff']:.2g}"
    )
    if target:
        write_text(target, json.dumps(report, indent=1) + "\n")
