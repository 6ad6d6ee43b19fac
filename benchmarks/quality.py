"""Lip quality: every figure of the project's quality notes, for a plugin and three yardsticks.

    visema bench quality --json F [--plugin NAME] [--manifest M --audio-root DIR]

Mouths: the plugin through the product's streaming path (normaliser, encoder, plugin, tick by tick), a mouth driven
by loudness alone, and the reference curves made from the phone labels themselves. Voices: a manifest of aligned
recordings (by default 263 prompts of a real person; labels in the corpus folder, sound from the Debian package
asterisk-core-sounds-en-g722; nobody trained on them), the same in a cafe at 10 dB, on the telephone, and in a
cafe on the telephone, and a captured performance where its folder is at hand. Beside the lips: how well the encoder
names phones.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.energy import EnergyMouth
from benchmarks.judges import (
    HELD_OUT,
    judge_faces,
    judge_phones,
    judge_real,
    silence_figures,
    stream,
    to_ticks,
)  # fmt: skip
from benchmarks.voices import SOUNDS, Spoken, in_cafe, on_telephone, read_manifest
from engine.audio.loudness import LoudnessNormaliser
from engine.config import Config, MotionSection
from engine.device import describe_device
from engine.features import check_pair, load_encoder
from engine.frames import SAMPLE_RATE_HZ
from engine.plugin import build_motion
from engine.render.face_model import FaceModel
from engine.render.lips import LipMeasure
from engine.stage import Chain, Stage
from engine.training.calibration import read_capture
from engine.training.corpus import decode
from engine.training.performance import perform

Say = Callable[[str], None]
HARDER: dict[str, Callable[[list[Spoken]], list[Spoken]]] = {
    "cafe_10_db": in_cafe,
    "telephone": on_telephone,
    "cafe_on_telephone": lambda voices: on_telephone(in_cafe(voices)),
}


@torch.inference_mode()
def measure_all(
    plugin: str,
    voices: list[Spoken],
    capture: Path | None,
    lookahead_ticks: int = 1,
    weights: Path | None = None,
    encoder_weights: Path | None = None,
    harder: bool = True,
    say: Say = lambda text: None,
) -> dict:
    """All figures of all mouths as one table; see the module's docstring.

    weights: of the viseme plugin. harder: also judge the plugin in a cafe, on the telephone, and both.
    """
    measure = LipMeasure(FaceModel.load())
    clips = [voice.clip for voice in voices]
    reference = [
        perform(list(clip.phones), len(to_ticks(clip.samples)) * 0.04, voice.stress).coefficients()
        for voice, clip in zip(voices, clips, strict=True)
    ]
    faces = read_capture(capture) if capture else {}
    sounds = {name: decode(str(capture / "audio" / f"{name}.flac")) for name in faces} if capture else {}
    encoder, mouth = load_encoder(encoder_weights), make_mouth(plugin, lookahead_ticks, weights)
    check_pair(encoder, mouth)
    encoder.ask(mouth.needs)
    stages = {
        plugin: Chain(LoudnessNormaliser(), encoder, mouth),
        "energy": Chain(LoudnessNormaliser(), EnergyMouth()),
    }

    def judge(stage: Stage, some: list[Spoken]) -> dict[str, float]:
        values = stream(stage, [to_ticks(voice.clip.samples) for voice in some])
        return judge_real(values, [voice.clip for voice in some], reference, measure)

    systems: dict[str, dict] = {}
    for name, stage in stages.items():
        say(f"{name}: {len(clips)} recordings")
        systems[name] = {
            "real": judge(stage, voices),
            "silence": silence_figures(stage, np.concatenate([clip.samples for clip in clips[:8]])),
            "lookahead_ms": stage.lookahead * 40,
        }
        if faces:
            say(f"{name}: captured performance")
            systems[name] |= judge_faces(stage, list(faces), list(faces.values()), list(sounds.values()))
    if harder:
        for name, vary in HARDER.items():
            say(f"{plugin}: {name}")
            systems[plugin][name] = judge(stages[plugin], vary(voices))
    say("phones")
    systems[plugin]["phones"] = judge_phones(encoder, clips)
    systems["reference"] = {"real": judge_real(reference, clips, reference, measure), "lookahead_ms": 0}
    return {
        "plugin": plugin,
        "clips": len(clips),
        "minutes": _minutes(clip.samples for clip in clips),
        "captured_clips": len(faces),
        "captured_minutes": _minutes(sounds.values()),
        "captured_held_out": [name for name in HELD_OUT if name in faces],
        "device": describe_device(),
        "threads": torch.get_num_threads(),
        "systems": systems,
    }


def make_mouth(plugin: str, lookahead_ticks: int, weights: Path | None) -> Stage:
    """The plugin's motion stage with a look-ahead; other weights than the shipped ones only for viseme."""
    if weights:
        from plugins.viseme.motion import build

        return build(lookahead_ticks, weights)
    return build_motion(Config.model_validate({"motion": {"plugin": plugin, "lookahead_ticks": lookahead_ticks}}))


