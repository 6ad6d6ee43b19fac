"""WebRTC tracks that hand out ready packets at the time they are to leave."""

from typing import Any

import av
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError

from engine.channel import Channel, Policy

PICTURE_DEPTH = 4
VOICE_DEPTH = 100  # packets: 2 s; a peer that takes none for so long is broken


class PacketTrack(MediaStreamTrack):
    """A track fed with encoded packets by `send`; aiortc puts them on the wire as it gets them.

    stamp_ns: place of the last packet taken on the media clock, None before the first.
    """

    def __init__(self, kind: str, depth: int):
        super().__init__()
        self.kind = kind
        self.stamp_ns: int | None = None
        self._packets: Channel[tuple[av.Packet, int]] = Channel(depth, Policy.BLOCK)

    def send(self, packet: av.Packet, stamp_ns: int) -> None:
        """From the event loop, at the moment of departure. ChannelFull if the peer takes none."""
        self._packets.put_nowait((packet, stamp_ns))

    async def recv(self) -> Any:
        try:
            packet, self.stamp_ns = await self._packets.get()
            return packet
        except StopAsyncIteration:
            raise MediaStreamError from None

    def stop(self) -> None:
        super().stop()
        self._packets.close()


def make_tracks() -> tuple[PacketTrack, PacketTrack]:
    """(picture, voice) tracks of one peer."""
    return PacketTrack("video", PICTURE_DEPTH), PacketTrack("audio", VOICE_DEPTH)
