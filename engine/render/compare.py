"""The same person and pose in several qualities, side by side.

python -m engine.render.compare OUT.png [--identity anna] [--pose smile] [--size 512] [--qualities live offline]
"""

import argparse

import numpy as np
import torch

from engine.render import people
from engine.render.poses import POSES, pose
from engine.render.qualities import QUALITIES, make_renderer
from engine.render.scene import Scene
from engine.render.sheet import label, write_png


def compare(scene: Scene, motion: np.ndarray, size: int, qualities: list[str]) -> np.ndarray:
    """Labelled pictures of one motion vector (M,) from left to right, uint8 (size + 22, n size, 3)."""
    cells = []
    for quality in qualities:
        renderer = make_renderer(scene, size, quality)
        drawn = renderer.step(renderer.init_state(1), torch.from_numpy(motion[None]))
        cells.append(label(drawn[0].numpy(), quality))
    return np.concatenate(cells, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--identity", default=people.DEFAULT)
    parser.add_argument("--pose", default="neutral", choices=list(POSES))
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--background", default="gradient")
    parser.add_argument("--qualities", nargs="+", default=["live", "offline"], choices=QUALITIES)
    args = parser.parse_args()
    torch.set_num_threads(1)
    scene = Scene(people.person(args.identity), background=args.background)
    write_png(args.out, compare(scene, pose(args.pose), args.size, args.qualities))


if __name__ == "__main__":
    main()
