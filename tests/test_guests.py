"""Many who want to look on at one session: limits refuse in words, who is there goes on seeing, and nothing stays."""

import asyncio

from aiortc import RTCPeerConnection

from engine.stream.lifetime import Lifetime
from engine.stream.room import Room
from tests.peers import Viewer, make_config, request, serving, until
from tests.programs import program

WRONG = [
    (400, {"type": "answer"}),
    (400, {"sdp": 7}),
    (400, {"sdp": "v=0\r\nm=video"}),
    (422, {"sdp": "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"}),
    (422, {"watch": "a/../b"}),
    (422, {"watch": ["x"]}),
    (404, {"watch": "A" * 22}),
    (413, {"sdp": "v=0\r\n" + "a=x\r\n" * 20_000}),
]


def config_of(engine, **serve):
    return engine.config.model_copy(update={"serve": make_config(vanish_timeout_s=2.0, **serve).serve})


def guarded() -> int:
    """Tasks of rooms and of those who look on."""
    return sum("_guard" in repr(task.get_coro()) for task in asyncio.all_tasks())


async def visit(url: str, watch: str, leave: int) -> int:
    """Come, and go again in one of several ways; the HTTP status."""
    guest = Viewer(url)
    status = await guest.connect(watch=watch)
    if status == 200 and leave == 0:
        await guest.see(1)
    if status == 200 and leave == 1:
        await request("DELETE", f"{url}/session/{guest.id}")
    if status == 200 and leave == 2:
        await guest.vanish()
    await guest.close()
    return status


def test_a_flood_of_guests(engine):
    async def scene() -> None:
        async with serving(engine, config_of(engine, max_viewers=3, connect_timeout_s=2.0)) as url:
            async with program(url) as talk:
                started = await talk.start(open=True)
                watch, room = started["watch"], f"{url}/session/{started['session']}"
                first = Viewer(url)
                assert await first.connect(watch=watch) == 200
                await first.see(2)
                quiet = guarded()

                guests = [Viewer(url) for _ in range(8)]
                statuses = await asyncio.gather(*(guest.connect(watch=watch) for guest in guests))
                assert sorted(statuses) == [200] * 2 + [503] * 6
                assert all("3 others" in guest.answer["error"] for guest in guests if not guest.id)
                offer = await guests[0].offer(watch=watch)
                for status, part in WRONG:
                    assert (await request("POST", f"{url}/offer", json=offer | part))[0] == status, part
                await first.see(5)
                await asyncio.gather(*(guest.close() for guest in guests))

                for turn in range(4):
                    came = await asyncio.gather(*(visit(url, watch, (turn + one) % 4) for one in range(4)))
                    assert set(came) <= {200, 503}
                    await first.see(2)
                # Some asked and never came: their places are free again after a while, like those of all the others.
                absent = [Viewer(url) for _ in range(2)]
                for one in absent:
                    await request("POST", f"{url}/offer", json=await one.offer(watch=watch))
                    await one.close()
                await until(lambda: guarded() == quiet, "the end of all that was begun for guests")
                assert (await request("GET", room))[1]["viewers"] == 1
                last = [Viewer(url) for _ in range(3)]
                assert [await one.connect(watch=watch) for one in last] == [200, 200, 503]
                await first.see(2)
                await asyncio.gather(*(one.close() for one in [first, *last]))
            await until(lambda: not engine.sessions, "the session's end")

    asyncio.run(scene())


def test_who_comes_while_the_session_ends_is_refused(engine, monkeypatch):
    async def scene() -> None:
        ending, go_on = asyncio.Event(), asyncio.Event()
        stop = Lifetime._stop

        async def stop_slowly(self):
            if isinstance(self, Room):
                ending.set()
                await go_on.wait()
            await stop(self)

        monkeypatch.setattr(Lifetime, "_stop", stop_slowly)
        async with serving(engine, config_of(engine)) as url, program(url) as talk:
            watch = (await talk.start(open=True))["watch"]
            engine.sessions[0].close()
            await ending.wait()
            guest = Viewer(url)
            status = await guest.connect(watch=watch)
            await guest.close()
            go_on.set()
            assert status == 404

    asyncio.run(scene())


def test_who_is_answered_while_the_session_ends_is_refused(engine, monkeypatch):
    async def scene() -> None:
        answered, go_on = asyncio.Event(), asyncio.Event()
        describe = RTCPeerConnection.setLocalDescription

        async def describe_slowly(self, description):
            await describe(self, description)
            if description.type == "answer":
                answered.set()
                await go_on.wait()

        monkeypatch.setattr(RTCPeerConnection, "setLocalDescription", describe_slowly)
        async with serving(engine, config_of(engine)) as url, program(url) as talk:
            started = await talk.start(open=True)
            quiet = guarded()
            guest = Viewer(url)
            asking = asyncio.create_task(guest.connect(watch=started["watch"]))
            await answered.wait()
            engine.sessions[0].close()
            while (await request("GET", f"{url}/session/{started['session']}"))[0] == 200:
                await asyncio.sleep(0.05)
            go_on.set()
            assert await asking == 410
            await guest.close()
            await until(lambda: guarded() <= quiet, "all that was begun for the guest")

    asyncio.run(scene())
