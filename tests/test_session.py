"""Live sessions on the compute thread: fair, bounded, and none harmed by another's end."""

import asyncio

import numpy as np
import pytest

from engine.audio import AudioBlock
from engine.config import parse_config
from engine.errors import ConfigError, SessionError
from engine.session import UNREAD_MOMENTS, Engine

BLOCK_SAMPLES = 960  # 20 ms at 48 kHz
LEAD_IN_NS = 1_000_000  # live timelines begin 1 ms early, see Session


@pytest.fixture(scope="module")
def engine():
    engine = Engine(parse_config({"render": {"size": 64}, "serve": {"max_sessions": 2, "most_load": 0}}))
    engine.start()
    yield engine
    engine.close()


def _blocks(seconds: float, seed: int = 0) -> list[AudioBlock]:
    noise = np.random.default_rng(seed)
    count = round(seconds * 50)
    return [
        AudioBlock(0.1 * noise.standard_normal((BLOCK_SAMPLES, 1)).astype(np.float32), 48_000, 20_000_000 * (i + 1))
        for i in range(count)
    ]


async def _speak(engine: Engine, seconds: float, seed: int = 0) -> list:
    session = engine.open_session(seed=seed, loop=asyncio.get_running_loop())
    for block in _blocks(seconds, seed):
        session.push(block)
    session.finish()
    return [moment async for moment in session.moments]


def test_every_tick_of_voice_comes_out_once_with_its_picture(engine):
    moments = asyncio.run(_speak(engine, 2.0))
    assert [moment.audio.index for moment in moments] == list(range(51))
    assert all(moment.motion.index == moment.audio.index for moment in moments)
    assert all(moment.image.rgb.shape == (64, 64, 3) for moment in moments)
    assert moments[10].audio.captured_ns == 11 * 40_000_000 - LEAD_IN_NS
    voice = np.concatenate([moment.audio.voice for moment in moments])[48:]
    sent = np.concatenate([block.samples[:, 0] for block in _blocks(2.0)])
    assert np.array_equal(voice[: len(sent)], sent[: len(voice)]), "audio is never dropped nor changed"


def test_two_sessions_at_once_equal_each_alone(engine):
    async def both():
        return await asyncio.gather(_speak(engine, 1.2, 1), _speak(engine, 1.2, 2))

    together = asyncio.run(both())
    for seed, moments in zip((1, 2), together, strict=True):
        alone = asyncio.run(_speak(engine, 1.2, seed))
        vectors = [np.stack([moment.motion.vector for moment in run]) for run in (moments, alone)]
        assert np.allclose(*vectors, atol=1e-6)
    assert not engine.sessions, "slots are given back"


def test_a_late_session_skips_pictures_and_counts_them(engine):
    async def scene():
        session = engine.open_session(loop=asyncio.get_running_loop())
        long = AudioBlock(np.zeros((48_000 * 2, 1), np.float32), 48_000, 0)  # 2 s at once: a stalled network
        session.push(long)
        session.finish()
        moments = [moment async for moment in session.moments]
        return moments, session.stats()

    moments, stats = asyncio.run(scene())
    assert len(moments) == 51 and stats["skipped_pictures"] > 30
    assert sum(moment.image.index != moment.audio.index for moment in moments) == stats["skipped_pictures"]
    assert moments[-1].image.index == moments[-1].audio.index, "the end is drawn again"


def test_one_session_more_than_allowed_is_refused(engine):
    first, second = engine.open_session(), engine.open_session()
    with pytest.raises(SessionError, match="max_sessions"):
        engine.open_session()
    first.close()
    engine.open_session().close()
    second.close()


def test_an_error_ends_its_session_alone(engine):
    async def scene():
        broken = engine.open_session(loop=asyncio.get_running_loop())
        broken._presenter.show = None  # type: ignore[assignment]  # whatever may go wrong in a stage
        broken.push(_blocks(0.2)[0])
        broken.push(AudioBlock(np.zeros((9600, 1), np.float32), 48_000, 0))
        with pytest.raises(TypeError):
            async for _ in broken.moments:
                pass
        assert len(await _speak(engine, 0.4)) == 11

    asyncio.run(scene())
    assert not engine.sessions


def test_a_peer_that_reads_nothing_cannot_fill_the_memory(engine):
    async def scene():
        session = engine.open_session(loop=asyncio.get_running_loop())
        for block in _blocks(UNREAD_MOMENTS * 0.04 + 2.0):
            session.push(block)
            await asyncio.sleep(0)
        for _ in range(600):
            if session.closed:
                break
            await asyncio.sleep(0.05)
        assert session.closed and len(session.moments) <= UNREAD_MOMENTS

    asyncio.run(scene())
    assert not engine.sessions


def test_background_is_checked_at_once_and_changes(engine):
    async def scene():
        session = engine.open_session(loop=asyncio.get_running_loop())
        with pytest.raises(ConfigError):
            session.set_background("not a colour")
        session.set_background("#00ff00")
        for block in _blocks(0.4):
            session.push(block)
        session.finish()
        return [moment async for moment in session.moments]

    picture = asyncio.run(scene())[-1].image.rgb
    assert tuple(picture[0, 0]) == (0, 255, 0)


def test_a_session_with_much_to_hear_does_not_make_another_wait(engine):
    async def scene():
        greedy, modest = (engine.open_session(loop=asyncio.get_running_loop()) for _ in range(2))
        greedy.push(AudioBlock(np.zeros((48_000 * 4, 1), np.float32), 48_000, 0))  # 100 ticks at once
        modest.push(AudioBlock(np.zeros((1_920 * 5, 1), np.float32), 48_000, 0))
        modest.finish()
        moments = [moment async for moment in modest.moments]
        behind = greedy.ticks
        greedy.close()
        return len(moments), behind

    count, behind = asyncio.run(scene())
    assert count == 6 and behind <= 30, "they take turns, tick by tick"


def test_one_session_more_than_the_machine_bears(engine, monkeypatch):
    asyncio.run(_speak(engine, 0.4))  # so that there is something to go by
    cost = engine.cost()
    assert list(cost.hear_ms) == [1, 2] and min(cost.hear_ms.values()) > 0 and cost.draw_ms > 0

    def allow(most_load: float, when_busy: str) -> None:
        serve = engine.config.serve.model_copy(update={"most_load": most_load, "when_busy": when_busy})
        monkeypatch.setattr(engine, "config", engine.config.model_copy(update={"serve": serve}))

    monkeypatch.setattr(engine, "cost", lambda: cost)  # a busy machine's next figure would be another
    first = engine.open_session(loop=None)
    allow(cost.load([1]) * 1.01, "refuse")
    with pytest.raises(SessionError, match="busy"):
        engine.open_session()
    allow(cost.load([1, 2]) + 1e-6, "degrade")

    async def scene():
        session = engine.open_session(loop=asyncio.get_running_loop())
        assert session.stats()["picture_interval"] == 2
        moments = []
        for block in _blocks(1.2):
            session.push(block)
            while not session._intake.idle:
                await asyncio.sleep(0.002)
        while len(session.moments):
            moments.append(await session.moments.get())
        first.close()
        interval = session.interval
        session.close()
        return moments, interval

    moments, interval = asyncio.run(scene())
    drawn = [moment.image.index for moment in moments]
    assert len(drawn) >= 20 and len(set(drawn)) <= len(drawn) // 2 + 2, "every other picture"
    assert interval == 1, "all pictures again when the other has gone"
