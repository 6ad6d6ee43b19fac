"""Sound as programs send it, to 48 kHz: PCM16 of any rate, or Opus packets, piece by piece."""

from typing import Protocol

import av
import numpy as np

from engine.audio.polyphase import Polyphase
from engine.frames import VOICE_RATE_HZ
from engine.stream.protocol import ProtocolError

MOST_OPUS_SAMPLES = VOICE_RATE_HZ * 120 // 1000
MOST_OPUS_BYTES = 1_500 * 4  # no packet of 120 ms is longer


class Decoder(Protocol):
    """rate_hz: of the samples that the program counts. held: samples at 48 kHz that came and were not given yet."""

    rate_hz: int

    @property
    def held(self) -> int: ...

    def most(self, data: bytes) -> int:
        """As many samples as decoding this message may give."""
        ...

    def decode(self, data: bytes) -> np.ndarray:
        """float32 (n,) at 48 kHz: what this message completes. ProtocolError if it is no such sound."""
        ...

    def finish(self) -> np.ndarray:
        """What is held back, float32 (n,): the utterance ends here, and another may begin."""
        ...


class Pcm16:
    """Signed 16-bit little-endian mono samples of one rate; up to 1 ms is held back until more comes."""

    def __init__(self, rate_hz: int):
        self.rate_hz = rate_hz
        self._path = Polyphase(rate_hz, VOICE_RATE_HZ)
        self._clear()

    @property
    def held(self) -> int:
        return self._end - self._given

    @property
    def _end(self) -> int:
        return self._come * VOICE_RATE_HZ // self.rate_hz

    def most(self, data: bytes) -> int:
        return (len(data) // 2 + 2 * self._path.half) * VOICE_RATE_HZ // self.rate_hz + 1

    def decode(self, data: bytes) -> np.ndarray:
        if len(data) % 2:
            raise ProtocolError("audio", f"a message of PCM16 holds whole samples of 2 bytes, not {len(data)} bytes")
        samples = np.frombuffer(data, "<i2").astype(np.float32) / 32_768
        if self._path.exact:
            return samples
        self._held = np.concatenate([self._held, samples])
        self._come += len(samples)
        # The last output sample whose whole filter is known: last_input(k) = k * down // up + half < come.
        known = max(0, -(-(self._come - self._path.half) * self._path.up // self._path.down))
        return self._render(known)

    def finish(self) -> np.ndarray:
        out = self._render(self._end)
        self._clear()
        return out

    def _render(self, until: int) -> np.ndarray:
        count = until - self._given
        if count <= 0:
            return np.zeros(0, np.float32)
        out = self._path.render(self._held, self._come - len(self._held), self._given, count)
        self._given = until
        keep = self._come - max(0, self._path.first_input(until))
        self._held = self._held[max(0, len(self._held) - keep) :]
        return out

    def _clear(self) -> None:
        self._held = np.zeros(0, np.float32)
        self._come = self._given = 0


class OpusPackets:
    """One Opus packet (RFC 6716) a message, decoded to mono."""

    rate_hz = VOICE_RATE_HZ
    held = 0

    def __init__(self) -> None:
        self._decoder = _open_opus()

    def most(self, data: bytes) -> int:
        return MOST_OPUS_SAMPLES

    def decode(self, data: bytes) -> np.ndarray:
        if not data or len(data) > MOST_OPUS_BYTES:
            raise ProtocolError("audio", "a message of Opus is one packet")
        try:
            frames = self._decoder.decode(av.Packet(data))
        except av.FFmpegError:
            raise ProtocolError("audio", "this is no Opus packet") from None
        return np.concatenate(
            [np.zeros(0, np.float32)] + [f.to_ndarray().reshape(-1).astype(np.float32) / 32_768 for f in frames]
        )

    def finish(self) -> np.ndarray:
        self._decoder = _open_opus()
        return np.zeros(0, np.float32)


def _open_opus() -> av.AudioCodecContext:
    decoder = av.AudioCodecContext.create("libopus", "r")
    decoder.format = "s16"
    decoder.layout = "mono"
    decoder.sample_rate = VOICE_RATE_HZ
    return decoder


def make_decoder(kind: str, rate_hz: int) -> Decoder:
    """For the "format" of a start."""
    return OpusPackets() if kind == "opus" else Pcm16(rate_hz)
