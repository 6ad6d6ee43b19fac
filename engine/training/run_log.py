"""Figures of a training as it goes: one line of JSON each time, and curves as a picture."""

import json
from pathlib import Path

from engine.training.loop import Figures

SIZE, MARGIN = (640, 240), 44
INKS = ((200, 60, 50), (40, 110, 190), (40, 140, 80), (150, 90, 180), (200, 140, 30), (90, 90, 90), (20, 150, 160))


class RunLog:
    """Figures by step in `folder`/figures.jsonl. A resumed run goes on writing; what it repeats counts once."""

    def __init__(self, folder: Path):
        self.path = folder / "figures.jsonl"
        folder.mkdir(parents=True, exist_ok=True)

    def write(self, step: int, figures: Figures, group: str = "train") -> None:
        """Append the figures of a step. group: curves of a group share a panel."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, "group": group, **figures}) + "\n")

    def rows(self, group: str) -> list[tuple[int, Figures]]:
        """Steps of a group and their figures, in order."""
        found: dict[int, Figures] = {}
        if self.path.is_file():
            for line in self.path.read_text(encoding="utf-8").splitlines():
                row = json.loads(line)
                if row.pop("group") == group:
                    found[row.pop("step")] = row
        return sorted(found.items())

    def draw(self, path: Path, groups: tuple[str, ...] = ("train", "valid")) -> None:
        """Curves as PNG: a panel for every figure of every group, against the step."""
        from PIL import Image

        panels = []
        for group in groups:
            rows = self.rows(group)
            names = list(dict.fromkeys(name for _, figures in rows for name in figures))
            for i, name in enumerate(names):
                points = [(step, figures[name]) for step, figures in rows if name in figures]
                panels.append(_panel(f"{group}: {name}", points, INKS[i % len(INKS)]))
        if not panels:
            return
        columns = 3
        picture = Image.new("RGB", (columns * SIZE[0], -(-len(panels) // columns) * SIZE[1]), "white")
        for i, panel in enumerate(panels):
            picture.paste(panel, (i % columns * SIZE[0], i // columns * SIZE[1]))
        picture.save(path)


def _panel(title: str, points: list[tuple[int, float]], ink: tuple[int, int, int]):
    from PIL import Image, ImageDraw

    panel = Image.new("RGB", SIZE, "white")
    draw = ImageDraw.Draw(panel)
    width, height = SIZE
    steps, values = [p[0] for p in points], [p[1] for p in points]
    low, high = min(values), max(values)
    span, last = (high - low) or 1.0, max(steps[-1], 1)
    draw.rectangle((MARGIN, 20, width - 10, height - 20), outline=(190, 190, 190))

    def place(step: int, value: float) -> tuple[float, float]:
        return (
            MARGIN + (width - 10 - MARGIN) * step / last,
            height - 20 - (height - 40) * (value - low) / span,
        )

    draw.text((MARGIN, 4), title, fill="black")
    for value in (low, high):
        draw.text((2, place(0, value)[1] - 6), f"{value:.3g}", fill="black")
    draw.text((width - 60, height - 16), str(steps[-1]), fill="black")
    at = [place(*point) for point in points]
    if len(at) > 1:
        draw.line(at, fill=ink, width=2)
    for x, y in at if len(at) < 60 else []:
        draw.ellipse((x - 2, y - 2, x + 2, y + 2), fill=ink)
    return panel
