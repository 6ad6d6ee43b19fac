"""Milliseconds per picture at several sizes, part by part: `visema bench render` one after the other.

python -m benchmarks.render [--sizes 256 512 720] [--pictures 100] [--identities anna zuri | all] [--threads 2]
                            [--out F.json]
"""

import argparse
import json
from pathlib import Path

from engine.bench import bench_render, print_bench
from engine.config import load_config
from engine.render.people import NAMES


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512, 720])
    parser.add_argument("--identities", nargs="+", default=["anna"])
    parser.add_argument("--pictures", type=int, default=100)
    parser.add_argument("--threads", type=int, help="that draw (default: render.threads)")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    args = parser.parse_args()
    reports = []
    for name in NAMES if args.identities == ["all"] else args.identities:
        for size in args.sizes:
            config = load_config(None, [f"render.size={size}", f'render.identity="{name}"'])
            reports.append(bench_render(config, args.pictures, args.threads))
            print_bench(reports[-1])
    if args.out:
        args.out.write_text(json.dumps(reports, indent=1) + "\n")


if __name__ == "__main__":
    main()