def _minutes(sounds) -> float:
    return round(sum(map(len, sounds)) / SAMPLE_RATE_HZ / 60, 2)


def print_figures(table: dict) -> None:
    """The figures side by side."""
    from rich.console import Console
    from rich.table import Table

    shown = Table(title=f"Lips: {table['clips']} recordings, {table['minutes']} min; {table['device']}")
    shown.add_column("figure")
    for name in table["systems"]:
        shown.add_column(name, justify="right")
    for key, *cells in rows_of(table):
        shown.add_row(key, *cells)
    Console().print(shown)


def rows_of(table: dict) -> list[list[str]]:
    """One row per figure: its name, then each system's value or "-"."""
    flat = [flatten(system) for system in table["systems"].values()]
    return [[key, *(f"{one[key]:.3f}" if key in one else "-" for one in flat)] for key in flat[0]]


def as_markdown(table: dict) -> str:
    """The figures as a Markdown page."""
    lines = [
        "# Lip quality",
        "",
        f"`{table['command']}`; {table['clips']} recordings, {table['minutes']} min, and {table['captured_clips']} "
        f"captured clips, {table['captured_minutes']} min (held out: {', '.join(table['captured_held_out'])}); "
        f"{table['device']}, {table['threads']} thread. Definitions: `benchmarks/lip_figures.py`.",
        "",
        "| figure | " + " | ".join(table["systems"]) + " |",
        "| --- |" + " ---: |" * len(table["systems"]),
        *("| " + " | ".join(row) + " |" for row in rows_of(table)),
    ]
    return "\n".join(lines) + "\n"


def flatten(tree: dict, prefix: str = "") -> dict[str, float]:
    """Nested figures with dotted names."""
    out: dict[str, float] = {}
    for key, value in tree.items():
        out |= flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: float(value)}
    return out


def add_options(parser: argparse.ArgumentParser) -> None:
    """What can be chosen; the same for `visema bench quality` and `python -m benchmarks.quality`."""
    parser.add_argument("--json", type=Path, metavar="F", help="write the figures, and as Markdown beside it")
    parser.add_argument("--plugin", default=MotionSection().plugin, metavar="NAME",
                        help="whose mouth (default %(default)s)")  # fmt: skip
    parser.add_argument("--manifest", type=Path, metavar="M", help="aligned recordings, one JSON object a line")
    parser.add_argument("--audio-root", type=Path, metavar="DIR", help="folder of their sound")
    parser.add_argument("--capture", type=Path, default=Path("../shared/capture"), help="captured performance")
    parser.add_argument("--lookahead", type=int, default=1, metavar="N", help="ticks of 40 ms (default 1)")
    parser.add_argument("--weights", type=Path, default=None, help="viseme weights; default: the shipped ones")
    parser.add_argument("--encoder", type=Path, default=None, help="encoder weights; default: the shipped ones")
    parser.add_argument("--limit", type=int, default=None, metavar="N", help="only so many recordings")
    parser.add_argument("--no-harder", action="store_true", help="leave out the cafe and the telephone")


def run(options: argparse.Namespace, command: str = "visema bench quality") -> dict:
    """Measure, print and write what the options ask for."""
    torch.set_num_threads(1)
    start_s = time.monotonic()
    manifest = options.manifest or Path("../shared/corpus/real_en.jsonl")
    root = options.audio_root or (manifest.parent if options.manifest else Path(SOUNDS))
    table = measure_all(
        options.plugin, read_manifest(manifest, root, options.limit),
        options.capture if options.capture.is_dir() else None, options.lookahead, options.weights, options.encoder,
        not options.no_harder, lambda text: print(f"  {text}", flush=True),
    )  # fmt: skip
    table["command"] = f"{command} --plugin {options.plugin} --lookahead {options.lookahead}"
    table["manifest"] = manifest.name
    print_figures(table)
    print(f"{time.monotonic() - start_s:.0f} s")
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
        options.json.with_suffix(".md").write_text(as_markdown(table), encoding="utf-8")
    return table


def main(argv: Sequence[str] | None = None) -> None:
    """Command line: see the module's docstring."""
    parser = argparse.ArgumentParser(prog="visema bench quality", description=__doc__)
    add_options(parser)
    run(parser.parse_args(argv))


if __name__ == "__main__":
    main()
