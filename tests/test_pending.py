"""Offers that wait to be connected: so many of one address, and no session is any the worse for it."""

import asyncio

import aiohttp
import pytest

from engine.stream.offer import RequestError
from engine.stream.pending import Pending, home_of
from tests.peers import Viewer, make_config, request, serving, until


def test_each_address_has_its_own_places():
    pending = Pending(2)
    first, second = pending.take("10.0.0.1"), pending.take("10.0.0.1")
    with pytest.raises(RequestError, match=r"2 offers .*serve\.max_offers") as refused:
        pending.take("10.0.0.1")
    assert refused.value.status == 429
    other = pending.take("10.0.0.2")
    first.leave()
    first.leave()
    assert len(pending) == 2, "one place is given back once"
    third = pending.take("10.0.0.1")
    with pytest.raises(RequestError):
        pending.take("10.0.0.1")
    for place in (second, third, other):
        place.leave()
    assert len(pending) == 0 and not pending._waiting, "nothing is kept of who has gone"


def test_an_ipv6_network_is_one_home():
    assert home_of("2001:db8::1") == home_of("2001:db8::ffff:2") != home_of("2001:db8:0:1::1")
    assert home_of("::ffff:10.0.0.1") == home_of("10.0.0.1") != home_of("10.0.0.2")
    assert home_of("fe80::1%eth0") == home_of("fe80::2") and home_of(None) == "" and home_of("unix") == "unix"


def test_one_who_never_connects_keeps_no_more_places(engine):
    config = make_config(max_offers=1, connect_timeout_s=3.0)

    async def visit() -> None:
        async with serving(engine, config) as url:
            stranger, second = Viewer(url), Viewer(url)

            async def ask(**more: str) -> int:
                return (await request("POST", f"{url}/offer", json=await stranger.offer(**more)))[0]

            for _ in range(3):  # what is refused anyhow keeps no place
                assert await ask(background="nocolour") == 422 and await ask(watch="nobody") == 404
            assert await ask() == 200
            async with aiohttp.ClientSession() as client:
                async with client.post(f"{url}/offer", json=await second.offer()) as reply:
                    assert reply.status == 429 and int(reply.headers["Retry-After"]) > 0
                    assert "serve.max_offers" in (await reply.json())["error"]
                async with client.get(f"{url}/metrics") as reply:
                    assert 'visema_sessions_refused_total{reason="offers"} 1' in await reply.text()
            assert len(engine.sessions) == 1
            await until(lambda: not engine.sessions, "the end of one who never came")
            # Now both sessions are had by one address, since the first is connected when the second comes.
            assert await second.connect() == 200
            await second.see(1)
            third, guest, late = Viewer(url), Viewer(url), Viewer(url)
            assert await third.connect() == 200
            await third.see(1)
            assert await guest.connect(watch=third.answer["watch"]) == 200
            await guest.see(1)
            assert await late.connect() == 503, "full, and not too many offers"
            assert await late.connect() == 503
            await asyncio.gather(*(one.close() for one in (stranger, second, third, guest, late)))

    asyncio.run(visit())


def test_offers_that_come_at_once_count_before_they_are_answered(engine):
    async def visit() -> None:
        async with serving(engine, make_config(max_offers=1)) as url:
            viewers = [Viewer(url) for _ in range(4)]
            statuses = await asyncio.gather(*(one.connect() for one in viewers))
            assert sorted(statuses) == [200, 429, 429, 429]
            await next(one for one in viewers if one.id).see(1)
            await asyncio.gather(*(one.close() for one in viewers))

    asyncio.run(visit())
