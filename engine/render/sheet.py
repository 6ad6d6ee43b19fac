"""Contact sheets: one labelled picture of many expressions, to look at after every change."""

from pathlib import Path

import numpy as np
import torch

from engine.render.face_model import FaceModel
from engine.render.head import HeadRenderer
from engine.render.poses import POSES, pose

COLUMNS = 4
LABEL_PX = 22


def contact_sheet(face: FaceModel, size: int = 384, background: str = "#3a4250") -> np.ndarray:
    """Every pose of `poses.POSES` in its own labelled cell, uint8 (rows (size + 22), 4 size, 3)."""
    renderer = HeadRenderer(face, size, background)
    state = renderer.init_state(len(POSES))
    heads = renderer.step(state, torch.from_numpy(np.stack([pose(name) for name in POSES]))).numpy()
    return tile([label(head, name) for head, name in zip(heads, POSES, strict=True)])


def tile(cells: list[np.ndarray], columns: int = COLUMNS) -> np.ndarray:
    """Equal pictures in rows; the last row is filled up with black."""
    cells = cells + [np.zeros_like(cells[0])] * (-len(cells) % columns)
    rows = [np.concatenate(cells[i : i + columns], 1) for i in range(0, len(cells), columns)]
    return np.concatenate(rows, 0)


def label(picture: np.ndarray, text: str) -> np.ndarray:
    """The picture with a line of text under it."""
    from PIL import Image, ImageDraw

    strip = Image.new("RGB", (picture.shape[1], LABEL_PX), (24, 26, 30))
    ImageDraw.Draw(strip).text((picture.shape[1] / 2, LABEL_PX / 2), text, (225, 228, 232), anchor="mm")
    return np.concatenate([picture, np.asarray(strip)], 0)


def write_png(path: str | Path, rgb: np.ndarray) -> None:
    """Write uint8 (H, W, 3)."""
    from PIL import Image

    Image.fromarray(np.ascontiguousarray(rgb)).save(path, "PNG", optimize=True)
