"""`visema bench NAME`: the options that all benchmarks of the harness share, and what becomes of their results."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.harness.everything import Run, Told, Waiting, bench_all, minutes
from benchmarks.harness.report import Result, print_result, to_html, to_json, to_trace
from engine.config import Config, load_config
from engine.errors import ConfigError

ALL = "all"
PATIENCE = 3.0  # times as long as it should take, and 5 min: then one of many is ended
GRACE_S = 300.0


@dataclass(frozen=True, slots=True)
class Benchmark:
    """place: its module and function. seconds, quick: how long it runs by itself, and in a quick run of all.

    times, beside_s: it takes so many times its seconds, and so much beside them. own: it starts a process by itself,
    and is told who waits.
    """

    place: str
    seconds: float
    quick: float
    text: str
    times: float = 1.0
    beside_s: float = 20.0
    own: bool = False

    def about_s(self, seconds: float) -> float:
        return self.times * seconds + self.beside_s

    def __call__(self, config: Config, seconds: float, **how: Any) -> Result:
        module, function = self.path.split(":")
        return getattr(import_module(module), function)(config, seconds, **how)

    @property
    def path(self) -> str:
        return f"benchmarks.harness.{self.place}"


BENCHMARKS = {
    "latency": Benchmark("latency:bench_latency", 60.0, 15.0, "marked voice in, stamped picture out: percentiles, "
                         "stages", 3.0, 45.0),
    "lookahead": Benchmark("lookahead:bench_lookahead", 30.0, 8.0, "lip quality against latency at 0, 1 and 2 ticks",
                           6.0, 90.0),
    "baselines": Benchmark("baselines:bench_baselines", 30.0, 10.0, "mic to frame, ours and the ways of others", 5.0,
                           40.0),
    "interrupt": Benchmark("interrupt:bench_interrupt", 60.0, 16.0, "from the word stop to the last picture and sound",
                           2.0, 40.0),
    "throughput": Benchmark("throughput:bench_throughput", 20.0, 6.0, "sessions at once, until the first late picture",
                            4.0, 40.0),
    "network": Benchmark("network:bench_network", 30.0, 10.0, "the same on lines that lose, delay and reorder packets",
                         14.0, 240.0, own=True),
    "drift": Benchmark("drift:bench_drift", 600.0, 45.0, "eight hours in virtual time, then real time", 1.0, 60.0),
    "soak": Benchmark("soak:bench_soak", 1_800.0, 45.0, "visitors come and go, then one talks: what is left behind",
                      1.0, 240.0),
}  # fmt: skip
PARTS = {
    "encoder": Benchmark("parts:bench_ears", 300.0, 60.0, "the speech encoder", 0.1, 40.0),
    "render": Benchmark("parts:bench_pictures", 8.0, 3.0, "the renderer", 1.0, 15.0),
    "quality": Benchmark("parts:bench_lips", 1.0, 1.0, "lips", 1.0, 300.0),
}
QUICK_CYCLES = 20


def main(argv: Sequence[str]) -> None:
    """Run one benchmark, or all, and write what was asked for. ConfigError, DeviceError, SessionError: a clear text."""
    options = make_parser().parse_args(argv)
    if options.seconds is not None and not 1.0 <= options.seconds <= 100_000:
        raise ConfigError("--seconds is 1 or more")
    if options.cycles is not None and options.cycles < 1:
        raise ConfigError("--cycles is 1 or more")
    config = load_config(options.config, options.set)
    results: list[Result] = []
    if options.name == ALL:
        runs = plan(options, config)
        print(f"{len(runs)} benchmarks, about {minutes(sum(run.about_s for run in runs.values()))} in all", flush=True)
        found = bench_all(runs, Told())
    else:
        found = iter([BENCHMARKS[options.name](config, seconds_of(options, BENCHMARKS[options.name]), **how(options))])
    for result in found:
        print_result(result)
        results.append(result)
        write(results, options)  # after each: an hour's work is not lost with the last one


def make_parser() -> argparse.ArgumentParser:
    what = "; ".join(f"{name}: {one.text}" for name, one in BENCHMARKS.items())
    parser = argparse.ArgumentParser(prog="visema bench", description="Measure this machine.")
    parser.add_argument("name", metavar="NAME", choices=(*BENCHMARKS, ALL),
                        help=f"{what}; all: these and {', '.join(PARTS)}, each in a process of its own")  # fmt: skip
    parser.add_argument("--json", metavar="FILE.json", help="write the figures")
    parser.add_argument("--html", metavar="FILE.html", help="write one page with tables and plots; it needs no network")
    parser.add_argument("--results", metavar="FOLDER", help="write NAME.json of every benchmark there as it ends, and "
                        "the page, report.html")  # fmt: skip
    parser.add_argument("--trace", metavar="FILE.json", help="write who worked when, for chrome://tracing")
    parser.add_argument("--seconds", type=float, metavar="N", help="of talk in each part (each has its own default)")
    parser.add_argument("--quick", action="store_true", help="shorter defaults: all in about 25 minutes")
    parser.add_argument("--skip", action="append", default=[], metavar="NAME", choices=(*BENCHMARKS, *PARTS),
                        help="all: leave one out; repeatable")  # fmt: skip
    parser.add_argument("--no-browser", action="store_true", help="leave Chromium out")
    parser.add_argument("--runner", action="append", default=[], metavar="COMMAND",
                        help="baselines: another engine's script (benchmarks/harness/runner.py says how it talks)")
    parser.add_argument("--link", default="auto", choices=("auto", "namespace", "deterministic"),
                        help="network: what spoils the lines; auto: a network namespace with tc netem where this "
                        "system allows one, else the deterministic link of the tests")  # fmt: skip
    parser.add_argument("--cycles", type=int, metavar="N", help="soak: how many visitors come and go (default 100)")
    parser.add_argument("--config", metavar="FILE", help="settings (default: config.toml here, if any)")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="override a setting")
    return parser


def how(options: argparse.Namespace) -> dict[str, Any]:
    """What benchmarks are told beside the settings and the seconds; each takes what concerns it."""
    told: dict[str, Any] = {"browser": not options.no_browser, "runners": options.runner, "quick": options.quick,
                            "link": options.link}  # fmt: skip
    cycles = QUICK_CYCLES if options.quick and options.cycles is None else options.cycles
    return told if cycles is None else told | {"cycles": cycles}


def seconds_of(options: argparse.Namespace, benchmark: Benchmark) -> float:
    return options.seconds or (benchmark.quick if options.quick else benchmark.seconds)


def plan(options: argparse.Namespace, config: Config) -> dict[str, Run]:
    """What `all` runs, by name."""
    runs: dict[str, Run] = {}
    for name, benchmark in (BENCHMARKS | PARTS).items():
        if name in options.skip:
            continue
        own = name in PARTS  # their seconds are of another kind than those of talk
        seconds = (benchmark.quick if options.quick else benchmark.seconds) if own else seconds_of(options, benchmark)
        runs[name] = Run(benchmark.about_s(seconds), partial(_apart, benchmark, config, seconds, how(options)))
    return runs


def _apart(benchmark: Benchmark, config: Config, seconds: float, told: dict[str, Any], waiting: Waiting) -> Result:
    from benchmarks.harness.apart import run_apart

    if benchmark.own:
        return benchmark(config, seconds, **told, waiting=waiting)
    limit_s = PATIENCE * benchmark.about_s(seconds) + GRACE_S
    return run_apart(benchmark.path, config, seconds, told, limit_s, waiting)


def write(results: Sequence[Result], options: argparse.Namespace) -> None:
    """The files that were asked for."""
    from engine.offline import write_text

    if options.json:
        write_text(options.json, to_json(results, together=options.name == ALL))
    if options.html:
        write_text(options.html, to_html(results))
    if options.trace:
        write_text(options.trace, to_trace(results))
    if options.results:
        folder = Path(options.results)
        folder.mkdir(parents=True, exist_ok=True)
        newest = results[-1].figures
        if "skipped" not in newest:  # what an earlier run found stays
            write_text(str(folder / f"{newest['benchmark']}.json"), to_json(results))
        write_text(str(folder / "report.html"), to_html(results))
