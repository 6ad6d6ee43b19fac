"""When the packets of a voice are handed on: a jitter buffer without clock, decoder or network.

A packet is due at base + media time + delay. The base is the quickest transit of the last seconds (which also
follows a sender's clock that runs fast or slow), the delay the jitter that was measured above it: nothing on a
quiet line, more only where packets really come late. Nothing is stretched or cut when the delay changes: what
comes after has its own timetable (`pacing.schedule_departure`), so a longer delay is only a pause in the releases.

What is handed on never ends: what is missing is made up for 100 ms, then silence takes its place, so that the
face lives on. What comes after its silence is left out: no stall makes the delay grow.
"""

from dataclasses import dataclass
from enum import Enum

from engine.frames import VOICE_RATE_HZ
from engine.stream.transit import MS, Pace, Transit

SEQUENCES = 1 << 16
TIMESTAMPS = 1 << 32

PATIENCE_NS = 60 * MS  # with nothing to play, so long after its time a packet is still waited for
UNWATCHED_NS = 50 * MS  # nobody has asked for so long: this process hung, and packets lie in the socket
GRACE_NS = 20 * MS  # time to fetch those before anything is made up, and again with every late one that is fetched
LONGEST_GRACE_NS = 500 * MS
LONGEST_LAG_NS = 1_000 * MS  # more than this behind is not caught up but left out: a laptop that slept
LONGEST_CONCEALED = VOICE_RATE_HZ // 10  # samples; by then Opus has faded out, and silence begins
PIECE = VOICE_RATE_HZ // 50  # samples of silence or made-up sound at a time: 20 ms
MOST_PACKETS = 256
FAR_PACKETS = 3_000  # a jump by more is another stream
FAR_SAMPLES = 60 * VOICE_RATE_HZ


class Kind(Enum):
    """What a piece is made of."""

    PACKET = "packet"
    CONCEALED = "concealed"
    SILENCE = "silence"


@dataclass(frozen=True, slots=True)
class Piece:
    """Sound to hand on, `samples` at 48 kHz.

    payload: of a packet, to be decoded; skip: samples to leave out at its beginning, which came too late. A payload
    with samples 0 is only for the decoder to hear.
    """

    kind: Kind
    samples: int
    payload: bytes = b""
    skip: int = 0


@dataclass(frozen=True, slots=True)
class _Packet:
    sequence: int
    payload: bytes
    samples: int


