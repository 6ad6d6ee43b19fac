"""Index of a data set for training, once a tracker has written coefficients.

    python -m engine.training.readers mead MEAD FITTED
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from engine.errors import MediaError
from engine.training.readers.fitted import Fitted, write_index
from engine.training.readers.recordings import read_crema_d, read_mead


def main(argv: Sequence[str] | None = None) -> int:
    """Write OUT/index.jsonl of the recordings that have both sound and OUT/<name>.npz or .safetensors."""
    parser = argparse.ArgumentParser(prog="python -m engine.training.readers", description=main.__doc__)
    parser.add_argument("layout", choices=("mead", "crema-d"))
    parser.add_argument("folder", type=Path, help="the data set")
    parser.add_argument("out", type=Path, help="the folder that a tracker wrote to")
    options = parser.parse_args(argv)
    recordings = {"mead": read_mead, "crema-d": read_crema_d}[options.layout](options.folder)
    rows = []
    for recording in recordings:
        files = [options.out / f"{recording.name}{kind}" for kind in (".npz", ".safetensors")]
        fitted = next((file for file in files if file.is_file()), None)
        sound = recording.sound or recording.film  # a film has sound, too
        if fitted and sound:
            rows.append(Fitted(recording.name, sound, fitted, recording.subject, recording.emotion, recording.level,
                               recording.split))  # fmt: skip
    if not rows:
        raise MediaError(f"{options.out}: no coefficients of any of the {len(recordings)} recordings here")
    write_index(options.out, rows)
    print(f"{options.out / 'index.jsonl'}: {len(rows)} of {len(recordings)} recordings")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
