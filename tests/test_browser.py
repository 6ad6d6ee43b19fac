"""The page in headless Chromium, with a fake microphone fed from a file."""

# ruff: noqa: F401, F811  (fixtures are imported, and named again by the tests that ask for them)

import statistics

import numpy as np

from engine.motion.emotion import EMOTIONS
from tests.chromium import SIZE, allow, browser, engine, needs_chromium, page, see, served, state, until, url
from tests.peers import PATIENCE_S

pytestmark = needs_chromium

STATS = {"framesDecoded", "fps", "freezeCount", "width", "height", "audioPacketsReceived", "avOffsetMs"}

# What is seen and heard at each picture: movement of the mouth, and loudness of the voice that came with it.
WATCH_MOUTH = """async (pictures) => {
  const video = document.querySelector("video"), side = 32;
  const context = new AudioContext(), ears = context.createAnalyser();
  context.createMediaStreamSource(video.srcObject).connect(ears);
  const wave = new Float32Array(ears.fftSize);
  const canvas = new OffscreenCanvas(side, side).getContext("2d", { willReadFrequently: true });
  const seen = [];
  let before = null;
  await new Promise((done) => {
    const look = () => {
      const w = video.videoWidth, h = video.videoHeight;
      canvas.drawImage(video, 0.4 * w, 0.62 * h, 0.2 * w, 0.18 * h, 0, 0, side, side);
      const now = canvas.getImageData(0, 0, side, side).data;
      ears.getFloatTimeDomainData(wave);
      const level = Math.sqrt(wave.reduce((sum, x) => sum + x * x, 0) / wave.length);
      if (before) seen.push([now.reduce((sum, x, i) => sum + Math.abs(x - before[i]), 0) / now.length, level]);
      before = now;
      seen.length < pictures ? video.requestVideoFrameCallback(look) : done();
    };
    video.requestVideoFrameCallback(look);
  });
  await context.close();
  return seen;
}"""
CORNER = """() => {
  const video = document.querySelector("video"), canvas = new OffscreenCanvas(8, 8).getContext("2d");
  canvas.drawImage(video, 4, 4, 8, 8, 0, 0, 8, 8);
  return [...canvas.getImageData(4, 4, 1, 1).data].slice(0, 3);
}"""


def test_the_mouth_moves_with_the_voice(page, url):
    page.goto(f"{url}?autostart=mic")
    stats = see(page, 25)
    assert set(stats) >= STATS and (stats["width"], stats["height"]) == (SIZE, SIZE)
    seen = np.array(page.evaluate(WATCH_MOUTH, 25 * 10))
    motion, level = seen[:, 0], seen[:, 1]
    loud = level > 0.01
    recent = np.array([loud[max(0, i - 7) : i + 1].mean() for i in range(len(loud))])
    speaking, resting = motion[loud & (recent > 0.6)], motion[recent == 0]
    assert len(speaking) > 30 and len(resting) > 20
    assert speaking.mean() > 2 * resting.mean()

    # Sound against picture: the median of the last few figures comes to rest in the window.
    offsets: list[float] = []

    def in_step() -> bool:
        offset = page.evaluate("window.visema.stats()")["avOffsetMs"]
        offsets.extend([] if offset is None else [offset])
        return len(offsets) >= 8 and -45 <= statistics.median(offsets[-8:]) <= 15

    until(in_step, f"sound and picture in step, {offsets[-8:]}")
    assert page.evaluate("window.visema.stats()")["audioPacketsReceived"] > 100


def test_the_picture_alone(page, url):
    page.goto(f"{url}?autostart=sample&ui=0&background=%2300ff00")
    see(page, 5)
    assert page.evaluate("document.body.innerText").strip() == ""
    box = page.locator("video").bounding_box()
    assert (box["x"], box["y"], box["width"], box["height"]) == (0, 0, 1000, 800)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(0, 255, 0)"
    assert np.abs(np.array(page.evaluate(CORNER)) - (0, 255, 0)).max() <= 12
    assert page.locator("button:visible, input:visible").count() == 0


def test_the_controls_by_keyboard(page, url, engine):
    page.goto(url)
    assert page.get_by_text("Synthetic").is_visible() and page.locator("video").evaluate("v => v.muted")
    page.get_by_role("radio", name="Microphone").focus()
    page.keyboard.press("ArrowRight")
    assert page.get_by_role("radio", name="Built-in sample").is_checked()
    page.get_by_role("button", name="Connect").focus()
    page.keyboard.press("Enter")
    state(page, "connected")
    see(page, 5)
    page.get_by_role("button", name="Unmute").press("Enter")
    assert not page.locator("video").evaluate("v => v.muted")
    page.get_by_role("radio", name="Key green").check(force=True)
    until(lambda: np.abs(np.array(page.evaluate(CORNER)) - (0, 255, 0)).max() <= 12, "a green background")
    until(lambda: page.locator("#fps").inner_text() != "–", "figures")
    page.get_by_role("button", name="Disconnect").click()
    state(page, "idle")
    until(lambda: not engine.sessions, "the slot")


