"""The receiving buffers in virtual time: no clock, no network, no decoder, and any order of packets."""

import random
from dataclasses import dataclass, field

import numpy as np
import pytest

from engine.stream.jitter import LONGEST_CONCEALED, PATIENCE_NS, Kind, Piece, VoiceBuffer
from engine.stream.lossy import NETWORKS, Faults, Link
from engine.stream.transit import LONGEST_DELAY_NS, MS

PACKET = 960
STEP = 20 * MS


@dataclass
class Heard:
    """What a buffer has handed on: (time in ns, piece), and the packets' numbers in the order of playing."""

    pieces: list[tuple[int, Piece]] = field(default_factory=list)

    @property
    def numbers(self) -> list[int]:
        return [int.from_bytes(piece.payload) for _, piece in self.pieces if piece.kind is Kind.PACKET]

    @property
    def samples(self) -> int:
        return sum(piece.samples for _, piece in self.pieces)

    def waits_ms(self, sent: list[int], since: int = 0) -> np.ndarray:
        """From the sending of each packet (at which its last sample was recorded) to its being handed on."""
        played = [(at, piece) for at, piece in self.pieces if piece.kind is Kind.PACKET]
        waits = [(at - sent[int.from_bytes(piece.payload)]) / MS for at, piece in played]
        return np.array([wait for wait, n in zip(waits, self.numbers, strict=True) if n >= since])


def play(
    buffer: VoiceBuffer, arrivals: list[tuple[int, int]], until_ns: int, hangs: tuple[tuple[int, int], ...] = (),
    first: int = 0, timestamp: int = 0, fetch_ns: int = 1000,
) -> Heard:  # fmt: skip
    """Packets (arrival in ns, number) through a buffer that is asked when it wants to be, or every 20 ms.

    hangs: (begin, end) in which nobody asks and nothing is fetched from the socket. fetch_ns: what fetching one takes.
    """
    heard, waiting, now_ns = Heard(), sorted(arrivals), 0
    while now_ns <= until_ns:
        for begin_ns, end_ns in hangs:
            if begin_ns <= now_ns < end_ns:
                now_ns = end_ns
        if waiting and waiting[0][0] <= now_ns:
            _, n = waiting.pop(0)
            sequence, stamp = (first + n) % 65_536, (timestamp + n * PACKET) % 2**32
            buffer.put(sequence, stamp, n.to_bytes(4), PACKET, now_ns)
        heard.pieces += [(now_ns, piece) for piece in buffer.take(now_ns)]
        wake_ns = min(now_ns + STEP, buffer.next_ns(), *(waiting[0][:1] if waiting else ()))
        now_ns = max(wake_ns, now_ns + fetch_ns)
    return heard


def send(link: Link, count: int, ppm: float = 0.0) -> tuple[list[int], list[tuple[int, int]]]:
    """(times of sending, arrivals) of packets every 20 ms of a sender's clock."""
    sent = [round((n + 1) * STEP * (1 + ppm / 1e6)) for n in range(count)]
    return sent, [(at, n) for n in range(count) for at in link.arrivals(sent[n])]


def test_a_quiet_line_costs_nothing():
    sent, arrivals = send(Link(Faults(delay_ms=12, jitter_ms=1)), 1000)
    buffer = VoiceBuffer()
    heard = play(buffer, arrivals, sent[-1] + 70 * MS)
    assert heard.numbers == list(range(1000))
    assert heard.waits_ms(sent).max() <= 12 + 1.1 and buffer.concealed == 0


def test_the_delay_grows_with_the_jitter_and_no_further():
    waits = []
    for jitter in (0, 10, 30, 60):
        sent, arrivals = send(Link(Faults(jitter_ms=jitter), seed=3), 2000)
        buffer = VoiceBuffer()
        heard = play(buffer, arrivals, sent[-1] + 70 * MS)
        assert heard.numbers == list(range(2000)) and buffer.concealed == 0
        waits.append(np.percentile(heard.waits_ms(sent, since=300), 97))
        assert jitter * 0.7 <= waits[-1] <= jitter + 1
    assert waits == sorted(waits)


def test_the_delay_comes_down_again():
    sent, arrivals = send(Link(Faults(jitter_ms=60)), 500)
    arrivals += [(at + 500 * STEP, n + 500) for at, n in send(Link(Faults()), 1000)[1]]
    sent += [at + 500 * STEP for at in sent] + [0] * 500
    buffer = VoiceBuffer()
    heard = play(buffer, arrivals, 1500 * STEP)
    rough, calm = (
        np.diff([at for at, piece in heard.pieces if int.from_bytes(piece.payload) in r])
        for r in (range(200, 490), range(1000, 1400))
    )
    assert buffer.delay_ns < 1 * MS and np.abs(calm - STEP).max() <= 1 * MS
    assert np.median(np.abs(rough - STEP)) <= 2 * MS, "even where the packets are not"


