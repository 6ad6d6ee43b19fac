"""Bad lines: the peer's receiving side really loses and delays, and what is written about it."""

import asyncio

import numpy as np
import pytest

from benchmarks.harness.bad_line import _Receiving
from benchmarks.harness.network import bench_network, inside, longest_gap
from benchmarks.harness.timeline import Arrival
from engine.config import parse_config
from engine.stream.lossy import Faults, Link

SMALL = {"render": {"size": 128, "quality": "plain"}, "engine": {"executor": "eager"}}


def receive(faults: Faults, count: int) -> list[bytes]:
    """What comes through of so many packets."""

    async def run() -> list[bytes]:
        sent, left = iter(range(count)), asyncio.Event()

        async def wire() -> bytes:
            number = next(sent, None)
            if number is None:
                await left.wait()
                raise ConnectionError
            await asyncio.sleep(0)
            return b"%d" % number

        line, got = _Receiving(wire, Link(faults, 3)), []
        asyncio.get_running_loop().call_later(0.3, left.set)
        with pytest.raises(ConnectionError):
            while True:
                got.append(await line.recv())
        return got

    return asyncio.run(run())


def test_a_clean_line_changes_nothing():
    assert receive(Faults(), 200) == [b"%d" % k for k in range(200)]


def test_a_line_that_loses_half_loses_half():
    got = receive(Faults(loss=0.5), 400)
    assert 150 < len(got) < 250 and got == sorted(got, key=int)


def test_a_line_that_doubles_gives_all_twice():
    assert receive(Faults(doubled=1.0, delay_ms=5), 50) == [b"%d" % (k // 2) for k in range(100)]


def test_shares_and_gaps_by_hand():
    assert inside(np.array([-46.0, -45.0, 0.0, 15.0, 16.0])) == 60.0 and inside(np.zeros(0)) is None
    came = [Arrival(k, at * 1_000_000, 0, 0.0) for k, at in enumerate((0, 40, 200, 240))]
    assert longest_gap(came) == 160.0 and longest_gap(came[:1]) is None


def test_every_case_has_its_row():
    cases = {"clean": Faults(), "loss 5 %": Faults(loss=0.05, delay_ms=5)}
    result = bench_network(parse_config(SMALL), 2.0, cases)
    rows = result.figures["cases"]
    assert [row["name"] for row in rows] == list(cases)
    for row in rows:
        assert set(row["loopback_ms"]) == {"p50", "p95", "p99"} and {"p0.1", "p99.9"} <= set(row["av_offset_ms"])
        assert row["dropped"] >= 0 and row["packets_lost"] >= 0 and row["silence_filled_ms"] >= 0
    assert len(result.tables[0].rows[0]) == len(result.tables[0].head)
