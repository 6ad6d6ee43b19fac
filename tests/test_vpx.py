"""libvpx without FFmpeg: real pictures in, FFmpeg's decoder out; what is not as known is refused and harms nothing."""

import gc
import resource
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import av
import numpy as np
import pytest

from engine.config import VideoSection
from engine.stream import libvpx, vpx
from engine.stream.encode import PictureEncoder
from engine.stream.encoders import TIME_BASE, choose_recipe
from engine.stream.libvpx import VpxError
from engine.stream.vpx import VpxEncoder

TICK = 3_600


def picture(index: int, width: int = 128, height: int = 128) -> av.VideoFrame:
    """A coarse pattern that moves, under noise."""
    blocks = np.random.default_rng(1).integers(0, 256, (height // 8 + 1, width // 8 + 1)).repeat(8, 0).repeat(8, 1)
    noise = np.random.default_rng(index).integers(-10, 10, (height, width))
    grey = (np.roll(blocks, 3 * index, (0, 1))[:height, :width] + noise).clip(16, 235).astype(np.uint8)
    frame = av.VideoFrame.from_ndarray(grey, format="gray").reformat(format="yuv420p")
    frame.pts, frame.time_base = index * TICK, TIME_BASE
    return frame


def begin(width: int = 128, height: int = 128, bit_rate: int = 1_000_000, threads: int = 1) -> VpxEncoder:
    return VpxEncoder(width, height, 25, bit_rate, keyframe_pictures=10_000, threads=threads, clock=TIME_BASE)


def difference(shown: av.VideoFrame, drawn: av.VideoFrame) -> float:
    """Mean square of grey levels."""
    grey = [frame.to_ndarray(format="gray").astype(float) for frame in (shown, drawn)]
    return float(np.square(grey[0] - grey[1]).mean())


@pytest.mark.parametrize("width, height", [(128, 128), (96, 160), (65, 33), (17, 18)])
def test_pictures_of_any_size_come_back(width, height):
    encoder, decoder = begin(width, height), av.CodecContext.create("libvpx", "r")
    for index in range(12):
        drawn = picture(index, width, height)
        (packet,) = encoder.encode(drawn)
        assert (packet.pts, packet.time_base, packet.is_keyframe) == (index * TICK, TIME_BASE, index == 0)
        (shown,) = decoder.decode(packet)
        assert (shown.width, shown.height, shown.pts) == (width, height, drawn.pts)
        assert difference(shown, drawn) < 60, "28 dB of 30 are noise"


def test_many_rates_and_no_keyframe_for_any():
    encoder, decoder = begin(), av.CodecContext.create("libvpx", "r")
    rates = np.random.default_rng(0).choice([300, 400, 600, 1_200, 2_400], 40) * 1_000
    shown = []
    for index in range(400):
        encoder.bit_rate = int(rates[index // 10])
        drawn = picture(index)
        packets = encoder.encode(drawn)
        assert [packet.is_keyframe for packet in packets] == [index == 0]
        shown += [difference(frame, drawn) for frame in decoder.decode(packets[0])]
    assert len(shown) == 400 and max(shown) < 400


def test_a_keyframe_comes_with_another_rate_only_if_asked_for():
    encoder = begin()
    whole = []
    for index in range(40):
        drawn = picture(index)
        drawn.pict_type = av.video.frame.PictureType.I if index == 25 else av.video.frame.PictureType.NONE
        encoder.bit_rate = 1_000_000 if index < 20 else 400_000
        whole += [index for packet in encoder.encode(drawn) if packet.is_keyframe]
    assert whole == [0, 25]


def test_several_threads_are_in_nobody_elses_way():
    def run(rate: int) -> list[bytes]:
        encoder = begin(bit_rate=rate)
        return [bytes(packet) for index in range(60) for packet in encoder.encode(picture(index))]

    rates = [400_000, 800_000, 1_600_000]
    with ThreadPoolExecutor(len(rates)) as threads:
        assert list(threads.map(run, rates)) == [run(rate) for rate in rates]
    assert (
        len([packet for index in range(5) for packet in begin(256, 256, threads=4).encode(picture(index, 256, 256))])
        == 5
    )


def test_what_does_not_fit_is_refused_and_the_next_picture_comes():
    encoder = begin()
    encoder.encode(picture(0))
    wrong = picture(1, 64, 64), picture(1).reformat(format="nv12"), picture(0)
    for drawn, reason in zip(wrong, ("64x64", "nv12", "follow in time"), strict=True):
        with pytest.raises(VpxError, match=reason):
            encoder.encode(drawn)
    timeless = picture(1)
    timeless.pts = None
    with pytest.raises(VpxError, match="follow in time"):
        encoder.encode(timeless)
    encoder.bit_rate = 0
    assert len(encoder.encode(picture(1))) <= 1, "no bits at all are at worst no picture"
    encoder.bit_rate = 500_000
    assert len(encoder.encode(picture(2))) == 1
    for sizes in ((0, 64), (64, 100_000)):
        with pytest.raises(VpxError, match="Invalid parameter"):
            begin(*sizes)


def test_encoders_that_are_let_go_leave_nothing():
    def use(count: int) -> int:
        for _ in range(count):
            begin(512, 512).encode(picture(0, 512, 512))
        gc.collect()
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    before = use(5)
    assert use(40) - before < 40_000, "kB; each has more than ten megabytes"


def missing(monkeypatch):
    monkeypatch.setattr(libvpx, "library_paths", lambda: ["/nowhere/libvpx.so"])


def not_vpx(monkeypatch):
    monkeypatch.setattr(libvpx, "library_paths", lambda: ["libc.so.6"])


def of_another_release(monkeypatch):
    monkeypatch.setattr(libvpx, "VERSIONS", (999, 14))


def laid_out_otherwise(monkeypatch):
    monkeypatch.setattr(libvpx.Configuration, "kilobits", libvpx.Configuration.threads)


def deaf(monkeypatch):
    monkeypatch.setattr(vpx, "TRIED_RATES", (1_000_000, 1_000_000))


@pytest.mark.parametrize("fault", [missing, not_vpx, of_another_release, laid_out_otherwise, deaf])
def test_a_libvpx_that_is_not_as_known_is_left_to_ffmpeg(monkeypatch, untried_libvpx, fault):
    fault(monkeypatch)
    with pytest.raises(VpxError):
        vpx.check_steering()
    assert choose_recipe("VP8", VideoSection()).name == "libvpx"
    encoder = PictureEncoder("VP8", 64, 64)
    assert encoder.name == "libvpx" and encoder.encode(np.zeros((64, 64, 3), np.uint8), 0).is_keyframe


def test_the_clock_may_be_any():
    encoder = VpxEncoder(64, 64, 30, 300_000, keyframe_pictures=300, threads=1, clock=Fraction(1, 1_000))
    drawn = picture(0, 64, 64)
    drawn.pts, drawn.time_base = 7, Fraction(1, 1_000)
    (packet,) = encoder.encode(drawn)
    assert (packet.pts, packet.duration, packet.time_base) == (7, 33, Fraction(1, 1_000))
