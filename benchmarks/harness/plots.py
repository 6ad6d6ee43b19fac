"""Plots as SVG text, to stand in a page: lines, and bars with a median and a worst case. No library, no network."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 760, 320
LEFT, RIGHT, TOP, BOTTOM = 64, 20, 16, 44
COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b", "#7f7f7f", "#bcbd22")
MOST_POINTS = 2_000  # of one line: a page stays small however long a run was
FEW_POINTS = 30  # each of them gets a dot
TICKS = 6

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines of (x, y) by name. band: heights between which all should lie."""

    title: str
    x_name: str
    y_name: str
    lines: Mapping[str, Points]
    band: tuple[float, float] | None = None

    def svg(self) -> str:
        points = [point for line in self.lines.values() for point in line]
        if not points:
            return ""
        across = Axis.around([x for x, _ in points], LEFT, WIDTH - RIGHT, False)
        up = Axis.around([y for _, y in points] + list(self.band or ()), HEIGHT - BOTTOM, TOP, True)
        parts = _frame(across, up, self.x_name, self.y_name)
        if self.band:
            low, high = up.place(self.band[0]), up.place(self.band[1])
            parts.append(f'<rect class="band" x="{LEFT}" y="{high:.1f}" width="{WIDTH - LEFT - RIGHT}" '
                         f'height="{low - high:.1f}"/>')  # fmt: skip
        for colour, line in zip(_colours(), self.lines.values(), strict=False):
            spots = " ".join(f"{across.place(x):.1f},{up.place(y):.1f}" for x, y in thinned(line))
            parts.append(f'<polyline stroke="{colour}" points="{spots}"/>')
            if len(line) <= FEW_POINTS:
                parts += [f'<circle fill="{colour}" cx="{across.place(x):.1f}" cy="{up.place(y):.1f}" r="3"/>'
                          for x, y in line]  # fmt: skip
        return _picture(self.title, parts, HEIGHT) + _legend(list(self.lines))


@dataclass(frozen=True, slots=True)
class Bars:
    """By name, a bar up to a median and a thin one on to a worst case; None where there is no figure."""

    title: str
    x_name: str
    bars: Mapping[str, tuple[float | None, float | None]]

    def svg(self) -> str:
        bars = {name: (low, high) for name, (low, high) in self.bars.items() if low is not None and high is not None}
        if not bars:
            return ""
        height, left = TOP + BOTTOM + 26 * len(bars), 260
        across = Axis.around([0.0, *(x for pair in bars.values() for x in pair)], left, WIDTH - 130, True)
        parts = [_line(across.place(x), TOP, across.place(x), height - BOTTOM) for x in across.ticks()]
        parts += [_text(across.place(x), height - BOTTOM + 16, f"{x:g}", "middle") for x in across.ticks()]
        parts.append(_text((left + WIDTH - 130) / 2, height - 8, self.x_name, "middle"))
        for row, (name, (low, high)) in enumerate(bars.items()):
            y, zero = TOP + 26 * row, across.place(0.0)
            begin, middle, end = sorted((zero, across.place(low), across.place(high)))
            parts.append(f'<rect fill="{COLOURS[0]}" x="{begin:.1f}" y="{y + 4}" '
                         f'width="{max(1.0, middle - begin):.1f}" height="16"/>')  # fmt: skip
            parts.append(f'<rect fill="{COLOURS[0]}" x="{middle:.1f}" y="{y + 10}" '
                         f'width="{max(0.0, end - middle):.1f}" height="4"/>')  # fmt: skip
            parts.append(_text(left - 8, y + 16, name, "end"))
            parts.append(_text(end + 6, y + 16, f"{low:.1f} / {high:.1f}", "start"))
        return _picture(self.title, parts, height)


@dataclass(frozen=True, slots=True)
class Axis:
    """Values from `low` to `high` on a line of pixels from `begin` to `end`."""

    low: float
    high: float
    begin: float
    end: float

    @classmethod
    def around(cls, values: Sequence[float], begin: float, end: float, wide: bool) -> "Axis":
        """An axis on which all values lie; wide: it ends at round numbers."""
        low, high = min(values), max(values)
        if high - low < 1e-9:
            low, high = low - 0.5, high + 0.5
        if wide:
            step = _step(low, high)
            low, high = step * (low // step), step * -(-high // step)
        return cls(low, high, begin, end)

    def place(self, value: float) -> float:
        return self.begin + (value - self.low) / (self.high - self.low) * (self.end - self.begin)

    def ticks(self) -> list[float]:
        step = _step(self.low, self.high)
        first = int(-(-self.low // step))
        return [step * k for k in range(first, int(self.high / step + 1e-6) + 1)]


def thinned(line: Points) -> Points:
    """At most `MOST_POINTS`: of every stretch the lowest and the highest, so that no outlier is lost."""
    if len(line) <= MOST_POINTS:
        return line
    kept: list[tuple[float, float]] = []
    stretch = -(-2 * len(line) // MOST_POINTS)
    for begin in range(0, len(line), stretch):
        part = line[begin : begin + stretch]
        kept += sorted({min(part, key=lambda p: p[1]), max(part, key=lambda p: p[1])})
    return kept


def _step(low: float, high: float) -> float:
    """1, 2 or 5 times a power of ten, so that about `TICKS` of them fit."""
    raw = (high - low) / TICKS
    power = 10.0 ** math.floor(math.log10(raw))
    return next(power * n for n in (1, 2, 5, 10) if power * n >= raw * 0.999)


def _frame(across: Axis, up: Axis, x_name: str, y_name: str) -> list[str]:
    parts = []
    for y in up.ticks():
        parts.append(_line(LEFT, up.place(y), WIDTH - RIGHT, up.place(y)))
        parts.append(_text(LEFT - 6, up.place(y) + 4, f"{y:g}", "end"))
    for x in across.ticks():
        parts.append(_line(across.place(x), TOP, across.place(x), HEIGHT - BOTTOM))
        parts.append(_text(across.place(x), HEIGHT - BOTTOM + 16, f"{x:g}", "middle"))
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, x_name, "middle"))
    parts.append(f'<text transform="translate(14 {HEIGHT / 2 - 10:.0f}) rotate(-90)" text-anchor="middle">'
                 f"{escape(y_name)}</text>")  # fmt: skip
    return parts


def _picture(title: str, parts: list[str], height: int) -> str:
    name = escape(title)
    return (f'<svg viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" aria-label="{name}">'
            f"<title>{name}</title>{''.join(parts)}</svg>")  # fmt: skip


def _legend(names: list[str]) -> str:
    if len(names) < 2:
        return ""
    items = zip(_colours(), names, strict=False)
    return "<p class=legend>" + " ".join(f'<span style="color:{c}">■</span> {escape(n)}' for c, n in items) + "</p>"


def _colours() -> Sequence[str]:
    """Enough for any number of lines."""
    return [*COLOURS] * 4


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
