"""Two real Chromium pages at one session: the media path alone, with pictures that cost nothing to draw."""

import statistics
import time
from collections.abc import Iterator

import numpy as np
import pytest

from engine.frames import AudioTick, FaceMotion, Image, Moment
from engine.motion import layout
from engine.presenter import Presenter
from engine.session import Engine
from tests.chromium import browser, needs_chromium, page, see, until, url  # noqa: F401  (fixtures)
from tests.peers import make_config

pytestmark = needs_chromium
SIZE = 64
LIGHT = """() => {
  const video = document.querySelector("video"), canvas = new OffscreenCanvas(8, 8).getContext("2d");
  canvas.drawImage(video, 16, 40, 32, 16, 0, 0, 8, 8);
  return canvas.getImageData(4, 4, 1, 1).data[0];
}"""


def show_loudness(self: Presenter, heard: object, tick: AudioTick, heard_ns: int, draw: bool = True) -> Moment:
    """A stand-in for the pipeline: a patch as bright as the voice is loud."""
    rgb = np.full((SIZE, SIZE, 3), 40, np.uint8)
    rgb[40:56, 16:48] = 40 + 200 * min(1.0, 2 * float(np.abs(tick.voice).max()))
    image = Image(rgb, tick.index, tick.captured_ns)
    motion = FaceMotion(np.zeros(layout.M, np.float32), tick.index, tick.captured_ns)
    return Moment(image, motion, tick, time.monotonic_ns())


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Presenter, "show", show_loudness)
        engine = Engine(make_config(max_sessions=1))
        engine.start()
        yield engine
        engine.close()


def test_two_pages_look_at_one_voice(page, browser, url, engine):  # noqa: F811
    page.goto(f"{url}?autostart=mic")
    see(page, 50)
    page.click("#share")
    link = page.locator("#shared a")
    link.wait_for()
    address = link.get_attribute("href")
    assert address == f"{url}/?watch={page.evaluate('window.visema.watch')}"
    assert "works on this machine only" in page.inner_text("#shared")
    other = browser.new_page()
    other.goto(address)
    see(other, 50)
    assert len(engine.sessions) == 1
    stats = page.evaluate("window.visema.serverStats()")
    assert stats["viewers"] == 2 and stats["encoders"]
    seen = {"page": page, "other": other}
    light: dict[str, list[int]] = {name: [] for name in seen}
    until(lambda: [light[name].append(seen[name].evaluate(LIGHT)) for name in seen] and _changes(light), "the voice")
    for name, shown in seen.items():
        offsets: list[float] = []

        def in_step(shown=shown, offsets=offsets) -> bool:
            offset = shown.evaluate("window.visema.stats()")["avOffsetMs"]
            offsets.extend([] if offset is None else [offset])
            return len(offsets) >= 8 and -45 <= statistics.median(offsets[-8:]) <= 15

        until(in_step, f"sound and picture of {name} in step, {offsets[-8:]}")
    before = page.evaluate("window.visema.stats()")["framesDecoded"]
    other.close()
    see(page, before + 25)
    until(lambda: page.evaluate("window.visema.serverStats()")["viewers"] == 1, "the one who looked on has left")


def _changes(light: dict[str, list[int]]) -> bool:
    return all(max(seen) - min(seen) > 60 for seen in light.values())
