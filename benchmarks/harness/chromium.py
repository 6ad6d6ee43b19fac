"""What headless Chromium says of a session, by its own statistics: the second witness beside our own peer."""

import json
import shutil
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import numpy as np

from benchmarks.harness.figures import percentiles
from benchmarks.harness.relay import Relay
from engine.stream.lossy import Faults

NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
]  # fmt: skip
EVERY_S = 0.5
SETTLE_S = 8.0  # its buffers adapt; at most half of the run
CONNECT_MS = 60_000
SAMPLES_PER_MS = 48


def look_on(
    url: str, seconds: float, faults: Faults | None = None, seed: int = 0, begin: Callable[[], None] = lambda: None
) -> dict[str, Any] | None:
    """Let a page of `visema serve` play the built-in sample for a while; None where no Chromium or playwright is.

    faults: of the line between them, both ways, while it is watched: a relay makes them. begin: called when watching
    begins, for faults that are made elsewhere.
    fps, freezes, decoded: pictures; av_offset_ms: sound against picture (sound first is positive), the difference of
    its playout timestamps, whose steps are those of its statistics; video_buffer_ms, audio_buffer_ms, decode_ms;
    made_up_ms: sound that it had to invent.
    """
    browser_path = next(filter(None, map(shutil.which, NAMES)), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return None
    if browser_path is None:
        return None
    with sync_playwright() as play, ExitStack() as stack:
        browser = play.chromium.launch(executable_path=browser_path, args=ARGUMENTS,
                                       ignore_default_args=["--mute-audio"])  # fmt: skip
        stack.callback(browser.close)
        page = browser.new_page(viewport={"width": 900, "height": 900})
        relay = stack.enter_context(Relay(own_address())) if faults is not None else None
        if relay is not None:
            page.route("**/offer", lambda route: _detour(route, relay))
        page.goto(f"{url}/?autostart=sample")
        page.wait_for_function("window.visema && window.visema.state === 'connected'", timeout=CONNECT_MS)
        page.wait_for_timeout(min(SETTLE_S, seconds / 2) * 1000)
        if relay is not None and faults is not None:
            relay.spoil(faults, seed)
        begin()
        samples, begun_s = [page.evaluate("window.visema.stats()")], time.monotonic()
        while time.monotonic() - begun_s < seconds or len(samples) < 2:
            page.wait_for_timeout(EVERY_S * 1000)
            samples.append(page.evaluate("window.visema.stats()"))
        taken_s = time.monotonic() - begun_s
        return {"version": browser.version, **_sum_up(samples, taken_s)}


def _detour(route: Any, relay: Relay) -> None:
    """An offer on its way to the server, and its answer back: both are told to meet at the relay."""
    body = route.request.post_data_json
    response = route.fetch(post_data=json.dumps(body | {"sdp": relay.offer(body["sdp"])}))
    answer = response.json()
    if "sdp" in answer:
        answer["sdp"] = relay.answer(answer["sdp"])
    route.fulfill(response=response, json=answer)


def own_address() -> str:
    """An IPv4 address of this machine that is not loopback, which peers do not offer; loopback if there is none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # of no host (RFC 5737); nothing is sent
            return probe.getsockname()[0]
        except OSError:
            return "127.0.0.1"


def _sum_up(samples: list[dict[str, Any]], taken_s: float) -> dict[str, Any]:
    first, last = samples[0], samples[-1]
    offsets = [s["avOffsetMs"] for s in samples if s["avOffsetMs"] is not None]
    inside = np.array([-45 <= offset <= 15 for offset in offsets])
    return {
        "seconds": round(taken_s, 1),
        "codec": last["codec"],
        "decoded": last["framesDecoded"] - first["framesDecoded"],
        "fps": round((last["framesDecoded"] - first["framesDecoded"]) / taken_s, 2),
        "freezes": last["freezeCount"] - first["freezeCount"],
        "packets_lost": last["packetsLost"],
        "av_offset_ms": percentiles(offsets, (1, 50, 99)),
        "av_offset_inside_percent": round(100 * float(inside.mean()), 1) if len(inside) else None,
        "video_buffer_ms": last["videoBufferMs"], "audio_buffer_ms": last["audioBufferMs"],
        "decode_ms": last["decodeMs"],
        "made_up_ms": round((last["concealedSamples"] - first["concealedSamples"]) / SAMPLES_PER_MS, 1),
        "offsets": [round(offset, 1) for offset in offsets],
    }  # fmt: skip
