"""From the start of a process to its first picture, kernels already compiled: `python -m benchmarks.start`.

Starts `visema render` and waits until the first PNG is whole, and `visema serve` until it says that it is ready (its
face has been drawn by then). The first run of each compiles what is not compiled yet, and does not count.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from engine.device import describe_device

SAMPLE = Path(__file__).resolve().parents[1] / "engine/assets/sample.opus"


def first_png(folder: Path) -> float:
    """Seconds until `visema render` has written a picture."""
    begun = time.monotonic()
    command = [sys.executable, "-m", "engine", "render", str(SAMPLE), f"{folder}/", "--quiet"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        while not (folder / "00001.png").exists():  # then the one before is whole
            if process.poll() is not None:
                raise SystemExit(f"visema render ended with code {process.returncode}")
            time.sleep(0.01)
        return time.monotonic() - begun
    finally:
        process.kill()
        process.wait()


def serve_ready() -> float:
    """Seconds until `visema serve` says so."""
    begun = time.monotonic()
    command = [sys.executable, "-m", "engine", "serve", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        if not any("ready" in line for line in process.stdout):
            raise SystemExit(f"visema serve ended with code {process.wait()}")
        return time.monotonic() - begun
    finally:
        process.kill()
        process.wait()


def measure(runs: int) -> dict:
    """Medians of so many runs."""
    with tempfile.TemporaryDirectory() as name:
        pictures = [first_png(Path(name) / str(k)) for k in range(runs + 1)][1:]
    ready = [serve_ready() for _ in range(runs + 1)][1:]
    return {
        "device": describe_device(), "runs": runs, "render_first_picture_s": round(statistics.median(pictures), 2),
        "serve_ready_s": round(statistics.median(ready), 2),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    args = parser.parse_args()
    text = json.dumps(measure(args.runs), indent=1)
    print(text)
    if args.out:
        args.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
