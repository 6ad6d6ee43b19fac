"""The pictures of the ready people: six in the middle of something on the README, each small for the page.

    python -m engine.render.portrait [OUT_DIR]       heads.jpg, and anna.jpg, ben.jpg, ...
"""

import sys
from pathlib import Path

import numpy as np
import torch

from engine.render.head import HeadRenderer
from engine.render.people import NAMES, person
from engine.render.poses import pose
from engine.render.scene import Scene
from engine.render.sheet import tile

FOLDER = Path(__file__).parents[1] / "assets" / "pictures"
FACE_PX = 160
FACE_BOX = (0.17, 0.04, 0.83, 0.70)  # of a portrait: the head alone
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
    heads = [_draw(*moment, size) for moment in MOMENTS]
    return tile(heads, columns=3)


def draw_face(name: str) -> np.ndarray:
    """A friendly face for a button, uint8 (160, 160, 3)."""
    from PIL import Image

    whole = Image.fromarray(_draw(name, 0.7 * pose("smile"), 0.0, "gradient", 512))
    left, top, right, bottom = (512 * side for side in FACE_BOX)
    return np.asarray(whole.resize((FACE_PX, FACE_PX), Image.Resampling.LANCZOS, (left, top, right, bottom)))


def _draw(name: str, expression: np.ndarray, turn: float, background: str, size: int) -> np.ndarray:
    renderer = HeadRenderer(Scene(person(name), background=background), size)
    motion = (expression + turn * pose("left")).astype(np.float32)
    return renderer.step(renderer.init_state(1), torch.from_numpy(motion[None]))[0].numpy().copy()


def main() -> None:
    from PIL import Image

    out = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    out.mkdir(parents=True, exist_ok=True)
    Image.fromarray(draw_portraits()).save(out / "heads.jpg", quality=90)
    for name in NAMES:
        Image.fromarray(draw_face(name)).save(out / f"{name}.jpg", quality=88)


if __name__ == "__main__":
    main()
