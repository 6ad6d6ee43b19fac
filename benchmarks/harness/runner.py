"""Any other engine in the same benchmark: a script that hears sound and says when it has a picture.

    visema bench baselines --runner "python my_runner.py"

The script (any program) speaks two kinds of lines, and may write what it likes to stderr:

    ready NAME          once, when it is loaded and warm; then sound begins
    frame SAMPLE        whenever a picture is ready for the encoder: the input sample at which its 40 ms of sound end

On its standard input it gets 16-bit little-endian mono sound at 16 kHz, in real time, 20 ms (640 bytes) at a time,
until the input ends; then it should end too. The harness looks at its own clock when it reads a line. Pictures must
come in order; SAMPLE never goes back. `toy_runner.py` beside this file is a whole example.
"""

import contextlib
import shlex
import subprocess
import threading
import time

import numpy as np

from benchmarks.harness.layouts import Flow
from engine.errors import DeviceError
from engine.frames import SAMPLE_RATE_HZ, TICK_SAMPLES

CHUNK = SAMPLE_RATE_HZ // 50
READY_S = 600.0  # to load whatever it must
END_S = 10.0


def run_runner(command: str, voice: np.ndarray, seconds: float) -> tuple[str, Flow]:
    """(its name, when pictures were ready by tick, ms since sound began).

    voice: float32 at 16 kHz, spoken over and over. DeviceError: it does not start, dies, or says something else.
    """
    try:
        process = subprocess.Popen(shlex.split(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    except (OSError, ValueError) as error:
        raise DeviceError(f"the runner does not start: {error}") from None
    lines = _Lines(process)
    try:
        name = lines.wait_ready(command)
        begun_ns = _speak(process, voice, seconds, command)
    finally:
        _end(process)
        lines.join()
    return name, _flow(lines.frames, begun_ns, command)


class _Lines(threading.Thread):
    """Reads what a runner says, with the time at which it was read."""

    def __init__(self, process: subprocess.Popen[bytes]):
        super().__init__(name="runner", daemon=True)
        self._process = process
        self._ready = threading.Event()
        self._first = b""
        self.frames: list[tuple[bytes, int]] = []
        self.start()

    def run(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                if not self._ready.is_set():
                    self._first = line
                    self._ready.set()
                else:
                    self.frames.append((line, time.monotonic_ns()))
        self._ready.set()

    def wait_ready(self, command: str) -> str:
        word, _, name = self._first_line().partition(" ")
        if word != "ready":
            raise DeviceError(f"the runner {command!r} must say 'ready NAME' first, not {word[:40]!r}")
        return name.strip() or command

    def _first_line(self) -> str:
        self._ready.wait(READY_S)
        return self._first.decode("utf-8", "replace").strip()


def _speak(process: subprocess.Popen[bytes], voice: np.ndarray, seconds: float, command: str) -> int:
    assert process.stdin is not None
    whole = (np.clip(voice, -1, 1) * 32_767).astype("<i2")
    begun_ns = time.monotonic_ns()
    for chunk in range(round(seconds * 50)):
        due_ns = begun_ns + (chunk + 1) * 20_000_000
        time.sleep(max(0, due_ns - time.monotonic_ns()) / 1e9)
        places = np.arange(chunk * CHUNK, (chunk + 1) * CHUNK) % len(whole)
        try:
            process.stdin.write(whole[places].tobytes())
            process.stdin.flush()
        except OSError:
            raise DeviceError(f"the runner {command!r} ended before its sound did") from None
    return begun_ns


def _end(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    with contextlib.suppress(OSError):  # it has gone already
        process.stdin.close()
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _flow(lines: list[tuple[bytes, int]], begun_ns: int, command: str) -> Flow:
    flow, last = Flow(), -1
    for line, at_ns in lines:
        word, _, number = line.decode("utf-8", "replace").strip().partition(" ")
        if word != "frame" or not number.isdecimal() or int(number) < last:
            raise DeviceError(f"the runner {command!r} said {line[:60]!r}; 'frame SAMPLE' was expected, in order")
        last = int(number)
        flow.ready.setdefault(last // TICK_SAMPLES - 1, (at_ns - begun_ns) / 1e6)
    flow.left = dict(flow.ready)
    return flow
