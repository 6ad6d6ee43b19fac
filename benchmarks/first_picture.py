"""Clone to the first talking picture: `python -m benchmarks.first_picture`.

Clones this repository into an empty folder, runs `make run` there as the README says, opens the page in headless
Chromium with the built-in sample and waits until a picture has been decoded while the mouth's voice plays.
"""

import argparse
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from engine.device import describe_device

ROOT = Path(__file__).resolve().parents[1]


def clone(folder: Path) -> Path:
    """A fresh clone of what is committed."""
    target = folder / "visema"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(target)], check=True)
    return target


@contextlib.contextmanager
def make_run(folder: Path, log: Path, limit_s: float = 900) -> Iterator[str]:
    """`make run` in a clone on a free port; yields the URL that it prints, and ends it afterwards.

    Where util-linux is (any Linux), it also ends if this process is killed: the kernel tells make, and make its child.
    """
    with_us = ["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else []
    environment = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "MAKEFLAGS")}
    with log.open("w") as out:
        process = subprocess.Popen(
            [*with_us, "make", "run", "ARGS=--port 0"], cwd=folder, stdout=out, stderr=subprocess.STDOUT,
            env=environment | {"PYTHONUNBUFFERED": "1"}, start_new_session=True,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + limit_s
        while True:
            found = re.search(r"http://[\w.:\[\]]+", log.read_text())
            if found:
                break
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"make run did not come up:\n{log.read_text()[-3000:]}")
            time.sleep(0.2)
        yield found.group()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_for_picture(url: str) -> dict:
    """Open the page with the built-in sample; the page's statistics once a picture is decoded."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required"],
        )
        page = browser.new_page()
        page.goto(f"{url}/?autostart=sample")
        while True:
            stats = page.evaluate("window.visema.stats()")
            if stats["framesDecoded"] > 0:
                browser.close()
                return stats
            time.sleep(0.1)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.first_picture", description=__doc__)
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    options = parser.parse_args(argv)
    begun_s = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        copy = clone(Path(folder))
        with make_run(copy, Path(folder) / "log") as url:
            ready_s = time.monotonic() - begun_s
            wait_for_picture(url)
            picture_s = time.monotonic() - begun_s
    report = {
        "device": describe_device(),
        "clone_to_url_s": round(ready_s, 1),
        "clone_to_first_picture_s": round(picture_s, 1),
    }
    print(json.dumps(report, indent=1))
    if options.out:
        options.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
