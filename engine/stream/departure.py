"""From moments to packets on their way: encode once for all viewers, decide when, let go together."""

import asyncio
import time
from concurrent.futures import Executor
from typing import Any, NamedTuple

import numpy as np

from engine.channel import Channel, ChannelFull, Policy
from engine.config import VideoSection
from engine.errors import SessionError
from engine.frames import TICK_MS, Moment
from engine.interpolation import CLOCK_HZ, TICK, lag, places
from engine.metrics import Timings
from engine.stream.bitrate import begin_steering
from engine.stream.downlink import Downlink
from engine.stream.encode import VOICE_LAG_NS, PictureEncoder, VoiceEncoder, fitting_bit_rate
from engine.stream.pacing import MS, Schedule, schedule_departure

LATE_MOMENTS = 2  # with so many waiting, a picture is left out
DEPTH = 400  # packets on the platform; more, and this process hangs
KEYFRAME_GAP_NS = 300 * MS  # requests that come sooner after a keyframe wait: many viewers lose the same picture
CODECS = {"auto": ("H264", "VP8"), "h264": ("H264",), "vp8": ("VP8",)}  # the first that a peer also has


class _Parcel(NamedTuple):
    """When to leave, the place on the media clock, the codec of a picture (empty: voice), and the packet."""

    due_ns: int
    stamp_ns: int
    codec: str
    packet: Any


