"""`visema bench latency` as a user runs it, for two seconds: what is written, not how fast it was."""

import json
from pathlib import Path

import pytest

from engine.cli import main

SMALL = ["--set", "render.size=128", "--set", "render.quality=plain", "--set", "engine.executor=eager"]


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("bench")
    names = [str(folder / name) for name in ("f.json", "r.html", "t.json")]
    arguments = ["bench", "latency", "--seconds", "2", "--no-browser", "--json", names[0], "--html", names[1]]
    assert main([*arguments, "--trace", names[2], *SMALL]) == 0
    return folder


def test_the_figures_that_checks_rely_on(written):
    figures = json.loads((written / "f.json").read_text())
    for name in ("mic_to_frame_ms", "loopback_ms"):
        assert set(figures[name]) == {"p50", "p95", "p99"}
        if figures[name]["p50"] is not None:  # a machine that is far too busy shows no picture in time
            assert 0 < figures[name]["p50"] <= figures[name]["p95"] <= figures[name]["p99"]
    assert {"p0.1", "p99.9"} <= set(figures["av_offset_ms"])
    assert isinstance(figures["dropped"], int) and figures["dropped"] >= 0 and figures["device"]
    assert figures["pictures"]["frame"] + figures["dropped"] > 0 and figures["chromium"] is None
    assert {"wait for the tick"} <= set(figures["stages"])
    assert all(set(stage) == {"p50", "p95", "p99"} for stage in figures["stages"].values())
    assert figures["settings"]["render.size"] == 128 and "commit" in figures


def test_the_trace_shows_the_work(written):
    events = json.loads((written / "t.json").read_text())["traceEvents"]
    names = {event["name"] for event in events if event["ph"] == "X"}
    assert {"features", "motion", "render", "encode", "encode voice", "send"} <= names


def test_the_page_holds_the_tables(written):
    page = (written / "r.html").read_text()
    assert "mic sample to frame" in page and "<svg" in page and "http" not in page


@pytest.mark.parametrize("options", [["latency", "--seconds", "0"], ["latency", "--set", "render.size=3"]])
def test_mistakes_get_a_clear_text(options, capsys):
    assert main(["bench", *options]) == 2
    assert capsys.readouterr().err.startswith("visema: ")


def test_an_unknown_benchmark_is_named(capsys):
    with pytest.raises(SystemExit):
        main(["bench", "speed"])
    assert "latency" in capsys.readouterr().err
