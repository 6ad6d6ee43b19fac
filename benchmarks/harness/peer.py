"""A WebRTC peer that speaks the marked voice and reads the stamps of the pictures that come back.

Pictures come through the engine's own receiver (engine/stream/video_inlet.py): decoded with their last packet. Sound is
decoded as it comes.
"""

import asyncio
import time
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import aiohttp
import av
import numpy as np
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.rtp import AnyRtcpPacket, RtcpSrPacket, RtpPacket

from benchmarks.harness.marks import MarkedVoice, MarkFinder
from benchmarks.harness.stamp import Stamp, read
from engine.errors import SessionError
from engine.frames import VOICE_RATE_HZ
from engine.stream.video_inlet import VideoInlet
from engine.stream.wiring import attach

BLOCK = VOICE_RATE_HZ // 50
CONNECT_S = 30.0
AUDIBLE = 10 ** (-50 / 20)  # of full scale


@dataclass(frozen=True, slots=True)
class Seen:
    """A picture that was decoded. at_ns: when it was; timestamp: of RTP, 90 kHz, without wrapping."""

    at_ns: int
    timestamp: int
    stamp: Stamp | None


@dataclass(frozen=True, slots=True)
class Heard:
    """A mark that was heard. timestamp: of RTP at which it began, 48 kHz, not wrapping; at_ns: when it was known."""

    kind: int
    timestamp: float
    at_ns: int


class RefusedError(SessionError):
    """The server has no place."""


class Unwrapped:
    """32-bit timestamps, counted on."""

    def __init__(self) -> None:
        self._last: int | None = None

    def __call__(self, timestamp: int) -> int:
        last = timestamp if self._last is None else self._last
        self._last = last + (timestamp - last + 2**31) % 2**32 - 2**31
        return self._last


class Microphone(MediaStreamTrack):
    """The marked voice in real time: each block when its last sample is spoken.

    begun_ns: when sample 0 was.
    """

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._voice = MarkedVoice()
        self._count = 0
        self.begun_ns = 0

    async def recv(self) -> av.AudioFrame:
        self.begun_ns = self.begun_ns or time.monotonic_ns()
        samples = (self._voice.take(self._count * BLOCK, BLOCK) * 32_767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate, frame.time_base = VOICE_RATE_HZ, Fraction(1, VOICE_RATE_HZ)
        frame.pts = self._count * BLOCK
        self._count += 1
        due_ns = self.begun_ns + self._count * 20_000_000
        await asyncio.sleep(max(0, due_ns - time.monotonic_ns()) / 1e9)
        return frame


def luma(frame: Any) -> np.ndarray:
    """The first plane of a YUV picture, uint8 (H, W)."""
    plane = frame.planes[0]
    return np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: frame.height, : frame.width]


def audible_ms(sound: np.ndarray) -> float | None:
    """Where the last sample of float32 (n,) at 48 kHz is that can be heard; None if none can."""
    loud = np.flatnonzero(np.abs(sound) > AUDIBLE)
    return float(loud[-1]) * 1000 / VOICE_RATE_HZ if len(loud) else None


class Listener:
    """Stands where aiortc's receiver has its jitter buffer: every packet is decoded as it comes.

    heard: its marks. sounds: (when a packet came, ns; how long after that its last audible sample is heard, ms, if
    playing begins at once; None: it is silent).
    """

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self.sounds: list[tuple[int, float | None]] = []
        self._decoder: Any = av.AudioCodecContext.create("libopus", "r")
        self._decoder.format, self._decoder.layout, self._decoder.sample_rate = "s16", "mono", VOICE_RATE_HZ
        self._clock = Unwrapped()
        self._finder = MarkFinder()

    def add(self, packet: RtpPacket) -> tuple[bool, None]:
        if packet.payload:
            now_ns, timestamp = time.monotonic_ns(), self._clock(packet.timestamp)
            frames = self._decoder.decode(av.Packet(packet.payload))
            sound = np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames]) / np.float32(32_768)
            self.sounds.append((now_ns, audible_ms(sound)))
            marks = self._finder.push(sound, timestamp)
            self.heard += [Heard(mark.kind, mark.at, now_ns) for mark in marks]
        return False, None


class Peer:
    """Connects, speaks, watches, and goes.

    seen: all pictures. reports: of the sender, by kind: (NTP time in ns, unwrapped timestamp).
    """

    def __init__(self, url: str):
        self.url = url
        self.id = ""
        self.microphone = Microphone()
        self.voice = Listener()
        self.seen: list[Seen] = []
        self.pictures: VideoInlet | None = None
        self.reports: dict[str, list[tuple[int, int]]] = {"video": [], "audio": []}
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._video = self.connection.addTransceiver("video", "recvonly")
        self._audio = self.connection.addTransceiver(self.microphone, "sendrecv")

    async def connect(self, **more: Any) -> None:
        """SessionError if the server refuses, or nothing comes within 30 s."""
        await self.connection.setLocalDescription(await self.connection.createOffer())
        offer = {"type": "offer", "sdp": self.connection.localDescription.sdp, "source": "mic", **more}
        async with aiohttp.ClientSession() as client, client.post(f"{self.url}/offer", json=offer) as reply:
            answer = await reply.json()
        if reply.status != 200:
            refused = RefusedError if reply.status == 503 else SessionError
            raise refused(f"the server refused ({reply.status}): {answer.get('error')}")
        self.id = answer["id"]
        self.pictures = VideoInlet("H264" if "H264" in answer["sdp"] else "VP8", self._see)
        attach(self._video.receiver, self.pictures)
        attach(self._audio.receiver, self.voice)
        self._listen(self._video.receiver, "video")
        self._listen(self._audio.receiver, "audio")
        await self.connection.setRemoteDescription(RTCSessionDescription(answer["sdp"], "answer"))
        try:
            async with asyncio.timeout(CONNECT_S):
                while not self.seen:
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise SessionError("no picture came from the server") from None

    @property
    def lost(self) -> int:
        """Packets of pictures that never came."""
        return self.pictures.buffer.lost if self.pictures else 0

    async def stats(self) -> dict[str, Any]:
        """What the server counts of this session."""
        async with aiohttp.ClientSession() as client, client.get(f"{self.url}/session/{self.id}") as reply:
            return await reply.json()

    async def vanish(self) -> None:
        """Go without a word: the sockets close, nothing is said."""
        transport: Any = self.connection.getTransceivers()[0].receiver.transport.transport
        await transport._connection.close()

    async def close(self) -> None:
        await self.connection.close()

    def _see(self, frame: Any) -> None:
        now_ns = time.monotonic_ns()
        self.seen.append(Seen(now_ns, frame.pts, read(luma(frame))))

    def _listen(self, receiver: Any, kind: str) -> None:
        handle, clock = receiver._handle_rtcp_packet, Unwrapped()

        async def note(packet: AnyRtcpPacket) -> None:
            if isinstance(packet, RtcpSrPacket):
                at_ns = packet.sender_info.ntp_timestamp * 1_000_000_000 >> 32
                self.reports[kind].append((at_ns, clock(packet.sender_info.rtp_timestamp)))
            await handle(packet)

        receiver._handle_rtcp_packet = note
