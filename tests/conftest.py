"""Shared by all tests: one thread, and no avoidable skip where CI says so."""

import os
import re
from collections.abc import Iterator
from typing import Any

import pytest

import engine.device  # sets the thread pools' sizes before torch and numba are imported

# The skips that a machine without GPU, as root, without devices, with this kernel, cannot avoid. Any other one fails
# CI: a package or file that could have been installed was missing.
UNAVOIDABLE = (r"NVIDIA GPU", r"this machine has a GPU", r"this user may read everything", r"camera device",
               r"no permission to make one", r"the kernel has no ", r"only Linux has")  # fmt: skip
avoidable: list[str] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    _note_skip(report)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    _note_skip(report)


def _note_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if report.skipped and isinstance(report.longrepr, tuple):
        reason = report.longrepr[2]
        if not any(re.search(known, reason) for known in UNAVOIDABLE):
            avoidable.append(f"{report.nodeid}: {reason}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    if avoidable and os.environ.get("CI"):
        session.exitstatus = 1


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if avoidable and os.environ.get("CI"):
        terminalreporter.section("skips that were avoidable: CI fails", red=True)
        for line in avoidable:
            terminalreporter.line(line)


@pytest.fixture(autouse=True, scope="session")
def cache_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Nothing that was kept on this machine before takes part in a test."""
    os.environ["VISEMA_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Two OpenMP threads beside a busy neighbour are slower than one."""
    engine.device.use_one_thread()


@pytest.fixture(scope="module", name="engine")
def started_engine() -> Iterator[Any]:
    """A small real engine with two sessions (tests/peers.py), its compute thread running; one for every test file."""
    from engine.session import Engine  # what needs no server is not to wait for its imports
    from tests.peers import make_config

    started = Engine(make_config())
    started.start()
    yield started
    started.close()


@pytest.fixture
def untried_libvpx() -> Iterator[None]:
    """What was found out about libvpx is kept for the process: forgotten before and after."""
    from engine.stream import encoders, libvpx, vpx

    def forget() -> None:
        for tried in (libvpx.load_library, vpx.check_steering, encoders.works):
            tried.cache_clear()

    forget()
    yield
    forget()
