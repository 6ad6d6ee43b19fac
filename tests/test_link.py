"""Conversations in virtual time, without a carrier: pacing, stalls, limits, and an interrupt at every moment."""

import asyncio
import json
from typing import Any

import numpy as np
import pytest

from engine.clock import ManualClock
from engine.config import ServeSection
from engine.frames import VOICE_TICK_SAMPLES
from engine.session import Engine
from engine.stream.link import MESSAGES_AT_ONCE, START_WITHIN_S, Link
from engine.stream.sound import OpusPackets, Pcm16
from engine.stream.speaker import Speaker
from tests.peers import make_config


@pytest.fixture(scope="module")
def engine():
    return Engine(make_config())  # not started: the scene below is its compute thread


class Scene:
    """A link, its speaker and session, and a viewer that takes every moment, by a clock of their own."""

    def __init__(self, engine: Engine, **limits: Any):
        self.clock = ManualClock(10**9)
        self.answers: list[dict[str, Any]] = []
        self.voice: list[np.ndarray] = []
        self.engine = engine
        self.session = engine.open_session(seed=1)
        self.speaker = Speaker(self.session, always=True)
        self.link = Link(lambda start: self.speaker, self.answers.append, ServeSection(**limits), clock=self.clock)
        self.begun_ns = self.clock.now_ns()

    def close(self) -> None:
        self.link.close()
        self.session.close()

    def say(self, kind: str, **content: Any) -> None:
        self.link.receive(json.dumps({"type": kind, **content}))

    def send(self, samples: np.ndarray) -> None:
        self.link.receive((samples * 32_767).astype("<i2").tobytes())

    def told(self, kind: str) -> list[dict[str, Any]]:
        return [answer for answer in self.answers if answer["type"] == kind]

    async def run(self, ms: int, step_ms: int = 20, computes: bool = True) -> None:
        for _ in range(ms // step_ms):
            self.clock.advance_ms(step_ms)
            self.speaker.advance(self.clock.now_ns())
            while computes and self.engine.turn():
                pass
            for _ in range(len(self.session.moments)):
                self.voice.append((await self.session.moments.get()).audio.voice)
            if self.clock.now_ns() // 10**6 % 200 == 0:
                self.link.tick(self.begun_ns)

    @property
    def sound(self) -> np.ndarray:
        return np.concatenate(self.voice)


@pytest.fixture
def scene(engine, request):
    scene = Scene(engine, **getattr(request, "param", {}))
    yield scene
    scene.close()


def noise(count: int) -> np.ndarray:
    return np.random.default_rng(3).uniform(0.1, 0.4, count).astype(np.float32)


def test_speech_is_given_in_real_time_and_told_about(scene):
    async def act() -> None:
        scene.say("start", version=1, rate_hz=48_000)
        await scene.run(400)
        voice = noise(48_000)
        for start in range(0, 48_000, 4_800):
            scene.send(voice[start : start + 4_800])
        scene.say("flush")
        await scene.run(1_600)

    asyncio.run(act())
    loud = np.flatnonzero(scene.sound)
    assert len(loud) == loud[-1] - loud[0] + 1 == 48_000 and abs(loud[0] / 48 - 400) <= 21
    assert np.allclose(scene.sound[loud], noise(48_000), atol=1e-4)
    queued = [answer["queued_s"] for answer in scene.told("ack")]
    assert sorted(queued, reverse=True)[:5] == pytest.approx([0.8, 0.6, 0.4, 0.2, 0.0], abs=0.05)
    assert scene.told("spoken") == [{"type": "spoken", "utterance": 1, "samples": 48_000, "ms": 1000.0}]
    count = len(scene.answers)
    asyncio.run(scene.run(2_000))
    assert len(scene.answers) == count, "who says nothing hears nothing"


@pytest.mark.parametrize("at_ms", range(20, 720, 100))
def test_an_interrupt_at_any_moment_tells_to_the_sample_what_was_heard(scene, at_ms):
    async def act() -> None:
        scene.say("start", version=1, rate_hz=48_000)
        for part in range(5):
            scene.send(noise(4_800))
            scene.say("mark", text=str(part))
        await scene.run(at_ms)
        scene.say("interrupt", id=1)
        await scene.run(400)

    asyncio.run(act())
    (report,) = scene.told("interrupted")
    heard = np.count_nonzero(scene.sound)
    faded = VOICE_TICK_SAMPLES // 8
    assert report["samples"] <= heard <= report["samples"] + faded
    assert report["text"] == "".join(str(part) for part in range(5) if (part + 1) * 4_800 <= report["samples"])
    assert report["ms"] + report["dropped_ms"] == pytest.approx(500, abs=0.2)
    after = scene.sound[report["samples"] + 48 + faded :]
    assert not after.any(), "the last sample is at most 5 ms behind what had come out"


def test_a_process_that_stood_still_says_everything_a_little_later(scene):
    async def act() -> None:
        scene.say("start", version=1, rate_hz=48_000)
        scene.send(noise(24_000))
        await scene.run(200)
        scene.clock.advance_ms(500)
        await scene.run(1_000)

    asyncio.run(act())
    sound = scene.sound
    assert np.count_nonzero(sound) == 24_000, "no sample is lost"
    gaps = np.diff(np.flatnonzero(sound))
    assert gaps.max() / 48 == pytest.approx(500, abs=41) and np.count_nonzero(gaps > 1) == 1
    media_ms = len(sound) / 48
    assert abs(media_ms - 1_700) <= 80, "media time keeps up with the wall"


def test_speech_waits_for_a_machine_that_cannot_keep_up(scene):
    async def act() -> None:
        scene.say("start", version=1, rate_hz=48_000)
        scene.send(noise(48_000))
        await scene.run(200)
        await scene.run(3_000, computes=False)
        assert scene.session.behind_s < 0.3 and scene.speaker.queue.waiting > 24_000
        await scene.run(1_400)
        scene.say("flush")
        await scene.run(200)

    asyncio.run(act())
    assert np.count_nonzero(scene.sound) == 48_000 and scene.told("spoken")[0]["samples"] == 48_000


@pytest.mark.parametrize("scene", [{"speech_queue_s": 1.0}], indirect=True)
def test_a_full_queue_refuses_whole_messages(scene):
    async def act() -> None:
        scene.say("start", version=1, rate_hz=48_000)
        for _ in range(15):
            scene.send(noise(4_800))
        assert len(scene.told("pause")) == 1 and scene.speaker.queue.received == 9 * 4_800
        assert {answer["code"] for answer in scene.told("error")} == {"full"}
        assert not any(answer["fatal"] for answer in scene.told("error"))
        await scene.run(1_000)
        assert len(scene.told("resume")) == 1
        scene.send(noise(4_800))
        scene.say("flush")
        await scene.run(1_000)
        assert scene.told("spoken")[0]["samples"] == 48_000
        for _ in range(1_005):
            scene.say("mark")
        assert scene.answers[-1]["code"] == "full"

    asyncio.run(act())


@pytest.mark.parametrize("scene", [{"idle_timeout_s": 5.0}], indirect=True)
def test_who_says_nothing_is_sent_off(scene):
    async def act() -> None:
        scene.say("start", version=1)
        scene.send(noise(24_000 * 4))
        await scene.run(8_000)
        assert not scene.link.over.is_set(), "who is being listened to is not idle"
        await scene.run(2_000)
        assert scene.answers[-1]["code"] == "idle" and scene.link.over.is_set()

    asyncio.run(act())


def test_who_never_starts_is_sent_off_too(scene):
    scene.clock.advance_ms(1_000 * START_WITHIN_S + 1)
    scene.link.tick(scene.begun_ns)
    assert scene.answers[-1]["code"] == "idle" and scene.link.over.is_set()


def test_too_many_messages_end_a_conversation(scene):
    scene.say("start", version=1)
    for _ in range(MESSAGES_AT_ONCE - 1):
        scene.say("state")
    assert scene.answers[-1]["type"] == "state"
    scene.clock.advance_ms(10)
    for _ in range(6):
        scene.say("state")
    assert scene.answers[-1] == scene.answers[-1] | {"code": "rate", "fatal": True} and scene.link.over.is_set()
    count = len(scene.answers)
    scene.say("state")
    assert len(scene.answers) == count


def test_the_next_program_counts_its_own_utterances(scene):
    async def act() -> None:
        scene.say("start", version=1, rate_hz=48_000)
        scene.send(noise(9_600))
        scene.say("flush")
        scene.send(noise(4_800))
        scene.link.close()
        answers: list[dict[str, Any]] = []
        second = Link(lambda start: scene.speaker, answers.append, ServeSection(), clock=scene.clock)
        second.receive('{"type": "start", "version": 1, "rate_hz": 48000}')
        second.receive((noise(960) * 32_767).astype("<i2").tobytes())
        second.receive('{"type": "flush"}')
        await scene.run(600)
        spoken = [answer for answer in answers if answer["type"] == "spoken"]
        assert [(answer["utterance"], answer["samples"]) for answer in spoken] == [(answers[0]["utterance"], 960)]
        second.close()

    asyncio.run(act())
    assert np.count_nonzero(scene.sound) == 9_600 + 960, "what was complete is said, what was not is dropped"


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 16_000, 22_050, 24_000, 44_100, 48_000])
def test_sound_in_pieces_is_the_sound_in_one(rate_hz):
    samples = (0.5 * np.sin(np.arange(rate_hz) * 2 * np.pi * 440 / rate_hz) * 32_767).astype("<i2")
    whole = Pcm16(rate_hz)
    expected = np.concatenate([whole.decode(samples.tobytes()), whole.finish()])
    assert len(expected) == 48_000
    cut = Pcm16(rate_hz)
    sizes = np.random.default_rng(0).integers(0, 700, 400).tolist()
    got, at = [], 0
    for size in sizes:
        data = samples[at : at + size].tobytes()
        part = cut.decode(data)
        assert len(part) <= cut.most(data)
        got.append(part)
        at += size
        assert sum(map(len, got)) + cut.held == min(at, rate_hz) * 48_000 // rate_hz
    got.append(cut.finish())
    assert np.array_equal(np.concatenate(got), expected)
    middle = slice(4_800, 43_200)
    assert np.abs(expected - 0.5 * np.sin(np.arange(48_000) * 2 * np.pi * 440 / 48_000))[middle].max() < 0.01


def test_opus_that_is_none():
    from engine.stream.protocol import ProtocolError

    for data in (b"", b"x" * 9_000):
        with pytest.raises(ProtocolError, match="packet"):
            OpusPackets().decode(data)
