"""A table of figures, each with the number of samples behind it; and what could not be measured, and why."""

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Evidence:
    """What `visema eval` finds. figures: by name, `{"value": ..., "n": ...}`; left_out: name -> what it would need."""

    about: dict[str, Any] = field(default_factory=dict)
    figures: dict[str, dict[str, Any]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, value: Any, n: int) -> None:
        """One figure; value: a number, or numbers by name. nan counts as not measured."""
        if isinstance(value, float) and not math.isfinite(value):
            self.leave_out(name, "nothing among so few samples to measure it on: take more")
            return
        self.figures[name] = {"value": _rounded(value), "n": int(n)}

    def leave_out(self, name: str, why: str) -> None:
        """Say why a figure is not there."""
        self.left_out[name] = why

    def value(self, name: str) -> float:
        """A figure that was added."""
        return self.figures[name]["value"]

    def table(self) -> dict[str, Any]:
        """Everything, for a JSON file: figures under their plain names, `about` and `left_out` beside them."""
        return {**self.figures, "about": self.about, "left_out": self.left_out}

    def write(self, path: Path) -> None:
        """As JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.table(), indent=1) + "\n", encoding="utf-8")

    def show(self) -> None:
        """Print the figures as a table, numbers only; then what is missing."""
        from rich.console import Console
        from rich.table import Table

        table = Table("figure", "value", "n")
        for name, row in self.figures.items():
            if not isinstance(row["value"], dict | list):
                table.add_row(name, f"{row['value']}", f"{row['n']}")
        console = Console()
        console.print(table)
        for name, why in self.left_out.items():
            console.print(f"{name}: not measured, {why}", soft_wrap=True, highlight=False)


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    if isinstance(value, bool | int | str):
        return value
    value = float(value)
    return float(f"{value:.5g}") if math.isfinite(value) else None
