"""The benchmarks of single parts, which have commands of their own, as results like the others: for `all`."""

from typing import Any

from benchmarks.harness.figures import describe_run
from benchmarks.harness.report import Result, Table
from engine.config import Config

QUICK_CLIPS = 40


def bench_ears(config: Config, seconds: float, **_: Any) -> Result:
    """The speech encoder, over so many seconds of sound."""
    from engine.bench_encoder import bench_encoder

    figures = bench_encoder(config.features.encoder, config.engine.executor, minutes=seconds / 60)
    rows = [[key, figures[key]] for key in ("p50_ms", "p99_ms", "hour8_p50_ms", "executor")]
    table = Table("Speech encoder, ms a tick", ["", "value"], rows)
    return Result({"benchmark": "encoder", **describe_run(), **figures}, [table])


def bench_pictures(config: Config, seconds: float, **_: Any) -> Result:
    """The renderer, over the pictures of so many seconds."""
    from engine.bench import bench_render
    from engine.frames import FPS

    figures = bench_render(config, max(FPS, round(seconds * FPS)))
    rows = [[name, *part.values()] for name, part in figures["parts"].items()]
    rows.append(["whole picture", figures["p50_ms"], figures["p99_ms"]])
    table = Table("Renderer, ms a picture", ["", "p50", "p99"], rows)
    return Result({"benchmark": "render", **describe_run(config), **figures}, [table])


def bench_lips(config: Config, seconds: float, quick: bool = False, **_: Any) -> Result:
    """Lips, as `visema bench quality` judges them; quick: on few recordings, in the quiet only. MediaError without
    the recordings."""
    import argparse

    from benchmarks.quality import add_options, flatten, run

    parser = argparse.ArgumentParser()
    add_options(parser)
    order = ["--plugin", config.motion.plugin, "--lookahead", str(config.motion.lookahead_ticks)]
    order += ["--limit", str(QUICK_CLIPS), "--no-harder"] if quick else []
    figures = run(parser.parse_args(order))
    numbers = flatten(figures["systems"].get(config.motion.plugin, {}))
    rows = [[name, round(value, 4)] for name, value in numbers.items()]
    about = describe_run(config)
    return Result({"benchmark": "quality", **about, **figures}, [Table("Lips", ["", "value"], rows)])
