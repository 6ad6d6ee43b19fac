"""A line plot as a picture, drawn with Pillow."""

from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 900, 520, 70, 300, 40, 60
INK, GRID = (40, 40, 40), (225, 225, 225)
COLOURS = ((31, 119, 180), (214, 39, 40), (44, 160, 44), (148, 103, 189), (255, 127, 14), (23, 190, 207),
           (140, 86, 75), (127, 127, 127), (188, 189, 34), (227, 119, 194))  # fmt: skip


def plot_lines(lines: Mapping[str, Sequence[tuple[float, float]]], x_name: str, y_name: str, title: str) -> Image.Image:
    """Lines of (x, y) with axes, a grid and a legend."""
    points = np.array([point for line in lines.values() for point in line], float)
    (x_low, y_low), (x_high, y_high) = points.min(0), points.max(0)
    y_low, y_high = np.floor(y_low * 10) / 10, np.ceil(y_high * 10) / 10
    picture = Image.new("RGB", (WIDTH, HEIGHT), "white")
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(13)

    def place(x: float, y: float) -> tuple[float, float]:
        across = (x - x_low) / max(x_high - x_low, 1e-9)
        up = (y - y_low) / max(y_high - y_low, 1e-9)
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)

    for y in np.arange(y_low, y_high + 0.05, 0.1):
        pen.line([place(x_low, y), place(x_high, y)], GRID)
        pen.text((LEFT - 8, place(x_low, y)[1]), f"{y:.1f}", INK, font, anchor="rm")
    for x in sorted({x for x, _ in points}):
        pen.text((place(x, y_low)[0], HEIGHT - BOTTOM + 8), f"{x:g}", INK, font, anchor="ma")
    for n, (name, line) in enumerate(lines.items()):
        colour = COLOURS[n % len(COLOURS)]
        spots = [place(x, y) for x, y in sorted(line)]
        pen.line(spots, colour, 2, joint="curve")
        for x, y in spots:
            pen.ellipse((x - 3, y - 3, x + 3, y + 3), colour)
        at = TOP + 20 * n
        pen.line([(WIDTH - RIGHT + 12, at), (WIDTH - RIGHT + 32, at)], colour, 3)
        pen.text((WIDTH - RIGHT + 38, at), name, INK, font, anchor="lm")
    pen.text((LEFT + 60, 12), title, INK, font)
    pen.text(((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14), x_name, INK, font, anchor="ms")
    pen.text((8, 12), y_name, INK, font)
    return picture
