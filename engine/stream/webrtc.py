"""One peer: its connection, the voice that comes, the picture and voice that go, and its end.

Everything here runs on the event loop, except the picture encoder, which has a thread.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

import numpy as np
from aiortc import (
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpCodecCapability,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.sdp import SessionDescription

from engine.audio import AudioBlock
from engine.channel import Channel, ChannelFull, Policy
from engine.config import ServeSection
from engine.errors import SessionError
from engine.frames import TICK_MS, VOICE_RATE_HZ, Moment
from engine.metrics import Timings
from engine.session import Session
from engine.stream.encode import PictureEncoder, VoiceEncoder
from engine.stream.offer import Offer, RequestError
from engine.stream.pacing import MS, Schedule, Uplink, admit_sound, fill_silence, schedule_departure
from engine.stream.sample import speak_sample
from engine.stream.tracks import PacketTrack, make_tracks, on_keyframe_request
from engine.stream.uplink import VoiceInlet, listen

CODECS = ("H264", "VP8")  # the first that the peer also has; H.264 costs less here
STREAM_LABEL = "visema-synthetic"  # in the SDP: what comes is made by a machine
FILL_EVERY_S = 0.02
WATCH_EVERY_S = 1.0
LATE_MOMENTS = 2  # with so many waiting, a picture is left out
CLOSE_TIMEOUT_S = 5.0

log = logging.getLogger(__name__)


class Peer:
    """A browser (or any WebRTC peer) and its session.

    `connect` answers its offer; after that the peer lives until it closes, vanishes, or its session ends.
    error: why it ended, or None. forget: called once, when everything is given back.
    """

    def __init__(self, session: Session, offer: Offer, config: ServeSection, encoders: Executor):
        self.id = secrets.token_urlsafe(16)
        self.session = session
        self.offer = offer
        self.config = config
        self.error: str | None = None
        self.forget: Callable[[Peer], None] = lambda peer: None
        self.latency = Timings(1024)
        self.encoding = Timings(1024)
        self.pictures_left_out = 0
        self.codec = ""
        # No STUN: nobody on the internet is told, and a local page needs none.
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._encoders = encoders
        self._picture, self._voice = make_tracks()
        self._inlet: VoiceInlet | None = None
        self._uplink = Uplink()
        self._schedule = Schedule()
        self._departures: Channel[tuple[int, PacketTrack, Any]] = Channel(400, Policy.BLOCK)
        self._keyframe = False
        self._tasks: list[asyncio.Task[None]] = []
        self._closing: asyncio.Task[None] | None = None

    @property
    def state(self) -> str:
        return self._connection.connectionState

    async def connect(self) -> str:
        """The SDP of the answer. RequestError 422 if the offer fits nothing; then close the peer."""
        video = self._connection.addTransceiver(self._picture, "sendonly")
        audio = self._connection.addTransceiver(self._voice, "sendrecv")
        video.setCodecPreferences(_capabilities("video", (*CODECS, "rtx")))
        audio.setCodecPreferences(_capabilities("audio", ("opus",)))
        for sender in (video.sender, audio.sender):
            sender._stream_id = STREAM_LABEL  # one label for both: receivers keep them in step
        on_keyframe_request(video.sender, self._request_keyframe)
        if self.offer.source == "mic":
            self._inlet = listen(audio.receiver, self._hear_microphone)
        else:
            listen(audio.receiver, lambda samples: None)
        self._connection.on("connectionstatechange", self._on_state)
        try:
            await self._connection.setRemoteDescription(RTCSessionDescription(self.offer.sdp, "offer"))
            await self._connection.setLocalDescription(await self._connection.createAnswer())
        except Exception as error:  # aiortc raises many kinds for what peers may send
            log.info("an offer was refused: %r", error)
            raise RequestError(
                422, "the offer cannot be answered (no common codec, or not complete)"
            ) from None
        answer = self._connection.localDescription.sdp
        self.codec = _first_video_codec(answer)
        self._start(self._watch())
        return answer

    async def close(self, error: str | None = None) -> None:
        """Give everything back. May be called often and from anywhere on the loop."""
        if self._closing is None:
            self.error = error
            self._closing = asyncio.create_task(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        self.session.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            await asyncio.wait_for(self._connection.close(), CLOSE_TIMEOUT_S)
        except TimeoutError:
            log.warning("a connection did not close in time")
        self._picture.stop()
        self._voice.stop()
        self._departures.close()
        self.forget(self)

    def set_background(self, colour: str) -> None:
        """ConfigError if there is no such colour."""
        self.session.set_background(colour)

    def stats(self) -> dict[str, Any]:
        """Counts and times for the page. latency_ms: from the last sample of a tick to its packets."""
        inlet = self._inlet
        return {
            "state": self.state,
            "source": self.offer.source,
            "codec": self.codec,
            "latency_ms": self.latency.percentiles(),
            "encode_ms": self.encoding.percentiles(),
            "pictures_dropped": self.pictures_left_out + self._picture.dropped,
            "late": self._schedule.late,
            "silence_filled_ms": self._uplink.filled_ns // MS,
            "sound_cut_ms": self._uplink.cut_ns // MS,
            "packets_lost": inlet.order.lost if inlet else 0,
            **self.session.stats(),
        }

    def _start(self, work: Any) -> None:
        task = asyncio.create_task(self._guard(work))
        self._tasks.append(task)

    async def _guard(self, work: Any) -> None:
        """The end of any task, and any error in one, ends the peer; errors are told, not only logged."""
        error = None
        try:
            await work
        except asyncio.CancelledError:
            return
        except Exception as reason:
            log.error("a peer ended with an error", exc_info=reason)
            error = str(reason) or type(reason).__name__
        self._end(error)

    def _end(self, error: str | None) -> None:
        if self._closing is None:
            self.error = error
            self._closing = asyncio.create_task(self._close())

    def _on_state(self) -> None:
        if self.state == "connected" and len(self._tasks) == 1:
            self._start(self._perform())
            self._start(self._depart())
            if self.offer.source == "sample":
                self._start(speak_sample(self._push))
            else:
                self._start(self._fill())
        elif self.state in ("failed", "closed"):
            self._end(None)

    # --- the voice that comes

    def _push(self, samples: np.ndarray) -> None:
        self.session.push(AudioBlock(samples, VOICE_RATE_HZ, time.monotonic_ns()))

    def _hear_microphone(self, samples: np.ndarray) -> None:
        length_ns = len(samples) * 1_000_000_000 // VOICE_RATE_HZ
        self._uplink, skip_ns = admit_sound(self._uplink, length_ns, time.monotonic_ns())
        kept = samples[round(skip_ns * VOICE_RATE_HZ / 1e9) :]
        if len(kept):
            self._push(kept)

    async def _fill(self) -> None:
        """A microphone that is muted, or has not been allowed yet, is silence: the face lives on."""
        while True:
            self._uplink, missing_ns = fill_silence(self._uplink, time.monotonic_ns())
            if missing_ns:
                self._push(np.zeros((round(missing_ns * VOICE_RATE_HZ / 1e9), 1), np.float32))
            await asyncio.sleep(FILL_EVERY_S)

    # --- the picture and the voice that go

    def _request_keyframe(self) -> None:
        self._keyframe = True

    async def _perform(self) -> None:
        """Encode every moment, and decide when its packets leave."""
        loop = asyncio.get_running_loop()
        pictures: PictureEncoder | None = None
        voices = VoiceEncoder()
        async for moment in self.session.moments:
            begun_ns = time.monotonic_ns()
            index = moment.audio.index
            packet = None
            if len(self.session.moments) >= LATE_MOMENTS:
                self.pictures_left_out += 1
            else:
                if pictures is None:
                    height, width = moment.image.rgb.shape[:2]
                    pictures = PictureEncoder(self.codec, width, height)
                keyframe, self._keyframe = self._keyframe, False
                packet = await loop.run_in_executor(
                    self._encoders, pictures.encode, moment.image.rgb, index, keyframe
                )
            voice = voices.encode(moment.audio.voice, index)
            self.encoding.add_ns(time.monotonic_ns() - begun_ns)
            self._schedule_moment(moment, packet, voice, begun_ns)

    def _schedule_moment(self, moment: Moment, packet: Any, voice: list[Any], begun_ns: int) -> None:
        media_ns = moment.audio.index * TICK_MS * MS
        ready_ns = moment.finished_ns + time.monotonic_ns() - begun_ns
        self._schedule, due_ns = schedule_departure(self._schedule, media_ns, ready_ns)
        self.latency.add_ns(max(due_ns, ready_ns) - moment.audio.captured_ns)
        departures = [(due_ns, self._voice, voice[0])]
        if packet is not None:
            departures.append((due_ns, self._picture, packet))
        departures.append((due_ns + TICK_MS * MS // 2, self._voice, voice[1]))
        try:
            for departure in departures:
                self._departures.put_nowait(departure)
        except ChannelFull:
            raise SessionError("the peer takes no packets") from None

    async def _depart(self) -> None:
        """Packets leave in order, each at its time: those of one tick together."""
        async for due_ns, track, packet in self._departures:
            wait_ns = due_ns - time.monotonic_ns()
            if wait_ns > 0:
                await asyncio.sleep(wait_ns / 1e9)
            track.send(packet)

    # --- its end

    async def _watch(self) -> None:
        """Return when the peer never connects, or has not been heard of for too long."""
        begun_s = heard_s = time.monotonic()
        received = 0
        while True:
            await asyncio.sleep(WATCH_EVERY_S)
            now_s = time.monotonic()
            if self.state == "connected":
                now_received = await self._bytes_received()
                if now_received != received:
                    received, heard_s = now_received, now_s
                if now_s - heard_s > self.config.vanish_timeout_s:
                    log.info("a peer has vanished")
                    return
            elif now_s - max(begun_s, heard_s) > self.config.connect_timeout_s:
                log.info("a peer did not connect")
                return

    async def _bytes_received(self) -> int:
        """All that came, receiver reports included: a peer that only looks on sends those."""
        reports = await self._connection.getStats()
        return sum(getattr(report, "bytesReceived", 0) for report in reports.values())


def _capabilities(kind: str, names: tuple[str, ...]) -> list[RTCRtpCodecCapability]:
    """This side's codecs of some names, in that order."""
    known = RTCRtpSender.getCapabilities(kind).codecs
    return [codec for name in names for codec in known if codec.name.lower() == name.lower()]


def _first_video_codec(sdp: str) -> str:
    """Name of the codec that an answer sends."""
    sections = [media for media in SessionDescription.parse(sdp).media if media.kind == "video"]
    return sections[0].rtp.codecs[0].name.upper()
