"""Bad lines: the peer's receiving side really loses and delays, and what is written about it."""

import asyncio
import shutil
import socket

import numpy as np
import pytest

from benchmarks.harness.bad_line import _Receiving
from benchmarks.harness.chromium import NAMES, look_on
from benchmarks.harness.figures import OFFSET, percentiles
from benchmarks.harness.network import DETERMINISTIC, _tables, bench_network, inside, longest_gap
from benchmarks.harness.relay import Relay, instead
from benchmarks.harness.rig import Rig
from benchmarks.harness.timeline import Arrival
from engine.config import parse_config
from engine.errors import SessionError
from engine.stream.lossy import Faults, Link

SMALL = {"render": {"size": 128, "quality": "plain"}, "engine": {"executor": "eager"}, "motion": {"plugin": "viseme"}}


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
    result = bench_network(parse_config(SMALL), 2.0, cases, browser=False, link="deterministic")
    assert result.figures["link"] == DETERMINISTIC and "not asked for" in result.figures["no_namespace"]
    assert DETERMINISTIC in result.notes[0] and "not asked for" in result.notes[0]
    rows = result.figures["cases"]
    assert [row["name"] for row in rows] == list(cases)
    for row in rows:
        assert set(row["loopback_ms"]) == {"p50", "p95", "p99"} and {"p0.1", "p99.9"} <= set(row["av_offset_ms"])
        assert row["dropped"] >= 0 and row["packets_lost"] >= 0 and row["silence_filled_ms"] >= 0
    assert len(result.tables[0].rows[0]) == len(result.tables[0].head)
    assert len(result.tables) == 1 and rows[0]["chromium"] is None, "no browser, no table of one"


def test_what_chromium_says_has_a_table_and_a_plot():
    said = {"version": "1", "av_offset_ms": {"p1": -30.0, "p50": -20.0, "p99": -5.0}, "fps": 25.0, "freezes": 0,
            "packets_lost": 3, "av_offset_inside_percent": 100.0, "made_up_ms": 20.0, "video_buffer_ms": 40.0,
            "audio_buffer_ms": 50.0}  # fmt: skip
    own = {"loopback_ms": percentiles([]), "av_offset_ms": percentiles([], OFFSET), "dropped": 0,
           "longest_gap_ms": 40.0, "inside_percent": None, "sound_made_up_ms": 0, "silence_filled_ms": 0}  # fmt: skip
    ours, theirs = _tables([{"name": "clean", **own, "chromium": said}, {"name": "x", **own, "chromium": None}])
    assert len(theirs.rows) == 1 and len(theirs.rows[0]) == len(theirs.head) and len(ours.rows) == 2


def test_descriptions_name_the_relay_alone():
    sdp = "\r\n".join(["v=0", "m=audio 9 UDP/TLS/RTP/SAVPF 96", "a=ice-ufrag:u", "a=ice-pwd:p",
                       "a=candidate:1 1 udp 2130706431 10.0.0.7 5004 typ host", "a=candidate:2 1 udp 5 ::1 9 typ host",
                       "a=end-of-candidates", "a=mid:0", ""])  # fmt: skip
    out = instead(sdp, ("127.0.0.1", 77))
    assert [line for line in out.splitlines() if "candidate" in line] == [
        "a=candidate:1 1 udp 2130706431 127.0.0.1 77 typ host", "a=end-of-candidates"]  # fmt: skip
    assert out.count("\r\n") == out.count("\n") and "a=mid:0" in out and "10.0.0.7" not in out
    with Relay() as relay:
        with pytest.raises(SessionError, match="no UDP address"):
            relay.answer("v=0\r\n")
        assert f"{relay.front[0]} {relay.front[1]} typ host" in relay.answer(sdp)
        assert relay._back.partner == ("10.0.0.7", 5004)


def exchange(relay: Relay, count: int) -> tuple[list[bytes], list[bytes]]:
    """(what a server got, what a browser got) of so many packets each way."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as browser, socket.socket(
        socket.AF_INET, socket.SOCK_DGRAM
    ) as server:
        for one in (browser, server):
            one.bind(("127.0.0.1", 0))
            one.settimeout(0.5)
        relay._back.partner = server.getsockname()
        for number in range(count):
            browser.sendto(b"%d" % number, relay.front)
        up = drain(server)
        for number in range(count):
            server.sendto(b"%d" % number, relay.back)
        return up, drain(browser)


def drain(one: socket.socket) -> list[bytes]:
    found = []
    while True:
        try:
            found.append(one.recv(100))
        except TimeoutError:
            return found


def test_a_relay_carries_both_ways_and_spoils_both():
    with Relay() as relay:
        assert exchange(relay, 50) == ([b"%d" % k for k in range(50)],) * 2
        relay.spoil(Faults(loss=0.5), seed=1)
        up, down = exchange(relay, 200)
        assert 60 < len(up) < 140 and 60 < len(down) < 140 and up != down
        relay.spoil(Faults(loss=1.0))
        assert exchange(relay, 10) == ([], [])


@pytest.mark.skipif(not any(map(shutil.which, NAMES)), reason="needs Chromium: apt install chromium")
def test_a_browser_sees_through_the_relay_what_the_line_leaves():
    pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install 'visema[test]'")
    config = parse_config({**SMALL, "serve": {"most_load": 0.0}})
    with Rig(config) as rig:
        through = look_on(rig.url, 4.0, Faults(delay_ms=5))
        lost = look_on(rig.url, 4.0, Faults(loss=1.0))
    assert through is not None and lost is not None
    assert through["decoded"] > 50
    assert lost["decoded"] <= 5, "what was on its way already; nothing comes by any other way"
