"""`visema render` as a whole process: real-time factor and memory, `python -m benchmarks.offline`.

The clip is made of real recordings (the Debian package asterisk-core-sounds-en-g722) one after the other until it is
long enough; where that is missing, of the built-in sample, and the report says so. Memory is the peak resident size
of the process; with --long a second, longer run shows whether it grows with the length. --identity all adds a run
for every ready person.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import av
import numpy as np

from engine.audio import FileSource
from engine.device import describe_device
from engine.render.people import DEFAULT, NAMES

PROMPTS = Path("/usr/share/asterisk/sounds/en_US_f_Allison")
SAMPLE = Path(__file__).resolve().parents[1] / "engine/assets/sample.opus"


def make_clip(path: Path, seconds: float) -> str:
    """Write a 16 kHz WAV of about `seconds`; returns what it is made of."""
    prompts = sorted(p for p in PROMPTS.glob("*.g722") if p.stat().st_size > 24_000)
    kind = "real speech" if prompts else "built-in synthetic sample"
    files = prompts or [SAMPLE]
    written = 0
    with av.open(str(path), "w") as target:
        stream = target.add_stream("pcm_s16le", rate=16_000, layout="mono")
        i = 0
        while written < seconds * 16_000:
            name = files[i % len(files)]
            i += 1
            source = FileSource(name, format="g722" if name.suffix == ".g722" else None)
            for block in source:
                mono = block.samples.mean(1)[:: block.rate_hz // 16_000]
                frame = av.AudioFrame.from_ndarray((mono[None] * 32767).astype(np.int16), "s16", "mono")
                frame.sample_rate = 16_000
                target.mux(stream.encode(frame))
                written += mono.size
        target.mux(stream.encode(None))
    return kind


def run_render(clip: Path, folder: Path, size: int, identity: str = DEFAULT) -> dict:
    """One `visema render` in a process of its own; its stats, and its peak memory in MB."""
    stats = folder / "stats.json"
    # Not getrusage: its peak includes what this process held when it forked.
    program = (
        "import re, sys; from engine.cli import main; code = main(sys.argv[1:]); "
        "print(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]); sys.exit(code)"
    )
    arguments = ["render", str(clip), str(folder / "face.mp4"), "--size", str(size), "--stats", str(stats), "--quiet"]
    arguments += ["--identity", identity]
    run = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True)
    report = json.loads(stats.read_text())
    report["peak_memory_mb"] = round(int(run.stdout.split()[-1]) / 1024)
    return report


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.offline", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--identity", default=DEFAULT, help="who speaks; all: everybody, one after the other")
    parser.add_argument("--long", type=float, default=0.0, metavar="SECONDS", help="a second run, at 64 pixels")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        report: dict = {"device": describe_device(), "clip": make_clip(folder / "clip.wav", options.seconds)}
        everybody = options.identity == "all"
        first = DEFAULT if everybody else options.identity
        report["render"] = run_render(folder / "clip.wav", folder, options.size, first)
        if everybody:
            report["identities"] = {
                name: run_render(folder / "clip.wav", folder, options.size, name) for name in NAMES
            }
        if options.long:
            report["short at 64"] = run_render(folder / "clip.wav", folder, 64)
            make_clip(folder / "long.wav", options.long)
            report["long at 64"] = run_render(folder / "long.wav", folder, 64)
    text = json.dumps(report, indent=1)
    print(text)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
