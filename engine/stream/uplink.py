"""The voice that a peer sends: packets into order, Opus to samples, gaps and stalls to silence.

aiortc's own buffer waits for four packets (80 ms) and, when one is lost, for sixteen. This one hands on
what is in order at once and waits 60 ms for a packet that is missing.
"""

import asyncio
import time
from collections.abc import Callable

import av
import numpy as np
from aiortc import RTCRtpReceiver
from aiortc.rtp import RtpPacket

from engine.frames import VOICE_RATE_HZ
from engine.stream.pacing import Uplink, admit_sound, fill_silence

HELD_PACKETS = 3  # as many later packets are waited for before a missing one is given up
LONGEST_GAP = VOICE_RATE_HZ // 5  # samples; what is longer was a pause, not a loss
SEQUENCES = 1 << 16
TIMESTAMPS = 1 << 32
FILL_EVERY_S = 0.02


class ReorderBuffer:
    """RTP packets by sequence number, released in order: 16-bit numbers that wrap.

    lost, late: packets that never came, and that came after they were given up (or twice).
    """

    def __init__(self, held: int = HELD_PACKETS):
        self._held = held
        self._next: int | None = None
        self._waiting: dict[int, RtpPacket] = {}
        self.lost = 0
        self.late = 0

    def push(self, packet: RtpPacket) -> list[RtpPacket]:
        """One packet in; those that are now in order out, none or several."""
        if self._next is None:
            self._next = packet.sequence_number
        ahead = (packet.sequence_number - self._next) % SEQUENCES
        if ahead >= SEQUENCES // 2 or packet.sequence_number in self._waiting:
            self.late += 1
            return []
        self._waiting[packet.sequence_number] = packet
        ready = self._release()
        while len(self._waiting) >= self._held:
            missing = min((number - self._next) % SEQUENCES for number in self._waiting)
            self.lost += missing
            self._next = (self._next + missing) % SEQUENCES
            ready += self._release()
        return ready

    def _release(self) -> list[RtpPacket]:
        ready = []
        while self._next in self._waiting:
            ready.append(self._waiting.pop(self._next))
            self._next = (self._next + 1) % SEQUENCES
        return ready


class VoiceInlet:
    """Stands where aiortc's receiver has its jitter buffer, and decodes by itself.

    hear: called on the event loop with float32 (n, 1) at 48 kHz, gaps already filled with silence.
    broken: packets that were not Opus.
    """

    def __init__(self, hear: Callable[[np.ndarray], None]):
        self.order = ReorderBuffer()
        self.broken = 0
        self._hear = hear
        self._expected: int | None = None  # RTP timestamp of the next sample
        decoder = av.AudioCodecContext.create("libopus", "r")
        decoder.format = "s16"
        decoder.layout = "mono"
        decoder.sample_rate = VOICE_RATE_HZ
        self._decoder = decoder

    def add(self, packet: RtpPacket) -> tuple[bool, None]:
        """aiortc's call for each packet; the answer means: ask for nothing, decode nothing."""
        for ready in self.order.push(packet):
            self._decode(ready)
        return False, None

    def _decode(self, packet: RtpPacket) -> None:
        if not packet.payload:
            return
        try:
            frames = self._decoder.decode(av.Packet(packet.payload))
        except av.FFmpegError:
            self.broken += 1
            return
        for frame in frames:
            samples = frame.to_ndarray().reshape(-1, 1).astype(np.float32) / 32_768
            if self._expected is not None:
                gap = (packet.timestamp - self._expected) % TIMESTAMPS
                if 0 < gap <= LONGEST_GAP:
                    samples = np.concatenate([np.zeros((gap, 1), np.float32), samples])
            self._expected = (packet.timestamp + frame.samples) % TIMESTAMPS
            self._hear(samples)


class Microphone:
    """A peer's microphone as an unbroken stream: see `pacing` for what becomes of stalls.

    push: called with float32 (n, 1) at 48 kHz.
    """

    def __init__(self, push: Callable[[np.ndarray], None]):
        self._push = push
        self.uplink = Uplink()
        self.inlet = VoiceInlet(self._hear)

    def _hear(self, samples: np.ndarray) -> None:
        length_ns = len(samples) * 1_000_000_000 // VOICE_RATE_HZ
        self.uplink, skip_ns = admit_sound(self.uplink, length_ns, time.monotonic_ns())
        kept = samples[_samples(skip_ns) :]
        if len(kept):
            self._push(kept)

    async def fill(self) -> None:
        """Silence for a microphone that is muted, or was not allowed yet: the face lives on."""
        while True:
            self.uplink, missing_ns = fill_silence(self.uplink, time.monotonic_ns())
            if missing_ns:
                self._push(np.zeros((_samples(missing_ns), 1), np.float32))
            await asyncio.sleep(FILL_EVERY_S)


def _samples(ns: int) -> int:
    return round(ns * VOICE_RATE_HZ / 1e9)


def attach(receiver: RTCRtpReceiver, inlet: VoiceInlet) -> None:
    """Take over the sound of an audio receiver; to be called before the peer connects."""
    name = "_RTCRtpReceiver__jitter_buffer"
    if not hasattr(receiver, name):
        raise RuntimeError("this aiortc keeps its jitter buffer elsewhere: see the versions in constraints.txt")
    setattr(receiver, name, inlet)
