"""`visema serve` to one headless browser: pictures decoded, freezes, CPU, and sound against picture.

    python -m benchmarks.serve --seconds 180 --out result.json

Starts the server as a process of its own on a free port, and Chromium on the built-in sample. The first
seconds (--settle) are left out of all figures. Needs Chromium, and the `test` extra.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import time
from typing import Any

import numpy as np

FPS = 25
ARGUMENTS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--autoplay-policy=no-user-gesture-required", "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
]  # fmt: skip
WINDOW_MS = (-45.0, 15.0)  # sound may be so late and so early
EVERY_S = 1.0


def start_server(extra: list[str]) -> tuple[subprocess.Popen[str], str]:
    """(process, URL) of a server that is ready."""
    command = [sys.executable, "-m", "engine", "serve", "--port", "0", *extra]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        found = re.search(r"http://\S+", line)
        if found:
            return process, found.group()
    raise SystemExit(f"the server did not start (exit code {process.wait()})")


def watch(url: str, process: subprocess.Popen[str], source: str, seconds: float, settle: float) -> dict[str, Any]:
    """Let a browser look for a while; the figures of it."""
    import psutil
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("Chromium is missing: apt install chromium")
    server = psutil.Process(process.pid)
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=ARGUMENTS, ignore_default_args=["--mute-audio"])
        page = browser.new_page(viewport={"width": 900, "height": 900})
        page.goto(f"{url}?autostart={source}")
        page.wait_for_timeout(settle * 1000)
        first, cpu, begun = page.evaluate("window.visema.stats()"), _cpu_s(server), time.monotonic()
        samples = []
        while time.monotonic() - begun < seconds:
            page.wait_for_timeout(EVERY_S * 1000)
            samples.append(page.evaluate("window.visema.stats()"))
        last, taken_s = page.evaluate("window.visema.stats()"), time.monotonic() - begun
        cores = (_cpu_s(server) - cpu) / taken_s
        told = page.evaluate("window.visema.serverStats()")
        version = browser.version
        browser.close()
    offsets = [s["avOffsetMs"] for s in samples if s["avOffsetMs"] is not None]
    decoded = last["framesDecoded"] - first["framesDecoded"]
    within = [WINDOW_MS[0] <= offset <= WINDOW_MS[1] for offset in offsets]
    return {
        "seconds": round(taken_s, 2),
        "size": [last["width"], last["height"]],
        "codec": last["codec"],
        "browser": version,
        "decoded_percent": round(100 * decoded / (FPS * taken_s), 2),
        "freezes": last["freezeCount"] - first["freezeCount"],
        "fps": _percentiles([s["fps"] for s in samples]),
        "server_cores": round(cores, 3),
        "server_memory_mb": round(server.memory_info().rss / 1e6),
        "av_offset_ms": _percentiles(offsets) if offsets else None,
        "av_offset_within_percent": round(100 * sum(within) / len(within), 1) if within else None,
        "concealed_percent": round(
            100 * (last["concealedSamples"] - first["concealedSamples"]) / (48_000 * taken_s), 2
        ),
        "packets_lost": last["packetsLost"],
        "browser_video_buffer_ms": _rounded(last["videoBufferMs"]),
        "browser_audio_buffer_ms": _rounded(last["audioBufferMs"]),
        "server": told,
        "load_average": list(psutil.getloadavg()),
    }


def _cpu_s(process: Any) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def _percentiles(values: list[float]) -> dict[str, float]:
    return {f"p{q}": round(float(np.percentile(values, q)), 2) for q in (1, 5, 50, 95, 99)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])  # type: ignore[union-attr]
    parser.add_argument("--seconds", type=float, default=180.0)
    parser.add_argument("--source", choices=["sample", "mic"], default="sample", help="mic: Chromium's beeps")
    parser.add_argument("--settle", type=float, default=10.0, help="seconds before the figures begin")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="passed to visema serve")
    parser.add_argument("--out", help="write the JSON here too")
    options = parser.parse_args()
    process, url = start_server([part for text in options.set for part in ("--set", text)])
    try:
        figures = watch(url, process, options.source, options.seconds, options.settle)
        figures["tick_ms"], figures["device"] = _health(url)
    finally:
        process.terminate()
        process.wait(20)
    text = json.dumps(figures, indent=2)
    print(text)
    if options.out:
        with open(options.out, "w", encoding="utf-8") as file:
            file.write(text + "\n")


def _health(url: str) -> tuple[dict[str, float], str]:
    from urllib.request import urlopen

    with urlopen(f"{url}healthz") as reply:
        health = json.load(reply)
    return health["tick_ms"], health["device"]


if __name__ == "__main__":
    main()
