"""Percentiles, traces, plots and the report: right by hand-computed cases, well-formed, and without the network."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest

from benchmarks.harness.figures import OFFSET, describe_run, percentiles
from benchmarks.harness.plots import MOST_POINTS, Axis, Bars, Lines, thinned
from benchmarks.harness.report import Result, Table, print_result, to_html, to_json, to_trace
from benchmarks.harness.spans import Recorder, Span, chrome_trace, read_spans, spans_by_tick, write_spans


def test_percentiles_by_hand():
    assert percentiles(range(1, 101)) == {"p50": 50.5, "p95": 95.05, "p99": 99.01}
    assert percentiles([3.0], OFFSET) == {"p0.1": 3.0, "p50": 3.0, "p99.9": 3.0}
    assert percentiles([]) == {"p50": None, "p95": None, "p99": None}


def test_a_run_says_what_it_ran_on():
    run = describe_run()
    assert run["device"] and run["cores"] >= 1 and set(run["versions"]) == {"python", "torch", "av", "aiortc"}


class Worker:
    def work(self, amount: int) -> int:
        if amount < 0:
            raise ValueError("nothing to do")
        return amount * 2


def test_calls_become_spans_and_stay_what_they_were():
    recorder, worker = Recorder(), Worker()
    recorder.wrap(worker, "work", "of one", lambda amount: amount)
    recorder.wrap(Worker, "work", "of all", lambda self, amount: amount)
    assert worker.work(4) == 8 and Worker().work(5) == 10
    with pytest.raises(ValueError):
        worker.work(-1)
    assert [(span.name, span.tick) for span in recorder.spans] == [("of one", 4), ("of all", 5), ("of one", -1)]
    assert all(span.end_ns >= span.begin_ns for span in recorder.spans)
    recorder.unwrap()
    assert "work" not in vars(worker) and worker.work(1) == 2 and len(recorder.spans) == 3
    with pytest.raises(AttributeError):
        recorder.wrap(worker, "rest", "no such thing")


SPANS = [Span("render", "compute", 3_000_000, 9_000_000, 7), Span("features", "compute", 1_000_000, 2_500_000, 8),
         Span("send", "loop", 9_500_000, 9_600_000)]  # fmt: skip


def test_a_chrome_trace_has_complete_events_in_order():
    trace = chrome_trace(SPANS)
    names = {event["tid"]: event["args"]["name"] for event in trace["traceEvents"] if event["ph"] == "M"}
    events = [event for event in trace["traceEvents"] if event["ph"] == "X"]
    assert set(names.values()) == {"compute", "loop"} and len(events) == 3
    assert [(e["name"], e["ts"], e["dur"], names[e["tid"]]) for e in events] == [
        ("features", 0.0, 1500.0, "compute"),
        ("render", 2000.0, 6000.0, "compute"),
        ("send", 8500.0, 100.0, "loop"),
    ]
    assert events[1]["args"] == {"tick": 7} and "args" not in events[2]
    assert chrome_trace([])["traceEvents"] == []


def test_spans_pass_between_processes(tmp_path):
    write_spans(tmp_path / "spans", SPANS)
    assert read_spans(tmp_path / "spans") == SPANS
    assert spans_by_tick(SPANS) == {"render": {7: SPANS[0]}, "features": {8: SPANS[1]}}


def test_axes_end_at_round_numbers():
    axis = Axis.around([3.0, 97.0], 0.0, 100.0, True)
    assert (axis.low, axis.high) == (0.0, 100.0) and axis.ticks() == [0, 20, 40, 60, 80, 100]
    assert axis.place(50.0) == 50.0
    assert Axis.around([5.0, 5.0], 0.0, 10.0, False).place(5.0) == 5.0


def test_thinning_keeps_outliers():
    line = [(float(x), 0.0) for x in range(50_000)]
    line[31_111] = (31_111.0, 9.0)
    less = thinned(line)
    assert len(less) <= MOST_POINTS and max(y for _, y in less) == 9.0
    assert [x for x, _ in less] == sorted(x for x, _ in less)


def result() -> Result:
    wave = {"a <b>": [(k / 10, float(np.sin(k / 10))) for k in range(100)], "c": [(0.0, 1.0), (9.0, -2.0)]}
    bars = Bars("Bars", "ms", {"x": (1.0, 2.0), "y": (None, None)})
    plots = [Lines("A wave & more", "s", "ms", wave, band=(-0.5, 0.5)), bars, Lines("Nothing", "s", "ms", {})]
    figures = {"benchmark": "latency", "device": "an abacus <2>", "commit": "abc", "values": {"p50": float("nan")}}
    return Result(figures, [Table("T & t", ["name", "p50"], [["first", 1.25], ["second", None]])], plots, SPANS)


class Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.found += [value for name, value in attrs if name in ("src", "href", "data", "action") and value]
        self.found += [tag] if tag in ("script", "link", "iframe", "img") else []
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_whole_and_needs_no_network():
    page = to_html([result(), result()])
    links = Links()
    links.feed(page)
    assert not links.found and "@import" not in page and "url(" not in page
    drawings = re.findall(r"<svg.*?</svg>", page, re.S)
    assert len(drawings) == 4, "two plots of each result; one has nothing to show"
    for drawing in drawings:
        ElementTree.fromstring(drawing)
    assert "an abacus &lt;2&gt;" in page and "<td>1.2</td>" in page and "<b>" not in page


def test_json_and_trace_are_json():
    assert json.loads(to_json([result()]))["values"] == {"p50": None}
    together = json.loads(to_json([result(), result()], together=True))
    assert together["device"] and list(together["results"]) == ["latency"]
    assert len(json.loads(to_trace([result(), result()]))["traceEvents"]) == 2 + 6


def test_the_terminal_and_the_page_show_tables_and_notes(capsys):
    noted = replace(result(), notes=["Why [so] & not <else>."])
    print_result(noted)
    shown = capsys.readouterr().out
    assert "an abacus" in shown and "T & t" in shown and "second" in shown and "Why [so] & not" in shown
    assert "<p>Why [so] &amp; not &lt;else&gt;.</p>" in to_html([noted])
