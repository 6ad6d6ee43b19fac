"""`visema bench NAME`: the options that all benchmarks of the harness share, and what becomes of their results."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

from benchmarks.harness.everything import bench_all, bench_parts
from benchmarks.harness.report import Result, print_result, to_html, to_json, to_trace
from engine.config import Config, load_config
from engine.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Benchmark:
    """Where it is (a module with a function of this config and these seconds), and how long it runs by itself."""

    place: str
    function: str
    seconds: float
    text: str

    def load(self) -> Callable[..., Result]:
        return getattr(import_module(f"benchmarks.harness.{self.place}"), self.function)


BENCHMARKS = {
    "latency": Benchmark("latency", "bench_latency", 60.0, "marked voice in, stamped picture out: percentiles, stages"),
    "baselines": Benchmark("baselines", "bench_baselines", 30.0, "mic to frame, ours and the ways of others"),
    "interrupt": Benchmark("interrupt", "bench_interrupt", 60.0, "from the word stop to the last picture and sound"),
    "throughput": Benchmark("throughput", "bench_throughput", 20.0, "sessions at once, until the first late picture"),
    "network": Benchmark("network", "bench_network", 30.0, "the same on lines that lose, delay and reorder packets"),
    "drift": Benchmark("drift", "bench_drift", 600.0, "eight hours in virtual time, then real time"),
    "soak": Benchmark("soak", "bench_soak", 1_800.0, "visitors come and go, then one talks: what is left behind"),
}
ALL = "all"


def main(argv: Sequence[str]) -> None:
    """Run one benchmark, or all, and write what was asked for. ConfigError, DeviceError, SessionError: a clear text."""
    options = make_parser().parse_args(argv)
    if options.seconds is not None and not 1.0 <= options.seconds <= 100_000:
        raise ConfigError("--seconds is 1 or more")
    if options.cycles is not None and options.cycles < 1:
        raise ConfigError("--cycles is 1 or more")
    config = load_config(options.config, options.set)
    runs = choose(options, config)
    results: list[Result] = []
    found = bench_all(runs) if options.name == ALL else (run() for run in runs.values())
    for result in found:
        print_result(result)
        results.append(result)
        write(results, options)  # after each: an hour's work is not lost with the last one


def make_parser() -> argparse.ArgumentParser:
    what = "; ".join(f"{name}: {one.text}" for name, one in BENCHMARKS.items())
    parser = argparse.ArgumentParser(prog="visema bench", description="Measure this machine.")
    parser.add_argument("name", metavar="NAME", choices=(*BENCHMARKS, ALL),
                        help=f"{what}; all: these and encoder, render, quality, about an hour and a half")  # fmt: skip
    parser.add_argument("--json", metavar="FILE.json", help="write the figures")
    parser.add_argument("--html", metavar="FILE.html", help="write one page with tables and plots; it needs no network")
    parser.add_argument("--trace", metavar="FILE.json", help="write who worked when, for chrome://tracing")
    parser.add_argument("--seconds", type=float, metavar="N", help="of talk in each part (each has its own default)")
    parser.add_argument("--no-browser", action="store_true", help="leave Chromium out")
    parser.add_argument("--runner", action="append", default=[], metavar="COMMAND",
                        help="baselines: another engine's script (benchmarks/harness/runner.py says how it talks)")
    parser.add_argument("--cycles", type=int, metavar="N", help="soak: how many visitors come and go (default 100)")
    parser.add_argument("--config", metavar="FILE", help="settings (default: config.toml here, if any)")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="override a setting")
    return parser


def choose(options: argparse.Namespace, config: Config) -> dict[str, Callable[[], Result]]:
    """What is to run, by name, ready to be called."""
    how: dict[str, Any] = {"browser": not options.no_browser, "runners": options.runner}
    if options.cycles is not None:
        how["cycles"] = options.cycles
    names = tuple(BENCHMARKS) if options.name == ALL else (options.name,)
    runs: dict[str, Callable[[], Result]] = {}
    for name in names:
        seconds = BENCHMARKS[name].seconds if options.seconds is None else options.seconds
        runs[name] = partial(_run, BENCHMARKS[name], config, seconds, how)
    return runs | bench_parts(config) if options.name == ALL else runs


def _run(benchmark: Benchmark, config: Config, seconds: float, how: dict[str, Any]) -> Result:
    return benchmark.load()(config, seconds, **how)


def write(results: Sequence[Result], options: argparse.Namespace) -> None:
    """The files that were asked for."""
    from engine.offline import write_text

    if options.json:
        write_text(options.json, to_json(results, together=options.name == ALL))
    if options.html:
        write_text(options.html, to_html(results))
    if options.trace:
        write_text(options.trace, to_trace(results))
