"""Calibrate reference performances to a captured speaker: ranges by their 95th percentile, speed by reach.

    python -m engine.training.calibration --capture ../shared/capture --corpus ../shared/corpus

Over frames where a face moves, the 95th percentile of each calibrated curve made from the corpus' phone
timings is brought to the captured one; then the reach of co-articulation and the smoothing are chosen on a grid
so that the 95th percentile of jaw speed comes nearest to the captured one. Languages and texts differ, so
only distributions are compared, never frames. Writes `calibration.json` beside this file.
"""

import argparse
import json
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np

from engine.errors import MediaError
from engine.frames import FPS
from engine.motion import layout
from engine.motion.articulation import ARTICULATORS
from engine.training.performance import Calibration, perform

# Curves that the captured speaker moves enough to calibrate on; the rest keep their phonetic values.
CALIBRATED = {
    "jawOpen": "jawOpen", "mouthFunnel": "mouthFunnel", "mouthPucker": "mouthPucker",
    "mouthLowerDown": "mouthLowerDownLeft", "mouthSmile": "mouthSmileLeft",
}  # fmt: skip
START = {"jawOpen": 0.5, "mouthLowerDown": 0.35, "mouthSmile": 0.2}
# (the upper lip of English f and v rises beyond what the captured Mandarin shows)
KEPT = {"mouthUpperUp": 0.22, "mouthStretch": 0.6, "jawForward": 0.5, "mouthDimple": 0.5}
MOVING = 0.01  # a frame moves when any mouth curve exceeds this
REACHES, SMOOTHINGS_S = (0.8, 0.9, 1.0, 1.15), (0.012, 0.016, 0.020)
CLIPS = 160


def read_capture(folder: Path | str) -> dict[str, np.ndarray]:
    """Captured coefficients per clip, resampled to 25 fps: id -> (T, E) float32."""
    folder = Path(folder)
    if not (folder / "manifest.jsonl").is_file():
        raise MediaError(f"{folder}: no captured performance here (expected manifest.jsonl and *.npz)")
    clips = {}
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as data:
            clips[path.stem] = resample_capture(data["names"], data["values"], float(data["fps"]))
    return clips


def resample_capture(names: np.ndarray, values: np.ndarray, fps: float) -> np.ndarray:
    """Named curves (T, K) at `fps` -> (T', E) at 25 fps; rows cover i / fps to (i + 1) / fps seconds."""
    ticks = int(len(values) / fps * FPS)
    at_s, own_s = (np.arange(ticks) + 0.5) / FPS, (np.arange(len(values)) + 0.5) / fps
    out = np.zeros((ticks, layout.E), np.float32)
    for k, name in enumerate(names):
        out[:, layout.INDEX[str(name)]] = np.interp(at_s, own_s, values[:, k])
    return out


def range_and_speed(clips: list[np.ndarray], unit: str) -> tuple[float, float]:
    """95th percentiles of a unit's value and speed per s over the frames that move."""
    i = layout.INDEX[unit]
    values, speeds = [], []
    for clip in clips:
        moving = clip.max(1) > MOVING
        values.append(clip[moving, i])
        speeds.append(np.abs(np.diff(clip[:, i]))[moving[1:]] * FPS)
    return float(np.percentile(np.concatenate(values), 95)), float(np.percentile(np.concatenate(speeds), 95))


def calibrate(capture: Path | str, corpus: Path | str) -> tuple[Calibration, dict]:
    """Fit the calibration; returns it with the percentiles reached and aimed at."""
    captured = list(read_capture(capture).values())
    aim = {name: range_and_speed(captured, unit) for name, unit in CALIBRATED.items()}
    with open(Path(corpus) / "manifest.jsonl", encoding="utf-8") as file:
        rows = [row for row in map(json.loads, file) if row["split"] == "train"]
    rows = rows[:: max(1, len(rows) // CLIPS)]
    best, best_cost, report = None, np.inf, {}
    for reach, smoothing_s in product(REACHES, SMOOTHINGS_S):
        scale = np.array([START.get(name, KEPT.get(name, 0.5)) for name in ARTICULATORS])
        scale[ARTICULATORS.index("tongueOut")] = 1.0
        trial, got = Calibration(scale, smoothing_s, reach, 0.015), {}
        for _ in range(3):
            clips = [perform(r["phones"], r["duration_s"], r["stress"], None, trial).coefficients() for r in rows]
            got = {name: range_and_speed(clips, unit) for name, unit in CALIBRATED.items()}
            factor = np.array([aim[n][0] / max(got[n][0], 1e-6) if n in aim else 1.0 for n in ARTICULATORS])
            trial = replace(trial, scale=trial.scale * factor)
        cost = abs(np.log(got["jawOpen"][1] / aim["jawOpen"][1]))
        if cost < best_cost:
            best, best_cost = trial, cost
            report = {n: {"aim_p95": aim[n], "got_p95": got[n]} for n in CALIBRATED}
    assert best is not None
    return best, report


def main(argv: list[str] | None = None) -> None:
    """Command line: see the module's docstring."""
    parser = argparse.ArgumentParser(description="calibrate reference performances to a captured speaker")
    parser.add_argument("--capture", default="../shared/capture")
    parser.add_argument("--corpus", default="../shared/corpus")
    parser.add_argument("--out", default=str(Path(__file__).with_name("calibration.json")))
    args = parser.parse_args(argv)
    fitted, report = calibrate(args.capture, args.corpus)
    table = {
        "scale": {n: round(float(v), 4) for n, v in zip(ARTICULATORS, fitted.scale, strict=True)},
        "smoothing_s": fitted.smoothing_s,
        "reach": fitted.reach,
        "loudness_slope": fitted.loudness_slope,
    }
    Path(args.out).write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    for name, row in report.items():
        print(name, *(f"{k} {v[0]:.3f} {v[1]:.2f}/s" for k, v in row.items()))


if __name__ == "__main__":
    main()
