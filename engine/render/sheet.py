"""Pictures side by side with labels, and as files."""

from pathlib import Path

import numpy as np

COLUMNS = 4
LABEL_PX = 22


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
