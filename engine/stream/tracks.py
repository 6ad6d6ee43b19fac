"""WebRTC tracks that hand out ready packets at the time they are to leave."""

import time
from collections.abc import Callable
from typing import Any

import av
from aiortc import MediaStreamTrack, RTCRtpSender
from aiortc.clock import current_ntp_time
from aiortc.mediastreams import MediaStreamError
from aiortc.rtp import AnyRtcpPacket, RtcpSrPacket

from engine.channel import Channel, Policy

VOICE_DEPTH = 100  # packets: 2 s; a peer that takes none for so long is broken


class PacketTrack(MediaStreamTrack):
    """A track fed with encoded packets by `send`; aiortc puts them on the wire as it gets them.

    Pictures keep only the latest, the voice keeps all.
    due_ns: monotonic time at which the last packet taken was due, None before the first.
    """

    def __init__(self, kind: str, depth: int, policy: Policy):
        super().__init__()
        self.kind = kind
        self.due_ns: int | None = None
        self._packets: Channel[tuple[av.Packet, int]] = Channel(depth, policy)

    @property
    def dropped(self) -> int:
        return self._packets.dropped

    def send(self, packet: av.Packet, due_ns: int) -> None:
        """From the event loop, at the moment of departure. ChannelFull if the peer takes no voice."""
        self._packets.put_nowait((packet, due_ns))

    async def recv(self) -> Any:
        try:
            packet, self.due_ns = await self._packets.get()
            return packet
        except StopAsyncIteration:
            raise MediaStreamError from None

    def stop(self) -> None:
        super().stop()
        self._packets.close()


def make_tracks() -> tuple[PacketTrack, PacketTrack]:
    """(picture, voice) tracks of one peer."""
    return PacketTrack("video", 2, Policy.LATEST), PacketTrack("audio", VOICE_DEPTH, Policy.BLOCK)


def on_keyframe_request(sender: RTCRtpSender, call: Callable[[], None]) -> None:
    """Be told when the peer has lost the picture (PLI, FIR).

    aiortc keeps the request for an encoder of its own and has no event for it, so its method is replaced
    on this one sender.
    """
    sender._send_keyframe = call  # type: ignore[method-assign]


def stamp_reports(sender: RTCRtpSender, track: PacketTrack, lag_ns: int = 0) -> None:
    """Let a sender's reports pair media time with the time that was due, not with the time of sending.

    aiortc pairs the last packet with the moment it left. On a busy machine that moment comes late, by
    another amount for picture and voice, and the receiver would believe the difference. lag_ns: by how
    much the content of a packet is older than its timestamp says (an encoder's look-ahead).
    """
    send = sender._send_rtcp

    async def stamped(packets: list[AnyRtcpPacket]) -> None:
        for packet in packets:
            if isinstance(packet, RtcpSrPacket) and track.due_ns is not None:
                packet.sender_info.ntp_timestamp = _ntp(track.due_ns - lag_ns)
        await send(packets)

    sender._send_rtcp = stamped  # type: ignore[method-assign]


def _ntp(monotonic_ns: int) -> int:
    """64-bit NTP time (32.32 seconds) of a monotonic time."""
    ago_ns = time.monotonic_ns() - monotonic_ns
    return current_ntp_time() - (ago_ns << 32) // 1_000_000_000
