"""The encoders, the packets' order, and the sample: what peers get, without a network."""

import asyncio

import av
import numpy as np
import pytest
from aiortc.rtp import RtpPacket

from engine.clock import ManualClock
from engine.frames import VOICE_TICK_SAMPLES
from engine.stream.encode import PictureEncoder, VoiceEncoder
from engine.stream.opus import packet_samples
from engine.stream.sample import load_sample, speak_sample
from engine.stream.uplink import VoiceInlet


def picture(index: int, size: int = 128) -> np.ndarray:
    """A key-green ground and a red square that moves."""
    rgb = np.zeros((size, size, 3), np.uint8)
    rgb[:] = (0, 255, 0)
    rgb[32:64, index : index + 32] = (200, 30, 40)
    return rgb


@pytest.mark.parametrize("codec, decoder", [("H264", "h264"), ("VP8", "libvpx")])
def test_pictures_survive_their_codec(codec, decoder):
    encoder = PictureEncoder(codec, 128, 128)
    packets = [encoder.encode(picture(i), (i + 7) * 3_600, keyframe=i == 12) for i in range(20)]
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
    clock = ManualClock()
    inlet = VoiceInlet(heard.append, clock)
    for i, packet in enumerate(packets):
        clock.advance_ms(20)
        inlet.add(rtp(i, 960 * i, bytes(packet)))
    sound = np.concatenate(heard)[:, 0]
    delay = 312  # the encoder's look-ahead, 6.5 ms
    assert np.corrcoef(sound[delay:], voice[:-delay])[0, 1] > 0.95


def rtp(number: int, timestamp: int, payload: bytes = b"x") -> RtpPacket:
    return RtpPacket(96, sequence_number=number % 65_536, timestamp=timestamp % 2**32, payload=payload)


def test_lost_sound_is_made_up_by_the_decoder():
    voice = (0.3 * np.sin(np.arange(60 * 960) / 9)).astype(np.float32)
    encoder = VoiceEncoder()
    packets = [bytes(p) for i in range(30) for p in encoder.encode(voice[i * 1_920 :][:1_920], i)]
    for timestamp in (0, 2**32 - 5_000):  # and over the end of RTP's clock
        heard: list[np.ndarray] = []
        clock = ManualClock()
        inlet = VoiceInlet(heard.append, clock)
        for i, packet in enumerate(packets):
            clock.advance_ms(20)
            if i not in (20, *range(35, 40)):
                inlet.add(rtp(i, timestamp + 960 * i, packet))
            inlet.poll()
        sound = np.concatenate(heard)[:, 0]
        assert len(sound) == 60 * 960 and inlet.buffer.lost == 6 and inlet.buffer.concealed == 6 * 960
        level = np.sqrt((sound.reshape(-1, 960) ** 2).mean(1))
        assert abs(level[20] / level[19] - 1) < 0.3, "one packet is bridged"
        assert level[39] < 0.3 * level[34], "more of them fade out"
        assert abs(level[50] / level[19] - 1) < 0.1


def test_what_is_not_opus_harms_nobody():
    heard: list[np.ndarray] = []
    clock = ManualClock()
    inlet = VoiceInlet(heard.append, clock)
    packet = bytes(VoiceEncoder().encode(np.zeros(1_920, np.float32), 0)[0])
    junk = np.random.default_rng(0)
    for i in range(300):
        clock.advance_ms(20)
        payload = junk.bytes(int(junk.integers(0, 1_400))) if i % 3 else packet
        inlet.add(rtp(i, 960 * i, payload))
        inlet.poll()
    assert inlet.broken > 0
    assert all(np.isfinite(sound).all() and np.abs(sound).max(initial=0) <= 1 for sound in heard)
    assert abs(sum(map(len, heard)) - 300 * 960) <= 10 * 960


def test_the_lengths_of_opus_packets():
    lengths = {b"\xf8": 960, b"\x78": 960, b"\x08x": 960, b"\x18": 2_880, b"\xe0": 120, b"\xfb\x02": 1_920}
    assert {packet: packet_samples(packet) for packet in lengths} == lengths
    assert packet_samples(b"") == packet_samples(b"\xfb") == packet_samples(b"\xfb\x3f") == 0


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
