"""Lips at each look-ahead: the figures of `visema bench quality` that say what waiting buys.

They do not depend on the machine or on its load, so they are kept in a file (`KEPT`), with the checksums of the
weights that they belong to, and measured again only when other weights ship:

    python -m benchmarks.harness.lips [--plugin NAME] [--json F] [--limit N]
"""

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness.figures import ROOT, find_commit
from engine.config import MotionSection
from engine.errors import ConfigError
from engine.weights import shipped

KEPT = ROOT / "benchmarks" / "results" / "lips_by_lookahead.json"
LOOKAHEADS = (0, 1, 2)  # ticks of 40 ms
MANIFEST = ROOT.parent / "shared" / "corpus" / "real_en.jsonl"
TAKEN = ("closure_recall", "false_closure", "labiodental_recall", "rounding_contrast", "lip_lead_ms", "jerky_share",
         "correlation_with_reference")  # fmt: skip
Say = Callable[[str], None]


def measure_lips(plugin: str, limit: int | None = None, say: Say = lambda text: None) -> dict[str, Any]:
    """{"lookaheads": {"0": figures, ...}, "plugin", "clips", "weights", "commit"}.

    Figures as in benchmarks/lip_figures.py, and viseme_accuracy: how well the encoder names visemes after so long.
    MediaError where the aligned recordings are not at hand.
    """
    import torch

    from benchmarks.judges import judge_phones, judge_real, stream, to_ticks
    from benchmarks.quality import make_mouth
    from benchmarks.voices import SOUNDS, read_manifest
    from engine.audio.loudness import LoudnessNormaliser
    from engine.features import check_pair, load_encoder
    from engine.render.face_model import FaceModel
    from engine.render.lips import LipMeasure
    from engine.stage import Chain
    from engine.training.performance import perform

    torch.set_num_threads(1)
    voices = read_manifest(MANIFEST, Path(SOUNDS), limit)
    clips = [voice.clip for voice in voices]
    ticks = [to_ticks(clip.samples) for clip in clips]
    measure, encoder = LipMeasure(FaceModel.load()), load_encoder(None)
    reference = [perform(list(voice.clip.phones), len(one) * 0.04, voice.stress).coefficients()
                 for voice, one in zip(voices, ticks, strict=True)]  # fmt: skip
    found: dict[str, dict[str, Any]] = {}
    with torch.inference_mode():
        for lookahead in LOOKAHEADS:
            say(f"lips at {lookahead * 40} ms of look-ahead, {len(clips)} recordings")
            mouth = make_mouth(plugin, lookahead, None)
            check_pair(encoder, mouth)
            encoder.ask(mouth.needs)
            values = stream(Chain(LoudnessNormaliser(), encoder, mouth), ticks)
            figures = judge_real(values, clips, reference, measure)
            found[str(lookahead)] = {name: figures[name] for name in TAKEN}
        say("visemes that the encoder names")
        phones = judge_phones(encoder, clips)
    for lookahead, figures in found.items():
        figures["viseme_accuracy"] = phones[f"lookahead_{int(lookahead) * 40}_ms"]["viseme_accuracy"]
    return {"plugin": plugin, "clips": len(clips), "weights": present_weights(plugin), "commit": find_commit(),
            "lookaheads": found}  # fmt: skip


def present_weights(plugin: str) -> dict[str, str]:
    """Checksums of the weights that decide about a plugin's lips, as they are sealed."""
    return {one.name: one.sha256 for one in shipped() if one.name == "encoder" or one.name.startswith(plugin)}


def read_lips(plugin: str, path: Path = KEPT) -> dict[str, Any]:
    """What is kept; ConfigError for none, for another plugin or for other weights than the present ones."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        held, whose = kept["weights"], kept["plugin"]
    except (OSError, ValueError, KeyError):
        raise ConfigError(f"{path.name} cannot be read: python -m benchmarks.harness.lips writes it") from None
    if whose != plugin:
        raise ConfigError(f"{path.name} holds the lips of {whose}, not of {plugin}")
    if held != present_weights(plugin):
        raise ConfigError(f"{path.name} is of other weights: python -m benchmarks.harness.lips measures again")
    return kept


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.harness.lips", description=__doc__)
    parser.add_argument("--plugin", default=MotionSection().plugin, metavar="NAME", help="whose (default %(default)s)")
    parser.add_argument("--json", type=Path, default=KEPT, metavar="F", help="where to write")
    parser.add_argument("--limit", type=int, metavar="N", help="only so many recordings")
    options = parser.parse_args(argv)
    found = measure_lips(options.plugin, options.limit, say=lambda text: print(text, flush=True))
    options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
