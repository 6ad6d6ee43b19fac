"""Real WebRTC peers against a real engine, in one process."""

import asyncio

import numpy as np

from engine.config import VideoSection
from engine.presenter import Presenter
from engine.stream.encode import PictureEncoder
from engine.stream.sample import load_sample
from tests.peers import SIZE, Viewer, make_config, request, serving, until


def mouth(picture: np.ndarray) -> np.ndarray:
    """The part of the picture in which the mouth is, as brightness."""
    rows, columns = slice(int(0.62 * SIZE), int(0.80 * SIZE)), slice(int(0.40 * SIZE), int(0.60 * SIZE))
    return picture[rows, columns].mean(-1)


def envelope(samples: np.ndarray) -> np.ndarray:
    """Loudness of each 20 ms."""
    return np.sqrt((samples[: len(samples) // 960 * 960].reshape(-1, 960) ** 2).mean(1))


def test_a_voice_comes_back_in_step_with_its_face(engine):
    speech = load_sample()[: 3 * 48_000]
    said = np.concatenate([np.zeros(96_000, np.float32), speech, np.zeros(48_000, np.float32)])

    async def visit() -> Viewer:
        async with serving(engine, engine.config) as url:
            viewer = Viewer(url, said)
            assert await viewer.connect() == 200
            await until(lambda: len(viewer.sounds) >= 50 * 6, "6 s of voice")
            status, stats = await request("GET", f"{url}/session/{viewer.id}")
            assert status == 200 and stats["state"] == "connected" and stats["codec"] == "H264"
            await viewer.close()
        return viewer

    viewer = asyncio.run(visit())
    assert viewer.answer["synthetic"] and "visema-synthetic" in viewer.answer["sdp"]
    places = np.array([place for place, _ in viewer.pictures])
    assert all(picture.shape == (SIZE, SIZE, 3) for _, picture in viewer.pictures)
    steps = np.round(np.diff(places) / 0.04)
    assert (np.abs(np.diff(places) / 0.04 - steps) < 1e-6).all() and (steps >= 1).all()
    assert len(places) >= 0.8 * (places[-1] / 0.04)

    # No 20 ms of voice is missing, and what was said is what is heard.
    sound_places = np.array([place for place, _ in viewer.sounds])
    assert np.allclose(np.diff(sound_places), 0.02)
    heard = envelope(np.concatenate([samples for _, samples in viewer.sounds]))
    spoken = envelope(speech)
    fits = [np.corrcoef(heard[at : at + len(spoken)], spoken)[0, 1] for at in range(len(heard) - len(spoken))]
    begin = int(np.argmax(fits))
    assert fits[begin] > 0.9

    # The mouth rests until the voice (on the same timeline) begins, and moves while it lasts.
    onset_s, end_s = begin * 0.02, (begin + len(spoken)) * 0.02
    mouths = np.array([mouth(picture) for _, picture in viewer.pictures])
    motion = np.abs(np.diff(mouths, axis=0)).mean((1, 2))
    when = places[1:]
    resting = motion[(when > onset_s - 0.9) & (when < onset_s - 0.2)]
    speaking = motion[(when > onset_s) & (when < end_s)]
    assert speaking.mean() > 2 * resting.mean() + 0.2


def test_two_visitors_and_no_third(engine):
    async def visit() -> None:
        async with serving(engine, engine.config) as url:
            first, second, third = Viewer(url), Viewer(url), Viewer(url)
            assert await first.connect() == 200 and await second.connect(background="#00ff00") == 200
            await asyncio.gather(first.see(10), second.see(10))
            assert await third.connect() == 503 and "taken" in third.answer["error"]
            await asyncio.gather(first.see(10), second.see(10))
            assert np.abs(first.pictures[-1][1][4, 4].astype(int) - (32, 64, 96)).max() <= 12
            assert np.abs(second.pictures[-1][1][4, 4].astype(int) - (0, 255, 0)).max() <= 12
            await second.close()
            await until(lambda: len(engine.sessions) == 1, "the slot of a peer that said goodbye")
            fourth = Viewer(url)
            assert await fourth.connect() == 200
            await fourth.see(3)
            for viewer in (first, third, fourth):
                await viewer.close()

    asyncio.run(visit())


def test_every_visitor_chooses_a_face(engine):
    async def visit() -> None:
        async with serving(engine, engine.config) as url:
            fair, dark = Viewer(url), Viewer(url)
            assert await fair.connect(identity="freya") == 200 and await dark.connect(identity="zuri") == 200
            assert (fair.answer["identity"], dark.answer["identity"]) == ("freya", "zuri")
            await asyncio.gather(fair.see(8), dark.see(8))
            cheek = (slice(int(0.55 * SIZE), int(0.60 * SIZE)), slice(int(0.36 * SIZE), int(0.42 * SIZE)))
            bright, dim = (viewer.pictures[-1][1][cheek].mean() for viewer in (fair, dark))
            assert bright > 1.4 * dim
            await dark.close()
            await until(lambda: len(engine.sessions) == 1, "the slot")
            same = Viewer(url)
            assert await same.connect() == 200 and same.answer["identity"] == "anna"
            await same.see(2)  # aiortc never returns from closing a connection that is being made
            for viewer in (fair, same):
                await viewer.close()

    asyncio.run(visit())


def test_one_encode_for_all_who_look_on(engine, monkeypatch):
    encoded: list[int] = []
    encode = PictureEncoder.encode

    def count(self, rgb, pts, keyframe=False):
        encoded.append(pts)
        return encode(self, rgb, pts, keyframe)

    monkeypatch.setattr(PictureEncoder, "encode", count)

    async def visit() -> None:
        async with serving(engine, make_config(max_viewers=2)) as url:
            host, *guests, fourth = (Viewer(url) for _ in range(4))
            assert await host.connect() == 200
            await host.see(10)
            for guest in guests:
                assert await guest.connect(watch=host.answer["watch"]) == 200
            assert len(engine.sessions) == 1
            assert await fourth.connect(watch=host.answer["watch"]) == 503
            assert (await request("POST", f"{url}/offer", json=await fourth.offer(watch="nobody")))[0] == 404
            await asyncio.gather(*(viewer.see(20) for viewer in (host, *guests)))
            _, stats = await request("GET", f"{url}/session/{host.id}")
            assert stats["viewers"] == 3 and stats["encoders"] == ["libx264"]
            place = f"{url}/session/{guests[0].id}"
            assert (await request("POST", place, json={"background": "#ffffff"}))[0] == 403
            await guests[0].close()
            await until(lambda: guests[1].pictures and len(host.pictures) > 40, "the others go on")
            await host.close()
            status = 200
            async with asyncio.timeout(60):
                while status == 200:
                    status, _ = await request("GET", f"{url}/session/{guests[1].id}")
                    await asyncio.sleep(0.05)
            assert status == 410, "without the host there is nothing to look at"
            for viewer in (guests[1], fourth):
                await viewer.close()

    asyncio.run(visit())
    assert len(set(encoded)) == len(encoded), "no picture is encoded twice"


def test_vp8_where_it_is_wanted(engine):
    video = VideoSection(codec="vp8", bitrate_kbps=400)

    async def visit() -> None:
        async with serving(engine, engine.config.model_copy(update={"video": video})) as url:
            viewer = Viewer(url)
            assert await viewer.connect() == 200
            await viewer.see(10)
            _, stats = await request("GET", f"{url}/session/{viewer.id}")
            assert (stats["codec"], stats["encoders"], stats["bitrate_kbps"]) == ("VP8", ["libvpx-direct"], 400)
            assert np.abs(viewer.pictures[-1][1][4, 4].astype(int) - (32, 64, 96)).max() <= 12
            await viewer.close()

    asyncio.run(visit())


def test_the_background_changes_while_it_speaks(engine):
    async def visit() -> None:
        async with serving(engine, engine.config) as url:
            viewer = Viewer(url)
            await viewer.connect()
            await viewer.see(3)
            place = f"{url}/session/{viewer.id}"
            assert (await request("POST", place, json={"background": "#c8c8c8"}))[0] == 200
            await until(lambda: viewer.pictures[-1][1][4, 4].min() > 180, "a bright background")
            assert (await request("POST", place, json={"background": "nocolour"}))[0] == 422
            assert (await request("DELETE", place))[0] == 200
            assert (await request("GET", place))[0] == 410
            await viewer.close()

    asyncio.run(visit())


def test_peers_that_vanish_or_never_come_give_their_place_back(engine):
    config = make_config(vanish_timeout_s=3.0, connect_timeout_s=1.5)

    async def visit() -> None:
        async with serving(engine, config) as url:
            gone, stranger, other = Viewer(url), Viewer(url), Viewer(url)
            assert await gone.connect() == 200
            assert (await request("POST", f"{url}/offer", json=await stranger.offer()))[0] == 200
            await gone.see(5)
            await gone.vanish()
            await until(lambda: not engine.sessions, "both slots")
            assert await other.connect() == 200
            await other.see(5)
            for viewer in (gone, stranger, other):
                await viewer.close()

    asyncio.run(visit())


def test_the_face_lives_on_when_the_microphone_stops(engine):
    async def visit() -> None:
        async with serving(engine, engine.config) as url:
            viewer = Viewer(url, np.zeros(24_000, np.float32))  # half a second, then not a packet more
            assert await viewer.connect() == 200
            await viewer.see(60)
            _, stats = await request("GET", f"{url}/session/{viewer.id}")
            assert stats["silence_filled_ms"] > 1_000
            await viewer.close()

    asyncio.run(visit())


def test_an_error_in_a_stage_ends_that_session_and_says_why(engine, monkeypatch):
    async def visit() -> None:
        async with serving(engine, engine.config) as url:
            sound, broken = Viewer(url), Viewer(url)
            assert await sound.connect() == 200 and await broken.connect() == 200
            await asyncio.gather(sound.see(3), broken.see(3))
            mine = engine.sessions[-1]._presenter
            show = Presenter.show

            def fail(self, *given, **named):
                if self is mine:
                    raise RuntimeError("the lips fell off")
                return show(self, *given, **named)

            monkeypatch.setattr(Presenter, "show", fail)
            await until(lambda: len(engine.sessions) == 1, "the end of the broken session")
            await sound.see(5)
            status, why = await request("GET", f"{url}/session/{broken.id}")
            assert status == 410 and "lips fell off" in why["error"]
            await sound.close()
            await broken.close()

    asyncio.run(visit())