@pytest.mark.parametrize("loss", [0.01, 0.05, 0.3])
def test_what_is_lost_is_made_up_on_time(loss):
    sent, arrivals = send(Link(Faults(loss=loss, jitter_ms=5), seed=1), 3000)
    buffer = VoiceBuffer()
    heard = play(buffer, arrivals, sent[-1] + 30 * MS)
    came = sorted({n for _, n in arrivals})
    assert heard.numbers == came
    gaps = [piece for _, piece in heard.pieces if piece.kind is not Kind.PACKET]
    assert sum(piece.samples for piece in gaps[1:]) // PACKET in (buffer.lost - 1, buffer.lost, buffer.lost + 1)
    assert heard.waits_ms(sent, since=100).max() <= 6 + PATIENCE_NS / MS


def test_packets_that_were_overtaken_find_their_place():
    sent, arrivals = send(Link(Faults(reordered=0.1, overtaken_ms=30, doubled=0.1), seed=2), 3000)
    buffer = VoiceBuffer()
    heard = play(buffer, arrivals, sent[-1] + 70 * MS)
    assert heard.numbers == sorted(heard.numbers) and len(set(heard.numbers)) == len(heard.numbers)
    assert len(heard.numbers) >= 0.99 * 3000 and buffer.late >= 200


@pytest.mark.parametrize("held", [False, True])
def test_after_an_outage_the_present_is_taken_up(held):
    sent, arrivals = send(Link(Faults(outages=((5_000, 2_000),), held=held)), 600)
    buffer = VoiceBuffer()
    heard = play(buffer, arrivals, sent[-1] + 70 * MS)
    assert heard.numbers[-240:] == list(range(360, 600)), "not a packet is missing once the line is back"
    assert heard.waits_ms(sent, since=360).max() <= 2
    assert abs(heard.samples - 600 * PACKET) <= 3 * PACKET, "time went on"
    during = [piece for at, piece in heard.pieces if 5_300 * MS < at < 7_000 * MS]
    assert {piece.kind for piece in during} == {Kind.SILENCE}
    assert len(during) >= 80, "and went on evenly"
    assert LONGEST_CONCEALED <= buffer.concealed <= LONGEST_CONCEALED + 2 * PACKET


@pytest.mark.parametrize("fetch_ms", [0.001, 5])
def test_a_stall_of_this_process_keeps_every_word(fetch_ms):
    sent, arrivals = send(Link(Faults()), 300)
    buffer = VoiceBuffer()
    hangs = ((2_000 * MS, 2_500 * MS),)
    heard = play(buffer, arrivals, sent[-1] + 60 * MS, hangs, fetch_ns=round(fetch_ms * MS))
    assert heard.numbers == list(range(300)) and buffer.concealed == buffer.cut == 0
    assert heard.waits_ms(sent, since=140).max() <= 2 + fetch_ms, "and leaves no delay behind"


@pytest.mark.parametrize("sender_too", [False, True])
def test_a_laptop_that_slept_takes_up_the_present(sender_too):
    hour = 3_600_000 * MS
    sent, arrivals = send(Link(Faults()), 100)
    shift = 0 if sender_too else hour // STEP
    later = [100 + shift % 3_000 + k for k in range(100)]  # the sender may have gone on counting for a while
    arrivals += [(sent[-1] + hour + (k + 1) * STEP, n) for k, n in enumerate(later)]
    buffer = VoiceBuffer()
    heard = play(buffer, arrivals, sent[-1] + hour + 101 * STEP, hangs=((sent[-1] + MS, sent[-1] + hour),))
    assert heard.numbers[-99:] == later[-99:]
    assert len(heard.pieces) < 260, "an hour of silence is not made up"


@pytest.mark.parametrize("ppm", [-200, 200])
def test_clocks_that_run_apart_do_not_add_up(ppm):
    count = 20 * 60 * 50  # 20 minutes: 200 ppm are 240 ms
    sent, arrivals = send(Link(Faults(jitter_ms=4), seed=5), count, ppm)
    buffer = VoiceBuffer()
    heard = play(buffer, arrivals, sent[-1] + 70 * MS)
    assert heard.numbers == list(range(count)) and buffer.cut == buffer.concealed == 0
    assert heard.waits_ms(sent).max() <= 8


@pytest.mark.parametrize("first, timestamp", [(65_500, 0), (7, 2**32 - 20 * PACKET), (65_400, 2**32 - 30 * PACKET)])
def test_numbers_that_wrap_change_nothing(first, timestamp):
    sent, arrivals = send(Link(Faults(reordered=0.1, jitter_ms=10, loss=0.02), seed=6), 400)
    plain = play(VoiceBuffer(), arrivals, sent[-1] + 70 * MS)
    wrapped = play(VoiceBuffer(), arrivals, sent[-1] + 70 * MS, first=first, timestamp=timestamp)
    assert wrapped.pieces == plain.pieces


