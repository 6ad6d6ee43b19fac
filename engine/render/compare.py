"""The same people and poses in several qualities, side by side: the pair of pictures in the README.

python -m engine.render.compare [OUT.jpg] [--show zuri:smile ben:AA] [--size 512] [--qualities live offline]
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from engine.errors import ConfigError
from engine.render import people
from engine.render.poses import POSES, pose
from engine.render.qualities import QUALITIES, make_renderer
from engine.render.scene import Scene
from engine.render.sheet import label

PICTURE = Path(__file__).parents[1] / "assets" / "pictures" / "qualities.jpg"
SHOWN = ("zuri:smile", "ben:AA")


def compare(scene: Scene, motion: np.ndarray, size: int, qualities: list[str]) -> np.ndarray:
    """Labelled pictures of one motion vector (M,) from left to right, uint8 (size + 22, n size, 3)."""
    cells = []
    for quality in qualities:
        renderer = make_renderer(scene, size, quality)
        drawn = renderer.step(renderer.init_state(1), torch.from_numpy(motion[None]))
        cells.append(label(drawn[0].numpy(), quality))
    return np.concatenate(cells, 1)


def compare_all(shown: list[str], size: int, qualities: list[str], background: str = "gradient") -> np.ndarray:
    """A row of pictures for each NAME:POSE, uint8 (rows, columns, 3). ConfigError: nobody, or no pose, of that name."""
    rows = []
    for text in shown:
        name, _, word = text.partition(":")
        if word not in POSES:
            raise ConfigError(f"{text!r}: write NAME:POSE, with a pose of {', '.join(POSES)}")
        rows.append(compare(Scene(people.person(name), background=background), pose(word), size, qualities))
    return np.concatenate(rows, 0)


def main() -> None:
    from PIL import Image

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, nargs="?", default=PICTURE)
    parser.add_argument("--show", nargs="+", default=list(SHOWN), metavar="NAME:POSE")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--background", default="gradient")
    parser.add_argument("--qualities", nargs="+", default=["live", "offline"], choices=QUALITIES)
    args = parser.parse_args()
    torch.set_num_threads(1)
    picture = compare_all(args.show, args.size, args.qualities, args.background)
    Image.fromarray(picture).save(args.out, quality=90)


if __name__ == "__main__":
    main()
