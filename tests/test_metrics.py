"""What a server tells of itself: /metrics as Prometheus reads it, and lines of log."""

import asyncio
import io
import json
import logging
import math
import re

import aiohttp
import pytest

from engine.logs import JsonLines, Plain, write_logs
from engine.metrics import Histogram, Timings
from engine.session import Engine
from tests.peers import Viewer, make_config, serving, until

SAMPLE = re.compile(r'(?P<name>[a-z_]+)(\{(?P<labels>[^}]*)\})? (?P<value>-?[0-9.e+-]+)')


@pytest.fixture(scope="module")
def engine():
    engine = Engine(make_config(max_sessions=1))
    engine.start()
    yield engine
    engine.close()


def read(text: str) -> dict[str, float]:
    """Every sample by name and labels; the text is held to the format on the way."""
    values: dict[str, float] = {}
    kinds: dict[str, str] = {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in kinds, f"{name} is declared twice"
            kinds[name] = kind
        elif not line.startswith("# HELP "):
            found = SAMPLE.fullmatch(line)
            assert found, line
            family = re.sub(r"_(bucket|sum|count)$", "", found["name"])
            assert found["name"] in kinds or kinds[family] == "histogram", f"{line} has no type"
            key = found["name"] + (f"{{{found['labels']}}}" if found["labels"] else "")
            assert key not in values, f"{key} twice"
            values[key] = float(found["value"])
    return values


async def scrape(url: str) -> dict[str, float]:
    async with aiohttp.ClientSession() as client, client.get(f"{url}/metrics") as reply:
        assert reply.status == 200 and reply.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        return read(await reply.text())


def test_counts_grow_and_outlive_their_session(engine):
    async def scene() -> None:
        async with serving(engine, engine.config) as url:
            before = await scrape(url)
            assert before["visema_sessions"] == 0 and before["visema_ticks_total"] == 0
            viewer, second = Viewer(url), Viewer(url)
            channel = viewer.connection.createDataChannel("visema")
            assert await viewer.connect() == 200 and await second.connect() == 503
            await viewer.see(8)
            await until(lambda: channel.readyState == "open", "the channel")
            channel.send(json.dumps({"type": "seen", "av_offset_ms": -20.0}))
            channel.send(json.dumps({"type": "state"}))
            answers: list[str] = []
            channel.on("message", answers.append)
            await until(lambda: answers, "an answer")
            during = await scrape(url)
            assert during["visema_sessions"] == during["visema_sessions_opened_total"] == 1
            assert during['visema_sessions_refused_total{reason="full"}'] == 1
            assert during["visema_ticks_total"] >= 8 and during["visema_latency_seconds_count"] >= 8
            for stage in ("features", "motion", "render", "tick"):
                assert during[f'visema_stage_seconds_count{{stage="{stage}"}}'] >= 1
                infinite = during[f'visema_stage_seconds_bucket{{stage="{stage}",le="+Inf"}}']
                assert infinite == during[f'visema_stage_seconds_count{{stage="{stage}"}}']
            assert during['visema_batch_sessions_bucket{le="1"}'] == during["visema_batch_sessions_count"] >= 8
            assert during["visema_av_offset_seconds_count"] == 1
            assert during['visema_av_offset_seconds_bucket{le="-0.03"}'] == 0
            assert during['visema_av_offset_seconds_bucket{le="-0.015"}'] == 1
            await viewer.close()
            after = during
            while after["visema_sessions"]:  # what it had counted is kept when it is gone for good
                await asyncio.sleep(0.05)
                after = await scrape(url)
            for name in ("visema_ticks_total", "visema_latency_seconds_count", "visema_encode_seconds_sum"):
                assert after[name] >= during[name] > 0, "no counter goes back"
            await second.close()

    asyncio.run(scene())


def test_a_histogram_holds_every_value_in_its_place():
    histogram, other = Histogram((1.0, 10.0)), Histogram((1.0, 10.0))
    for value in (0.5, 1.0, 1.1, 10.0, 11.0):
        histogram.add(value)
    other.add(100.0)
    other.include(histogram)
    assert histogram.counts == [2, 2, 1] and other.counts == [2, 2, 2]
    assert math.isclose(other.total, 123.6)
    timings = Timings(depth=2)
    for ms in (1, 2, 50):
        timings.add_ns(ms * 1_000_000)
    assert sum(timings.histogram.counts) == timings.count == 3, "older than the percentiles' window too"


def test_logs_are_lines_that_machines_read():
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    log = logging.getLogger("engine.of_a_test")
    log.addHandler(handler)
    log.setLevel("INFO")
    log.propagate = False
    try:
        log.info("ä session %d\nwith two lines", 7, extra={"session": "abc", "error": None})
        try:
            raise ValueError("what happened")
        except ValueError:
            log.exception("broken")
        handler.setFormatter(Plain())
        log.info("plain", extra={"session": "abc"})
    finally:
        log.removeHandler(handler)
    first, second, plain = stream.getvalue().splitlines()
    told = json.loads(first)
    assert told["message"] == "ä session 7\nwith two lines" and told["session"] == "abc" and told["level"] == "info"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", told["time"]) and told["error"] is None
    assert "what happened" in json.loads(second)["error"]
    assert plain.endswith("plain session=abc")


def test_the_style_is_chosen_once(monkeypatch):
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", list(root.handlers))
    levels = {name: logging.getLogger(name).level for name in ("", "engine", "plugins")}
    try:
        write_logs("json", "info")
        assert isinstance(root.handlers[0].formatter, JsonLines) and logging.getLogger("engine.x").isEnabledFor(20)
        assert not logging.getLogger("aiohttp").isEnabledFor(20)
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
