"""WebRTC tracks that hand out ready packets at the time they are to leave."""

from collections.abc import Callable
from typing import Any

import av
from aiortc import MediaStreamTrack, RTCRtpSender
from aiortc.mediastreams import MediaStreamError

from engine.channel import Channel, Policy

VOICE_DEPTH = 100  # packets: 2 s; a peer that takes none for so long is broken


class PacketTrack(MediaStreamTrack):
    """A track fed with encoded packets by `send`; aiortc puts them on the wire as it gets them.

    Pictures keep only the latest, the voice keeps all.
    """

    def __init__(self, kind: str, depth: int, policy: Policy):
        super().__init__()
        self.kind = kind
        self._packets: Channel[av.Packet] = Channel(depth, policy)

    @property
    def dropped(self) -> int:
        return self._packets.dropped

    def send(self, packet: av.Packet) -> None:
        """From the event loop, at the moment of departure. ChannelFull if the peer takes no voice."""
        self._packets.put_nowait(packet)

    async def recv(self) -> Any:
        try:
            return await self._packets.get()
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
