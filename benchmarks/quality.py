"""Lip quality: every figure of the project's quality notes, for three mouths.

    python -m benchmarks.quality --out benchmarks/results/quality.json

Mouths: the `viseme` plugin through the product's streaming path (normaliser, encoder, plugin, tick by tick), a
mouth driven by loudness alone, and the reference curves made from the phone labels themselves. Voices: 263
recorded prompts of a real person (labels in the corpus folder; sound from the Debian package
asterisk-core-sounds-en-g722) and a captured performance. Nobody trained on the prompts.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from benchmarks.energy import EnergyMouth
from benchmarks.lip_figures import MouthClip, captured_figures, lip_figures
from engine.audio.loudness import LoudnessNormaliser
from engine.device import describe_device
from engine.features import check_pair, load_encoder
from engine.frames import SAMPLE_RATE_HZ, TICK_SAMPLES
from engine.motion import layout
from engine.render.face_model import FaceModel
from engine.render.lips import LipMeasure
from engine.stage import Chain, Stage, fold
from engine.training.calibration import read_capture
from engine.training.corpus import Clip, decode, read_real
from engine.training.performance import perform

SOUNDS = "/usr/share/asterisk/sounds/en_US_f_Allison"
SLOTS = 24  # clips in one batched step
HELD_OUT = ("2_04", "3_15")  # captured clips that the plugin never trained on
CURVES = ("jawOpen", "mouthFunnel", "mouthPucker", "mouthLowerDownLeft")
SETTLE_S = 1.0  # time that a mouth has to come to rest before silence is judged
Values = list[np.ndarray]


def to_ticks(samples: np.ndarray) -> np.ndarray:
    """int16 or float samples (N,) -> float32 ticks (T, 640), the last one filled up with zeros."""
    x = samples.astype(np.float32) / 32768 if samples.dtype == np.int16 else samples.astype(np.float32)
    return np.pad(x, (0, -len(x) % TICK_SAMPLES)).reshape(-1, TICK_SAMPLES)


def stream(stage: Stage, clips: list[np.ndarray], progress: Callable[[int], None] | None = None) -> Values:
    """Expression values (T, E) of every clip's ticks, folded through a stage with SLOTS clips at a time."""
    out: Values = [np.zeros((0, layout.E), np.float32)] * len(clips)
    order = sorted(range(len(clips)), key=lambda i: len(clips[i]))
    for at in range(0, len(order), SLOTS):
        chosen = order[at : at + SLOTS]
        longest = max(len(clips[i]) for i in chosen)
        batch = np.stack([np.pad(clips[i], ((0, longest - len(clips[i])), (0, 0))) for i in chosen])
        motion = fold(stage, torch.from_numpy(batch)).numpy()
        for row, i in enumerate(chosen):
            out[i] = motion[row, : len(clips[i]), : layout.E]
        if progress:
            progress(at + len(chosen))
    return out


