"""Who may come in: the bearer token, and pages of other origins."""

import asyncio
import json

import aiohttp
import pytest

from engine.session import Engine
from engine.stream.guard import is_token
from tests.peers import make_config, request, serving

TOKEN = "s3cret-of-the-studio"
RIGHT = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def engine():
    return Engine(make_config())  # nobody gets as far as a session


def test_nothing_but_the_page_without_the_token(engine):
    async def scene() -> None:
        async with serving(engine, make_config(token=TOKEN)) as url:
            wrong = ({}, {"Authorization": "Bearer x"}, {"Authorization": f"Basic {TOKEN}"})
            for headers in wrong:
                for method, path in (
                    ("GET", "/identities"), ("GET", "/ice"), ("GET", "/session/x"), ("DELETE", "/session/x"),
                    ("POST", "/session/x"), ("POST", "/offer"), ("GET", "/metrics"), ("GET", "/a/b"),
                ):  # fmt: skip
                    body = {"json": {}} if method == "POST" else {}
                    status, reply = await request(method, url + path, headers=headers, **body)
                    assert status == 401 and "token" in reply["error"] and TOKEN not in reply["error"], path
            assert (await request("GET", f"{url}/identities", headers=RIGHT))[0] == 200
            assert (await request("GET", f"{url}/session/x", headers=RIGHT))[0] == 404
            async with aiohttp.ClientSession() as client:
                for path in ("/", "/app.js", "/healthz"):
                    async with client.get(url + path) as reply:
                        assert reply.status == 200
                async with client.get(f"{url}/identities") as reply:
                    assert reply.headers["WWW-Authenticate"] == "Bearer"

    asyncio.run(scene())


def test_a_program_brings_it_in_its_upgrade_or_its_start(engine):
    async def code(url: str, headers: dict[str, str], **start: str) -> str:
        async with aiohttp.ClientSession() as client, client.ws_connect(f"{url}/speak", headers=headers) as socket:
            await socket.send_str(json.dumps({"type": "start", "version": 1, **start}))
            return (await socket.receive_json(timeout=30))["code"]

    async def scene() -> None:
        async with serving(engine, make_config(token=TOKEN)) as url:
            assert await code(url, {}) == await code(url, {}, token="wrong") == "token"
            # Let in, and told that nobody watches.
            assert await code(url, RIGHT) == await code(url, {}, token=TOKEN) == "session"
            async with aiohttp.ClientSession() as client:
                with pytest.raises(aiohttp.WSServerHandshakeError, match="401"):
                    await client.ws_connect(f"{url}/speak", headers={"Authorization": "Bearer wrong"})

    asyncio.run(scene())


def test_the_environment_may_hold_it(engine, monkeypatch):
    monkeypatch.setenv("VISEMA_TOKEN", TOKEN)

    async def scene() -> None:
        async with serving(engine, make_config()) as url:
            assert (await request("GET", f"{url}/identities"))[0] == 401
            assert (await request("GET", f"{url}/identities", headers=RIGHT))[0] == 200

    asyncio.run(scene())


def test_comparing_takes_any_text():
    assert is_token("ä€\udce4", "ä€\udce4") and not is_token("", "x") and not is_token("x" * 10_000, "x")
    with pytest.raises(ValueError, match="token"):
        make_config(token="with space")


def test_other_origins_only_where_they_are_named(engine):
    page = "https://studio.example"

    async def scene() -> None:
        ask = {"Origin": page, "Sec-Fetch-Site": "cross-site"}
        preflight = ask | {"Access-Control-Request-Method": "POST"}
        async with serving(engine, make_config()) as url, aiohttp.ClientSession() as client:
            async with client.options(f"{url}/offer", headers=preflight) as reply:
                assert reply.status == 403 and "Access-Control-Allow-Origin" not in reply.headers
            async with client.get(f"{url}/identities", headers=ask) as reply:
                assert "Access-Control-Allow-Origin" not in reply.headers
        config = make_config(allowed_origins=[page], token=TOKEN)
        async with serving(engine, config) as url, aiohttp.ClientSession() as client:
            async with client.options(f"{url}/offer", headers=preflight) as reply:
                assert reply.status == 204 and reply.headers["Access-Control-Allow-Origin"] == page
                assert "Authorization" in reply.headers["Access-Control-Allow-Headers"]
            async with client.delete(f"{url}/session/x", headers=ask) as reply:
                assert reply.status == 401  # the origin may ask, but it still needs the token
            async with client.delete(f"{url}/session/x", headers=ask | RIGHT) as reply:
                assert reply.status == 404 and reply.headers["Access-Control-Allow-Origin"] == page
                assert "Origin" in reply.headers["Vary"]
            evil = ask | RIGHT | {"Origin": "https://evil.example"}
            async with client.delete(f"{url}/session/x", headers=evil) as reply:
                assert reply.status == 403 and "Access-Control-Allow-Origin" not in reply.headers

    asyncio.run(scene())
