"""The benchmark's own network: what netem is told, nothing is changed outside, and all but netem really runs inside."""

import os
import socket
import subprocess
import time
from typing import Any

import pytest

from benchmarks.harness import command, namespace, netem
from benchmarks.harness.apart import run_apart
from benchmarks.harness.command import BENCHMARKS, how, make_parser
from benchmarks.harness.namespace import (
    ADDRESS,
    OUTSIDE,
    OWN_NETWORK,
    Choice,
    choose,
    enter,
    set_qdisc,
    through,
    what_lacks,
)
from benchmarks.harness.netem import Netem, edges
from benchmarks.harness.network import MEASURE, NAMESPACE, bench_network
from benchmarks.harness.report import Result
from engine.config import Config, parse_config
from engine.errors import ConfigError, DeviceError
from engine.stream.lossy import NETWORKS, Faults

HERE = "tests.test_bench_namespace"
SMALL = {"render": {"size": 128, "quality": "plain"}, "engine": {"executor": "eager"}, "motion": {"plugin": "viseme"}}
linux = pytest.mark.skipif(not os.path.exists(OWN_NETWORK), reason="only Linux has network namespaces")
HEAD = ["netem", "limit", "10000"]


@pytest.fixture
def inside_is_possible() -> None:
    """Skips where there can be no namespace, and says why. Netem is not needed."""
    if why := what_lacks(("pfifo", "limit", "10")):
        pytest.skip(f"no network namespace: {why}")


def test_what_netem_is_told_by_hand():
    assert netem.netem(Faults()) == []
    assert netem.netem(NETWORKS["loss 5 %"]) == [*HEAD, "delay", "20ms", "loss", "5%"]
    in_order = ["rate", "10gbit"]
    assert netem.netem(NETWORKS["jitter 30 ms"]) == [*HEAD, "delay", "35ms", "15ms", *in_order], "20 to 50 ms"
    reordering = [*HEAD, "delay", "22.5ms", "2.5ms", "reorder", "5%", "gap", "1", *in_order]
    assert netem.netem(NETWORKS["reordering"]) == reordering
    outage = NETWORKS["outage 2 s"]
    assert netem.netem(outage) == [*HEAD, "delay", "20ms"]
    assert netem.netem(outage, cut=True) == [*HEAD, "delay", "20ms", "loss", "100%"]
    assert netem.netem(Faults(outages=((0, 1),))) == HEAD, "something that can be cut"
    assert netem.netem(Faults(doubled=0.1)) == [*HEAD, "duplicate", "10%"]
    assert netem.netem(Faults(reordered=0.2)) == [*HEAD, "delay", "30ms", "reorder", "20%", "gap", "1"]
    with pytest.raises(ConfigError, match="cannot hold packets back"):
        netem.netem(Faults(outages=((0, 1),), held=True))


def test_the_line_is_cut_while_any_outage_lasts():
    assert edges(Faults(outages=((300, 200), (100, 50)))) == [(100, True), (150, False), (300, True), (500, False)]
    assert edges(Faults(outages=((100, 200), (200, 300)))) == [(100, True), (200, True), (300, True), (500, False)]


def test_outages_come_in_time_and_not_after_the_case(monkeypatch):
    told: list[tuple[float, str, list[str]]] = []
    for name in ("set_qdisc", "change_qdisc"):
        monkeypatch.setattr(
            netem, name, lambda words, name=name: told.append((time.monotonic(), name, words))
        )
    faults = Faults(delay_ms=5, outages=((100, 100), (60_000, 100)))
    with Netem() as line:
        begun_s = time.monotonic()
        line.spoil(faults)
        time.sleep(0.5)
    assert time.monotonic() - begun_s < 30, "nobody waits for the second outage"
    cut, whole = netem.netem(faults, cut=True), netem.netem(faults)
    assert [one[1:] for one in told] == [
        ("set_qdisc", []), ("set_qdisc", whole), ("change_qdisc", cut), ("change_qdisc", whole), ("set_qdisc", [])
    ]  # fmt: skip
    assert told[2][0] - begun_s >= 0.1 and told[3][0] - begun_s >= 0.2


