"""`visema bench all`: one benchmark after the other, one report; what cannot run here is named with its reason."""

from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.harness.figures import describe_run
from benchmarks.harness.report import Result, Table
from engine.config import Config
from engine.errors import EngineError

ENCODER_MINUTES = 5.0
PICTURES = 200


def bench_all(runs: dict[str, Callable[[], Result]]) -> Iterator[Result]:
    """Results as they come. runs: by name; a benchmark that fails says so in its place, and the others go on."""
    for name, run in runs.items():
        try:
            yield run()
        except (EngineError, ModuleNotFoundError, FileNotFoundError) as error:
            figures = {"benchmark": name, **describe_run(), "skipped": str(error)}
            yield Result(figures, [Table("Left out", ["why"], [[str(error)]])])


def bench_parts(config: Config) -> dict[str, Callable[[], Result]]:
    """The benchmarks of single parts, which have commands of their own, as results like the others."""
    return {"encoder": lambda: _encoder(config), "render": lambda: _render(config), "quality": lambda: _quality(config)}


def _encoder(config: Config) -> Result:
    from engine.bench_encoder import bench_encoder

    executor = config.engine.executor
    figures = bench_encoder(config.features.encoder, executor, minutes=ENCODER_MINUTES)
    return _listed("encoder", figures, "Speech encoder, ms a tick", ("p50_ms", "p99_ms", "hour8_p50_ms", "executor"))


def _render(config: Config) -> Result:
    from engine.bench import bench_render

    figures = bench_render(config, PICTURES)
    rows = [[name, *part.values()] for name, part in figures["parts"].items()]
    rows.append(["whole picture", figures["p50_ms"], figures["p99_ms"]])
    table = Table("Renderer, ms a picture", ["", "p50", "p99"], rows)
    return Result({"benchmark": "render", **describe_run(config), **figures}, [table])


def _quality(config: Config) -> Result:
    import argparse

    from benchmarks.quality import add_options, flatten, run

    parser = argparse.ArgumentParser()
    add_options(parser)
    options = parser.parse_args(["--plugin", config.motion.plugin, "--lookahead", str(config.motion.lookahead_ticks)])
    figures = run(options)
    numbers = flatten(figures["systems"].get(config.motion.plugin, {}))
    rows = [[name, round(value, 4)] for name, value in numbers.items()]
    about = describe_run(config)
    return Result({"benchmark": "quality", **about, **figures}, [Table("Lips", ["", "value"], rows)])


def _listed(name: str, figures: dict[str, Any], title: str, keys: tuple[str, ...]) -> Result:
    rows = [[key, figures[key]] for key in keys]
    return Result({"benchmark": name, **describe_run(), **figures}, [Table(title, ["", "value"], rows)])
