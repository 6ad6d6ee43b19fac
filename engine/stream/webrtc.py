"""One peer: its connection, the voice that comes, the picture and voice that go, and its end.

A peer has a session of its own, or looks on at that of another, its host: then it gets the same packets, encoded
once. Everything here runs on the event loop, except the picture encoders, which share a thread.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from aiortc import (
    RTCPeerConnection,
    RTCRtpCodecCapability,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.sdp import SessionDescription

from engine.audio import AudioBlock
from engine.config import ServeSection
from engine.frames import VOICE_RATE_HZ
from engine.metrics import Timings
from engine.session import Session
from engine.stream.data_channel import listen
from engine.stream.departure import Departure
from engine.stream.downlink import Downlink, pace
from engine.stream.ice import make_configuration, ports_within
from engine.stream.lifetime import Lifetime
from engine.stream.offer import Offer, RequestError
from engine.stream.sample import speak_sample
from engine.stream.speaker import Speaker
from engine.stream.uplink import VoiceInlet
from engine.stream.wiring import attach, on_bandwidth_report, on_keyframe_request, stamp_reports

if TYPE_CHECKING:
    from engine.stream.room import Room

STREAM_LABEL = "visema-synthetic"  # in the SDP: what comes is made by a machine
WATCH_EVERY_S = 1.0
CLOSE_TIMEOUT_S = 5.0

log = logging.getLogger(__name__)


class Peer(Lifetime):
    """A browser (or any WebRTC peer) and its session.

    `connect` answers its offer; after that the peer lives until it closes, vanishes, or its session ends.
    host: whose session and departure these are, None for its own. guests: the peers that look on.
    settled: called when it is connected, and when it ends: nobody waits for it any more. forget: called once, when
    everything is given back.
    """

    def __init__(
        self, session: Session, offer: Offer, config: ServeSection, departure: Departure,
        host: "Peer | Room | None" = None,
    ):  # fmt: skip
        super().__init__()
        self.id = secrets.token_urlsafe(16)
        self.watch_id = secrets.token_urlsafe(16) if host is None else host.watch_id  # who has this may only look on
        self.session = session
        self.offer = offer
        self.config = config
        self.settled: Callable[[], None] = lambda: None
        self.forget: Callable[[Peer], None] = lambda peer: None
        self.codec = ""
        self.background = ""  # the colour that it began with
        self._connection = RTCPeerConnection(make_configuration(config))
        self.departure = departure
        self._downlink = Downlink(departure.request_keyframe)
        self.host = host
        self.guests: list[Peer] = []
        speaks = offer.source == "mic" and host is None
        self._microphone = VoiceInlet(self._hear if speaks else lambda samples: None)
        self.speaker = Speaker(session, self.id, always=offer.source == "program") if host is None else host.speaker
        if host is None:
            self.speaker.share(self.watch_id, lambda: len(departure.downlinks))

    @property
    def state(self) -> str:
        return self._connection.connectionState

    async def connect(self) -> str:
        """The SDP of the answer. RequestError 422 if the offer fits nothing, 410 if the session has ended meanwhile;
        then close the peer."""
        video = self._connection.addTransceiver(self._downlink.picture, "sendonly")
        audio = self._connection.addTransceiver(self._downlink.voice, "sendrecv")
        video.setCodecPreferences(_capabilities("video", (*self.departure.codecs, "rtx")))
        audio.setCodecPreferences(_capabilities("audio", ("opus",)))
        for sender in (video.sender, audio.sender):
            sender._stream_id = STREAM_LABEL  # one label for both: receivers keep them in step
        stamp_reports(video.sender, lambda: self._downlink.pictured_ns)
        stamp_reports(audio.sender, lambda: self._downlink.voice.stamp_ns)
        on_keyframe_request(video.sender, self._downlink.request_keyframe)
        on_bandwidth_report(video.sender, self._downlink.report)
        self._pace = lambda: pace(video.sender, self._downlink)
        attach(audio.receiver, self._microphone)
        self._connection.on("connectionstatechange", self._on_state)
        if self.host is None:
            self._connection.on("datachannel", lambda channel: listen(channel, self.speaker, self.config))
        try:
            await self._connection.setRemoteDescription(RTCSessionDescription(self.offer.sdp, "offer"))
            with ports_within(*self.config.udp_ports):
                await self._connection.setLocalDescription(await self._connection.createAnswer())
        except Exception as error:  # aiortc raises many kinds for what peers may send
            log.info("an offer was refused: %r", error)
            raise RequestError(422, "the offer cannot be answered (no common codec, or not complete)") from None
        if self.ending:
            raise RequestError(410, self.error or "the session has ended")
        answer = self._connection.localDescription.sdp
        if "a=candidate:" not in answer:
            raise RequestError(503, "no UDP port is free for another peer (serve.udp_ports)")
        self.codec = self._downlink.codec = _first_video_codec(answer)
        self._start(self._watch())
        return answer

    async def _close(self) -> None:
        self.settled()
        if self.host is None:
            self.session.close()
            self.speaker.end(self.error)
            await asyncio.gather(*(guest.close(self.error) for guest in list(self.guests)))
        elif self in self.host.guests:
            self.host.guests.remove(self)
        await self._stop()
        try:
            await asyncio.wait_for(self._connection.close(), CLOSE_TIMEOUT_S)
        except TimeoutError:
            log.warning("a connection did not close in time")
        self.departure.leave(self._downlink)
        if self.host is None:
            self.departure.close()
        self.forget(self)

    def set_background(self, colour: str) -> None:
        """ConfigError if there is no such colour."""
        self.session.set_background(colour)

    @property
    def timings(self) -> dict[str, Timings]:
        """Histograms of this session, named as in `exporter.HISTOGRAMS`."""
        return {"encode": self.departure.encoding, "latency": self.departure.latency}

    def stats(self) -> dict[str, Any]:
        """Counts and times for the page. latency_ms: from the last sample of a tick to its packets."""
        departure, voice = self.departure, self._microphone.buffer
        return {
            "state": self.state,
            "source": self.offer.source,
            **self.speaker.stats(),
            "codec": self.codec,
            "latency_ms": departure.latency.percentiles(),
            "encode_ms": departure.encoding.percentiles(),
            "encoders": departure.encoder_names,
            "bitrate_kbps": self._downlink.steering.rate // 1000,
            "viewers": len(departure.downlinks),
            "pictures_dropped": departure.dropped + self._downlink.dropped,
            "late": departure.schedule.late,
            "silence_filled_ms": voice.silent * 1000 // VOICE_RATE_HZ,
            "sound_made_up_ms": voice.concealed * 1000 // VOICE_RATE_HZ,
            "sound_cut_ms": voice.cut * 1000 // VOICE_RATE_HZ,
            "packets_lost": voice.lost,
            "uplink_delay_ms": round(voice.delay_ns / 1e6, 1),
            **self.session.stats(),
        }

    def _on_state(self) -> None:
        if self.state == "connected" and len(self._tasks) == 1 and not self.ending:
            self.settled()
            self._pace()
            self.departure.join(self._downlink)
            self._start(self._downlink.watch())
            if self.host is None:
                self._start_session()
        elif self.state in ("failed", "closed"):
            self._end(None)

    def _start_session(self) -> None:
        self._start(self.departure.encode(self.session.moments))
        self._start(self.departure.depart())
        self._start(self.speaker.speak())
        if self.offer.source == "sample":
            self._start(speak_sample(self._push))
        elif self.offer.source == "mic":
            self._start(self._microphone.run())

    def _push(self, samples: np.ndarray, captured_ns: int | None = None) -> None:
        if self.speaker.active:  # a program has the word
            return
        at_ns = time.monotonic_ns() if captured_ns is None else captured_ns
        self.session.push(AudioBlock(samples, VOICE_RATE_HZ, at_ns))

    def _hear(self, samples: np.ndarray) -> None:
        """Sound of the microphone; it was captured before the buffer held it back."""
        self._push(samples, time.monotonic_ns() - self._microphone.buffer.delay_ns)

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