def test_an_outage_that_cannot_be_made_is_told(monkeypatch):
    def refuse(words: list[str]) -> None:
        raise DeviceError("no such qdisc")

    monkeypatch.setattr(netem, "set_qdisc", lambda words: None)
    monkeypatch.setattr(netem, "change_qdisc", refuse)
    line = Netem()
    line.spoil(Faults(outages=((0, 10),)))
    time.sleep(0.2)
    with pytest.raises(DeviceError, match="no such qdisc"):
        line.clear()
    line.clear()


@linux
@pytest.mark.parametrize("outside", [None, "its own", "net:[1]"])
def test_nothing_is_changed_outside_of_a_namespace(monkeypatch, outside):
    ran: list[Any] = []
    monkeypatch.setattr(namespace.subprocess, "run", lambda *args, **more: ran.append(args))
    own = through()[1].partition("=")[2]
    assert own.startswith("net:[")
    if outside is None:
        monkeypatch.delenv(OUTSIDE, raising=False)
    else:  # even to who says that its network were another, this user is not root over itself alone
        monkeypatch.setenv(OUTSIDE, own if outside == "its own" else outside)
    for change in (enter, lambda: set_qdisc(["netem"]), lambda: netem.change_qdisc([]), Netem().clear):
        with pytest.raises(DeviceError, match="nothing is changed"):
            change()
    assert ran == []


@linux
def test_why_there_is_no_namespace_is_said_and_what_to_do(monkeypatch):
    monkeypatch.setattr(namespace, "find_tool", lambda name: f"/bin/{name}")
    monkeypatch.setattr(namespace, "UNSHARE", ("false",))
    assert "no permission" in what_lacks() and "sysctl" in what_lacks()
    monkeypatch.setattr(namespace, "find_tool", lambda name: None if name == "tc" else f"/bin/{name}")
    assert "`tc` is missing (apt install iproute2)" in what_lacks()
    assert choose("auto") == Choice((), what_lacks())
    with pytest.raises(DeviceError, match=r"`tc` is missing .* or take --link deterministic"):
        choose("namespace")
    with pytest.raises(DeviceError, match="`tc` is missing"):
        bench_network(Config(), 1.0, link="namespace")
    monkeypatch.setattr(namespace, "OWN_NETWORK", "/nowhere")
    assert "only Linux" in what_lacks()
    with pytest.raises(ConfigError, match="auto, namespace, deterministic"):
        choose("tcp")  # type: ignore[arg-type]


def test_a_qdisc_that_the_kernel_lacks_is_named(inside_is_possible):
    why = what_lacks(("nosuch",))
    assert "the kernel has no nosuch" in why and "modprobe sch_nosuch" in why


def test_the_word_reaches_the_benchmark_which_starts_its_own_process(monkeypatch):
    options = make_parser().parse_args(["network", "--link", "namespace"])
    assert how(options)["link"] == "namespace" and how(make_parser().parse_args(["all"]))["link"] == "auto"
    seen: dict[str, Any] = {}

    def instead(config: Config, seconds: float, **told: Any) -> Result:
        seen.update(told)
        return Result({}, [])

    monkeypatch.setattr("benchmarks.harness.network.bench_network", instead)
    waiting: Any = object()
    command._apart(BENCHMARKS["network"], Config(), 1.0, how(options), waiting)
    assert seen["link"] == "namespace" and seen["waiting"] is waiting


def outside_now() -> tuple[str, str]:
    """What loopback meets here, and the addresses."""
    asked = ["tc", "qdisc", "show"], ["ip", "-o", "address"]
    found = [
        subprocess.run([namespace.find_tool(words[0]) or words[0], *words[1:]], capture_output=True, text=True)
        for words in asked
    ]
    return found[0].stdout, found[1].stdout.replace("tentative", "")


