"""Two pictures that figures come with: points by kind on a plane, and a table of shares as a heat map."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks.plot import COLOURS, GRID, INK

SIDE, MARGIN, LEGEND, CELL = 720, 40, 150, 72


def draw_points(
    at: np.ndarray, kinds: Sequence[int], names: Sequence[str], rings: Sequence[bool], title: str
) -> Image.Image:
    """Points (N, 2) in the colours of their kinds (N,); those of `rings` (N,) are hollow."""
    picture = Image.new("RGB", (SIDE + LEGEND, SIDE), "white")
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(13)
    low, high = at.min(0), at.max(0)
    places = MARGIN + (at - low) / max(float((high - low).max()), 1e-9) * (SIDE - 2 * MARGIN)
    for (x, y), kind, ring in zip(places, kinds, rings, strict=True):
        box, colour = [x - 4, y - 4, x + 4, y + 4], COLOURS[kind % len(COLOURS)]
        pen.ellipse(box, fill=None if ring else colour, outline=colour, width=1 + ring)
    for n, name in enumerate(names):
        y = MARGIN + 22 * n
        pen.ellipse([SIDE, y - 5, SIDE + 10, y + 5], fill=COLOURS[n % len(COLOURS)])
        pen.text((SIDE + 18, y), name, INK, font, anchor="lm")
    pen.text((MARGIN, 14), title, INK, font)
    return picture


def draw_shares(shares: np.ndarray, names: Sequence[str], title: str) -> Image.Image:
    """A heat map of shares (N, N), 0 to 1: rows are what was asked for, columns what was seen."""
    count = len(names)
    left, top = 110, 70
    picture = Image.new("RGB", (left + count * CELL + 10, top + count * CELL + 10), "white")
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(12)
    pen.text((10, 12), title, INK, font)
    for i, row in enumerate(names):
        pen.text((left - 8, top + (i + 0.5) * CELL), row, INK, font, anchor="rm")
        pen.text((left + (i + 0.5) * CELL, top - 12), row, INK, font, anchor="mm")
        for j in range(count):
            share = float(np.clip(shares[i, j], 0.0, 1.0))
            x, y = left + j * CELL, top + i * CELL
            colour = tuple(int(255 + share * (dark - 255)) for dark in (20, 70, 150))
            pen.rectangle([x, y, x + CELL, y + CELL], colour, GRID)
            pen.text((x + CELL / 2, y + CELL / 2), f"{100 * share:.0f}", "white" if share > 0.5 else INK, font, "mm")
    return picture
