"""The picture encoders: rates that change while they run, keyframes when asked for, and what works here."""

import av
import numpy as np
import pytest

from engine.config import VideoSection, parse_config
from engine.errors import ConfigError
from engine.stream import libvpx
from engine.stream.bitrate import LEAST, begin_steering, steer
from engine.stream.encode import SOONER_KEYFRAME_S, PictureEncoder, fitting_bit_rate
from engine.stream.encoders import RECIPES, SOFTWARE, choose_recipe, works
from engine.stream.libvpx import VpxError
from engine.stream.pacing import BURST_NS, LEAST_PACE, MS, PACE, pace_packet

SIZE = 256
FPS = 25
NOISE = np.random.default_rng(0).integers(-12, 12, (8, SIZE, SIZE, 3))
BLOCKS = np.random.default_rng(1).integers(0, 255, (SIZE // 8, SIZE // 8, 3)).repeat(8, 0).repeat(8, 1)


def picture(index: int) -> np.ndarray:
    """Something that costs bits: blocks that move, under noise."""
    moved = np.roll(BLOCKS, (3 * index, 5 * index), (0, 1)) + NOISE[index % len(NOISE)]
    return moved.clip(0, 255).astype(np.uint8)


def encode(encoder: PictureEncoder, count: int, rates: dict[int, int]) -> tuple[np.ndarray, list[int]]:
    """(bits of each picture, which are keyframes), with other bit rates from some pictures on."""
    bits, whole = np.zeros(count), []
    for index in range(count):
        encoder.bit_rate = rates.get(index, encoder.bit_rate)
        packet = encoder.encode(picture(index), index * 3_600)
        if packet is not None:
            bits[index] = 8 * packet.size
            whole += [index] if packet.is_keyframe else []
    return bits, whole


@pytest.mark.parametrize("codec, preset", [("H264", "ultrafast"), ("H264", "superfast"), ("VP8", "ultrafast")])
def test_a_rate_changes_without_a_keyframe(codec, preset):
    encoder = PictureEncoder(codec, SIZE, SIZE, VideoSection(encoder="libx264", preset=preset, bitrate_kbps=1_000))
    context = encoder._context
    rates = {0: 1_000_000, 60: 300_000, 120: 3_000_000, 180: 1_000_000}
    bits, whole = encode(encoder, 240, rates)
    assert whole == [0] and encoder._context is context
    for begin, rate in rates.items():
        settled = bits[begin + 25 : begin + 60].mean() * FPS
        assert 0.6 * rate <= settled <= 1.25 * rate, f"{rate} from picture {begin} on"


@pytest.fixture
def no_libvpx(monkeypatch, untried_libvpx):
    """As where libvpx is not found beside FFmpeg."""
    monkeypatch.setattr(libvpx, "library_paths", lambda: ["/nowhere/libvpx.so"])


def test_vp8_through_ffmpeg_takes_another_rate_with_its_next_keyframe(no_libvpx):
    encoder = PictureEncoder("VP8", SIZE, SIZE, VideoSection(bitrate_kbps=1_000))
    assert encoder.name == "libvpx"
    bits, whole = encode(encoder, 200, {20: 300_000})
    soon = SOONER_KEYFRAME_S * FPS
    assert len(whole) == 2 and 20 <= whole[1] <= 20 + soon
    assert bits[: whole[1]].sum() / whole[1] * FPS > 700_000
    assert bits[whole[1] + 50 :].mean() * FPS < 450_000
    asked = PictureEncoder("VP8", SIZE, SIZE, VideoSection(bitrate_kbps=1_000))
    encode(asked, 5, {})
    asked.bit_rate = 300_000
    assert asked.encode(picture(5), 5 * 3_600, keyframe=True).is_keyframe
    assert asked._rate == 300_000, "one that is asked for does as well"


@pytest.mark.parametrize("codec", ["H264", "VP8"])
def test_keyframes_come_when_asked_for_and_restart_a_decoder(codec):
    encoder = PictureEncoder(codec, SIZE, SIZE)
    packets = [encoder.encode(picture(i), i * 3_600, keyframe=i in (7, 8, 30)) for i in range(40)]
    assert [i for i, packet in enumerate(packets) if packet.is_keyframe] == [0, 7, 8, 30]
    decoder = av.CodecContext.create("h264" if codec == "H264" else "libvpx", "r")
    late = [frame for packet in packets[30:] for frame in decoder.decode(packet)] + decoder.decode(None)
    assert len(late) == 10


def test_threads_change_nothing_but_the_time():
    for codec in ("H264", "VP8"):
        encoder = PictureEncoder(codec, SIZE, SIZE, VideoSection(threads=4))
        assert all(encoder.encode(picture(i), i * 3_600) is not None for i in range(5)), "no picture is kept back"


def test_what_does_not_work_here_is_passed_over():
    for recipe in RECIPES:
        if recipe.name in SOFTWARE.values():
            assert works(recipe)
        elif not works(recipe):
            assert choose_recipe("H264", VideoSection(encoder=recipe.name)).name == "libx264"
    best = choose_recipe("H264", VideoSection())
    assert works(best) and best == next(recipe for recipe in RECIPES if works(recipe))
    assert choose_recipe("VP8", VideoSection(encoder="h264_nvenc")).name in ("libvpx-direct", "libvpx")


@pytest.mark.parametrize("codec, reason", [("H264", av.FFmpegError(5, "the card fell out")), ("VP8", VpxError("full"))])
def test_an_encoder_that_gives_up_is_replaced(monkeypatch, codec, reason):
    class Broken:
        bit_rate = 0

        def encode(self, picture):
            raise reason

    encoder = PictureEncoder(codec, SIZE, SIZE, VideoSection(encoder="libx264"))
    encode(encoder, 3, {})
    encoder._context = Broken()
    monkeypatch.setitem(SOFTWARE, "H264", "libvpx")  # as if libx264 were hardware, and this what never fails
    packet = encoder.encode(picture(3), 3 * 3_600)
    assert encoder.name == "libvpx" and packet.is_keyframe and packet.pts == 3 * 3_600


def test_the_settings_are_checked():
    for key, value in {"bitrate_kbps": 299, "preset": "medium", "threads": 0, "encoder": "x265", "crf": 3}.items():
        with pytest.raises(ConfigError, match=f"video.{key}"):
            parse_config({"video": {key: value}})
    assert fitting_bit_rate(512, 512, VideoSection()) == 1_638_400
    assert fitting_bit_rate(512, 512, VideoSection(bitrate_kbps=8_000)) == 8_000_000


def test_a_full_line_is_given_less_and_more_again():
    state, line = begin_steering(2_000_000), 700_000
    sent = []
    for _ in range(60):
        passed = min(state.rate, line)
        state = steer(state, passed if state.rate > line else 3 * passed, state.rate)
        sent.append(state.rate)
    assert max(sent[5:]) <= line * 1.1 and min(sent[5:]) >= 0.55 * line
    for _ in range(60):
        state = steer(state, 10 * state.rate, state.rate)
    assert state.rate == 2_000_000
    assert steer(state, 0, 2_000_000).rate == LEAST
    quiet = steer(state, 750_000, 500_000)  # a face at rest sends little, and no receiver reports much more than that
    assert quiet.rate == 2_000_000


def test_large_pictures_are_spread_and_small_ones_are_not():
    def leave(sizes: list[int], free_ns: int = 0) -> tuple[list[int], int]:
        now_ns, left = 1_000 * MS, []
        for size in sizes:
            free_ns, wait_ns = pace_packet(free_ns, size, 1_600_000, now_ns)
            now_ns += wait_ns
            left.append(now_ns - 1_000 * MS)
        return left, free_ns

    assert max(leave([1_200] * 7)[0]) == 0
    key, _ = leave([1_200] * 60)
    whole_ns = 60 * 1_200 * 8_000_000_000 // (PACE * 1_600_000)
    assert abs(key[-1] - (whole_ns - BURST_NS)) <= 2 * MS and key == sorted(key)
    assert max(np.diff(key)) <= 1_200 * 8_000 / (PACE * 1.6) + 1, "evenly"
    poor = pace_packet(0, 1_200, 0, 0)[0]
    assert poor == 1_200 * 8_000_000_000 // LEAST_PACE
