"""From moments to packets on their way: encode, decide when, let go together."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

from engine.channel import Channel, ChannelFull, Policy
from engine.errors import SessionError
from engine.frames import TICK_MS, Moment
from engine.metrics import Timings
from engine.stream.encode import PictureEncoder, VoiceEncoder
from engine.stream.pacing import MS, Schedule, schedule_departure
from engine.stream.tracks import PacketTrack

LATE_MOMENTS = 2  # with so many waiting, a picture is left out
DEPTH = 400  # packets on the platform; more, and the peer has long stopped taking any


class Departure:
    """The downlink of one peer: its tracks, its encoders, and its timetable.

    latency, encoding: from the last sample of a tick to its departure; what encoding took, in ms.
    """

    def __init__(self, picture: PacketTrack, voice: PacketTrack, encoders: Executor):
        self.picture, self.voice = picture, voice
        self.latency, self.encoding = Timings(1024), Timings(1024)
        self.schedule = Schedule()
        self._left_out = 0
        self._encoders = encoders
        self._keyframe = False
        self._waiting: Channel[tuple[int, PacketTrack, Any]] = Channel(DEPTH, Policy.BLOCK)

    @property
    def dropped(self) -> int:
        """Pictures that were never sent."""
        return self._left_out + self.picture.dropped

    def request_keyframe(self) -> None:
        """The peer has lost the picture: send a whole one next."""
        self._keyframe = True

    async def encode(self, moments: Channel[Moment], codec: str) -> None:
        """Encode every moment until the channel ends. SessionError if the peer takes no packets."""
        loop = asyncio.get_running_loop()
        pictures: Callable[..., Any] | None = None
        voices = VoiceEncoder()
        async for moment in moments:
            begun_ns = time.monotonic_ns()
            packet = None
            if len(moments) >= LATE_MOMENTS:
                self._left_out += 1
            else:
                if pictures is None:
                    height, width = moment.image.rgb.shape[:2]
                    pictures = PictureEncoder(codec, width, height).encode
                whole, self._keyframe = self._keyframe, False
                rgb, index = moment.image.rgb, moment.audio.index
                packet = await loop.run_in_executor(self._encoders, pictures, rgb, index, whole)
            voice = voices.encode(moment.audio.voice, moment.audio.index)
            taken_ns = time.monotonic_ns() - begun_ns
            self.encoding.add_ns(taken_ns)
            self._schedule(moment, packet, voice, moment.finished_ns + taken_ns)

    def _schedule(self, moment: Moment, packet: Any, voice: list[Any], ready_ns: int) -> None:
        media_ns = moment.audio.index * TICK_MS * MS
        self.schedule, due_ns = schedule_departure(self.schedule, media_ns, ready_ns)
        self.latency.add_ns(max(due_ns, ready_ns) - moment.audio.captured_ns)
        packets = [(due_ns, self.voice, voice[0])]
        if packet is not None:
            packets.append((due_ns, self.picture, packet))
        packets.append((due_ns + TICK_MS * MS // 2, self.voice, voice[1]))
        try:
            for item in packets:
                self._waiting.put_nowait(item)
        except ChannelFull:
            raise SessionError("the peer takes no packets") from None

    async def depart(self) -> None:
        """Packets leave in order, each at its time: those of one tick together."""
        async for due_ns, track, packet in self._waiting:
            wait_ns = due_ns - time.monotonic_ns()
            if wait_ns > 0:
                await asyncio.sleep(wait_ns / 1e9)
            track.send(packet, due_ns)

    def close(self) -> None:
        self._waiting.close()
        self.picture.stop()
        self.voice.stop()
