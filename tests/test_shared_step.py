"""Live sessions in one step, stepped by hand: each as alone, though others come, go, stall and break beside it."""

import asyncio

import numpy as np
import pytest
import torch

from engine import pipeline
from engine.audio import AudioBlock
from engine.config import parse_config
from engine.frames import Moment
from engine.motion.emotion import make_emotion
from engine.session import Engine, Session
from engine.stream.sample import load_sample
from tests.test_gmtalker import tiny_motion

TICK = 1_920
TICKS = 14
FEELINGS = {1: make_emotion({"happy": 1.0}), 2: make_emotion({"angry": 1.0}), 3: make_emotion({"sad": 0.7})}


@pytest.fixture(scope="module")
def engine():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "build_motion", lambda config: tiny_motion(1))
        yield Engine(
            parse_config({
                "engine": {"executor": "eager"}, "render": {"size": 64, "quality": "plain"},
                "serve": {"max_sessions": 3, "most_load": 0},
            })
        )  # fmt: skip


@pytest.fixture(autouse=True)
def nobody_stays(engine):
    yield
    for session in list(engine.sessions):
        session.close()


def enter(engine: Engine, seed: int) -> Session:
    session = engine.open_session(seed=seed)
    session.set_emotion(FEELINGS[seed])
    return session


def say(session: Session, seed: int, tick: int) -> None:
    """One tick of that seed's voice."""
    start = (9_600 * seed + tick * TICK) % 200_000
    session.push(AudioBlock(load_sample()[start : start + TICK, None], 48_000, tick * 40_000_000))


def turns(engine: Engine) -> None:
    while engine.turn():
        pass


async def taken(session: Session) -> list[Moment]:
    return [await session.moments.get() for _ in range(len(session.moments))]


def shown(session: Session) -> tuple[np.ndarray, np.ndarray]:
    """Motion (T, M) and pictures (T, H, W, 3) of all that has come out."""
    moments = asyncio.run(taken(session))
    return np.stack([one.motion.vector for one in moments]), np.stack([one.image.rgb for one in moments])


@pytest.fixture(scope="module")
def alone(engine) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """What each seed shows by itself."""
    found = {}
    for seed in FEELINGS:
        session = enter(engine, seed)
        for tick in range(TICKS):
            say(session, seed, tick)
            turns(engine)
        session.finish()
        turns(engine)
        found[seed] = shown(session)
    return found


def assert_as_alone(session: Session, single: tuple[np.ndarray, np.ndarray]) -> None:
    motion, pictures = shown(session)
    np.testing.assert_allclose(motion, single[0], atol=1e-5)
    # a millionth of motion can push an edge over the corner of a pixel: 12 grey levels in one pixel were seen
    assert (np.abs(pictures.astype(int) - single[1]) > 1).mean() < 1e-3


def test_sessions_share_steps_and_are_as_alone(engine, alone):
    """The second comes later, the third between them and leaves; in the end all have been in slots that others had."""
    before = list(engine.slots.due.counts)
    sessions = {1: enter(engine, 1)}
    for tick in range(TICKS + 4):
        if tick == 2:
            sessions[3] = enter(engine, 3)
        if tick == 4:
            sessions[2] = enter(engine, 2)
            assert engine.slots.count == len(engine.sessions) == 3
        for seed, session in sessions.items():
            if (own := tick - {1: 0, 2: 4, 3: 2}[seed]) < TICKS and not session.closed:
                say(session, seed, own)
        if tick == 9:
            sessions[3].close()
        turns(engine)
    for seed in (1, 2):
        sessions[seed].finish()
        turns(engine)
        assert sessions[seed].closed
        assert_as_alone(sessions[seed], alone[seed])
    together = np.array(engine.slots.due.counts) - before
    assert together[2] == 5 and together[1] > 4, "three at once, then two"
    again = enter(engine, 3)
    for tick in range(TICKS):
        say(again, 3, tick)
        turns(engine)
    again.finish()
    turns(engine)
    assert_as_alone(again, alone[3])


@pytest.mark.parametrize("fault", ["nan", "raises", "stalls", "floods", "bad sound"])
def test_what_happens_to_one_happens_to_no_other(engine, alone, fault, monkeypatch):
    well, ill = enter(engine, 1), enter(engine, 2)
    step, broken = engine.pipeline.motion.step, []

    def fail(state, x):
        out = step(state, x)  # its state has moved on when it raises
        if broken and broken[0] in state.goal.argmax(-1):
            raise RuntimeError("the lips fell off")
        return out

    if fault == "raises":
        monkeypatch.setattr(engine.pipeline.motion, "step", fail)
    for tick in range(TICKS):
        say(well, 1, tick)
        if tick == 5:
            if fault == "nan":
                ill.push(AudioBlock(np.full((TICK, 1), np.nan, np.float32), 48_000, 0))
            elif fault == "raises":
                broken.append(int(engine.slots.state.motion.goal[ill.slot].argmax()))
            elif fault == "floods":
                ill.push(AudioBlock(np.ones((8 * TICK, 1), np.float32), 48_000, 0))
            elif fault == "bad sound":
                ill.push(AudioBlock(np.zeros((10, 1), np.float32), 100, 0))
        if tick < 5 or fault != "stalls":
            say(ill, 2, tick)
        turns(engine)
    well.finish()
    turns(engine)
    assert_as_alone(well, alone[1])
    assert ill.closed == (fault in ("raises", "bad sound")), "it ends only if it must"
    if fault == "raises":
        asyncio.run(taken(ill))
        with pytest.raises(RuntimeError, match="lips fell off"):
            asyncio.run(ill.moments.get())
    if fault == "stalls":
        said = shown(ill)[0]  # and it waits for more
        np.testing.assert_allclose(said, alone[2][0][:4], atol=1e-5)


def test_a_join_changes_its_own_slot_only(engine):
    first, second = enter(engine, 1), enter(engine, 2)
    for tick in range(3):
        say(first, 1, tick)
        say(second, 2, tick)
        turns(engine)
    kept = [tensor.clone() for _, tensor in engine.slots.state.tensors()]
    second.close()
    third = enter(engine, 3)
    assert third.slot == second.slot
    engine.turn()  # nobody has anything to say; the newcomer's slot is made fresh
    for before, (name, tensor) in zip(kept, engine.slots.state.tensors(), strict=True):
        others = [slot for slot in range(engine.slots.count) if slot != third.slot]
        assert torch.equal(tensor[others], before[others]), name
    assert engine.slots.state.motion.seed[third.slot] == 3
