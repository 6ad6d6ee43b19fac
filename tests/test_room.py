"""A program opens a session before anybody looks: real server, sockets and viewers."""

import asyncio

import numpy as np
import pytest

from tests.peers import Viewer, make_config, request, serving, until
from tests.programs import pcm, program, sound, tone


def config_of(engine, **serve):
    return engine.config.model_copy(update={"serve": make_config(**serve).serve})


def test_a_program_opens_a_session_and_viewers_come_later(engine):
    async def scene() -> None:
        config = config_of(engine, vanish_timeout_s=1.0)
        async with serving(engine, config) as url:
            async with program(url) as talk:
                started = await talk.start(id="s", open=True, background="#00ff00", rate_hz=24_000)
                assert started["id"] == "s" and started["viewers"] == 0 and started["session"] != started["watch"]
                await talk.socket.send_bytes(pcm(tone(0.4)))
                await talk.say("flush")
                assert (await talk.hear("spoken"))["ms"] == 400.0, "speech does not wait for viewers"
                _, stats = await request("GET", f"{url}/session/{started['session']}")
                assert stats["source"] == "program" and stats["viewers"] == 0 and stats["ticks"] >= 10
                assert (await request("GET", f"{url}/healthz"))[1]["sessions"] == 1
                viewers = [Viewer(url), Viewer(url)]
                for viewer in viewers:
                    assert await viewer.connect(watch=started["watch"]) == 200
                    assert viewer.answer["background"] == "#00ff00"
                    await viewer.see(2)
                    where = f"{url}/session/{viewer.id}"
                    assert (await request("POST", where, json={"background": "#ff0000"}))[0] == 403
                await talk.say("state")
                assert (await talk.hear("state"))["viewers"] == 2 and len(engine.sessions) == 1
                await talk.socket.send_bytes(pcm(tone(1.0)))
                await talk.say("flush")
                await talk.hear("spoken")
                for viewer in viewers:
                    green = viewer.pictures[-1][1][4, 4].astype(int)
                    assert green[1] > 200 and green[0] < 60 and green[2] < 60
                    count = len(viewer.sounds)
                    await until(lambda v=viewer, n=count: len(v.sounds) > n + 20, "the end of the tone")
                    assert np.sum(sound(viewer) > 0.1) > 25, "the tone, heard"
                await viewers[1].close()
            # The program hangs up: the session waits for it a moment, then ends, for its viewer too.
            async with program(url) as again:
                await again.start(session=started["session"])
            await until(lambda: not engine.sessions, "the session's end")
            for name in (started["session"], viewers[0].id):
                while (await request("GET", f"{url}/session/{name}"))[0] == 200:  # is being given back
                    await asyncio.sleep(0.05)
                assert (await request("GET", f"{url}/session/{name}"))[0] == 410
            late = Viewer(url)
            assert await late.connect(watch=started["watch"]) == 404
            await late.close()
            await viewers[0].close()

    asyncio.run(scene())


def test_what_was_flushed_is_still_said_after_the_program_has_gone(engine):
    async def scene() -> None:
        async with serving(engine, config_of(engine, vanish_timeout_s=0.5)) as url:
            async with program(url) as talk:
                started = await talk.start(open=True, rate_hz=24_000)
                viewer = Viewer(url)
                assert await viewer.connect(watch=started["watch"]) == 200
                await viewer.see(2)
                await talk.socket.send_bytes(pcm(tone(1.5)))
                await talk.say("flush")
                await talk.hear("flushed")
            await until(lambda: not engine.sessions, "the end of the session")
            assert np.sum(sound(viewer) > 0.1) >= 40, "1.5 s, though the limit is half a second"
            await viewer.close()

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ({"open": True, "session": "x"}, "message"),
        ({"open": True, "identity": "nobody"}, "refused"),
        ({"open": True, "identity": "../etc"}, "refused"),
        ({"open": True, "background": "no colour!"}, "refused"),
        ({"open": 1}, "message"),
        ({"identity": "anna"}, "message"),
    ],
)
def test_a_session_that_cannot_be_opened_is_refused_in_words(engine, wanted, code):
    async def scene() -> None:
        async with serving(engine, engine.config) as url, program(url) as talk:
            await talk.say("start", version=1, id=3, **wanted)
            error = await talk.hear("error")
            assert error["id"] == 3 and error["message"] and error["code"] == code
            assert not engine.sessions

    asyncio.run(scene())


def test_one_more_than_may_be_open_is_refused_and_the_first_goes_on(engine):
    async def scene() -> None:
        config = config_of(engine, max_sessions=1)
        engine.config, before = config, engine.config
        try:
            async with serving(engine, config) as url, program(url) as first, program(url) as second:
                await first.start(open=True)
                await second.say("start", version=1, open=True)
                error = await second.hear("error")
                assert error["code"] == "refused" and error["fatal"] and "1" in error["message"]
                await first.socket.send_bytes(pcm(tone(0.2)))
                await first.say("flush")
                assert (await first.hear("spoken"))["ms"] == 200.0
        finally:
            engine.config = before

    asyncio.run(scene())


def test_a_token_is_needed_to_open_one(engine):
    async def scene() -> None:
        async with serving(engine, config_of(engine, token="secret")) as url:
            async with program(url) as talk:
                await talk.say("start", version=1, open=True)
                error = await talk.hear("error")
                assert error["code"] == "token" and error["fatal"] and not engine.sessions
            async with program(url) as talk:
                await talk.start(open=True, token="secret")
            async with program(url, headers={"Authorization": "Bearer secret"}) as talk:
                await talk.start(open=True)

    asyncio.run(scene())


def test_a_program_that_hangs_up_while_its_session_is_opened_leaves_none(engine, monkeypatch):
    async def scene() -> None:
        opened, slowly = engine.open_session, asyncio.Event()
        loop = asyncio.get_running_loop()

        def open_slowly(**how):
            asyncio.run_coroutine_threadsafe(slowly.wait(), loop).result()
            return opened(**how)

        monkeypatch.setattr(engine, "open_session", open_slowly)
        async with serving(engine, config_of(engine, vanish_timeout_s=0.5)) as url:
            async with program(url) as talk:
                await talk.say("start", version=1, open=True)
                await asyncio.sleep(0.1)
                await talk.say("flush")  # waits its turn
            slowly.set()
            await until(lambda: engine.sessions, "the session")
            await until(lambda: not engine.sessions, "its end")

    asyncio.run(scene())
