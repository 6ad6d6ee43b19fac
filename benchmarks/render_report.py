"""Every figure of the renderers, measured one after the other and written down: benchmarks/results/render.md.

python -m benchmarks.render_report                  measures (about 20 minutes, on a quiet machine), then writes
python -m benchmarks.render_report --write-only     writes render.md from the JSON files of the last measurement
python -m benchmarks.render_report --only bench     measures one part (bench, rasterizers, start, film), then writes

bench: `visema bench render --json` for every person, quality, size and number of threads, each a process of its own.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from engine.render.people import NAMES

RESULTS = Path(__file__).parent / "results"
FILES = {"bench": "render.json", "rasterizers": "rasterizers.json", "start": "start.json", "film": "offline.json"}
PICTURES = {"live": 150, "plain": 150, "offline": 3}


def bench(quality: str, name: str, size: int, threads: int) -> dict[str, Any]:
    """One `visema bench render`."""
    with tempfile.TemporaryDirectory() as folder:
        out = f"{folder}/bench.json"
        options = ["--quality", quality, "--identity", name, "--size", str(size), "--threads", str(threads)]
        options += ["--pictures", str(PICTURES[quality]), "--json", out]
        subprocess.run([sys.executable, "-m", "engine", "bench", "render", *options], check=True)
        return json.loads(Path(out).read_text())


def measure_bench(cores: int = 2) -> list[dict[str, Any]]:
    """All rows: live for everybody on one and two threads and larger, the other qualities on one thread."""
    rows = [bench("live", name, 512, threads) for threads in range(1, cores + 1) for name in NAMES]
    rows += [bench("live", name, 720, 1) for name in NAMES]
    return rows + [bench(quality, name, 512, 1) for quality in ("offline", "plain") for name in NAMES]


def measure(part: str) -> None:
    """Measure one part into its JSON file."""
    target = RESULTS / FILES[part]
    if part == "bench":
        target.write_text(json.dumps(measure_bench(), indent=1) + "\n")
        return
    module, options = {
        "rasterizers": ("benchmarks.rasterizers", []), "start": ("benchmarks.start", []),
        "film": ("benchmarks.offline", ["--identity", "all"]),
    }[part]  # fmt: skip
    subprocess.run([sys.executable, "-m", module, *options, "--out", str(target)], check=True)


def write(results: Path = RESULTS) -> str:
    """The text of render.md from what was measured; parts that are missing are left out."""
    paths = {part: results / name for part, name in FILES.items()}
    found = {part: json.loads(path.read_text()) for part, path in paths.items() if path.exists()}
    text = "# Renderers: every figure\n\nWritten by `python -m benchmarks.render_report`; 512 x 512 unless said.\n"
    if rows := found.get("bench"):
        text += f"Measured on {rows[0]['device']}. One thread: processor time; more: the clock.\n"
        text += _live(rows) + _qualities(rows) + _parts(rows)
    if "identities" in found.get("film", {}):
        text += _films(found["film"])
    if "start" in found:
        text += _start(found["start"])
    if "rasterizers" in found:
        text += _rasterizers(found["rasterizers"])
    return text


def table(header: list[str], rows: list[list[Any]], digits: int = 1) -> str:
    """A Markdown table: the first column is text, the others are numbers; None leaves a cell empty."""

    def cell(value: Any) -> str:
        return "" if value is None else f"{value:.{digits}f}" if isinstance(value, float) else str(value)

    lines = [header, ["---", *["---:"] * (len(header) - 1)], *([cell(value) for value in row] for row in rows)]
    return "\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _pick(rows: list[dict[str, Any]], quality: str, size: int, threads: int) -> dict[str, dict[str, Any]]:
    wanted = (quality, size, threads)
    return {row["identity"]: row for row in rows if (row["quality"], row["size"], row["threads"]) == wanted}


def _live(rows: list[dict[str, Any]]) -> str:
    one, two, large = (_pick(rows, "live", *key) for key in ((512, 1), (512, 2), (720, 1)))
    lines = []
    for name, row in one.items():
        other, big = two.get(name, {}), large.get(name, {}).get("p50_ms")
        ratio = f"{big / row['p50_ms']:.2f}" if big else None
        lines.append([name, row["p50_ms"], row["p99_ms"], row.get("resting_cpu_p50_ms"),
                      other.get("p50_ms"), other.get("p99_ms"), big, ratio])  # fmt: skip
    told = "\n## Live\n\nMilliseconds a picture. Targets: p50 16 on one core or 10 on two; p99 at most 1.6 times that; "
    header = ["person", "one core p50", "p99", "head at rest", "two cores p50", "p99", "720 p50", "over 512"]
    return told + "720 at most 2.1 times 512.\n" + table(header, lines)


def _qualities(rows: list[dict[str, Any]]) -> str:
    offline, plain = _pick(rows, "offline", 512, 1), _pick(rows, "plain", 512, 1)
    lines = [[name, row["p50_ms"] / 1e3, plain.get(name, {}).get("p50_ms")] for name, row in offline.items()]
    told = "\n## Offline and plain\n\nMedian time of a picture on one core (target: offline 6 s).\n"
    return told + table(["person", "offline s", "plain ms"], lines)


def _parts(rows: list[dict[str, Any]]) -> str:
    """Where the milliseconds go: the live renderer's parts, person by person."""
    people = _pick(rows, "live", 512, 1)
    names = dict.fromkeys(part for row in people.values() for part in row["parts"])
    lines = [[part, *(row["parts"].get(part, {}).get("p50_ms") for row in people.values())] for part in names]
    lines.append(["whole picture", *(row["p50_ms"] for row in people.values())])
    told = "\n## Where the milliseconds go\n\nLive, one core, median milliseconds of each part.\n"
    return told + table(["part", *people], lines, digits=2)


def _films(report: dict[str, Any]) -> str:
    told = f"\n## Films\n\n`visema render` with encoding, {report['clip']} (target: real-time factor 0.6).\n"
    lines = [[name, row["real_time_factor"], row["peak_memory_mb"]] for name, row in report["identities"].items()]
    return told + table(["person", "real-time factor", "memory MB"], lines, digits=2)


def _start(report: dict[str, Any]) -> str:
    told = f"\n## Start\n\nSeconds from the start of the process, kernels compiled, median of {report['runs']}.\n"
    lines = [["first picture of `visema render` (target 4)", report["render_first_picture_s"]],
             ["`visema serve` ready", report["serve_ready_s"]]]  # fmt: skip
    return told + table(["until", "s"], lines)


def _rasterizers(report: dict[str, Any]) -> str:
    told = "\n## Rasterizers\n\nLeast share of pixels with the same triangle over people and poses (target 0.999).\n"
    pairs = {pair: entry for pair, entry in report.items() if isinstance(entry, dict)}
    lines = [[pair, entry["pictures"], entry["least"]["all"], entry["least"]["covered"]]
             for pair, entry in pairs.items()]  # fmt: skip
    return told + table(["pair", "pictures", "all pixels", "covered pixels"], lines, digits=5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write-only", action="store_true")
    parser.add_argument("--only", choices=tuple(FILES), help="measure this part alone")
    args = parser.parse_args()
    for part in () if args.write_only else (args.only,) if args.only else FILES:
        measure(part)
    (RESULTS / "render.md").write_text(write(), encoding="utf-8")
    print(RESULTS / "render.md")


if __name__ == "__main__":
    main()
