"""What the server answers to what it is sent: every wrong thing gets a clear status, and harms nobody."""

import asyncio
import io
import json

import aiohttp
import pytest
from PIL import Image

from engine.config import ServeSection
from engine.errors import ConfigError
from engine.pipeline import Pipeline
from engine.render.people import NAMES
from engine.stream.guard import is_known_host
from engine.stream.offer import MOST_CANDIDATES, RequestError, read_offer
from tests.peers import Viewer, make_config, request, serving


@pytest.fixture(scope="module")
def good() -> dict:
    """An offer that would be served."""

    async def make() -> dict:
        viewer = Viewer("")
        offer = await viewer.offer()
        await viewer.close()
        return offer

    return asyncio.run(make())


def test_a_good_offer_is_read(good):
    offer = read_offer(json.dumps(good | {"background": "#00ff00"}).encode())
    assert (offer.source, offer.background, offer.sdp) == ("sample", "#00ff00", good["sdp"])


BAD_BODIES = [
    (400, b""),
    (400, b"\xff\xfe\x00"),
    (400, b"[]"),
    (400, b"[" * 5_000),
    (400, b'{"type": "offer"}'),
    (400, b'{"type": "offer", "sdp": 7}'),
    (400, b'{"type": "answer", "sdp": "v=0"}'),
    (400, b'{"type": "offer", "sdp": "v=0", "source": "camera"}'),
    (400, b'{"type": "offer", "sdp": "nonsense\\r\\nm="}'),
    (422, b'{"type": "offer", "sdp": "v=0\\r\\no=- 1 1 IN IP4 0.0.0.0\\r\\ns=-\\r\\nt=0 0\\r\\n"}'),
]


@pytest.mark.parametrize("status, body", BAD_BODIES)
def test_what_is_not_an_offer(status, body):
    with pytest.raises(RequestError) as refused:
        read_offer(body)
    assert refused.value.status == status


def test_offers_that_cannot_be_served(good):
    def status_of(sdp: str, **more) -> int:
        with pytest.raises(RequestError) as refused:
            read_offer(json.dumps(good | {"sdp": sdp} | more).encode())
        return refused.value.status

    sdp = good["sdp"]
    video, audio = sdp.index("m=video"), sdp.index("m=audio")
    assert status_of(sdp[:audio]) == status_of(sdp[:video] + sdp[audio:]) == 422
    assert status_of(sdp + sdp[video:audio].replace("a=mid:0", "a=mid:7")) == 422
    assert status_of(sdp.replace("recvonly", "sendonly")) == 422
    assert status_of(sdp, source="mic") == 422
    for strange in ("../anna", ["anna"], "a" * 99):
        assert status_of(sdp, identity=strange) == 422
    assert status_of(sdp, background="javascript:alert(1)") == status_of(sdp, background=["red"]) == 422
    candidate = next(line for line in sdp.splitlines() if line.startswith("a=candidate:"))
    assert status_of(sdp + f"{candidate}\r\n" * (MOST_CANDIDATES + 1)) == 422


def test_the_server_refuses_and_stays_well(engine, good):
    config = make_config(max_body_bytes=16_384)

    async def visit() -> None:
        async with serving(engine, config) as url:

            async def answer(method: str, path: str, **how) -> int:
                status, reply = await request(method, url + path, **how)
                assert reply["error"] and "Traceback" not in reply["error"]
                return status

            for status, body in BAD_BODIES:
                assert await answer("POST", "/offer", data=body, headers={"Content-Type": "application/json"}) == status
            sdp = good["sdp"]
            incomplete = "".join(line for line in sdp.splitlines(True) if "fingerprint" not in line)
            assert await answer("POST", "/offer", json=good | {"sdp": incomplete}) in (400, 422)
            strange = sdp.replace("opus/48000/2", "speex/8000")
            assert await answer("POST", "/offer", json=good | {"sdp": strange}) == 422
            assert await answer("POST", "/offer", json=good | {"background": "nocolour"}) == 422
            assert await answer("POST", "/offer", json=good | {"identity": "nobody"}) == 422
            assert await answer("POST", "/offer", json=good | {"identity": "random:7"}) == 422
            assert await answer("GET", "/faces/nobody.jpg") == await answer("GET", "/faces/..%2fheads.jpg") == 404
            assert await answer("POST", "/offer", json=good | {"sdp": sdp + "a=x\r\n" * 9_999}) == 413
            assert await answer("POST", "/offer", data=json.dumps(good)) == 415
            assert await answer("GET", "/offer") == 404 and await answer("PUT", "/healthz") == 405
            assert await answer("GET", "/session/unknown") == await answer("GET", "/server.py") == 404
            assert await answer("GET", "/..%2fserver.py") == 404
            evil = {"Origin": "http://evil.example"}
            assert await answer("POST", "/offer", json=good, headers=evil) == 403
            assert await answer("POST", "/offer", json=good, headers={"Sec-Fetch-Site": "cross-site"}) == 403
            assert await answer("GET", "/healthz", headers={"Host": "evil.example"}) == 403
            assert not engine.sessions

            status, health = await request("GET", f"{url}/healthz")
            assert status == 200 and health["status"] == "ok" and health["sessions"] == 0 and health["device"]
            viewer = Viewer(url)
            assert await viewer.connect() == 200
            await viewer.see(2)
            await viewer.close()

    asyncio.run(visit())


def test_who_can_be_shown(engine):
    async def visit() -> None:
        async with serving(engine, engine.config) as url:
            status, told = await request("GET", f"{url}/identities")
            assert status == 200 and told["default"] == "anna"
            assert [person["name"] for person in told["identities"]] == list(NAMES)
            async with aiohttp.ClientSession() as client:
                for person in told["identities"]:
                    async with client.get(f"{url}/{person['picture']}") as reply:
                        assert reply.status == 200 and reply.content_type == "image/jpeg" and person["about"]
                        with Image.open(io.BytesIO(await reply.read())) as picture:
                            assert picture.size == (160, 160)

    asyncio.run(visit())


def test_a_stranger_from_the_config_comes_first():
    config = make_config()
    config = config.model_copy(update={"render": config.render.model_copy(update={"identity": "random:7"})})
    pipeline = Pipeline(config)
    assert pipeline.identities == ("random:7", *NAMES) and pipeline.renderer_of("random:7") is pipeline.renderer
    assert pipeline.renderer_of("omar") is pipeline.renderer_of("omar") is not pipeline.renderer
    assert pipeline.renderer_of("omar").scene.person.name == "omar"
    with pytest.raises(ConfigError, match="anna"):
        pipeline.renderer_of("random:8")


def test_names_that_may_be_called():
    config = ServeSection(allowed_hosts=("Studio.example",))
    for host in ("localhost:8080", "127.0.0.1", "[::1]:80", "192.0.2.7:1", "studio.example:8080"):
        assert is_known_host(host, config)
    for host in ("evil.example", "localhost.evil.example", "", "127.0.0.1.evil.example:8080", "[::1"):
        assert not is_known_host(host, config)
