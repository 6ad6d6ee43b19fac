"""One viewer's end of a departure: two tracks, its codec, and what it says about its line."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from aiortc import RTCRtpSender
from aiortc.rtp import is_rtcp

from engine.channel import ChannelFull
from engine.errors import SessionError
from engine.stream.bitrate import Steering, begin_steering, steer
from engine.stream.pacing import pace_packet
from engine.stream.tracks import make_tracks

MEASURED_NS = 1_000_000_000  # over which the sent bits are counted
WORTH_WAITING_S = 0.001  # the event loop keeps no shorter times


class Downlink:
    """The packets of a session on their way to one viewer.

    codec: "H264" or "VP8", once agreed. dropped: pictures that were made and not sent to this viewer.
    """

    def __init__(self, on_keyframe: Callable[["Downlink"], None]):
        self.picture, self.voice = make_tracks()
        self.codec = ""
        self.dropped = 0
        self.steering: Steering = begin_steering(0)
        self.pictured_ns: int | None = None  # stamp of the last picture of which something was sent
        self._on_keyframe = on_keyframe
        self._whole = False  # has seen a keyframe, and every picture since
        self._broken = asyncio.Event()
        self._sent: list[tuple[int, int]] = []

    def request_keyframe(self) -> None:
        """The viewer has lost the picture."""
        self._on_keyframe(self)

    def send_picture(self, packet: Any, stamp_ns: int) -> None:
        """Pictures that cannot be decoded are not sent: those before the first keyframe, or after one was dropped."""
        if not (self._whole or packet.is_keyframe):
            self.dropped += 1
            return
        try:
            self.picture.send(packet, stamp_ns)
            self._whole = True
        except ChannelFull:
            self.dropped += 1
            self._whole = False
            self.request_keyframe()

    def send_voice(self, packet: Any, stamp_ns: int) -> None:
        try:
            self.voice.send(packet, stamp_ns)
        except ChannelFull:
            self._broken.set()

    async def watch(self) -> None:
        """SessionError once the viewer takes no packets any more."""
        await self._broken.wait()
        raise SessionError("the peer takes no packets")

    def report(self, bit_rate: int) -> None:
        """The viewer's line carries so many bits a second, it says."""
        self.steering = steer(self.steering, bit_rate, self._sending())

    def count(self, length: int) -> None:
        """Bytes of pictures have left."""
        now_ns = time.monotonic_ns()
        self._sent.append((now_ns, length))
        while self._sent[0][0] < now_ns - MEASURED_NS:
            self._sent.pop(0)

    def _sending(self) -> int:
        since_ns = time.monotonic_ns() - MEASURED_NS
        return 8 * sum(length for at_ns, length in self._sent if at_ns >= since_ns)

    def close(self) -> None:
        self.picture.stop()
        self.voice.stop()


class PacedTransport:
    """Stands before the transport of a sender of pictures and spreads its packets in time."""

    def __init__(self, transport: Any, downlink: Downlink):
        self._transport, self._downlink = transport, downlink
        self._free_ns = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    async def _send_rtp(self, data: bytes) -> None:
        if not is_rtcp(data):
            now_ns = time.monotonic_ns()
            self._free_ns, wait_ns = pace_packet(self._free_ns, len(data), self._downlink.steering.rate, now_ns)
            self._downlink.count(len(data))
            if wait_ns / 1e9 >= WORTH_WAITING_S:
                await asyncio.sleep(wait_ns / 1e9)
        await self._transport._send_rtp(data)
        if not is_rtcp(data):
            self._downlink.pictured_ns = self._downlink.picture.stamp_ns


def pace(sender: RTCRtpSender, downlink: Downlink) -> None:
    """Pace what a connected sender sends."""
    if not isinstance(sender.transport, PacedTransport):
        sender.setTransport(PacedTransport(sender.transport, downlink))  # type: ignore[arg-type]
