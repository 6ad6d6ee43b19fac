"""`visema eval gmtalker`: GMTalker's figures on voices and texts that no training saw.

Everything is measured on streamed output: the motion stage with its default settings, tick by tick, on features that
normaliser and encoder streamed. Figures are named plainly, each {"value": ..., "n": ...}; those of the performances
that it learned from end in _reference, those of ablations in _single_gaussian, _labelled_gaussian, _one_hot,
_soft_label, _no_flow, _no_pretraining and _no_emn. Ablations are not shipped: train them into --ablations
(plugins/gmtalker/README.md, Evidence), or their figures are left out and named.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.evidence import Evidence
from engine.config import load_config
from engine.device import describe_device
from engine.errors import ConfigError
from plugins.gmtalker.evidence.groups import GROUPS, Inquiry


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="visema eval gmtalker", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    what = "; ".join(f"{name}: {text}" for name, (_, text) in GROUPS.items())
    parser.add_argument("--json", type=Path, metavar="F", help="write the figures; after each group, as far as it got")
    parser.add_argument("--only", metavar="GROUP,...", help=f"of {', '.join(GROUPS)} ({what})")
    parser.add_argument("--weights", type=Path, default=Path(__file__).parents[1], metavar="DIR",
                        help="expression, motion and generator.safetensors; default: the shipped ones")  # fmt: skip
    parser.add_argument("--ablations", type=Path, default=Path("runs/gmtalker/ablations"), metavar="DIR",
                        help="expression-one_gaussian.safetensors and so on")  # fmt: skip
    parser.add_argument("--corpus", type=Path, default=Path("../shared/corpus"), metavar="DIR")
    parser.add_argument("--clips", type=int, default=24, metavar="N", help="test utterances, each in eight emotions")
    parser.add_argument("--seeds", type=int, default=4, metavar="N", help="takes of each voice for Div, BA, PCM")
    parser.add_argument("--prompts", type=int, default=0, metavar="N", help="real prompts for the lips; default: all")
    parser.add_argument("--pairs", type=Path, metavar="DIR",
                        help="pictures of `visema train gmtalker.pairs`; without it a few are made")  # fmt: skip
    parser.add_argument("--pair-count", type=int, default=24, metavar="N", help="how many test pairs (default 24)")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="draw t-SNE of z, and the confusions")
    parser.add_argument("--classifier", type=Path, metavar="DIR", help="where @vladmandic/face-api is installed")
    parser.add_argument("--cache", type=Path, default=Path("runs/gmtalker/eval"), metavar="DIR",
                        help="what is kept for the next time: voices, the emotion reader, pairs")  # fmt: skip
    parser.add_argument("--reader-takes", type=int, default=1200, metavar="N",
                        help="performances that teach the emotion reader")  # fmt: skip
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--config", metavar="FILE", help="settings (default: config.toml here, if any)")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="override a setting")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Command line of `visema eval gmtalker`."""
    options = make_parser().parse_args(argv)
    chosen = options.only.split(",") if options.only else list(GROUPS)
    for name in chosen:
        if name not in GROUPS:
            raise ConfigError(f"--only {name}: there are {', '.join(GROUPS)}")
    for name, least in (("clips", 1), ("seeds", 2), ("prompts", 0), ("pair_count", 1), ("reader_takes", 1)):
        if getattr(options, name) < least:
            raise ConfigError(f"--{name.replace('_', '-')} is {least} or more")
    torch.set_num_threads(1)
    began_s = time.monotonic()

    def tell(text: str) -> None:
        print(f"  {time.monotonic() - began_s:5.0f} s  {text}", flush=True)

    command = " ".join(["visema eval gmtalker", *(argv or [])])
    counts = {"clips": options.clips, "seeds": options.seeds, "seed": options.seed}
    evidence = Evidence({"command": command, "device": describe_device(), **counts, "groups": chosen})
    ask = Inquiry(options, load_config(options.config, options.set), evidence, tell)
    evidence.about["lookahead_ticks"] = ask.config.motion.lookahead_ticks
    for name in chosen:
        GROUPS[name][0](ask)
        evidence.about["minutes"] = round((time.monotonic() - began_s) / 60, 1)
        if options.json:
            evidence.write(options.json)  # after each: the work is not lost with the last one
    evidence.show()
