"""Who worked when: spans on named lanes, taken by wrapping what already runs, and written as a Chrome trace."""

import json
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import wraps
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of work or waiting. lane: the thread it was on, or what it belongs to; tick: media time, -1 unknown.
    begin_ns, end_ns: monotonic."""

    name: str
    lane: str
    begin_ns: int
    end_ns: int
    tick: int = -1

    @property
    def ms(self) -> float:
        return (self.end_ns - self.begin_ns) / 1e6


class Recorder:
    """Spans in the order in which they ended, of at most `depth` calls; any thread may add some."""

    def __init__(self, depth: int = 1_000_000):
        self.spans: list[Span] = []
        self._depth = depth
        self._undo: list[Callable[[], None]] = []

    def add(self, span: Span) -> None:
        if len(self.spans) < self._depth:
            self.spans.append(span)

    def wrap(self, owner: Any, attribute: str, name: str, tick: Callable[..., int] = lambda *given: -1) -> None:
        """From now on every call of `owner.attribute` (an object's or a class's) is a span.

        tick: from the same arguments, the tick it is for. AttributeError if there is nothing of that name.
        """
        call, own = getattr(owner, attribute), attribute in vars(owner)

        @wraps(call)
        def timed(*given: Any, **named: Any) -> Any:
            number, begin_ns = tick(*given), time.monotonic_ns()
            try:
                return call(*given, **named)
            finally:
                self.add(Span(name, threading.current_thread().name, begin_ns, time.monotonic_ns(), number))

        setattr(owner, attribute, timed)
        self._undo.append(lambda: setattr(owner, attribute, call) if own else delattr(owner, attribute))

    def unwrap(self) -> None:
        """Leave everything as it was."""
        while self._undo:
            self._undo.pop()()


def spans_by_tick(spans: Iterable[Span]) -> dict[str, dict[int, Span]]:
    """By name and tick; the last one where a tick had several."""
    found: dict[str, dict[int, Span]] = {}
    for span in spans:
        if span.tick >= 0:
            found.setdefault(span.name, {})[span.tick] = span
    return found


def chrome_trace(spans: Iterable[Span]) -> dict[str, Any]:
    """As chrome://tracing and Perfetto read it: complete events ("X") in microseconds, one row per lane."""
    spans = sorted(spans, key=lambda span: (span.begin_ns, -span.end_ns))
    lanes = {name: number for number, name in enumerate(dict.fromkeys(span.lane for span in spans), 1)}
    first_ns = spans[0].begin_ns if spans else 0
    events: list[dict[str, Any]] = [
        {"ph": "M", "name": "thread_name", "pid": 1, "tid": number, "args": {"name": name}}
        for name, number in lanes.items()
    ]
    for span in spans:
        event = {"ph": "X", "name": span.name, "cat": "visema", "pid": 1, "tid": lanes[span.lane],
                 "ts": (span.begin_ns - first_ns) / 1e3, "dur": (span.end_ns - span.begin_ns) / 1e3}  # fmt: skip
        events.append(event if span.tick < 0 else event | {"args": {"tick": span.tick}})
    return {"traceEvents": events, "displayTimeUnit": "ms"}


def write_spans(path: Path, spans: Sequence[Span]) -> None:
    """For another process of this harness."""
    path.write_text(json.dumps([list(asdict(span).values()) for span in spans]))


def read_spans(path: Path) -> list[Span]:
    return [Span(*fields) for fields in json.loads(path.read_text())]
