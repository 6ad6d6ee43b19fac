"""What a benchmark found: in the terminal, as JSON, as a Chrome trace, and as one page with plots, without network.

`benchmarks/results/` keeps the JSON files of our own runs; every one names device and commit.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any, Protocol

from benchmarks.harness.spans import Span, chrome_trace

FILE_WIDTH = 160  # characters
STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #222; background: #fff; max-width: 800px; margin: 2em auto; }
h2 { margin-top: 2em; border-bottom: 1px solid #ddd; } h3 { font-size: 1em; margin: 1.6em 0 .3em; }
table { border-collapse: collapse; margin: .6em 0; } caption { text-align: left; font-weight: 600; padding: .3em 0; }
th, td { padding: .15em .8em; border-bottom: 1px solid #eee; text-align: right; }
th:first-child, td:first-child { text-align: left; } .about, .legend { color: #555; font-size: .9em; }
svg { max-width: 100%; height: auto; } svg text { font: 12px system-ui, sans-serif; fill: #444; }
svg line { stroke: #e4e4e4; } svg polyline { fill: none; stroke-width: 1.4; } svg .band { fill: #2ca02c; opacity: .1; }
pre { overflow: auto; background: #f6f6f6; padding: 1em; font-size: 12px; }
"""


class Plot(Protocol):
    """Something that can be drawn."""

    @property
    def title(self) -> str: ...

    def svg(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of texts and numbers; None is left empty."""

    title: str
    head: list[str]
    rows: list[list[Any]]


@dataclass(frozen=True, slots=True)
class Result:
    """figures: what goes into the JSON; "benchmark" and "device" are among them. spans: for the Chrome trace.

    notes: sentences that stand with the tables.
    """

    figures: dict[str, Any]
    tables: list[Table]
    plots: Sequence[Plot] = ()
    spans: Sequence[Span] = field(default=(), repr=False)
    notes: Sequence[str] = ()


def show(value: Any) -> str:
    """A cell of a table."""
    if value is None:
        return ""
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def print_result(result: Result) -> None:
    """Tables in the terminal."""
    from rich.console import Console
    from rich.table import Table as Grid

    console = Console(highlight=False)
    if not console.is_terminal:  # a file is as wide as its tables
        console.width = FILE_WIDTH
    console.print(about(result.figures))
    for table in result.tables:
        grid = Grid(title=table.title, title_justify="left")
        for n, name in enumerate(table.head):
            grid.add_column(name, justify="left" if n == 0 else "right")
        for row in table.rows:
            grid.add_row(*map(show, row))
        console.print(grid)
    for note in result.notes:
        console.print(note, markup=False)


def about(figures: dict[str, Any]) -> str:
    """One line: what ran on what."""
    parts = [f"{figures['benchmark']} on {figures['device']}"]
    if "cores" in figures:
        parts.append(f"{figures['cores']} usable")
    if figures.get("commit"):
        parts.append(f"commit {figures['commit']}")
    if figures.get("load_average"):
        parts.append("load before " + ", ".join(f"{load:.1f}" for load in figures["load_average"]))
    return "; ".join(parts)


def to_json(results: Sequence[Result], together: bool = False) -> str:
    """The figures of one benchmark; together: of all, by name, with their device."""
    figures: dict[str, Any] = results[-1].figures
    if together:
        by_name = {result.figures["benchmark"]: result.figures for result in results}
        figures = {"benchmark": "all", "device": figures["device"], "commit": figures.get("commit"), "results": by_name}
    return json.dumps(_finite(figures), indent=1, allow_nan=False) + "\n"


def _finite(value: Any) -> Any:
    """The same with None for what is no number: JSON has no other word for it."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def to_trace(results: Sequence[Result]) -> str:
    """All spans, for chrome://tracing or ui.perfetto.dev."""
    return json.dumps(chrome_trace(span for result in results for span in result.spans)) + "\n"


def to_html(results: Sequence[Result]) -> str:
    """One page, with everything that it needs inside."""
    parts = ["<!DOCTYPE html><html lang=en><head><meta charset=utf-8><title>visema bench</title>",
             f"<style>{STYLE}</style></head><body><h1>visema bench</h1>"]  # fmt: skip
    for result in results:
        parts.append(f"<h2>{escape(str(result.figures['benchmark']))}</h2>")
        parts.append(f"<p class=about>{escape(about(result.figures))}</p>")
        parts += [_html_table(table) for table in result.tables]
        parts += [f"<p>{escape(note)}</p>" for note in result.notes]
        for plot in result.plots:
            drawn = plot.svg()
            if drawn:
                parts.append(f"<h3>{escape(plot.title)}</h3>{drawn}")
        parts.append(f"<details><summary>all figures</summary><pre>{escape(to_json([result]))}</pre></details>")
    return "\n".join([*parts, "</body></html>", ""])


def _html_table(table: Table) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in table.head)
    rows = "".join("<tr>" + "".join(f"<td>{escape(show(cell))}</td>" for cell in row) + "</tr>" for row in table.rows)
    return f"<table><caption>{escape(table.title)}</caption><tr>{head}</tr>{rows}</table>"