def silence_figures(stage: Stage, speech: np.ndarray) -> dict[str, float]:
    """Mouth RMS in silence over mouth RMS in speech: digital silence, and a room at -60 dBFS."""
    quiet = np.zeros(8 * SAMPLE_RATE_HZ, np.float32)
    room = (np.random.default_rng(0).standard_normal(len(quiet)) * 1e-3).astype(np.float32)
    spoken = speech[: 12 * SAMPLE_RATE_HZ].astype(np.float32) / 32768
    figures = {}
    for name, rest in (("digital_silence", quiet), ("room_noise", room)):
        parts = (rest, spoken, rest)
        values = stream(stage, [to_ticks(np.concatenate(parts))])[0]
        edges = np.cumsum([0] + [len(part) // TICK_SAMPLES for part in parts])
        settle = int(SETTLE_S * SAMPLE_RATE_HZ / TICK_SAMPLES)
        still = np.concatenate((values[: edges[1] - settle], values[edges[2] + settle :]))
        moving = values[edges[1] : edges[2]]
        figures[f"{name}_over_speech"] = float(np.sqrt(np.square(still).mean() / np.square(moving).mean()))
    return figures


def judge_real(values: Values, clips: list[Clip], reference: Values, measure: LipMeasure) -> dict[str, float]:
    """Figures on aligned phones."""
    mouths = [
        MouthClip(measure.aperture(v), measure.width(v), list(clip.phones))
        for v, clip in zip(values, clips, strict=True)
    ]
    return lip_figures(mouths, [measure.aperture(v) for v in reference])


def judge_captured(values: Values, captured: Values) -> dict[str, dict[str, float]]:
    """Agreement of four curves with the captured ones."""
    return {name: captured_figures(values, captured, layout.INDEX[name]) for name in CURVES}


def measure_all(
    corpus: Path,
    capture: Path,
    sounds: Path,
    lookahead_ticks: int = 1,
    weights: Path | None = None,
    encoder_weights: Path | None = None,
    limit: int | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> dict:
    """All figures of all mouths as one table; see the module's docstring."""
    from plugins.viseme.motion import build

    measure = LipMeasure(FaceModel.load())
    clips = read_real(corpus / "real_en.jsonl", sounds, limit)
    rows = [json.loads(line) for line in (corpus / "real_en.jsonl").open(encoding="utf-8")][: len(clips)]
    reference = [
        perform(row["phones"], len(to_ticks(clip.samples)) * 0.04, row["stress"]).coefficients()
        for row, clip in zip(rows, clips, strict=True)
    ]
    faces = read_capture(capture)
    voices = {name: decode(str(capture / "audio" / f"{name}.flac")) for name in faces}
    ticks = [to_ticks(clip.samples) for clip in clips]
    face_ticks = [to_ticks(voice) for voice in voices.values()]
    speech = np.concatenate([clip.samples for clip in clips[:8]])
    encoder, mouth = load_encoder(encoder_weights), build(lookahead_ticks, weights)
    check_pair(encoder, mouth)
    stages = {
        "viseme": Chain(LoudnessNormaliser(), encoder, mouth),
        "energy": Chain(LoudnessNormaliser(), EnergyMouth()),
    }
    systems: dict[str, dict] = {}
    for name, stage in stages.items():
        say(f"{name}: {len(clips)} prompts")
        real = judge_real(stream(stage, ticks), clips, reference, measure)
        say(f"{name}: captured performance")
        values = stream(stage, face_ticks)
        held = [i for i, clip in enumerate(faces) if clip in HELD_OUT]
        curves = list(faces.values())
        systems[name] = {
            "real_en": real,
            "silence": silence_figures(stage, speech),
            "capture_held_out": judge_captured([values[i] for i in held], [curves[i] for i in held]),
            "capture_all": judge_captured(values, curves),
            "lookahead_ms": stage.lookahead * 40,
        }
    systems["reference"] = {"real_en": judge_real(reference, clips, reference, measure), "lookahead_ms": 0}
    return {
        "clips": len(clips),
        "minutes": round(sum(len(clip.samples) for clip in clips) / SAMPLE_RATE_HZ / 60, 2),
        "captured_clips": len(faces),
        "captured_minutes": round(sum(map(len, voices.values())) / SAMPLE_RATE_HZ / 60, 2),
        "captured_held_out": list(HELD_OUT),
        "device": f"{describe_device()}, {torch.get_num_threads()} thread",
        "systems": systems,
    }


def print_figures(table: dict) -> None:
    """The figures side by side."""
    from rich.console import Console
    from rich.table import Table

    shown = Table(title=f"Lips: {table['clips']} real prompts, {table['minutes']} min; {table['device']}")
    shown.add_column("figure")
    for name in table["systems"]:
        shown.add_column(name, justify="right")
    flat = {name: flatten(system) for name, system in table["systems"].items()}
    for key in flat["viseme"]:
        shown.add_row(key, *(f"{system[key]:.3f}" if key in system else "-" for system in flat.values()))
    Console().print(shown)


def as_markdown(table: dict) -> str:
    """The figures as a Markdown page."""
    flat = {name: flatten(system) for name, system in table["systems"].items()}
    lines = [
        "# Lip quality",
        "",
        f"`{table['command']}`; {table['clips']} real prompts, {table['minutes']} min, and {table['captured_clips']} "
        f"captured clips, {table['captured_minutes']} min (held out: {', '.join(table['captured_held_out'])}); "
        f"{table['device']}. Definitions: `benchmarks/lip_figures.py`.",
        "",
        "| figure | " + " | ".join(flat) + " |",
        "| --- |" + " ---: |" * len(flat),
    ]
    for key in flat["viseme"]:
        cells = (f"{system[key]:.3f}" if key in system else "-" for system in flat.values())
        lines.append(f"| {key} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def flatten(tree: dict, prefix: str = "") -> dict[str, float]:
    """Nested figures with dotted names."""
    out: dict[str, float] = {}
    for key, value in tree.items():
        out |= flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: float(value)}
    return out


def main(argv: list[str] | None = None) -> None:
    """Command line: see the module's docstring."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description="lip quality of three mouths")
    parser.add_argument("--corpus", type=Path, default=Path("../shared/corpus"))
    parser.add_argument("--capture", type=Path, default=Path("../shared/capture"))
    parser.add_argument("--sounds", type=Path, default=Path(SOUNDS), help="folder of the recorded prompts")
    parser.add_argument("--lookahead", type=int, default=1, help="ticks of 40 ms")
    parser.add_argument("--weights", type=Path, default=None, help="viseme weights; default: the shipped ones")
    parser.add_argument("--encoder", type=Path, default=None, help="encoder weights; default: the shipped ones")
    parser.add_argument("--limit", type=int, default=None, help="only so many prompts")
    parser.add_argument("--out", type=Path, default=None, help="write the figures as JSON, and as Markdown beside it")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    start_s = time.monotonic()
    table = measure_all(
        args.corpus, args.capture, args.sounds, args.lookahead, args.weights, args.encoder, args.limit,
        lambda text: print(f"  {text}", flush=True),
    )  # fmt: skip
    table["command"] = f"python -m benchmarks.quality --lookahead {args.lookahead}"
    print_figures(table)
    print(f"{time.monotonic() - start_s:.0f} s")
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
        args.out.with_suffix(".md").write_text(as_markdown(table), encoding="utf-8")


if __name__ == "__main__":
    main()
