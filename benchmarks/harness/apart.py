"""A benchmark in a process of its own: whatever happens in it, the next one begins as if it had been the first.

What one leaves behind (threads, compiled kernels, memory) would slow the next; one that hangs or crashes would end a
run of an hour. The process ends with everything that it started.
"""

import os
import pickle
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness.figures import ROOT
from benchmarks.harness.report import Result
from engine.config import Config
from engine.errors import DeviceError

POLL_S = 0.25
END_S = 10.0


def run_apart(
    place: str, config: Config, seconds: float, how: dict[str, Any], limit_s: float,
    waiting: Callable[[float], None] = lambda passed_s: None, through: Sequence[str] = (),
) -> Result:  # fmt: skip
    """The result of the benchmark "module:function", called as function(config, seconds, **how).

    waiting: called a few times a second with the seconds passed. through: a command that becomes the one whose words
    follow its own, such as `unshare`. DeviceError with its last words if it fails, or is
    not done after `limit_s`.
    """
    with tempfile.TemporaryDirectory() as folder:
        order, answer, log = (Path(folder) / name for name in ("order", "answer", "log"))
        order.write_bytes(pickle.dumps((place, config.model_dump(), seconds, how)))
        with log.open("wb") as words:
            process = subprocess.Popen(
                [*through, sys.executable, "-m", "benchmarks.harness.apart", str(order), str(answer)],
                stdin=subprocess.DEVNULL, stdout=words, stderr=subprocess.STDOUT, cwd=ROOT, start_new_session=True,
            )  # fmt: skip
        begun_s = time.monotonic()
        try:
            while process.poll() is None:
                passed_s = time.monotonic() - begun_s
                if passed_s > limit_s:
                    raise DeviceError(f"not done after {limit_s:.0f} s: it was ended")
                waiting(passed_s)
                time.sleep(POLL_S)
        finally:
            end_group(process)
        if process.returncode != 0 or not answer.exists():
            raise DeviceError(last_words(log) or f"it ended with code {process.returncode}")
        return pickle.loads(answer.read_bytes())  # our own process wrote it


def end_group(process: "subprocess.Popen[bytes]") -> None:
    """End a process and all that it started and left, such as servers and browsers."""
    if hasattr(os, "killpg"):
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(process.pid, number)
            except (ProcessLookupError, PermissionError):  # nobody is left
                break
            if number == signal.SIGTERM and process.poll() is None:
                try:
                    process.wait(END_S)
                except subprocess.TimeoutExpired:
                    continue
    elif process.poll() is None:
        process.kill()
    process.wait()


def last_words(log: Path) -> str:
    """The last line that a process wrote: of an error, that is what it was."""
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else ""


def main(argv: list[str]) -> None:
    """The process: reads the order, writes the pickled result."""
    from importlib import import_module

    from engine.errors import EngineError

    place, settings, seconds, how = pickle.loads(Path(argv[0]).read_bytes())
    module, function = place.split(":")
    try:
        result = getattr(import_module(module), function)(Config.model_validate(settings), seconds, **how)
    except (EngineError, ModuleNotFoundError, FileNotFoundError) as error:
        print(str(error).replace("\n", " "))
        sys.exit(2)
    Path(argv[1]).write_bytes(pickle.dumps(result))


if __name__ == "__main__":
    main(sys.argv[1:])
