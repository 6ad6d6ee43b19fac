"""The voice that a peer sends: packets into order and time, Opus to samples, gaps and stalls to sound.

aiortc's own buffer waits for four packets (80 ms) and, when one is lost, for sixteen. `jitter.VoiceBuffer` takes its
place: what is in order leaves at once on a quiet line, and only as late as the line is uneven on another.
"""

import asyncio
import contextlib
from collections.abc import Callable

import av
import numpy as np
from aiortc.rtp import RtpPacket

from engine.clock import Clock, MonotonicClock
from engine.frames import VOICE_RATE_HZ
from engine.stream.jitter import LONGEST_CONCEALED, Kind, Piece, VoiceBuffer
from engine.stream.opus import lost_packet, packet_samples

ASK_EVERY_S = 0.02  # at least so often, so that a stall of this process can be told from one of the network


class VoiceInlet:
    """Stands where aiortc's receiver has its jitter buffer, and decodes by itself.

    hear: called on the event loop with float32 (n, 1) at 48 kHz: the voice without a gap, once `run` runs.
    broken: packets that were not Opus.
    """

    def __init__(self, hear: Callable[[np.ndarray], None], clock: Clock | None = None):
        self.buffer = VoiceBuffer()
        self.broken = 0
        self._hear = hear
        self._clock = clock or MonotonicClock()
        self._came = asyncio.Event()
        self._before = b""  # the last packet that could be decoded
        self._made_up = 0  # samples since then
        decoder = av.AudioCodecContext.create("libopus", "r")
        decoder.format = "s16"
        decoder.layout = "mono"
        decoder.sample_rate = VOICE_RATE_HZ
        self._decoder = decoder

    def add(self, packet: RtpPacket) -> tuple[bool, None]:
        """aiortc's call for each packet; the answer means: ask for nothing, decode nothing."""
        samples = packet_samples(packet.payload)
        if samples:
            now_ns = self._clock.now_ns()
            self.buffer.put(packet.sequence_number, packet.timestamp, packet.payload, samples, now_ns)
            self.poll()
            self._came.set()
        elif packet.payload:
            self.broken += 1
        return False, None

    def poll(self) -> None:
        """Hand on what is due."""
        for piece in self.buffer.take(self._clock.now_ns()):
            if piece.kind is Kind.SILENCE:
                self._hear(np.zeros((piece.samples, 1), np.float32))
            else:
                self._hear(self._decode(piece))

    async def run(self) -> None:
        """Hand on all that comes, and what stands for it when nothing does."""
        while True:
            self._came.clear()
            self.poll()
            wait_s = (self.buffer.next_ns() - self._clock.now_ns()) / 1e9
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, min(ASK_EVERY_S, wait_s))):
                    await self._came.wait()

    def _decode(self, piece: Piece) -> np.ndarray:
        """Exactly `piece.samples`, whatever the decoder makes of the packet."""
        payload = piece.payload
        if piece.kind is Kind.CONCEALED and self._before:
            payload = lost_packet(self._before, piece.samples)
        parts = [np.zeros(0, np.int16)]
        if payload:  # an empty packet would end the decoder
            try:
                parts += [frame.to_ndarray().reshape(-1) for frame in self._decoder.decode(av.Packet(payload))]
            except av.FFmpegError:
                self.broken += 1
            else:
                self._before = payload
        sound = np.concatenate(parts)[piece.skip : piece.skip + piece.samples]
        whole = np.zeros((piece.samples, 1), np.float32)
        whole[: len(sound), 0] = sound / np.float32(32_768)
        return whole * self._fade(piece)

    def _fade(self, piece: Piece) -> np.ndarray:
        """Made-up sound ends where silence begins: float32 (n, 1)."""
        if piece.kind is Kind.PACKET:
            self._made_up = 0
            return np.ones((1, 1), np.float32)
        places = np.arange(self._made_up, self._made_up + piece.samples, dtype=np.float32)
        self._made_up += piece.samples
        return (1 - places / LONGEST_CONCEALED).clip(0, 1)[:, None]