class Departure:
    """The downlink of one session: its encoders, its timetable, and those who look at it.

    Media time has one clock, which began with the first departure and runs on with the samples of the voice: what is
    sent is stamped with its place there, whenever it really leaves.
    latency, encoding: from the last sample of a tick to its departure; what encoding took, in ms.
    """

    def __init__(self, encoders: Executor, settings: VideoSection):
        self.latency, self.encoding = Timings(1024), Timings(1024)
        self.schedule = Schedule()
        self.downlinks: list[Downlink] = []
        self._settings = settings
        self._left_out = 0
        self._encoders = encoders
        self._pictures: dict[str, PictureEncoder] = {}
        self._wanted_whole: set[str] = set()
        self._last_whole_ns: dict[str, int] = {}
        self._zero_ns: int | None = None
        self._lag_ns = _ns(lag(settings.fps))
        # Two platforms: at other rates than that of the ticks, pictures and voice do not leave in the order they came.
        self._voices: Channel[_Parcel] = Channel(DEPTH, Policy.BLOCK)
        self._shown: Channel[_Parcel] = Channel(DEPTH, Policy.BLOCK)

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

    def join(self, downlink: Downlink) -> None:
        """A viewer, connected and with a codec, sees all from its first keyframe on."""
        self.downlinks.append(downlink)
        self.request_keyframe(downlink)

    def leave(self, downlink: Downlink) -> None:
        if downlink in self.downlinks:
            self.downlinks.remove(downlink)
        downlink.close()

    def request_keyframe(self, downlink: Downlink) -> None:
        """A viewer has lost the picture: send a whole one next, or soon if there was one just now."""
        self._wanted_whole.add(downlink.codec)

    async def encode(self, moments: Channel[Moment]) -> None:
        """Encode every moment until the channel ends."""
        voices = VoiceEncoder()
        async for moment in moments:
            begun_ns = time.monotonic_ns()
            pictures: list[tuple[int, str, Any]] = []
            if len(moments) >= LATE_MOMENTS:
                self._left_out += 1
            else:
                for early, rgb in self._places(moment):
                    pts = moment.audio.index * TICK - early
                    pictures += [(early, codec, await self._encode(codec, rgb, pts)) for codec in self._codecs()]
            voice = voices.encode(moment.audio.voice, moment.audio.index)
            taken_ns = time.monotonic_ns() - begun_ns
            self.encoding.add_ns(taken_ns)
            self._schedule(moment, pictures, voice, moment.finished_ns + taken_ns)

    def _codecs(self) -> list[str]:
        """Those that somebody takes; an encoder that nobody needs any more goes."""
        codecs = sorted({downlink.codec for downlink in self.downlinks})
        self._pictures = {codec: encoder for codec, encoder in self._pictures.items() if codec in codecs}
        return codecs

    def _places(self, moment: Moment) -> list[tuple[int, np.ndarray]]:
        """(how early, picture) of all that a moment brings; only the newest where pictures are repeated."""
        pictures = [*moment.between, moment.image.rgb]
        return list(zip(places(moment.audio.index, self._settings.fps)[-len(pictures) :], pictures, strict=True))

    async def _encode(self, codec: str, rgb: np.ndarray, pts: int) -> Any:
        loop = asyncio.get_running_loop()
        height, width = rgb.shape[:2]
        if codec not in self._pictures:
            settings = self._settings
            self._pictures[codec] = await loop.run_in_executor(
                self._encoders, PictureEncoder, codec, width, height, settings
            )
        encoder = self._pictures[codec]
        viewers = [downlink for downlink in self.downlinks if downlink.codec == codec]
        for downlink in viewers:
            if not downlink.steering.wanted:
                downlink.steering = begin_steering(fitting_bit_rate(width, height, self._settings))
        if viewers:
            encoder.bit_rate = min(
                downlink.steering.rate for downlink in viewers
            )  # of one encode, the poorest line decides
        whole = codec in self._wanted_whole
        whole &= time.monotonic_ns() - self._last_whole_ns.get(codec, -KEYFRAME_GAP_NS) >= KEYFRAME_GAP_NS
        if whole:
            self._wanted_whole.discard(codec)
            self._last_whole_ns[codec] = time.monotonic_ns()
        return await loop.run_in_executor(self._encoders, encoder.encode, rgb, pts, whole)

    def _schedule(self, moment: Moment, pictures: list[tuple[int, str, Any]], voice: list[Any], ready_ns: int) -> None:
        media_ns = moment.audio.index * TICK_MS * MS
        self.schedule, due_ns = schedule_departure(self.schedule, media_ns, ready_ns)
        due_ns += self._lag_ns
        self.latency.add_ns(max(due_ns, ready_ns) - moment.audio.captured_ns)
        self._zero_ns = due_ns - media_ns if self._zero_ns is None else self._zero_ns
        stamp_ns = self._zero_ns + media_ns
        try:
            for early, codec, packet in pictures:
                if packet is not None:
                    self._shown.put_nowait(_Parcel(due_ns - _ns(early), stamp_ns - _ns(early), codec, packet))
            for half, packet in enumerate(voice):
                later_ns = half * TICK_MS * MS // 2
                # What is heard is older than its timestamp by the encoder's look-ahead.
                self._voices.put_nowait(_Parcel(due_ns + later_ns, stamp_ns + later_ns - VOICE_LAG_NS, "", packet))
        except ChannelFull:
            raise SessionError("this machine cannot keep up: nothing leaves") from None

    async def depart(self) -> None:
        """Packets leave in order, each at its time: those of one tick together."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._depart(self._voices))
            group.create_task(self._depart(self._shown))

    async def _depart(self, waiting: "Channel[_Parcel]") -> None:
        async for parcel in waiting:
            wait_ns = parcel.due_ns - time.monotonic_ns()
            if wait_ns > 0:
                await asyncio.sleep(wait_ns / 1e9)
            for downlink in self.downlinks:
                if not parcel.codec:
                    downlink.send_voice(parcel.packet, parcel.stamp_ns)
                elif downlink.codec == parcel.codec:
                    downlink.send_picture(parcel.packet, parcel.stamp_ns)

    def close(self) -> None:
        self._pictures = {}  # megabytes each
        self._voices.close()
        self._shown.close()
        for downlink in list(self.downlinks):
            self.leave(downlink)


def _ns(places: int) -> int:
    """Of 1/90 000 s."""
    return places * 1_000_000_000 // CLOCK_HZ
