"""The table of plugins/gmtalker/README.md from files of `visema eval gmtalker --json`: later files fill the gaps.

    python -m plugins.gmtalker.evidence.table evidence.json [more.json ...]
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from engine.errors import MediaError

ROWS = (
    ("Emotion accuracy", "emotion_accuracy", ">= 0.85"),
    ("... weak (0.45)", "emotion_accuracy_level_1", ""),
    ("Mixtures: the two together", "mixture_posterior", ">= 0.80"),
    ("Mixtures: in the middle half", "mixture_between", ""),
    ("z: emotion found by eq. 9", "latent_accuracy", ""),
    ("E-PPL", "eppl", "< one-hot"),
    ("E-PDV", "epdv", "< one-hot"),
    ("... path over straight line", "eppl_detour", ""),
    ("Largest step of a change, p99 of speech", "largest_step", "<= 3"),
    ("... of steady speech", "largest_step_steady", ""),
    ("... of the median change", "largest_step_median", ""),
    ("... of the median clip of steady speech", "largest_step_steady_median", ""),
    ("Closure recall, all emotions", "closure_recall", ""),
    ("... of the worst emotion", "closure_recall_worst", ">= 0.87"),
    ("Labiodental recall", "labiodental_recall", ""),
    ("False closure", "false_closure", ""),
    ("... of the worst emotion", "false_closure_worst", "<= 0.05"),
    ("Div, degrees", "div", "0.7 to 1.4 of reference"),
    ("BA", "ba", "within 0.05 of reference"),
    ("PCM", "pcm", ""),
    ("Head speed, degrees a second", "head_speed_degrees_s", ""),
    ("Blinks a minute", "blinks_per_minute", ""),
    ("Same seed, largest difference", "same_seed_difference", "0"),
    ("PSNR on the face, dB", "psnr", ">= input + 4"),
    ("SSIM on the face", "ssim", ">= 0.92"),
    ("CPBD", "cpbd", ""),
    ("PSNR lost by 8 bits, dB", "psnr_8bit_loss", ""),
    ("Picture classifier, first word", "picture_accuracy", ""),
)
BESIDE = {  # what stands beside a figure: endings that are tried in order, and what they are called
    "reference": ("_reference", "_wanted"),
    "ablations": (
        "_single_gaussian", "_labelled_gaussian", "_one_hot", "_soft_label", "_no_flow", "_no_pretraining",
        "_no_emn", "_input",
    ),
}  # fmt: skip


def read(paths: Sequence[Path]) -> dict:
    """The figures of some files, the first that has one; MediaError: no such file."""
    found: dict = {}
    for path in paths:
        try:
            found = {**json.loads(path.read_text(encoding="utf-8")), **found}
        except (OSError, ValueError) as error:
            raise MediaError(f"{path}: no figures of `visema eval`: {error}") from None
    return found


def markdown(figures: dict) -> str:
    """Rows of what was measured: ours (n), the performances, ablations and inputs by name, the goal."""
    lines = ["| figure | streamed (n) | performances | beside it | goal |", "| --- | --- | --- | --- | --- |"]
    for text, name, goal in ROWS:
        if name not in figures:
            continue
        own = figures[name]
        reference = [f"{figures[name + end]['value']:.3g}" for end in BESIDE["reference"] if name + end in figures]
        beside = [f"{end[1:].replace('_', ' ')} {figures[name + end]['value']:.3g}"
                  for end in BESIDE["ablations"] if name + end in figures]  # fmt: skip
        cells = (text, f"{own['value']:.3g} ({own['n']})", ", ".join(reference), ", ".join(beside), goal)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(markdown(read([Path(name) for name in sys.argv[1:]])))
