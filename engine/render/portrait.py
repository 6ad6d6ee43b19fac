"""The picture on the README: six of the ready people in the middle of something, as the live renderer draws them.

    python -m engine.render.portrait [OUT.jpg]
"""

import sys
from pathlib import Path

import numpy as np
import torch

from engine.render.head import HeadRenderer
from engine.render.people import person
from engine.render.poses import pose
from engine.render.scene import Scene
from engine.render.sheet import tile

PICTURE = Path(__file__).parents[1] / "assets" / "pictures" / "heads.jpg"
# Who, the expression, how far the head is turned (in the pose "left"), what stands behind.
MOMENTS = (
    ("anna", 0.8 * pose("smile"), 0.3, "gradient"),
    ("ben", 1.0 * pose("EE"), -0.5, "room"),
    ("zuri", 0.9 * pose("AA"), 0.4, "gradient:#6b4a3a,#2a1e1c"),
    ("kenji", 0.6 * pose("smile"), -0.3, "gradient:#5f7a78,#26302f"),
    ("ruth", 0.8 * pose("AA"), 0.3, "room:3"),
    ("omar", 0.9 * pose("EE"), -0.4, "gradient"),
)


def draw_portraits(size: int = 512) -> np.ndarray:
    """All moments in two rows, uint8 (2 size, 3 size, 3)."""
    heads = []
    for name, expression, turn, background in MOMENTS:
        renderer = HeadRenderer(Scene(person(name), background=background), size)
        motion = (expression + turn * pose("left")).astype(np.float32)
        heads.append(renderer.step(renderer.init_state(1), torch.from_numpy(motion[None]))[0].numpy().copy())
    return tile(heads, columns=3)


if __name__ == "__main__":
    from PIL import Image

    out = Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURE
    out.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(draw_portraits()).save(out, quality=90)
