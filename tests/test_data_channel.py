"""The same messages over a data channel of the viewer's own connection."""

import asyncio
import json
from typing import Any

import numpy as np

from tests.peers import Viewer, make_config, request, serving, until


class Talk:
    """A channel and what came over it."""

    def __init__(self, viewer: Viewer, label: str = "visema"):
        self.answers: list[dict[str, Any]] = []
        self.channel = viewer.connection.createDataChannel(label)
        self.channel.on("message", lambda message: self.answers.append(json.loads(message)))

    def say(self, kind: str, **content: Any) -> None:
        self.channel.send(json.dumps({"type": kind, **content}))

    async def opened(self) -> None:
        await until(lambda: self.channel.readyState == "open", "the channel")

    async def hear(self, kind: str) -> dict[str, Any]:
        await until(lambda: any(answer["type"] == kind for answer in self.answers), f"{kind} in {self.answers}")
        found = next(answer for answer in self.answers if answer["type"] == kind)
        self.answers.remove(found)
        return found


def test_a_viewer_lets_its_own_face_speak(engine):
    voice = (0.4 * np.sin(np.arange(24_000) * 0.1) * 32_767).astype("<i2").tobytes()

    async def scene() -> None:
        async with serving(engine, engine.config) as url:
            viewer = Viewer(url)
            talk, strange = Talk(viewer), Talk(viewer, "other")
            assert await viewer.connect() == 200
            await talk.opened()
            talk.say("state", id=1)
            assert (await talk.hear("state"))["session"] == viewer.id
            talk.say("flush")
            assert (await talk.hear("error"))["fatal"] is False  # not started, and the channel stays
            talk.say("emotion", weights={"happy": 1.0})
            assert (await talk.hear("error"))["code"] == "refused"
            talk.say("start", version=1, rate_hz=24_000)
            await talk.hear("started")
            status, stats = await request("GET", f"{url}/session/{viewer.id}")
            assert status == 200 and stats["program"]
            for at in range(0, len(voice), 4_800):
                talk.channel.send(voice[at : at + 4_800])
            talk.say("mark", name="half")
            for at in range(0, len(voice), 4_800):
                talk.channel.send(voice[at : at + 4_800])
            talk.say("flush")
            assert (await talk.hear("reached"))["name"] == "half"
            talk.say("interrupt")
            report = await talk.hear("interrupted")
            assert 24_000 <= report["samples"] < 48_000 and report["mark"] == "half"
            talk.say("stop")
            await talk.hear("stopped")
            await until(lambda: talk.channel.readyState == "closed", "the channel's end")
            await until(lambda: strange.channel.readyState == "closed", "the end of a channel of another name")
            status, stats = await request("GET", f"{url}/session/{viewer.id}")
            assert status == 200 and not stats["program"], "the sample is heard again"
            await viewer.see(3)
            await viewer.close()

    asyncio.run(scene())


def test_a_message_that_is_too_large_ends_its_channel_alone(engine):
    config = make_config(max_message_bytes=4_096)

    async def scene() -> None:
        async with serving(engine, config) as url:
            viewer = Viewer(url)
            talk = Talk(viewer)
            assert await viewer.connect() == 200
            await talk.opened()
            talk.say("start", version=1)
            talk.channel.send(b"\x00" * 4_098)
            assert (await talk.hear("error"))["fatal"]
            await until(lambda: talk.channel.readyState == "closed", "the channel's end")
            await viewer.see(3)
            await viewer.close()

    asyncio.run(scene())
