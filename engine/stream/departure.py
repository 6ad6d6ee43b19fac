"""From moments to packets on their way: encode once for all viewers, decide when, let go together."""

import asyncio
import time
from concurrent.futures import Executor
from typing import Any

from engine.channel import Channel, ChannelFull, Policy
from engine.config import VideoSection
from engine.errors import SessionError
from engine.frames import TICK_MS, Moment
from engine.metrics import Timings
from engine.stream.bitrate import begin_steering
from engine.stream.encode import VIDEO_TICK, VOICE_LAG_NS, PictureEncoder, VoiceEncoder, fitting_bit_rate
from engine.stream.outlet import Outlet
from engine.stream.pacing import MS, Schedule, schedule_departure

LATE_MOMENTS = 2  # with so many waiting, a picture is left out
DEPTH = 400  # packets on the platform; more, and this process hangs
KEYFRAME_GAP_NS = 300 * MS  # requests that come sooner after a keyframe wait: many viewers lose the same picture
VOICE = ""  # stands where pictures have their codec
CODECS = {"auto": ("H264", "VP8"), "h264": ("H264",), "vp8": ("VP8",)}  # the first that a peer also has


class Departure:
    """The downlink of one session: its encoders, its timetable, and those who look at it.

    Media time has one clock, which began with the first departure and runs on with the samples of the voice: what is
    sent is stamped with its place there, whenever it really leaves.
    latency, encoding: from the last sample of a tick to its departure; what encoding took, in ms.
    """

    def __init__(self, encoders: Executor, settings: VideoSection):
        self.latency, self.encoding = Timings(1024), Timings(1024)
        self.schedule = Schedule()
        self.outlets: list[Outlet] = []
        self._settings = settings
        self._left_out = 0
        self._encoders = encoders
        self._pictures: dict[str, PictureEncoder] = {}
        self._wanted_whole: set[str] = set()
        self._last_whole_ns: dict[str, int] = {}
        self._zero_ns: int | None = None
        self._waiting: Channel[tuple[int, int, str, Any]] = Channel(DEPTH, Policy.BLOCK)

    @property
    def dropped(self) -> int:
        """Pictures that nobody was sent."""
        return self._left_out

    @property
    def codecs(self) -> tuple[str, ...]:
        """What is offered to peers, best first."""
        return CODECS[self._settings.codec]

    @property
    def encoder_names(self) -> list[str]:
        return sorted(encoder.name for encoder in self._pictures.values())

    def join(self, outlet: Outlet) -> None:
        """A viewer, connected and with a codec, sees all from its first keyframe on."""
        self.outlets.append(outlet)
        self.request_keyframe(outlet)

    def leave(self, outlet: Outlet) -> None:
        if outlet in self.outlets:
            self.outlets.remove(outlet)
        outlet.close()

    def request_keyframe(self, outlet: Outlet) -> None:
        """A viewer has lost the picture: send a whole one next, or soon if there was one just now."""
        self._wanted_whole.add(outlet.codec)

    async def encode(self, moments: Channel[Moment]) -> None:
        """Encode every moment until the channel ends."""
        voices = VoiceEncoder()
        async for moment in moments:
            begun_ns = time.monotonic_ns()
            pictures: list[tuple[str, Any]] = []
            if len(moments) >= LATE_MOMENTS:
                self._left_out += 1
            else:
                pictures = [(codec, await self._encode(codec, moment)) for codec in self._codecs()]
            voice = voices.encode(moment.audio.voice, moment.audio.index)
            taken_ns = time.monotonic_ns() - begun_ns
            self.encoding.add_ns(taken_ns)
            self._schedule(moment, pictures, voice, moment.finished_ns + taken_ns)

    def _codecs(self) -> list[str]:
        """Those that somebody takes; an encoder that nobody needs any more goes."""
        codecs = sorted({outlet.codec for outlet in self.outlets})
        self._pictures = {codec: encoder for codec, encoder in self._pictures.items() if codec in codecs}
        return codecs

    async def _encode(self, codec: str, moment: Moment) -> Any:
        loop = asyncio.get_running_loop()
        height, width = moment.image.rgb.shape[:2]
        if codec not in self._pictures:
            settings = self._settings
            self._pictures[codec] = await loop.run_in_executor(
                self._encoders, PictureEncoder, codec, width, height, settings
            )
        encoder = self._pictures[codec]
        viewers = [outlet for outlet in self.outlets if outlet.codec == codec]
        for outlet in viewers:
            if not outlet.steering.wanted:
                outlet.steering = begin_steering(fitting_bit_rate(width, height, self._settings))
        if viewers:
            encoder.bit_rate = min(
                outlet.steering.rate for outlet in viewers
            )  # of one encode, the poorest line decides
        whole = codec in self._wanted_whole
        whole &= time.monotonic_ns() - self._last_whole_ns.get(codec, -KEYFRAME_GAP_NS) >= KEYFRAME_GAP_NS
        if whole:
            self._wanted_whole.discard(codec)
            self._last_whole_ns[codec] = time.monotonic_ns()
        pts = moment.audio.index * VIDEO_TICK
        return await loop.run_in_executor(self._encoders, encoder.encode, moment.image.rgb, pts, whole)

    def _schedule(self, moment: Moment, pictures: list[tuple[str, Any]], voice: list[Any], ready_ns: int) -> None:
        media_ns = moment.audio.index * TICK_MS * MS
        self.schedule, due_ns = schedule_departure(self.schedule, media_ns, ready_ns)
        self.latency.add_ns(max(due_ns, ready_ns) - moment.audio.captured_ns)
        self._zero_ns = due_ns - media_ns if self._zero_ns is None else self._zero_ns
        stamp_ns, half_ns = self._zero_ns + media_ns, TICK_MS * MS // 2
        # What is heard is older than its timestamp by the encoder's look-ahead.
        packets = [(due_ns, stamp_ns - VOICE_LAG_NS, VOICE, voice[0])]
        packets += [(due_ns, stamp_ns, codec, packet) for codec, packet in pictures if packet is not None]
        packets.append((due_ns + half_ns, stamp_ns - VOICE_LAG_NS + half_ns, VOICE, voice[1]))
        try:
            for item in packets:
                self._waiting.put_nowait(item)
        except ChannelFull:
            raise SessionError("this machine cannot keep up: nothing leaves") from None

    async def depart(self) -> None:
        """Packets leave in order, each at its time: those of one tick together."""
        async for due_ns, stamp_ns, codec, packet in self._waiting:
            wait_ns = due_ns - time.monotonic_ns()
            if wait_ns > 0:
                await asyncio.sleep(wait_ns / 1e9)
            for outlet in self.outlets:
                if codec == VOICE:
                    outlet.send_voice(packet, stamp_ns)
                elif outlet.codec == codec:
                    outlet.send_picture(packet, stamp_ns)

    def close(self) -> None:
        self._waiting.close()
        for outlet in list(self.outlets):
            self.leave(outlet)
