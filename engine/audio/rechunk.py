"""Re-chunking: blocks of any size, rate and layout become ticks of 40 ms. The only place that does."""

from collections import deque
from fractions import Fraction

import numpy as np

from engine.audio.block import AudioBlock, mix_mono, repair_samples
from engine.audio.polyphase import Polyphase
from engine.errors import MediaError
from engine.frames import FPS, SAMPLE_RATE_HZ, TICK_SAMPLES, VOICE_RATE_HZ, VOICE_TICK_SAMPLES, AudioTick

LOWEST_RATE_HZ, HIGHEST_RATE_HZ = 4_000, 768_000


class Rechunker:
    """Turns audio blocks into AudioTicks: 48 kHz mono voice and, sample for sample beside it, 16 kHz.

    A sample captured at media time t appears at t in both streams. Ticks do not depend on how the
    sound was cut into blocks. 48 kHz voice and 16 kHz samples pass unchanged when they come at that
    rate. A tick comes out once `latency_ms` more than its own 40 ms is known.

    lead_in_ms: silence put before the first sample. A live source whose packets end where ticks end
    would wait a whole packet for that last millisecond; with `lead_in_ms=1` it does not.
    `start_s` is the media time of tick 0's first sample.
    """

    def __init__(self, lead_in_ms: float = 0.0):
        self.lead_in = Fraction(round(lead_in_ms * 1000), 1_000_000)
        self.start_s = -float(self.lead_in)
        self.latency_ms = 1.0
        self.repaired = 0  # samples that were not numbers
        self.index = 0
        self._end = self.lead_in  # time at which the sound pushed so far ends, in seconds
        self._marks: deque[tuple[Fraction, int]] = deque()  # (end of a block, when it was captured)
        self._segments: list[_Segment] = []  # the open one is last; a rate change closes it
        self._finished = False

    def push(self, block: AudioBlock) -> list[AudioTick]:
        """The ticks that this block completes. MediaError for a sampling rate that cannot be speech."""
        if self._finished:
            raise ValueError("push after flush: take a new Rechunker for a new recording")
        if not len(block.samples):
            return []
        if not self._segments or self._segments[-1].rate_hz != block.rate_hz:
            self._open_segment(block.rate_hz)
        mono, broken, _ = repair_samples(mix_mono(block))
        self.repaired += broken
        self._segments[-1].append(mono)
        self._end = self._segments[-1].end
        self._marks.append((self._end, block.captured_ns))
        ticks = []
        while self._segments[-1].covers(self.index + 1):
            ticks.append(self._take_tick())
        return ticks

    def flush(self) -> list[AudioTick]:
        """The rest: what is held back and the last tick, filled up with zeros. Ends the stream."""
        self._finished = True
        count = -(-self._end * FPS // 1) if self._segments else 0  # ceiling
        return [self._take_tick() for _ in range(self.index, int(count))]

    def _open_segment(self, rate_hz: int) -> None:
        if not LOWEST_RATE_HZ <= rate_hz <= HIGHEST_RATE_HZ:
            raise MediaError(f"Sound at {rate_hz} Hz is not supported: use {LOWEST_RATE_HZ} to {HIGHEST_RATE_HZ} Hz.")
        self._segments.append(_Segment(rate_hz, self._end))
        self.latency_ms = self._segments[-1].latency_ms

    def _take_tick(self) -> AudioTick:
        voice = self._assemble("voice", VOICE_TICK_SAMPLES, VOICE_RATE_HZ)
        samples = self._assemble("samples", TICK_SAMPLES, SAMPLE_RATE_HZ)
        end = Fraction(self.index + 1, FPS)
        tick = AudioTick(samples, voice, self.index, self._captured_ns(end))
        self.index += 1
        while len(self._segments) > 1 and self._segments[0].end <= end:
            del self._segments[0]
        for segment in self._segments:
            segment.trim(self.index)
        return tick

    def _assemble(self, stream: str, size: int, rate_hz: int) -> np.ndarray:
        """One tick of one stream, put together from the segments it touches."""
        first = self.index * size
        out = np.zeros(size, np.float32)
        for i, segment in enumerate(self._segments):
            begin = round(segment.start * rate_hz) if segment.start > self.lead_in else 0
            closed = i + 1 < len(self._segments)
            stop = min(round(segment.end * rate_hz), first + size) if closed else first + size
            begin = max(begin, first)
            if begin < stop:
                out[begin - first : stop - first] = segment.render(stream, rate_hz, begin, stop - begin)
        return out

    def _captured_ns(self, end: Fraction) -> int:
        """When the last sample of a tick was captured, interpolated inside its block."""
        while len(self._marks) > 1 and self._marks[0][0] < end:
            self._marks.popleft()
        mark, captured_ns = self._marks[0]
        return captured_ns - round((mark - end) * 1_000_000_000)


class _Segment:
    """A stretch of one sampling rate, beginning at `start` seconds; holds only what is still needed."""

    def __init__(self, rate_hz: int, start: Fraction):
        self.rate_hz, self.start = rate_hz, start
        self.paths = {
            "voice": Polyphase(rate_hz, VOICE_RATE_HZ),
            "samples": Polyphase(rate_hz, SAMPLE_RATE_HZ),
        }
        self.latency_ms = max(path.latency_ms for path in self.paths.values())
        self.held = np.zeros(0, np.float32)
        self.held_from = 0

    @property
    def end(self) -> Fraction:
        return self.start + Fraction(self.held_from + len(self.held), self.rate_hz)

    def append(self, mono: np.ndarray) -> None:
        self.held = np.concatenate([self.held, mono])

    def render(self, stream: str, rate_hz: int, first: int, count: int) -> np.ndarray:
        first -= round(self.start * rate_hz)
        return self.paths[stream].render(self.held, self.held_from, first, count)

    def covers(self, ticks: int) -> bool:
        """Whether everything that the first `ticks` ticks read is here."""
        known = self.held_from + len(self.held)
        return all(path.last_input(last) < known for path, last in self._edges(ticks, -1))

    def trim(self, ticks: int) -> None:
        """Forget what no tick from number `ticks` on reads."""
        keep = min(path.first_input(first) for path, first in self._edges(ticks, 0))
        drop = min(keep - self.held_from, len(self.held))
        if drop > 0:
            self.held = self.held[drop:]
            self.held_from += drop

    def _edges(self, ticks: int, offset: int):
        for stream, size, rate_hz in (
            ("voice", VOICE_TICK_SAMPLES, VOICE_RATE_HZ),
            ("samples", TICK_SAMPLES, SAMPLE_RATE_HZ),
        ):
            yield self.paths[stream], ticks * size + offset - round(self.start * rate_hz)
