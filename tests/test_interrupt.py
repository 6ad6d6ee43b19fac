"""An interrupt, wherever the voice is, in virtual time: the real stages, stepped by hand."""

import asyncio

import numpy as np
import pytest

from engine.audio import AudioBlock
from engine.frames import VOICE_TICK_SAMPLES, Moment
from engine.motion import layout
from engine.motion.hush import ARTICULATORS, SETTLE_TICKS, STEPS, Hush
from engine.outlet import FADE_SAMPLES, Outlet
from engine.session import Engine, Session
from engine.stream.sample import load_sample
from tests import laws
from tests.peers import make_config

BLOCK = 960
LEAD_IN = 48
GAP = 30  # blocks of silence after an interrupt
JAW = layout.INDEX["jawOpen"]


@pytest.fixture(scope="module", params=[0, 1, 2])
def engine(request):
    config = make_config()
    motion = config.motion.model_copy(update={"lookahead_ticks": request.param, "life": 0.0})
    return Engine(config.model_copy(update={"motion": motion}))  # not started: the test is its compute thread


def push(session: Session, voice: np.ndarray) -> None:
    for start in range(0, len(voice), BLOCK):
        session.push(AudioBlock(voice[start : start + BLOCK, None], 48_000, 0))


def advance(engine: Engine) -> None:
    while engine.turn():
        pass


async def take(session: Session) -> list[Moment]:
    return [await session.moments.get() for _ in range(len(session.moments))]


VOICE = load_sample()[24_000:]  # in the middle of speech
WHERE = ("waiting as sound", "waiting as ticks", "behind the look-ahead", "waiting for the encoder", "gone")


@pytest.mark.parametrize("where", WHERE)
def test_nothing_is_heard_after_an_interrupt_and_speech_goes_on_later(engine, where):
    blocks = 61  # half a tick is left over

    async def scene():
        session = engine.open_session(seed=1)
        push(session, VOICE[: (blocks - 10) * BLOCK])
        advance(engine)
        moments = await take(session)
        tail = VOICE[(blocks - 10) * BLOCK : blocks * BLOCK]
        push(session, tail)
        if where == "waiting as ticks":
            session._intake.rechunk()
        elif where != "waiting as sound":
            advance(engine)
        if where == "gone":
            moments += await take(session)
        out = session.hush()
        assert out == session.moments.position == len(moments) * VOICE_TICK_SAMPLES
        push(session, np.zeros(GAP * BLOCK, np.float32))
        push(session, VOICE[: 25 * BLOCK])
        session.finish()
        advance(engine)
        moments += await take(session)
        return out, moments

    out, moments = asyncio.run(scene())
    assert [moment.audio.index for moment in moments] == list(range(len(moments)))
    voice = np.concatenate([moment.audio.voice for moment in moments])
    said = np.concatenate([np.zeros(LEAD_IN, np.float32), VOICE])
    assert np.array_equal(voice[:out], said[:out]), "what came out was not touched"
    again = LEAD_IN + (blocks + GAP) * BLOCK
    assert not voice[out + FADE_SAMPLES : again].any(), "no sample 5 ms after the interrupt"
    assert np.array_equal(voice[again : again + 25 * BLOCK], VOICE[: 25 * BLOCK]), "the next words are whole"
    jaw = np.array([moment.motion.vector[JAW] for moment in moments])
    drawn = {"gone": blocks // 2, "waiting for the encoder": blocks // 2, "behind the look-ahead": blocks // 2}
    first = drawn.get(where, (blocks - 10) // 2) - engine.pipeline.lookahead  # the first motion after the interrupt
    after = jaw[first : first + 10]
    assert after[4:].max() < 0.02 + 0.1 * jaw.max(), "the mouth is at rest within four pictures"
    assert (np.diff(np.concatenate([jaw[first - 1 : first], after])) < 0.03).all(), "it does not open again"


def test_a_second_interrupt_makes_the_silence_longer_without_a_second_fade():
    outlet = Outlet(10)
    moments = [make_moment(index) for index in range(4)]

    async def scene():
        for moment in moments:
            outlet.put_nowait(moment)
        outlet.hush(VOICE_TICK_SAMPLES + 100)
        first = await outlet.get()
        outlet.hush(2 * VOICE_TICK_SAMPLES + 200)
        return [first] + [await outlet.get() for _ in range(3)]

    voices = [moment.audio.voice for moment in asyncio.run(scene())]
    assert voices[0][0] > 0.9 and (np.diff(voices[0][:FADE_SAMPLES]) < 0).all() and not voices[0][FADE_SAMPLES:].any()
    assert not voices[1].any() and not voices[2][:200].any() and (voices[2][200:] == 1).all()
    assert voices[3] is moments[3].audio.voice and outlet.position == 4 * VOICE_TICK_SAMPLES
    outlet.hush(outlet.position)  # nothing waits: nothing to silence, and no fade either
    outlet.put_nowait(make_moment(4))
    assert asyncio.run(outlet.get()).audio.voice.all()


def make_moment(index: int) -> Moment:
    from engine.frames import AudioTick, FaceMotion, Image

    voice = AudioTick(np.zeros(640, np.float32), np.ones(VOICE_TICK_SAMPLES, np.float32), index, 0)
    picture = Image(np.zeros((2, 2, 3), np.uint8), index, 0)
    return Moment(picture, FaceMotion(np.zeros(layout.M, np.float32), index, 0), voice, 0)


def test_hush_keeps_the_laws_of_stages():
    import torch

    ticks = torch.rand(3, 12, layout.M, generator=torch.Generator().manual_seed(0))
    for law in (laws.assert_state_is_slotted, laws.assert_state_changes_in_place, laws.assert_outputs_are_finite):
        law(Hush(), ticks)
    hush = Hush()
    state = hush.init_state(3)
    out = []
    for tick in range(12):
        if tick == 5:
            hush.hush(state, 1, owed=2)
        out.append(hush.step(state, ticks[:, tick]))
    got = torch.stack(out, 1)
    assert torch.equal(got[[0, 2]], ticks[[0, 2]]), "one slot's interrupt is nobody else's"
    hushed = range(5, 5 + 2 + SETTLE_TICKS)
    assert torch.equal(got[1, :5], ticks[1, :5]) and torch.equal(got[1, hushed.stop :], ticks[1, hushed.stop :])
    mouth = [layout.INDEX[name] for name in ARTICULATORS]
    rest = [i for i in range(layout.M) if i not in mouth]
    assert torch.equal(got[1][:, rest], ticks[1][:, rest]), "only the mouth lets go"
    assert torch.allclose(got[1, 6][mouth], ticks[1, 4][mouth] * (1 - STEPS[-1]) ** 2, atol=1e-6)
