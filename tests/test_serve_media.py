"""The encoders, the packets' order, and the sample: what peers get, without a network."""

import asyncio

import av
import numpy as np
import pytest
from aiortc.rtp import RtpPacket

from engine.clock import ManualClock
from engine.frames import VOICE_TICK_SAMPLES
from engine.stream.encode import PictureEncoder, VoiceEncoder
from engine.stream.sample import load_sample, speak_sample
from engine.stream.uplink import ReorderBuffer, VoiceInlet


def picture(index: int, size: int = 128) -> np.ndarray:
    """A key-green ground and a red square that moves."""
    rgb = np.zeros((size, size, 3), np.uint8)
    rgb[:] = (0, 255, 0)
    rgb[32:64, index : index + 32] = (200, 30, 40)
    return rgb


@pytest.mark.parametrize("codec, decoder", [("H264", "h264"), ("VP8", "libvpx")])
def test_pictures_survive_their_codec(codec, decoder):
    encoder = PictureEncoder(codec, 128, 128)
    packets = [encoder.encode(picture(i), i + 7, keyframe=i == 12) for i in range(20)]
    assert all(packet is not None for packet in packets)
    assert [packet.pts for packet in packets] == [(i + 7) * 3_600 for i in range(20)]
    assert [i for i, packet in enumerate(packets) if packet.is_keyframe] == [0, 12]
    reader = av.CodecContext.create(decoder, "r")
    # From the second keyframe on, as for a peer that has lost the first.
    frames = [frame for packet in packets[12:] for frame in reader.decode(packet)] + reader.decode(None)
    shown = frames[-1].to_ndarray(format="rgb24").astype(int)
    assert np.abs(shown - picture(19)).mean() < 8
    assert np.abs(shown[100, 100] - (0, 255, 0)).max() <= 12


def test_a_voice_survives_its_codec():
    voice = load_sample()[: 25 * VOICE_TICK_SAMPLES]
    encoder = VoiceEncoder()
    packets = [p for i in range(25) for p in encoder.encode(voice[i * 1_920 :][:1_920], i)]
    assert [packet.pts for packet in packets] == [960 * i for i in range(50)]
    heard: list[np.ndarray] = []
    inlet = VoiceInlet(heard.append)
    for i, packet in enumerate(packets):
        inlet.add(rtp(i, 960 * i, bytes(packet)))
    sound = np.concatenate(heard)[:, 0]
    delay = 312  # the encoder's look-ahead, 6.5 ms
    assert np.corrcoef(sound[delay:], voice[:-delay])[0, 1] > 0.95


def rtp(number: int, timestamp: int, payload: bytes = b"x") -> RtpPacket:
    return RtpPacket(96, sequence_number=number % 65_536, timestamp=timestamp % 2**32, payload=payload)


@pytest.mark.parametrize("start", [0, 65_530])
def test_packets_come_out_in_order(start):
    order = ReorderBuffer()
    out = []
    for number in [0, 1, 3, 2, 4, 4, 7, 5, 6, 9, 10, 11, 8, 12]:  # swapped, doubled, and 8 too late
        out += [(p.sequence_number - start) % 65_536 for p in order.push(rtp(start + number, 0))]
    assert out == [0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12]
    assert (order.lost, order.late) == (1, 2)


def test_a_sender_that_starts_anew_is_followed():
    order = ReorderBuffer()
    order.push(rtp(100, 0))
    out = [p.sequence_number for number in (9_000, 9_001, 9_002, 9_003) for p in order.push(rtp(number, 0))]
    assert out == [9_000, 9_001, 9_002, 9_003]


def test_lost_sound_becomes_silence_of_the_same_length():
    encoder = VoiceEncoder()
    tone = (0.3 * np.sin(np.arange(1_920) / 9)).astype(np.float32)
    packets = [bytes(p) for i in range(10) for p in encoder.encode(tone, i)]
    for timestamp in (0, 2**32 - 5_000):  # and over the end of RTP's clock
        heard: list[np.ndarray] = []
        inlet = VoiceInlet(heard.append)
        for i, packet in enumerate(packets):
            if i not in (7, 8):
                inlet.add(rtp(i, timestamp + 960 * i, packet))
        assert sum(map(len, heard)) == 20 * 960
        assert np.abs(np.concatenate(heard)[7 * 960 : 9 * 960]).max() == 0
    broken = VoiceInlet(heard.append)
    broken.add(rtp(0, 0, b"\xff" * 3))
    broken.add(rtp(1, 960, packets[0]))
    assert broken.broken <= 1 and len(heard[-1]) == 960


def test_the_sample_is_spoken_in_real_time_and_again(monkeypatch):
    clock, heard = ManualClock(), []

    async def sleep(seconds: float) -> None:
        clock.advance_ms(max(20.0, seconds * 1000))
        if len(heard) * 960 > 2.5 * len(load_sample()):
            raise asyncio.CancelledError

    with monkeypatch.context() as patch, pytest.raises(asyncio.CancelledError):
        patch.setattr("engine.stream.sample.asyncio.sleep", sleep)
        asyncio.run(speak_sample(heard.append, clock))
    sound, whole = np.concatenate(heard)[:, 0], len(load_sample())
    assert (sound[:whole] == sound[whole : 2 * whole]).all()
    assert np.abs(sound[whole - 40_000 : whole]).max() < 1e-3  # a breath between
    assert abs(len(sound) / 48_000 - clock.now_ns() / 1e9) < 0.05
