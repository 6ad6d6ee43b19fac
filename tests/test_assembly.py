"""The receiving buffer of pictures in virtual time, and both inlets behind real aiortc peers on a bad network."""

import asyncio
import random

import numpy as np
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection
from aiortc.rtp import RtpPacket

from engine.clock import ManualClock
from engine.config import VideoSection
from engine.stream.assembly import PATIENCE_NS, Picture, PictureBuffer, starts_h264, starts_vp8
from engine.stream.downlink import Downlink, pace
from engine.stream.encode import PictureEncoder, VoiceEncoder
from engine.stream.lossy import NETWORKS, Faults, Link, spoil
from engine.stream.sample import load_sample
from engine.stream.uplink import VoiceInlet
from engine.stream.video_inlet import VideoInlet
from engine.stream.wiring import attach, on_keyframe_request
from tests.peers import until

MS = 1_000_000
KEY = b"k"


def is_key(data: bytes) -> bool:
    return data.startswith(KEY)


def stream(pictures: int, packets: int = 4, keys: tuple[int, ...] = (0,)) -> list[tuple[int, int, int, bool, bytes]]:
    """(sent in ns, number, timestamp, marker, data) of pictures of so many packets each."""
    out = []
    for index in range(pictures):
        kind = KEY if index in keys else b"d"
        for part in range(packets):
            number = index * packets + part
            data = kind + f"{index}.{part};".encode() if part == 0 else f"{index}.{part};".encode()
            out.append(((index * 40 + 1) * MS + part, number, index * 3_600, part == packets - 1, data))
    return out


def receive(buffer: PictureBuffer, arrivals, first: int = 0, begin: int = 0) -> list[tuple[int, Picture]]:
    """(time, picture) of all that comes out."""
    seen = []
    for at_ns, number, timestamp, marker, data in sorted(arrivals):
        buffer.put((first + number) % 65_536, (begin + timestamp) % 2**32, marker, data, at_ns)
        seen += [(at_ns, picture) for picture in buffer.take(at_ns)]
    return seen


def test_a_picture_is_there_with_its_last_packet():
    packets = stream(50)
    seen = receive(PictureBuffer(is_key), packets)
    assert [at for at, _ in seen] == [packets[4 * i + 3][0] for i in range(50)]
    assert [picture.timestamp for _, picture in seen] == [3_600 * i for i in range(50)]
    assert seen[7][1].data == b"d7.0;7.1;7.2;7.3;"


@pytest.mark.parametrize("first, begin", [(0, 0), (65_500, 2**32 - 20_000)])
def test_any_order_within_the_patience_gives_every_picture(first, begin):
    chance = random.Random(0)
    packets = [(at + chance.randrange(100) * MS, *rest) for at, *rest in stream(200)]
    packets += chance.sample(packets, 100)  # and some of them twice
    buffer = PictureBuffer(is_key)
    seen = receive(buffer, packets, first, begin)
    assert [picture.timestamp - begin for _, picture in seen] == [3_600 * i for i in range(200)]
    assert buffer.late == 100 and buffer.lost == buffer.dropped == 0


def test_what_is_sent_again_closes_the_hole():
    packets = stream(30)
    gone = [4 * 10 + 1, 4 * 10 + 2, 4 * 12 + 3]
    again = [(packets[n][0] + 90 * MS, *packets[n][1:]) for n in gone]
    seen = receive(PictureBuffer(is_key), [p for p in packets if p[1] not in gone] + again)
    assert len(seen) == 30
    assert max(np.diff([at for at, _ in seen])) <= (90 + 41) * MS, "and the others follow at once"


