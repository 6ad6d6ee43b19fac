"""`visema serve` itself, as a user starts and ends it."""

import json
import re
import signal
import socket
import subprocess
import sys
from urllib.request import urlopen

COMMAND = [sys.executable, "-m", "engine", "serve", "--set", "render.size=64", "--set", "engine.executor=eager"]


def test_it_prints_its_address_answers_and_ends_cleanly():
    process = subprocess.Popen([*COMMAND, "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        found = next(match for line in process.stdout if (match := re.search(r"http://127\.0\.0\.1:\d+/", line)))
        with urlopen(f"{found.group()}healthz") as reply:
            assert json.load(reply)["status"] == "ok"
        with urlopen(found.group()) as reply:
            assert b"Visema" in reply.read() and "default-src 'self'" in reply.headers["Content-Security-Policy"]
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0 and "Traceback" not in errors


def test_a_port_that_is_taken_is_a_clear_error():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = subprocess.run(
            [*COMMAND, "--port", str(taken.getsockname()[1])], capture_output=True, text=True, timeout=120
        )
    assert done.returncode == 2 and "--port" in done.stderr and "Traceback" not in done.stderr