def test_a_longer_way_is_learnt():
    sent, arrivals = send(Link(Faults()), 1500)
    arrivals = [(at + (300 * MS if n >= 300 else 0), n) for at, n in arrivals]
    buffer = VoiceBuffer()
    heard = play(buffer, arrivals, sent[-1] + 500 * MS)
    assert heard.numbers[-1150:] == list(range(350, 1500))
    assert buffer.delay_ns < LONGEST_DELAY_NS // 100


def test_a_sender_that_starts_anew_is_followed():
    buffer, heard = VoiceBuffer(), []
    for n in range(100):
        jumps = n // 25
        sequence, stamp = (n + 20_000 * jumps) % 65_536, (n * PACKET + 10**9 * jumps) % 2**32
        buffer.put(sequence, stamp, n.to_bytes(4), PACKET, (n + 1) * STEP)
        heard += buffer.take((n + 1) * STEP)
    assert [int.from_bytes(piece.payload) for piece in heard if piece.payload] == list(range(100))


def test_a_sender_faster_than_time_is_cut():
    buffer, now_ns = VoiceBuffer(), 0
    heard = Heard()
    for n in range(2_000):
        now_ns += STEP // 2
        buffer.put(n, n * PACKET, n.to_bytes(4), PACKET, now_ns)
        heard.pieces += [(now_ns, piece) for piece in buffer.take(now_ns)]
    assert heard.samples <= (now_ns / STEP) * PACKET * 1.01 + 5 * PACKET


def test_nobody_speaks_at_all():
    heard = play(VoiceBuffer(), [], 3_000 * MS)
    assert {piece.kind for _, piece in heard.pieces} == {Kind.SILENCE}
    assert abs(heard.samples - 150 * PACKET) <= 4 * PACKET


def test_packets_of_any_length_and_pauses_of_the_sender():
    """10 to 60 ms a packet, and a sender that says nothing in silence (DTX): numbers go on, timestamps jump."""
    chance = random.Random(0)
    buffer, now_ns, place, heard = VoiceBuffer(), 0, 0, Heard()
    for n in range(500):
        length = chance.choice([480, 960, 1_920, 2_880])
        if n % 50 == 49:
            place += 19_200  # 400 ms without a packet
        place += length
        now_ns = place * 1_000_000_000 // 48_000
        while (when_ns := buffer.next_ns()) < now_ns and n:
            heard.pieces += [(when_ns, piece) for piece in buffer.take(when_ns)]
        buffer.put(n, place - length, n.to_bytes(4), length, now_ns)
        heard.pieces += [(now_ns, piece) for piece in buffer.take(now_ns)]
    heard.pieces += [(now_ns, piece) for piece in buffer.take(now_ns + MS)]  # roundings of a nanosecond
    assert heard.numbers == list(range(500)) and buffer.lost == buffer.late == 0
    assert abs(heard.samples - place) <= 8 * PACKET


@pytest.mark.parametrize("seed", range(30))
def test_any_traffic_at_all_gives_sound_in_order_and_in_time(seed):
    chance = random.Random(seed)
    faults = Faults(
        loss=chance.choice([0, 0.01, 0.2, 0.6]),
        doubled=chance.choice([0, 0.2]),
        reordered=chance.choice([0, 0.05, 0.4]),
        overtaken_ms=chance.choice([5, 30, 150]),
        jitter_ms=chance.choice([0, 5, 30, 120]),
        outages=tuple((chance.uniform(0, 20_000), chance.uniform(10, 3_000)) for _ in range(chance.randrange(4))),
        held=chance.random() < 0.5,
    )
    begin = chance.uniform(0, 20_000) * MS
    hangs = ((int(begin), int(begin + chance.uniform(0, 900) * MS)),) if chance.random() < 0.5 else ()
    sent, arrivals = send(Link(faults, seed), 1000, ppm=chance.uniform(-300, 300))
    buffer = VoiceBuffer()
    heard = play(buffer, arrivals, sent[-1], hangs, first=chance.randrange(65_536), timestamp=chance.randrange(2**32))
    assert all(a < b for a, b in zip(heard.numbers, heard.numbers[1:], strict=False)), "each once, in order"
    assert all(0 <= piece.samples <= PACKET for _, piece in heard.pieces)
    wall = sent[-1] * 48_000 // 1_000_000_000
    assert wall - 48_000 <= heard.samples + buffer.cut <= wall + 8 * PACKET, "as much sound as there was time"
    assert len(heard.numbers) + buffer.late <= len(arrivals)
    assert buffer.delay_ns <= LONGEST_DELAY_NS


def test_the_same_link_does_the_same_again():
    for faults in NETWORKS.values():
        assert send(Link(faults, 4), 500) == send(Link(faults, 4), 500)
    lossy, worse = (send(Link(Faults(loss=loss), 4), 5_000)[1] for loss in (0.01, 0.05))
    assert set(worse) <= set(lossy) and 200 <= 5_000 - len(worse) <= 300
