"""`visema bench all`: one benchmark after the other, each apart; what cannot run here is named with its reason."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from benchmarks.harness.figures import describe_run
from benchmarks.harness.report import Result, Table
from engine.errors import EngineError

Waiting = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Run:
    """One of many. about_s: how long it takes, about. call: runs it; is given what to call while it waits."""

    about_s: float
    call: Callable[[Waiting], Result]


class Progress(Protocol):
    """Told of one benchmark after the other."""

    def begin(self, name: str, number: int, count: int, about_s: float, left_s: float) -> None: ...

    def wait(self, passed_s: float) -> None: ...

    def end(self) -> None: ...


def bench_all(runs: Mapping[str, Run], progress: Progress) -> Iterator[Result]:
    """Results as they come. A benchmark that fails says so in its place, and the others go on."""
    for number, (name, run) in enumerate(runs.items(), 1):
        left_s = sum(one.about_s for one in list(runs.values())[number - 1 :])
        progress.begin(name, number, len(runs), run.about_s, left_s)
        about, begun_s = describe_run(), time.monotonic()
        try:
            result = run.call(progress.wait)
            result.figures["wall_s"] = round(time.monotonic() - begun_s, 1)
        except (EngineError, ModuleNotFoundError, FileNotFoundError) as error:
            figures = {"benchmark": name, **about, "skipped": str(error)}
            result = Result(figures, [Table("Left out", ["why"], [[str(error)]])])
        finally:
            progress.end()
        yield result


class Told:
    """Progress for people: a line a benchmark, and in a terminal a bar."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._task: Any = None

    def begin(self, name: str, number: int, count: int, about_s: float, left_s: float) -> None:
        text = f"[{number} of {count}] {name}: about {minutes(about_s)}; {minutes(left_s)} to the end"
        if not sys.stderr.isatty():
            print(text, file=sys.stderr, flush=True)
            return
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bar

        self._bar = Bar(TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn(),
                        console=Console(stderr=True), transient=True)  # fmt: skip
        self._task = self._bar.add_task(text, total=about_s)
        self._bar.start()

    def wait(self, passed_s: float) -> None:
        if self._bar is not None:
            self._bar.update(self._task, completed=passed_s)

    def end(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def minutes(seconds: float) -> str:
    """Words for how long something takes."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
