"""Commands that tell about this machine and this installation: bench render, plugins, doctor, config."""

import argparse
import json

from engine.commands.options import add, make_picture, read_config
from engine.config import describe_config
from engine.errors import ConfigError


def add_bench(commands) -> None:
    """`visema bench render`; the other benchmarks have options of their own (`apart`)."""
    bench = add(commands, "bench", "latency, interrupts, drift, speed, lips, measured here", _bench, make_picture())
    bench.add_argument("what", metavar="WHAT", choices=("render",),
                       help="render; with options of their own: encoder, quality, latency, lookahead, interrupt, "
                            "drift, throughput, soak, network, baselines, all (`visema bench latency --help`)")
    bench.add_argument("--json", metavar="FILE.json", help="write the figures")
    bench.add_argument("--pictures", type=int, default=100, metavar="N", help="how many are drawn (default 100)")
    bench.add_argument("--threads", type=int, metavar="N", help="that draw (default: render.threads)")


def add_about(commands) -> None:
    """`visema plugins`, `visema doctor`, `visema config`"""
    add(commands, "plugins", "list installed plugins", _plugins, [])
    add(commands, "doctor", "what is installed, what is missing, what each gives", _doctor, [])
    add(commands, "config", "all settings with their defaults", _config, [])


def _bench(options: argparse.Namespace) -> None:
    from engine.bench import bench_render, print_bench
    from engine.offline import write_text

    if options.pictures < 1 or (options.threads is not None and options.threads < 1):
        raise ConfigError("--pictures and --threads are 1 or more")
    report = bench_render(read_config(options), options.pictures, options.threads)
    print_bench(report)
    if options.json:
        write_text(options.json, json.dumps(report, indent=1) + "\n")


def _plugins(options: argparse.Namespace) -> None:
    from engine.doctor import print_plugins

    print_plugins()


def _doctor(options: argparse.Namespace) -> int:
    from engine.doctor import print_report

    return print_report()


def _config(options: argparse.Namespace) -> None:
    for key, default, meaning in describe_config():
        print(f"{key:<28}{default:<18}{meaning}")
