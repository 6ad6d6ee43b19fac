"""The two commands of the README, run as a newcomer would: on a fresh clone, in an empty folder."""

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

from benchmarks.first_picture import clone, make_run

README = Path("README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def fresh(tmp_path_factory) -> Path:
    return clone(tmp_path_factory.mktemp("clone"))


@pytest.mark.timeout(1500)
def test_make_run_serves_the_page(fresh, tmp_path):
    assert "make run" in README
    with make_run(fresh, tmp_path / "log") as url, urllib.request.urlopen(url + "/healthz") as health:
        assert json.load(health)["status"] == "ok"
        with urllib.request.urlopen(url) as page:
            assert b"<video" in page.read()


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv: apt install util-linux")
def test_a_server_does_not_outlive_who_is_killed(tmp_path):
    (tmp_path / "Makefile").write_text(f"run:\n\t{sys.executable} -u -m http.server --bind 127.0.0.1 0\n")
    program = """import sys, time
from pathlib import Path
from benchmarks.first_picture import make_run
with make_run(Path(sys.argv[1]), Path(sys.argv[1]) / "log") as url:
    print(url, flush=True)
    time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        url = child.stdout.readline().strip()
        assert urllib.request.urlopen(url).status == 200
        child.kill()
    end_s = time.monotonic() + 60
    place = urllib.parse.urlsplit(url)
    with pytest.raises(OSError, match="refused"):
        while time.monotonic() < end_s:
            with contextlib.suppress(ConnectionResetError):  # in the middle of its end
                socket.create_connection((place.hostname, place.port)).close()
            time.sleep(0.1)


@pytest.mark.timeout(1500)
def test_make_test_runs_the_tests(fresh):
    assert "make test" in README
    environment = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "MAKEFLAGS")}
    # Only a part of the tests: all of them would start this one again.
    run = subprocess.run(
        ["make", "test", "ARGS=tests/test_frame.py"], cwd=fresh, env=environment, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    assert re.search(r"\d+ passed", run.stdout)


def test_every_command_that_the_readme_names_exists():
    from engine.cli import make_parser

    commands = make_parser().format_help()
    for command in set(re.findall(r"\bvisema ([a-z]+)", README)) - {"is"}:
        assert command in commands, f"the README names `visema {command}`"


def test_every_file_that_the_readme_links_exists():
    for link in re.findall(r"\]\(([^)#:]+)\)", README):
        assert Path(link).exists(), link
