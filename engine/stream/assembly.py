"""Packets of pictures to whole pictures: a receiving buffer without clock, decoder or network.

aiortc's own holds a picture until the first packet of the next one has come, 40 ms later; here the marker bit of the
last packet ends it. A picture with a hole waits for the packet to be sent again; when that takes too long, it and all
that build on it are left out up to the next keyframe, which is asked for.
"""

from collections.abc import Callable
from dataclasses import dataclass

MS = 1_000_000
SEQUENCES = 1 << 16
TIMESTAMPS = 1 << 32
PATIENCE_NS = 150 * MS  # for a packet that is asked for again: a turn or two on most lines
ASK_NS = 300 * MS  # from one request of a keyframe to the next
MOST_PACKETS = 2_048
FAR_PACKETS = 3_000  # a jump by more is another stream


@dataclass(frozen=True, slots=True)
class Picture:
    """timestamp: 90 kHz, counted without wrapping from the first packet's. data: what the decoder takes."""

    timestamp: int
    data: bytes
    keyframe: bool


@dataclass(frozen=True, slots=True)
class _Packet:
    timestamp: int
    marker: bool
    data: bytes


class PictureBuffer:
    """Packets in as they come, whole pictures out in order. Times are monotonic ns.

    is_keyframe: says it of a picture's data. dropped: pictures left out (those that nothing came of are not known).
    lost, late: packets that were given up, and that came after that, or twice.
    """

    def __init__(self, is_keyframe: Callable[[bytes], bool]):
        self.dropped = self.lost = self.late = 0
        self._is_keyframe = is_keyframe
        self._packets: dict[int, _Packet] = {}  # by sequence number, counted without wrapping
        self._newest: int | None = None
        self._since_ns = 0  # when the first packet came
        self._next = 0  # the packet that comes next
        self._timestamp = 0  # of the newest packet, without wrapping
        self._begun = False  # something was handed on already
        self._whole = False  # what comes next can be decoded
        self._hole_ns: int | None = None  # since when a packet is missing
        self._asked_ns: int | None = None

    def put(self, sequence: int, timestamp: int, marker: bool, data: bytes, now_ns: int) -> None:
        """A packet has come: 16-bit sequence number, 32-bit timestamp, its data without the payload's own header."""
        step = 0 if self._newest is None else _near(sequence - self._newest, SEQUENCES)
        if self._newest is None or abs(step) > FAR_PACKETS:
            step = self._begin(sequence, timestamp, now_ns)
        assert self._newest is not None
        number = self._newest + step
        stamp = self._timestamp + _near(timestamp - self._timestamp, TIMESTAMPS)
        if step > 0:
            self._newest, self._timestamp = number, stamp
        if number < self._next and not self._begun:
            self._next = number
        if number < self._next or number in self._packets:
            self.late += 1
            return
        self._packets[number] = _Packet(stamp, marker, data)
        if len(self._packets) > MOST_PACKETS:
            self._give_up()

    def take(self, now_ns: int) -> list[Picture]:
        """All pictures that are whole."""
        pictures: list[Picture] = []
        while self._packets:
            end = self._end()
            if end is not None:
                if not self._begun and not self._is_key(end) and now_ns - self._since_ns < PATIENCE_NS:
                    break  # the keyframe before it may have been overtaken
                self._hole_ns = None
                pictures += self._release(end)
            elif max(self._packets) < self._next + self._run():
                break  # only the rest of the newest picture is missing: it is on its way
            else:
                self._hole_ns = now_ns if self._hole_ns is None else self._hole_ns
                if now_ns - self._hole_ns < PATIENCE_NS:
                    break
                self._hole_ns = None
                self._give_up()
        return pictures

    def asks(self, now_ns: int) -> bool:
        """Whether to ask the sender for a keyframe now."""
        if self._whole or not self._begun:
            return False
        if self._asked_ns is not None and now_ns - self._asked_ns < ASK_NS:
            return False
        self._asked_ns = now_ns
        return True

    def _begin(self, sequence: int, timestamp: int, now_ns: int) -> int:
        self._packets.clear()
        self._since_ns = now_ns
        self._newest = self._next = sequence
        self._timestamp = timestamp
        self._begun = self._whole = False
        self._hole_ns = None
        return 0

    def _run(self) -> int:
        """How many packets are there without a hole."""
        count = 0
        while self._next + count in self._packets:
            count += 1
        return count

    def _end(self) -> int | None:
        """Number after the last packet of the next picture; None: it is not whole."""
        first = self._packets.get(self._next)
        number = self._next
        while first is not None and (packet := self._packets.get(number)) is not None:
            if packet.timestamp != first.timestamp:
                return number  # a sender without markers
            number += 1
            if packet.marker:
                return number
        return None

    def _is_key(self, end: int) -> bool:
        return self._is_keyframe(b"".join(self._packets[number].data for number in range(self._next, end)))

    def _release(self, end: int) -> list[Picture]:
        keyframe = self._is_key(end)
        packets = [self._packets.pop(number) for number in range(self._next, end)]
        self._next, self._begun = end, True
        data = b"".join(packet.data for packet in packets)
        if not (self._whole or keyframe):
            self.dropped += 1
            return []
        self._whole = True
        return [Picture(packets[0].timestamp, data, keyframe)]

    def _give_up(self) -> None:
        """Leave out what is missing, and the rest of the picture behind the hole."""
        first = min(number for number in self._packets if number > self._next and number - 1 not in self._packets)
        torn = self._packets[first].timestamp
        end = first
        while end in self._packets and self._packets[end].timestamp == torn:
            end += 1
            if self._packets[end - 1].marker:
                break
        held = [number for number in self._packets if number < end]
        self.lost += end - self._next - len(held)
        self.dropped += 1
        for number in held:
            del self._packets[number]
        self._next, self._begun, self._whole = end, True, False


def starts_h264(data: bytes) -> bool:
    """Whether H.264 data (with start codes) begins a stream: parameters, or a picture that needs no other."""
    place = data.find(b"\0\0\1")
    while place >= 0 and place + 3 < len(data):
        kind = data[place + 3] & 31
        if kind in (5, 7):
            return True
        if kind == 1:
            return False
        place = data.find(b"\0\0\1", place + 3)
    return False


def starts_vp8(data: bytes) -> bool:
    """Whether a VP8 picture is a keyframe (RFC 6386, section 9.1)."""
    return bool(data) and not data[0] & 1


def _near(difference: int, whole: int) -> int:
    """A difference of numbers that wrap, the way that is nearest."""
    return (difference + whole // 2) % whole - whole // 2
