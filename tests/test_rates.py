"""Other rates than 25 pictures a second, and a departure with several viewers: real encoders, no network."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import av
import numpy as np
import pytest
import torch

from engine.channel import Channel, Policy
from engine.config import VideoSection, parse_config
from engine.errors import ConfigError
from engine.frames import TICK_SAMPLES, VOICE_TICK_SAMPLES, AudioTick, FaceMotion, Image, Moment
from engine.interpolation import CLOCK_HZ, TICK, between, lag, places
from engine.motion import layout
from engine.pipeline import Performer, Pipeline
from engine.stream.departure import KEYFRAME_GAP_NS, Departure
from engine.stream.downlink import Downlink
from engine.stream.encode import VOICE_LAG_NS
from engine.stream.tracks import PICTURE_DEPTH
from tests.peers import make_config, until

SIZE = 64


@pytest.mark.parametrize("fps", [25, 30, 50, 60])
def test_every_picture_has_its_place_on_the_clock(fps):
    at = [index * TICK - early for index in range(10 * 25 + 1) for early in places(index, fps)]
    assert at == [k * CLOCK_HZ // fps for k in range(10 * fps + 1)]
    early = [early for index in range(1, 300) for early in places(index, fps)]
    assert min(early) == 0 and max(early) == lag(fps) < TICK
    assert round(lag(fps) / 90) == {25: 0, 30: 33, 50: 20, 60: 37}[fps]


def test_motion_between_ticks_lies_on_a_line():
    before, after = torch.zeros(1, 4), torch.tensor([[4.0, 0.0, -4.0, 1.0]])
    assert torch.equal(between(before, after, 0), after)
    assert torch.allclose(between(before, after, TICK // 4), 0.75 * after)


def test_only_known_rates():
    with pytest.raises(ConfigError, match=r"video\.fps"):
        parse_config({"video": {"fps": 24}})


def test_a_performer_draws_what_lies_between():
    pipeline = Pipeline(
        make_config().model_copy(update={"motion": make_config().motion.model_copy(update={"life": 1})})
    )
    plain, twice = Performer(pipeline), Performer(pipeline, fps=50)
    noise = np.random.default_rng(0).normal(0, 0.1, (6, VOICE_TICK_SAMPLES)).astype(np.float32)
    moments = []
    for index, voice in enumerate(noise):
        tick = AudioTick(voice[:: VOICE_TICK_SAMPLES // TICK_SAMPLES].copy(), voice, index, 0)
        moments.append((plain.step(tick), twice.step(tick)))
    shown = [(one, two) for one, two in moments if one is not None]
    assert len(shown) >= 4
    for one, two in shown:
        assert np.array_equal(one.image.rgb, two.image.rgb) and not one.between
        assert len(two.between) == (1 if two.audio.index else 0)
    changes = [np.abs(two.between[0].astype(int) - two.image.rgb).mean() for _, two in shown[1:]]
    assert max(changes) > 0, "they are not repetitions"


def moment(index: int, fps: int) -> Moment:
    def rgb(early: int) -> np.ndarray:
        picture = np.full((SIZE, SIZE, 3), 60, np.uint8)
        picture[:, (index * TICK - early) // 300 % SIZE] = 250
        return picture

    *earlier, last = (rgb(early) for early in places(index, fps))
    voice = np.zeros(VOICE_TICK_SAMPLES, np.float32)
    tick = AudioTick(np.zeros(TICK_SAMPLES, np.float32), voice, index, 0)
    motion = FaceMotion(np.zeros(layout.M, np.float32), index, 0)
    return Moment(Image(last, index, 0), motion, tick, 0, tuple(earlier))


class Eye:
    """Reads one downlink, as aiortc would: pts, stamps and keyframes of the pictures, stamps of the voice."""

    def __init__(self, departure: Departure, codec: str = "H264"):
        self.downlink = Downlink(departure.request_keyframe)
        self.downlink.codec = codec
        self.pictures: list[tuple[int, int, bool]] = []
        self.voices: list[tuple[int, int]] = []
        self.packets: list[av.Packet] = []
        self._tasks = [asyncio.create_task(self._watch()), asyncio.create_task(self._listen())]
        departure.join(self.downlink)

    async def _watch(self) -> None:
        while True:
            packet = await self.downlink.picture.recv()
            self.pictures.append((packet.pts, self.downlink.picture.stamp_ns or 0, packet.is_keyframe))
            self.packets.append(packet)

    async def _listen(self) -> None:
        while True:
            packet = await self.downlink.voice.recv()
            self.voices.append((packet.pts, self.downlink.voice.stamp_ns or 0))

    def shut(self) -> None:
        """Take no pictures any more."""
        self._tasks[0].cancel()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def departing(**settings):
    """A departure that runs, and the channel that feeds it."""
    with ThreadPoolExecutor(1) as encoders:
        departure = Departure(encoders, VideoSection(encoder="libx264", **settings))
        moments: Channel[Moment] = Channel(100, Policy.BLOCK)
        tasks = [asyncio.create_task(departure.encode(moments)), asyncio.create_task(departure.depart())]
        try:
            yield departure, moments
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            departure.close()


async def feed(moments: Channel[Moment], indices: range, fps: int = 25) -> None:
    """One after the other: never two waiting, which would leave out pictures."""
    for index in indices:
        await until(lambda: not len(moments), "the encoder")
        moments.put_nowait(moment(index, fps))
        await asyncio.sleep(0.005)


@pytest.mark.parametrize("fps", [25, 30, 50, 60])
def test_pictures_and_voice_share_one_clock(fps):
    async def watch() -> Eye:
        async with departing(fps=fps) as (departure, moments):
            eye = Eye(departure)
            await feed(moments, range(26), fps)
            await until(lambda: len(eye.voices) == 52 and len(eye.pictures) > fps, "everything")
            await eye.close()
        return eye

    eye = asyncio.run(watch())
    assert [pts for pts, _, _ in eye.pictures] == [k * CLOCK_HZ // fps for k in range(len(eye.pictures))]
    assert [pts for pts, _ in eye.voices] == [960 * k for k in range(52)]
    # What a receiver makes of the reports: the wall time of media time 0, the same from every packet of both.
    zero = [stamp - pts * 1_000_000_000 // CLOCK_HZ for pts, stamp, _ in eye.pictures]
    heard = [stamp + VOICE_LAG_NS - pts * 1_000_000_000 // 48_000 for pts, stamp in eye.voices]
    assert max(zero + heard) - min(zero + heard) <= 2, "nanoseconds"


def test_viewers_share_an_encode_and_harm_each_other_in_nothing():
    async def watch() -> tuple[Eye, Eye, Eye]:
        async with departing() as (departure, moments):
            first, stuck = Eye(departure), Eye(departure)
            await feed(moments, range(30))
            stuck.shut()
            await feed(moments, range(30, 60))
            assert stuck.downlink.dropped >= 30 - PICTURE_DEPTH - 3
            await asyncio.sleep(KEYFRAME_GAP_NS / 1e9)  # the one who is stuck has just asked for a keyframe
            late = Eye(departure)
            await feed(moments, range(60, 90))
            other = Eye(departure, "VP8")
            await feed(moments, range(90, 100))
            await until(lambda: len(first.pictures) == 100 and len(other.pictures) >= 8, "the rest")
            await until(lambda: len(late.pictures) >= 30, "those of the late one")
            assert departure.encoder_names == ["libvpx-direct", "libx264"]
            departure.leave(other.downlink)
            await feed(moments, range(100, 103))
            await until(lambda: len(first.pictures) == 103, "the last ones")
            assert departure.encoder_names == ["libx264"], "nobody needs the other any more"
            for eye in (first, stuck, late, other):
                await eye.close()
        return first, late, other

    first, late, other = asyncio.run(watch())
    assert [pts // TICK for pts, _, _ in first.pictures] == list(range(103))
    for eye in (first, late, other):
        assert eye.pictures[0][2], "everybody begins with a keyframe"
        decoder = av.CodecContext.create("libvpx" if eye is other else "h264", "r")
        assert sum(len(decoder.decode(packet)) for packet in [*eye.packets, None]) == len(eye.packets)
    assert [pts for pts, _, _ in late.pictures] == [pts for pts, _, _ in first.pictures[-len(late.pictures) :]]
    assert sum(key for _, _, key in first.pictures) <= 12, "many requests make few keyframes"
