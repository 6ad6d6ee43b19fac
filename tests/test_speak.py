"""Programs that speak through a session: the real server, a real viewer, real sockets."""

import asyncio

import numpy as np
import pytest

from engine.stream.encode import VoiceEncoder
from engine.stream.sample import load_sample
from tests.peers import Viewer, request, serving, until
from tests.programs import pcm, program, sound, tone, watched


def test_a_program_is_faster_than_speech_and_every_word_is_heard(engine):
    async def scene() -> None:
        async with watched(engine) as (url, viewer), program(url) as talk:
            started = await talk.start(id="s", rate_hz=24_000)
            assert started["id"] == "s" and started["session"] == viewer.id and started["version"] == 1
            for part in range(10):  # 2 s at once
                await talk.socket.send_bytes(pcm(tone(0.2)))
                await talk.say("mark", name=f"m{part}", text=f"{part} ")
            await talk.say("flush", id=7)
            assert await talk.hear("flushed") == {"type": "flushed", "id": 7, "utterance": started["utterance"]}
            ack = await talk.hear("ack")
            assert ack["queued_s"] > 0.5 and ack["room_s"] + ack["queued_s"] == pytest.approx(30.0)
            spoken = await talk.hear("spoken")
            assert spoken["samples"] == 48_000 and spoken["ms"] == 2000.0
            reached = [answer["name"] for answer in talk.answers if answer["type"] == "reached"]
            assert reached == [f"m{part}" for part in range(10)]
            counts = [answer["samples"] for answer in talk.answers if answer["type"] == "ack"]
            assert max(counts) <= 48_000
            _status, stats = await request("GET", f"{url}/session/{viewer.id}")
            assert stats["program"] and stats["source"] == "program" and stats["queued_s"] == 0
            count = len(viewer.sounds)
            await until(lambda: len(viewer.sounds) > count + 30, "the rest of the sound")
        loud = np.flatnonzero(sound(viewer) > 0.1)
        assert 98 <= len(loud) <= 106, "2 s, no more and no less"

    asyncio.run(scene())


def test_an_interrupt_is_heard_at_once_and_reported(engine):
    async def scene() -> None:
        async with watched(engine) as (url, viewer), program(url) as talk:
            await talk.start(rate_hz=16_000, ack_ms=40)
            for part in range(50):
                await talk.socket.send_bytes(pcm(tone(0.1, 16_000)))
                await talk.say("mark", text=f"{part} ")
            await talk.say("flush")
            for _ in range(8):
                await talk.hear("reached")
            await talk.say("interrupt", id="stop")
            count = len(viewer.sounds)
            report = await talk.hear("interrupted")
            assert report["id"] == "stop" and 0.8 * 16_000 <= report["samples"] < 4 * 16_000
            assert report["ms"] + report["dropped_ms"] == pytest.approx(5000, abs=0.2)
            assert report["text"] == "".join(f"{part} " for part in range(int(report["ms"]) // 100))
            await until(lambda: len(viewer.sounds) > count + 40, "sound after the interrupt")
            loud = np.flatnonzero(sound(viewer) > 0.02)
            assert abs(len(loud) * 20 - report["ms"]) < 60, "as much was heard as was reported"
            await talk.socket.send_bytes(pcm(tone(0.3, 16_000)))
            await talk.say("flush")
            spoken = await talk.hear("spoken")
            assert spoken["samples"] == 4_800 and spoken["utterance"] > report["utterance"]
            await talk.say("interrupt")
            assert (await talk.hear("interrupted"))["samples"] == 0

    asyncio.run(scene())


def test_opus_packets(engine):
    encoder = VoiceEncoder()
    voice = load_sample()[: 25 * 1920]
    packets = [bytes(packet) for i in range(25) for packet in encoder.encode(voice[i * 1920 :][:1920], i)]

    async def scene() -> None:
        async with watched(engine) as (url, _viewer), program(url) as talk:
            assert (await talk.start(format="opus"))["rate_hz"] == 48_000
            for packet in packets:
                await talk.socket.send_bytes(packet)
            await talk.socket.send_bytes(b"")
            assert (await talk.hear("error"))["code"] == "audio"
            await talk.say("flush")
            assert (await talk.hear("spoken"))["samples"] == pytest.approx(48_000, abs=400)

    asyncio.run(scene())


def test_a_program_that_is_much_too_fast_is_asked_to_pause_and_loses_nothing(engine):
    async def scene() -> None:
        config = engine.config.model_copy(
            update={"serve": engine.config.serve.model_copy(update={"speech_queue_s": 2.0})}
        )
        async with serving(engine, config) as url:
            viewer = Viewer(url)
            viewer.source = "program"
            assert await viewer.connect() == 200
            async with program(url) as talk:
                await talk.start(rate_hz=8_000)
                taken = refused = 0
                for _ in range(30):  # 3 s, and nobody waits
                    await talk.socket.send_bytes(pcm(tone(0.1, 8_000)))
                await talk.hear("pause")
                refused = 0
                await talk.say("state", id="all read")
                await talk.hear("state")
                refused = sum(answer.get("code") == "full" for answer in talk.answers)
                taken = 30 - refused
                assert 5 <= refused <= 11
                await talk.hear("resume")
                await talk.say("flush")
                assert (await talk.hear("spoken"))["samples"] == taken * 800
            await viewer.close()

    asyncio.run(scene())


def test_an_emotion_over_http(engine, monkeypatch):
    async def scene() -> None:
        async with watched(engine) as (url, viewer):
            where = f"{url}/session/{viewer.id}"
            for wanted in ({"happy": 1.0}, "happy", {"furious": 1.0}, {"happy": -1.0}, {"happy": True}):
                status, reply = await request("POST", where, json={"emotion": wanted})
                assert status == 422 and reply["error"], wanted
            assert (await request("POST", where, json={"emotion": {"sad": 1}, "intensity": 2}))[0] == 422
            monkeypatch.setattr(engine.pipeline.motion, "emotional", True)
            told: list[tuple[tuple[float, ...], float]] = []
            monkeypatch.setattr(
                engine.pipeline.motion, "set_emotion", lambda state, slot, weights, i: told.append((weights, i))
            )
            mixture = {"emotion": {"happy": 1, "sad": 3}, "intensity": 0.5}
            assert (await request("POST", where, json=mixture | {"background": "#00ff00"}))[0] == 200
            await until(lambda: told, "the stage's call")
            assert sorted(told[0][0])[-2:] == [0.25, 0.75] and told[0][1] == 0.5
            async with program(url) as talk:
                started = await talk.start()
                assert len(started["emotions"]) == 8
                assert started["emotion"] == {"weights": {"happy": 0.25, "sad": 0.75}, "intensity": 0.5}
                await talk.say("emotion", weights={"angry": 1.0}, id="e")
                assert (await talk.hear("emotion"))["id"] == "e"
                await until(lambda: len(told) == 2, "the stage's second call")

    asyncio.run(scene())