class VoiceBuffer:
    """Packets in as they come, sound out in order, in time and without end. Times are monotonic ns.

    lost: packets that were missing when they were due. late: packets that came after that, or twice.
    concealed, silent, cut: samples made up, filled with silence, and left out.
    """

    def __init__(self) -> None:
        self.lost = self.late = 0
        self.concealed = self.silent = self.cut = 0
        self._transit = Transit()
        self._packets: dict[int, _Packet] = {}  # by their first sample, counted without wrapping
        self._place = 0  # the sample that comes next
        self._idle_ns: int | None = None  # due time of sample 0 while no packet tells one
        self._sequence = 0  # of the newest packet, and its first sample, both without wrapping
        self._timestamp: int | None = None
        self._played = -1  # sequence number of the last packet that was handed on
        self._run = LONGEST_CONCEALED  # samples since the last packet: nothing to make sound from yet
        self._watched_ns = self._grace_ns = self._hung_ns = 0
        self._pace = Pace()

    @property
    def delay_ns(self) -> int:
        """What the buffer adds at present."""
        return self._transit.delay_ns

    def put(self, sequence: int, timestamp: int, payload: bytes, samples: int, now_ns: int) -> None:
        """A packet has come: 16-bit sequence number, 32-bit timestamp at 48 kHz, its length in samples."""
        step = _near(sequence - self._sequence, SEQUENCES)
        jump = _near(timestamp - (self._timestamp or 0), TIMESTAMPS)
        if self._timestamp is None or abs(step) > FAR_PACKETS or abs(jump) > FAR_SAMPLES:
            step = jump = 0
            self._begin(sequence, timestamp)
        number, place = self._sequence + step, (self._timestamp or 0) + jump
        if step > 0 and jump > 0:
            self._sequence, self._timestamp = number, place
        self._transit.add(now_ns - _ns(place + samples), now_ns)
        if now_ns < self._grace_ns and self._due_ns(place + samples) < now_ns:
            self._grace_ns = min(now_ns + GRACE_NS, self._hung_ns + LONGEST_GRACE_NS)
        if place in self._packets or place + samples <= self._place:
            self.late += 1
            return
        self._packets[place] = _Packet(number, payload, samples)
        if len(self._packets) > MOST_PACKETS:
            self._skip_to(min(self._packets) + 1)

    def take(self, now_ns: int) -> list[Piece]:
        """All that is due. To be asked every 20 ms at least, and at `next_ns`."""
        if now_ns - self._watched_ns > UNWATCHED_NS:
            self._hung_ns, self._grace_ns = now_ns, now_ns + GRACE_NS
        self._watched_ns = now_ns
        if self._idle_ns is None:
            self._idle_ns = now_ns
        pieces: list[Piece] = []
        while self.next_ns() <= now_ns:
            first, end = self._next()
            if now_ns - self._due_ns(end) > LONGEST_LAG_NS:
                self._leave_out(now_ns)
            elif first is not None:
                pieces.append(self._play(first, now_ns))
            else:
                pieces.append(self._make_up(end - self._place))
                self._pace.admit(_ns(pieces[-1].samples), now_ns)
        return pieces

    def next_ns(self) -> int:
        """When `take` has something to hand on next, unless another packet comes."""
        first, end = self._next()
        due_ns = self._due_ns(end)
        hung = self._grace_ns - due_ns > LONGEST_LAG_NS
        if first is not None and not hung:
            return due_ns
        return max(due_ns if self._packets else due_ns + PATIENCE_NS, self._grace_ns)

    def _next(self) -> tuple[int | None, int]:
        """(the packet that comes next, None: it is missing; where the next piece ends)."""
        while self._packets:
            first = min(self._packets)
            end = first + self._packets[first].samples
            if end > self._place:
                return (first, end) if first <= self._place else (None, min(self._place + PIECE, first))
            del self._packets[first]  # overtaken by a longer one
            self.late += 1
        return None, self._place + PIECE

    def _due_ns(self, end: int) -> int:
        """When a piece that ends with sample `end` is to be handed on."""
        base_ns = self._transit.base_ns
        return (base_ns if base_ns is not None else self._idle_ns or 0) + self._transit.delay_ns + _ns(end)

    def _begin(self, sequence: int, timestamp: int) -> None:
        """A stream begins with this packet, or another one does in its place: it goes on where the last one ended."""
        self._transit.clear()
        self._packets.clear()
        self._sequence, self._timestamp, self._place = sequence, timestamp, timestamp
        self._played = sequence - 1

    def _play(self, first: int, now_ns: int) -> Piece:
        packet = self._packets.pop(first)
        skip = self._place - first
        self._place = first + packet.samples
        self.lost += max(0, packet.sequence - self._played - 1)
        self._played, self._run = packet.sequence, 0
        early = round(self._pace.admit(_ns(packet.samples - skip), now_ns) * VOICE_RATE_HZ / 1e9)
        self.cut += early
        return Piece(Kind.PACKET, packet.samples - skip - early, packet.payload, skip + early)

    def _make_up(self, samples: int) -> Piece:
        self._place += samples
        self._run += samples
        if self._run > LONGEST_CONCEALED:
            self.silent += samples
            return Piece(Kind.SILENCE, samples)
        self.concealed += samples
        return Piece(Kind.CONCEALED, samples)

    def _leave_out(self, now_ns: int) -> None:
        """So far behind that the present is taken up instead."""
        newest = max(self._packets, default=self._place)
        if now_ns - self._due_ns(newest) > LONGEST_LAG_NS:  # nothing of the present: the sender stood still too
            self._transit.clear()
            self._idle_ns = now_ns - _ns(newest)
            self._skip_to(newest)
        else:
            self._skip_to(self._place + int((now_ns - self._due_ns(self._place)) * VOICE_RATE_HZ // 1_000_000_000))
        self._pace = Pace()

    def _skip_to(self, place: int) -> None:
        self.cut += max(0, place - self._place)
        self._place = max(self._place, place)
        for first in [first for first, packet in self._packets.items() if first + packet.samples <= place]:
            del self._packets[first]


def _near(difference: int, whole: int) -> int:
    """A difference of numbers that wrap, the way that is nearest: -whole / 2 <= d < whole / 2."""
    return (difference + whole // 2) % whole - whole // 2


def _ns(samples: int) -> int:
    return samples * 1_000_000_000 // VOICE_RATE_HZ
