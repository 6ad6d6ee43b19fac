"""All benchmarks in a row: each apart, what fails is named and the others go on, what was found is kept."""

import json
import os
import time
from typing import Any

import pytest

from benchmarks.harness import command
from benchmarks.harness.apart import run_apart
from benchmarks.harness.command import BENCHMARKS, PARTS, make_parser, plan
from benchmarks.harness.everything import Run, Told, bench_all, minutes
from benchmarks.harness.report import Result, Table, to_html
from engine.config import Config
from engine.errors import DeviceError

HERE = "tests.test_bench_all"


def tiny(config: Config, seconds: float, word: str = "", **_: Any) -> Result:
    """Stands for a benchmark, in another process."""
    if word == "crash":
        os._exit(7)
    if word == "error":
        raise DeviceError("no such\nthing here")
    if word == "bug":
        raise ValueError("a bug")
    if word == "hang":
        time.sleep(600)
    figures = {"benchmark": "tiny", "device": "an abacus", "size": config.render.size, "seconds": seconds}
    return Result(figures, [Table("Tiny", ["", "value"], [["process", os.getpid()]])])


def apart(word: str, limit_s: float = 120.0) -> Result:
    return run_apart(f"{HERE}:tiny", Config(), 2.5, {"word": word}, limit_s)


def test_a_benchmark_runs_in_another_process_with_these_settings():
    found = apart("")
    assert found.figures["size"] == Config().render.size and found.figures["seconds"] == 2.5
    assert found.tables[0].rows[0][1] != os.getpid()


@pytest.mark.parametrize(("word", "told"), [("error", "no such thing here"), ("bug", "ValueError: a bug"),
                                            ("crash", "code 7")])  # fmt: skip
def test_what_goes_wrong_there_is_told_here(word, told):
    with pytest.raises(DeviceError, match=told):
        apart(word)


def test_one_that_hangs_is_ended():
    begun_s = time.monotonic()
    with pytest.raises(DeviceError, match="not done after 3 s"):
        apart("hang", 3.0)
    assert time.monotonic() - begun_s < 60


class Heard(Told):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[str, float, float]] = []

    def begin(self, name: str, number: int, count: int, about_s: float, left_s: float) -> None:
        self.lines.append((f"{number}/{count} {name}", about_s, left_s))


def test_all_go_on_where_one_cannot_run():
    def missing(waiting: Any) -> Result:
        raise DeviceError("no such thing here")

    heard = Heard()
    runs = {"one": Run(5.0, missing), "two": Run(7.0, lambda waiting: tiny(Config(), 1.0))}
    found = list(bench_all(runs, heard))
    assert found[0].figures["skipped"] == "no such thing here" and found[0].figures["device"]
    assert found[1].figures["benchmark"] == "tiny" and found[1].figures["wall_s"] >= 0
    assert "no such thing" in to_html(found)
    assert heard.lines == [("1/2 one", 5.0, 12.0), ("2/2 two", 7.0, 7.0)]


def test_progress_is_one_line_each_where_no_terminal_is(capsys):
    told = Told()
    told.begin("latency", 1, 9, 75.0, 1200.0)
    told.wait(3.0)
    told.end()
    assert capsys.readouterr().err == "[1 of 9] latency: about 75 s; 20 min to the end\n"
    assert minutes(89.6) == "90 s" and minutes(90.0) == "2 min"


def test_all_runs_every_benchmark_once_and_leaves_out_what_is_skipped():
    whole = plan(make_parser().parse_args(["all"]), Config())
    assert set(whole) == {*BENCHMARKS, *PARTS}
    quick = plan(make_parser().parse_args(["all", "--quick", "--skip", "soak", "--skip", "quality"]), Config())
    assert set(whole) - set(quick) == {"soak", "quality"}
    assert all(run.about_s <= whole[name].about_s for name, run in quick.items())
    assert sum(run.about_s for run in whole.values()) < 2 * 3600


def test_every_benchmark_is_where_the_table_says():
    from importlib import import_module

    for benchmark in (BENCHMARKS | PARTS).values():
        module, function = benchmark.path.split(":")
        assert callable(getattr(import_module(module), function))


def test_what_was_found_is_written_after_each(tmp_path, monkeypatch):
    """A run that is interrupted in the second benchmark has kept the first."""
    row = command.Benchmark("nowhere:tiny", 1.0, 1.0, "tiny")
    monkeypatch.setattr(command.Benchmark, "path", property(lambda self: f"{HERE}:{self.place.split(':')[1]}"))
    stop = command.Benchmark("nowhere:stop", 1.0, 1.0, "stops")
    monkeypatch.setattr(command, "BENCHMARKS", {"tiny": row, "stop": stop})
    monkeypatch.setattr(command, "PARTS", {})
    interrupted = plan(make_parser().parse_args(["all"]), Config())

    def interrupt(waiting: Any) -> Result:
        raise KeyboardInterrupt

    runs = {"tiny": interrupted["tiny"], "stop": Run(1.0, interrupt)}
    monkeypatch.setattr(command, "plan", lambda options, config: runs)
    folder = tmp_path / "new" / "results"
    with pytest.raises(KeyboardInterrupt):
        command.main(["all", "--results", str(folder), "--json", str(tmp_path / "all.json")])
    assert json.loads((folder / "tiny.json").read_text())["device"] == "an abacus"
    assert "Tiny" in (folder / "report.html").read_text()
    assert set(json.loads((tmp_path / "all.json").read_text())["results"]) == {"tiny"}
