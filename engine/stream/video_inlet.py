"""The pictures that a peer sends: packets to whole pictures, and those to frames, with their last packet."""

from collections.abc import Callable

import av
from aiortc.rtp import RtpPacket

from engine.clock import Clock, MonotonicClock
from engine.stream.assembly import Picture, PictureBuffer, starts_h264, starts_vp8
from engine.stream.encoders import TIME_BASE

CODECS = {"H264": ("h264", starts_h264), "VP8": ("libvpx", starts_vp8)}


class VideoInlet:
    """Stands where aiortc's receiver of pictures has its jitter buffer, and decodes by itself (see `wiring.attach`).

    see: called on the event loop with every av.VideoFrame, its pts in 90 kHz counted without wrapping.
    broken: pictures that could not be decoded.
    """

    def __init__(self, codec: str, see: Callable[[av.VideoFrame], None], clock: Clock | None = None):
        name, starts = CODECS[codec]
        self.buffer = PictureBuffer(starts)
        self.broken = 0
        self._see = see
        self._clock = clock or MonotonicClock()
        context = av.CodecContext.create(name, "r")
        assert isinstance(context, av.VideoCodecContext)
        context.thread_count = 1  # more would keep pictures back
        self._decoder = context

    def add(self, packet: RtpPacket) -> tuple[bool, None]:
        """aiortc's call for each packet; True asks the sender for a keyframe."""
        now_ns = self._clock.now_ns()
        data: bytes = packet._data  # type: ignore[attr-defined]
        self.buffer.put(packet.sequence_number, packet.timestamp, bool(packet.marker), data, now_ns)
        failed = [picture for picture in self.buffer.take(now_ns) if not self._decode(picture)]
        return bool(failed) or self.buffer.asks(now_ns), None

    def _decode(self, picture: Picture) -> bool:
        packet = av.Packet(picture.data)
        packet.pts, packet.time_base = picture.timestamp, TIME_BASE
        try:
            frames = self._decoder.decode(packet)
        except av.FFmpegError:
            self.broken += 1
            return False
        for frame in frames:
            self._see(frame)
        return True