def send(count: int) -> int:
    """How many of so many packets of 500 bytes come from ADDRESS to itself."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind((ADDRESS, 0))
        one.settimeout(0.2)
        for _ in range(count):
            one.sendto(bytes(500), one.getsockname())
        came = 0
        try:
            while True:
                one.recv(1_000)
                came += 1
        except TimeoutError:
            return came


def talk(config: Config, seconds: float, port: int) -> Result:
    """Inside: packets pass, and are lost where the qdisc says so; none gets out to that port."""
    enter()
    figures: dict[str, Any] = {"clean": send(40)}
    # What there is where netem is not: a bucket so small that almost nothing passes stands for the outage.
    netem.netem = lambda faults, cut=False: [  # type: ignore[assignment]
        "tbf", "rate", "8kbit" if cut else "1gbit", "burst", "3kb" if cut else "64kb", "latency", "1ms"]  # fmt: skip
    with Netem() as line:
        line.spoil(Faults(outages=((2_000, 3_000),)))
        begun_s = time.monotonic()
        for name, at_s in (("before", 0.0), ("cut", 3.0), ("after", 6.0)):
            time.sleep(max(0.0, begun_s + at_s - time.monotonic()))
            figures[name] = send(40)
    figures["cleared"] = "noqueue" in namespace.call("tc", "qdisc", "show", "dev", "lo")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.sendto(b"do you hear me?", ("127.0.0.1", port))
    return Result(figures, [])


def test_packets_pass_inside_are_lost_there_and_nothing_is_seen_outside(inside_is_possible):
    if why := what_lacks(("tbf", "rate", "8kbit", "burst", "3kb", "latency", "1ms")):
        pytest.skip(f"a token bucket stands for netem here, but {why}")
    before = outside_now()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear:
        ear.bind(("127.0.0.1", 0))
        ear.settimeout(0.3)
        found = run_apart(f"{HERE}:talk", Config(), 1.0, {"port": ear.getsockname()[1]}, 60.0, through=through())
        with pytest.raises(TimeoutError):
            ear.recv(100)
        ear.sendto(b"1", ear.getsockname())
        assert ear.recv(100) == b"1", "it would have heard"
    figures = found.figures
    assert figures["clean"] == figures["before"] == figures["after"] == 40 and figures["cut"] < 20
    assert figures["cleared"] and outside_now() == before
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one, pytest.raises(OSError):
        one.bind((ADDRESS, 0))


def read_by_tc(config: Config, seconds: float) -> Result:
    """Inside: what `tc` answers to every case, and to words that it cannot read."""
    enter()
    figures: dict[str, str] = {}
    cases = {name: netem.netem(faults) for name, faults in NETWORKS.items() if faults != Faults()}
    cut = netem.netem(NETWORKS["outage 2 s"], cut=True)
    all_at_once = netem.netem(Faults(0.01, 0.02, 0.03, delay_ms=1.5, jitter_ms=2.5))
    for name, words in {**cases, "cut": cut, "all": all_at_once, "wrong": [*HEAD, "loss", "many"]}.items():
        try:
            set_qdisc(words)
            figures[name] = ""
        except DeviceError as error:
            figures[name] = str(error)
    return Result(figures, [])


def test_tc_can_read_what_it_is_told(inside_is_possible):
    """It reads all of it before it asks the kernel: with or without netem there."""
    told = run_apart(f"{HERE}:read_by_tc", Config(), 1.0, {}, 60.0, through=through()).figures
    without = "qdisc kind is unknown"
    wrong = told.pop("wrong")
    assert "many" in wrong and without not in wrong and len(told) == len(NETWORKS) + 1
    assert all(answer == "" or without in answer for answer in told.values()), told


def test_the_benchmark_runs_inside_up_to_netem(inside_is_possible):
    told = {"cases": {"clean": Faults()}, "browser": False, "choice": Choice(through())}
    result = run_apart(MEASURE, parse_config(SMALL), 3.0, told, 200.0, through=through())
    row = result.figures["cases"][0]
    assert result.figures["link"] == NAMESPACE and result.figures["no_namespace"] is None
    assert row["netem"] == "" and row["pictures"] >= 1 and row["silence_filled_ms"] >= 0
    assert result.notes == ["The lines: a network namespace with tc netem."]


def test_the_benchmark_inside_with_netem_loses_packets():
    if why := what_lacks():
        pytest.skip(f"no netem: {why}")
    cases = {"loss": Faults(loss=0.3, delay_ms=5)}
    result = bench_network(parse_config(SMALL), 3.0, cases, browser=False, link="namespace")
    assert result.figures["cases"][0]["packets_lost"] > 0 and result.figures["cases"][0]["netem"].endswith("30%")