def test_a_face_is_chosen_before_connecting(page, url, engine):
    page.goto(f"{url}?identity=omar")
    assert page.get_by_role("radio", name="omar").is_checked()
    faces = page.locator("#people img")
    drawn = "all => all.length && all.every((one) => one.naturalWidth > 0)"
    until(lambda: faces.evaluate_all(drawn), "pictures of all")
    page.get_by_role("radio", name="omar").focus()
    page.keyboard.press("ArrowRight")
    assert page.get_by_role("radio", name="freya").is_checked()
    page.get_by_role("radio", name="Built-in sample").check(force=True)
    page.get_by_role("button", name="Connect").click()
    state(page, "connected")
    see(page, 5)
    assert engine.sessions[0].identity == "freya"
    assert page.get_by_role("radio", name="freya").is_disabled(), "not while somebody is shown"
    page.get_by_role("button", name="Disconnect").click()
    state(page, "idle")
    assert page.get_by_role("radio", name="zuri").is_enabled()


def test_a_blocked_microphone_is_explained(page, url):
    page.add_init_script(
        "navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', 'NotAllowedError') }"
    )
    page.goto(url)
    page.get_by_role("button", name="Connect").click()
    state(page, "failed")
    assert "blocked" in page.get_by_role("alert").inner_text()
    assert page.get_by_role("button", name="Try again").is_visible()


def test_a_full_server_is_explained_and_a_lost_connection_comes_back(page, url, browser, engine):
    page.goto(f"{url}?autostart=sample")
    see(page, 3)
    other = browser.new_page(viewport={"width": 360, "height": 700})
    other.goto(url)
    other.get_by_role("radio", name="Built-in sample").check(force=True)
    other.get_by_role("button", name="Connect").click()
    state(other, "failed")
    assert "full" in other.get_by_role("alert").inner_text()
    assert other.evaluate("document.documentElement.scrollWidth") <= 360
    other.close()

    engine.sessions[0].close()
    page.wait_for_function("window.visema.state !== 'connected'", timeout=PATIENCE_S * 1000)
    state(page, "connected")
    see(page, 3)


def test_two_pages_at_once(page, browser, url, engine, monkeypatch):
    monkeypatch.setattr(engine, "config", allow(engine.config, 2))
    other = browser.new_page()
    page.goto(f"{url}?autostart=sample&background=%2300ff00")
    other.goto(f"{url}?autostart=mic&background=%23ff0000&identity=omar")
    for one, colour in ((page, (0, 255, 0)), (other, (255, 0, 0))):
        see(one, 10)
        until(lambda one=one, colour=colour: np.abs(np.array(one.evaluate(CORNER)) - colour).max() <= 12, f"{colour}")
    first = page.evaluate("window.visema.stats()")["framesDecoded"]
    other.close()
    until(lambda: len(engine.sessions) == 1, "the slot of the page that was closed")
    see(page, first + 10)


def test_a_program_speaks_through_the_page(page, url, engine):
    page.goto(f"{url}?autostart=program")
    state(page, "connected")
    see(page, 3)
    until(lambda: "visema say FILE" in page.locator("#hint").inner_text(), "what to do now")
    page.wait_for_function("visema.say('start', {version: 1})")
    until(lambda: "program is connected" in page.locator("#hint").inner_text(), "who speaks")
    assert not page.locator("#emotions").is_visible(), "this plugin shows none"
    page.get_by_role("button", name="Disconnect").click()


def test_emotions_are_mixed_with_sliders_and_chosen_with_keys(page, url, engine, monkeypatch):
    told: list[tuple[dict[str, float], float]] = []

    def hear(state, slot, weights, intensity):
        told.append(({name: w for name, w in zip(EMOTIONS, weights, strict=True) if w}, intensity))

    monkeypatch.setattr(engine.pipeline.motion, "emotional", True)
    monkeypatch.setattr(engine.pipeline.motion, "set_emotion", hear)
    page.goto(f"{url}?autostart=sample")
    state(page, "connected")
    until(lambda: page.locator("#emotions").is_visible(), "the sliders")
    assert page.locator("#weights input").count() == 8
    neutral = page.get_by_role("button", name="neutral")
    assert neutral.get_attribute("aria-pressed") == "true"
    page.locator("body").press(str(1 + EMOTIONS.index("happy")))
    until(lambda: told and told[-1] == ({"happy": 1.0}, 1.0), "the key's emotion")
    assert neutral.get_attribute("aria-pressed") == "false"
    page.get_by_label("sad", exact=True).fill("1")
    page.get_by_label("intensity").fill("0.5")
    until(lambda: told[-1] == ({"happy": 0.5, "sad": 0.5}, 0.5), f"the mixture, {told}")
    page.get_by_role("button", name="angry").click()
    until(lambda: told[-1] == ({"angry": 1.0}, 0.5), "the preset")
    page.get_by_role("button", name="Disconnect").click()
    assert not page.locator("#emotions").is_visible()


def test_a_page_brings_the_token_of_its_address(page, url, engine, monkeypatch):
    monkeypatch.setenv("VISEMA_TOKEN", "t0ken")
    with served(engine) as address:
        page.goto(f"{address}?autostart=sample")
        state(page, "failed")
        assert "token" in page.locator("#problem").inner_text()
        page.goto("about:blank")
        page.goto(f"{address}?autostart=sample#token=t0ken")
        see(page, 3)
        page.get_by_role("button", name="Disconnect").click()
        until(lambda: not engine.sessions, "the slot")
