"""The command `visema` (the same as `python -m engine`). What each command does stands in `engine/commands`."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from engine.commands.about import add_about, add_bench
from engine.commands.apart import add_apart, find_apart
from engine.commands.files import add_identities, add_motion, add_render, add_sheet
from engine.commands.now import add_live, add_say, add_serve
from engine.errors import EngineError

EXAMPLES = """\
examples:
  visema serve                                   the page: speak, and a face answers
  visema render speech.wav face.mp4              a film of the face speaking a file
  visema render speech.wav face.mp4 --size 720 --background green --stats stats.json
  visema render speech.wav face.webm --identity ruth --background alpha
  visema render speech.wav plain/ --quality plain --buffers buffers/
  visema say speech.wav --url ws://127.0.0.1:8080  through the face of an open page
  visema live --window                           microphone to a preview window
  visema motion speech.wav motion.npz            coefficients only
  visema doctor                                  what is installed and what is missing
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; errors that a user can mend are one clear text and exit code 2."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    apart = find_apart(arguments)
    if apart is not None:
        return _guarded(apart)
    parser = make_parser()
    options = parser.parse_args(arguments)
    if not hasattr(options, "run"):
        parser.print_help()
        return 0
    return _guarded(lambda: options.run(options))


def _guarded(run: Callable[[], int | None]) -> int:
    try:
        return run() or 0
    except EngineError as error:
        print(f"visema: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def make_parser() -> argparse.ArgumentParser:
    """All commands and options, in the order of the help."""
    parser = argparse.ArgumentParser(
        prog="visema",
        description="A real-time streaming avatar engine: 40 ms of speech in, one picture of a face out.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for add_command in (
        add_serve, add_say, add_render, add_motion, add_live, add_sheet, add_identities, add_bench, add_about, add_apart
    ):  # fmt: skip
        add_command(commands)
    return parser
