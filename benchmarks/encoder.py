"""The speech encoder on every executor at hand, for one session and for many: `python -m benchmarks.encoder`.

On a GPU: eager against captured graph, 1 to 64 slots. On a CPU: eager against OpenVINO, one slot. Writes one row per
run, as `visema bench encoder` reports it, and prints a table.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import torch

from engine.bench_encoder import bench_encoder
from engine.torchkit.executors import PRECISIONS


def main(argv: Sequence[str] | None = None) -> None:
    """Run what this machine can."""
    on_gpu = torch.cuda.is_available()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.encoder", description=__doc__)
    parser.add_argument("--models", nargs="+", default=["small", "base"])
    parser.add_argument("--executors", nargs="+", default=["graph"] if on_gpu else list(PRECISIONS))
    parser.add_argument("--slots", nargs="+", type=int, default=[1, 4, 16, 64] if on_gpu else [1])
    parser.add_argument("--minutes", type=float, default=1.0, help="of sound in each run")
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/encoder.json"))
    options = parser.parse_args(argv)
    rows = []
    print(f"{'model':<10}{'executor':<16}{'slots':>6}{'eager p50':>11}{'p50':>8}{'p99':>8}{'max diff':>10}")
    for model in options.models:
        for executor in options.executors:
            for slots in options.slots:
                row = bench_encoder(model, executor, slots, minutes=options.minutes)
                rows.append(row)
                print(f"{model:<10}{executor:<16}{slots:>6}{row['eager_p50_ms']:>11.2f}{row['p50_ms']:>8.2f}"
                      f"{row['p99_ms']:>8.2f}{row['executor_max_abs_diff']:>10.1e}", flush=True)  # fmt: skip
                options.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
