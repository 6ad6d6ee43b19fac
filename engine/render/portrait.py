"""The picture on the README: the default head in three moments.

    python -m engine.render.portrait [OUT.png]
"""

import sys
from pathlib import Path

import numpy as np
import torch

from engine.render.face_model import FaceModel
from engine.render.head import HeadRenderer
from engine.render.poses import pose
from engine.render.sheet import tile, write_png

PICTURE = Path(__file__).parents[1] / "assets" / "pictures" / "heads.png"


def draw_portraits(size: int = 512) -> np.ndarray:
    """Smiling, saying "ah" turned to one side, saying "ee" turned to the other: uint8 (size, 3 size, 3)."""
    renderer = HeadRenderer(FaceModel.load(), size)
    moments = [0.8 * pose("smile"), pose("AA") + 0.5 * pose("left"), pose("EE") + 0.5 * pose("right")]
    state = renderer.init_state(len(moments))
    heads = renderer.step(state, torch.from_numpy(np.stack(moments).astype(np.float32))).numpy()
    return tile(list(heads), columns=len(moments))


if __name__ == "__main__":
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURE
    out.parent.mkdir(parents=True, exist_ok=True)
    write_png(out, draw_portraits())
