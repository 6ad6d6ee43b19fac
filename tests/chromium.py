"""For the tests of the page: a real server on a thread of its own, and headless Chromium with a microphone."""

import asyncio
import shutil
import threading
import time
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from aiohttp.test_utils import TestServer

from engine.config import Config
from engine.session import Engine
from engine.stream.sample import load_sample
from engine.stream.server import make_app
from tests.peers import PATIENCE_S, make_config

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install 'visema[test]'")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt install chromium")

SIZE = 256
ARGUMENTS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required",
]  # fmt: skip


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    config = make_config(max_sessions=2)
    config = config.model_copy(update={"render": config.render.model_copy(update={"size": SIZE})})
    engine = Engine(config)
    engine.start()
    engine.config = allow(config, 1)
    yield engine
    engine.close()


def allow(config: Config, sessions: int) -> Config:
    return config.model_copy(update={"serve": config.serve.model_copy(update={"max_sessions": sessions})})


@contextmanager
def served(engine: Engine) -> Iterator[str]:
    """The address of a server on a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def begin() -> TestServer:
        server = TestServer(make_app(engine, engine.config), host="127.0.0.1")
        await server.start_server()
        return server

    server = asyncio.run_coroutine_threadsafe(begin(), loop).result()
    try:
        yield str(server.make_url(""))
    finally:
        asyncio.run_coroutine_threadsafe(server.close(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture(scope="module")
def url(engine: Engine) -> Iterator[str]:
    with served(engine) as address:
        yield address


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator[Any]:
    """Chromium whose microphone says five seconds of the sample, is silent for three, and again."""
    path = tmp_path_factory.mktemp("voice") / "voice.wav"
    said = np.concatenate([load_sample()[: 5 * 48_000], np.zeros(3 * 48_000, np.float32)])
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(48_000)
        file.writeframes((said * 32_767).astype("<i2").tobytes())
    with playwright.sync_playwright() as play:
        arguments = [*ARGUMENTS, f"--use-file-for-fake-audio-capture={path}"]
        browser = play.chromium.launch(
            executable_path=CHROMIUM, args=arguments, ignore_default_args=["--mute-audio"]
        )
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Any, engine: Engine) -> Iterator[Any]:
    page = browser.new_page(viewport={"width": 1000, "height": 800})
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    yield page
    page.close()
    until(lambda: not engine.sessions, "the slot of a page that was closed")
    assert not problems


def until(condition: Callable[[], Any], what: str) -> None:
    """Wait until something is so."""
    end_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end_s, f"waited in vain: {what}"
        time.sleep(0.1)


def see(page: Any, pictures: int) -> dict[str, Any]:
    """Wait until so many pictures were decoded; the page's stats."""
    until(lambda: page.evaluate("window.visema.stats()")["framesDecoded"] >= pictures, f"{pictures} pictures")
    return page.evaluate("window.visema.stats()")


def state(page: Any, wanted: str) -> None:
    page.wait_for_function(f"window.visema.state === '{wanted}'", timeout=PATIENCE_S * 1000)