def test_what_never_comes_is_given_up_and_a_keyframe_asked_for():
    packets = stream(60, keys=(0, 40))
    buffer, seen, asked = PictureBuffer(is_key), [], []
    for at_ns, number, timestamp, marker, data in packets:
        if number in (4 * 20 + 1, 4 * 20 + 2):
            continue
        buffer.put(number, timestamp, marker, data, at_ns)
        seen += buffer.take(at_ns)
        asked += [at_ns] if buffer.asks(at_ns) else []
    assert [picture.timestamp // 3_600 for picture in seen] == [*range(20), *range(40, 60)]
    assert buffer.lost == 2 and buffer.dropped == 20
    assert abs(asked[0] - packets[4 * 21][0] - PATIENCE_NS) <= 80 * MS
    assert 2 <= len(asked) <= 3, "now and then, not with every packet"


def test_a_viewer_that_comes_late_begins_with_a_keyframe():
    packets = stream(40, keys=(0, 15))[6:]
    buffer = PictureBuffer(is_key)
    assert [picture.timestamp // 3_600 for _, picture in receive(buffer, packets)] == list(range(15, 40))
    assert PictureBuffer(is_key).asks(0) is False


@pytest.mark.parametrize("seed", range(20))
def test_any_traffic_gives_only_whole_pictures_in_order(seed):
    chance = random.Random(seed)
    sizes = [chance.randrange(1, 9) for _ in range(300)]
    keys = {0} | {k for k in range(300) if chance.random() < 0.1}
    whole, packets, number = {}, [], 0
    for index, size in enumerate(sizes):
        parts = [(KEY if index in keys else b"d") + bytes([index % 256])] + [
            chance.randbytes(3) for _ in range(size - 1)
        ]
        whole[index] = b"".join(parts)
        for part in range(size):
            packets.append(((index * 40 + 1) * MS + part, number, index * 3_600, part == size - 1, parts[part]))
            number += 1
    faults = Faults(loss=chance.choice([0, 0.02, 0.3]), doubled=0.05, reordered=chance.choice([0, 0.2]), jitter_ms=30)
    link = Link(faults, seed)
    arrivals = [(at, *rest) for sent, *rest in packets for at in link.arrivals(sent)]
    begin = chance.randrange(2**32)
    seen = receive(PictureBuffer(is_key), arrivals, chance.randrange(65_536), begin)
    numbers = [(picture.timestamp - begin) // 3_600 for _, picture in seen]
    first = numbers[0] if numbers else 0
    assert numbers == sorted(set(numbers))
    for (_, picture), number in zip(seen, numbers, strict=True):
        assert picture.data == whole[number]
        assert picture.keyframe == (number in keys)
        assert number == first or number - 1 in numbers or number in keys, "no picture without the one it builds on"


@pytest.mark.parametrize("codec", ["H264", "VP8"])
def test_keyframes_are_told_by_their_data(codec):
    encoder = PictureEncoder(codec, 128, 128)
    picture = np.zeros((128, 128, 3), np.uint8)
    packets = [encoder.encode(picture, 3_600 * i, keyframe=i == 3) for i in range(6)]
    starts = {"H264": starts_h264, "VP8": starts_vp8}[codec]
    assert [starts(bytes(packet)) for packet in packets] == [True, False, False, True, False, False]
    assert not starts_h264(b"") and not starts_vp8(b"") and not starts_h264(b"\0\0\1")


class Meeting:
    """Two real aiortc peers in one process: one sends what the engine would, the other receives with both inlets."""

    def __init__(self, codec: str):
        here = RTCConfiguration(iceServers=[])
        self.sender, self.receiver = RTCPeerConnection(here), RTCPeerConnection(here)
        self.downlink = Downlink(lambda downlink: self.wanted.append(True))
        self.wanted: list[bool] = []
        self.codec = codec
        self.frames: list[tuple[int, np.ndarray]] = []
        self.sound: list[np.ndarray] = []
        self.video = VideoInlet(codec, lambda frame: self.frames.append((frame.pts, frame.to_ndarray(format="rgb24"))))
        self.voice = VoiceInlet(self.sound.append)

    async def connect(self, link: Link) -> None:
        picture = self.sender.addTransceiver(self.downlink.picture, "sendonly")
        self.sender.addTransceiver(self.downlink.voice, "sendonly")
        on_keyframe_request(picture.sender, self.downlink.request_keyframe)
        known = picture.sender.getCapabilities("video").codecs
        picture.setCodecPreferences([c for c in known if c.name in (self.codec, "rtx")])
        await self.sender.setLocalDescription(await self.sender.createOffer())
        await self.receiver.setRemoteDescription(self.sender.localDescription)
        for transceiver in self.receiver.getTransceivers():
            attach(transceiver.receiver, self.video if transceiver.kind == "video" else self.voice)
        await self.receiver.setLocalDescription(await self.receiver.createAnswer())
        await self.sender.setRemoteDescription(self.receiver.localDescription)
        await until(lambda: self.sender.connectionState == self.receiver.connectionState == "connected", "peers")
        pace(picture.sender, self.downlink)
        spoil(self.sender, link)

    async def close(self) -> None:
        await asyncio.gather(self.sender.close(), self.receiver.close())


def card(index: int) -> np.ndarray:
    """A picture that says its number: bands of light and dark, one a bit."""
    picture = np.full((128, 128, 3), 40, np.uint8)
    for bit in range(8):
        if index >> bit & 1:
            picture[16 * bit : 16 * bit + 16] = 210
    return picture


def number_of(picture: np.ndarray) -> int:
    return sum((picture[16 * bit + 4 : 16 * bit + 12].mean() > 125) << bit for bit in range(8))


@pytest.mark.parametrize("codec, network", [("H264", "loss 5 %"), ("VP8", "reordering"), ("H264", "clean")])
def test_real_peers_on_a_bad_network(codec, network):
    ticks = 100
    said = load_sample()[: ticks * 1_920]

    async def meet() -> Meeting:
        meeting = Meeting(codec)
        await meeting.connect(Link(NETWORKS[network], seed=1))
        listening = asyncio.create_task(meeting.voice.run())
        pictures, voices = PictureEncoder(codec, 128, 128, VideoSection(encoder="libx264")), VoiceEncoder()
        meeting.wanted.append(True)
        begun = asyncio.get_running_loop().time()
        for index in range(ticks + 25):
            whole = bool(meeting.wanted)
            meeting.wanted.clear()
            packet = pictures.encode(card(index % 256), index * 3_600, whole)
            first, second = voices.encode(np.resize(said[index * 1_920 :][:1_920], 1_920), index)
            meeting.downlink.send_voice(first, 0)
            meeting.downlink.send_picture(packet, 0)
            await asyncio.sleep(max(0.0, begun + index * 0.04 + 0.02 - asyncio.get_running_loop().time()))
            meeting.downlink.send_voice(second, 0)
            await asyncio.sleep(max(0.0, begun + (index + 1) * 0.04 - asyncio.get_running_loop().time()))
        await until(lambda: meeting.frames and number_of(meeting.frames[-1][1]) >= ticks, "the last pictures")
        listening.cancel()
        await meeting.close()
        return meeting

    meeting = asyncio.run(meet())
    first_pts, first_picture = meeting.frames[0]
    places = [number_of(first_picture) + (pts - first_pts) // 3_600 for pts, _ in meeting.frames]
    numbers = [number_of(picture) for _, picture in meeting.frames]
    assert numbers == places == sorted(set(places)), "every picture whole, in order and at its time"
    assert len(numbers) >= 0.7 * ticks, "most of them"
    if network == "clean":
        assert meeting.voice.buffer.lost == 0 and meeting.video.buffer.dropped == 0
    sound = np.concatenate(meeting.sound)[:, 0]
    spoken, heard = (np.sqrt((x[: len(x) // 960 * 960].reshape(-1, 960) ** 2).mean(1)) for x in (said, sound))
    fits = [np.corrcoef(heard[at : at + len(spoken)], spoken)[0, 1] for at in range(max(1, len(heard) - len(spoken)))]
    assert max(fits) > 0.9, "and the voice on one unbroken line"


def test_an_inlet_asks_for_a_keyframe_when_data_is_broken():
    clock, frames = ManualClock(), []
    inlet = VideoInlet("VP8", frames.append, clock)
    assert starts_vp8(b"\x10abc")
    packet = RtpPacket(97, marker=1, sequence_number=1, timestamp=0, payload=b"x")
    packet._data = b"\x10abc"
    asks, _ = inlet.add(packet)
    assert asks and inlet.broken == 1 and not frames
