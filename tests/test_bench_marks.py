"""Marks in the voice and stamps in the pictures: found again after what happens to them on the way."""

import numpy as np
import pytest

from benchmarks.harness import timeline
from benchmarks.harness.marks import EVERY, KINDS, REPEAT, MarkedVoice, MarkFinder, spoken_at
from benchmarks.harness.peer import Heard, Seen, Unwrapped
from benchmarks.harness.stamp import LETS_GO, MOUTH, PLACE_FROM_MS, REST, SPEAKS, TICKS, MouthWatch, Stamp, paint, read
from engine.clock import ManualClock
from engine.frames import VOICE_TICK_SAMPLES
from engine.stream.encode import PictureEncoder, VoiceEncoder
from engine.stream.sample import load_sample
from engine.stream.uplink import VoiceInlet
from tests.test_serve_media import rtp

TICK_NS = 40_000_000
SAMPLE_NS = 1e9 / 48_000


def find(sound: np.ndarray, piece: int = VOICE_TICK_SAMPLES) -> list:
    finder = MarkFinder()
    return [mark for i in range(0, len(sound), piece) for mark in finder.push(sound[i : i + piece])]


def test_the_marked_voice_is_the_same_wherever_it_is_taken():
    voice = MarkedVoice()
    whole = voice.take(0, 3 * EVERY)
    assert np.array_equal(np.concatenate([voice.take(i, 500) for i in range(0, 3 * EVERY - 500, 500)]),
                          whole[: (3 * EVERY - 500) // 500 * 500 + 500])  # fmt: skip
    again = MarkedVoice().take(len(load_sample()) - 100, 200)
    assert np.isfinite(again).all() and np.abs(whole).max() < 1.0


@pytest.mark.parametrize("piece", [960, VOICE_TICK_SAMPLES])
def test_every_mark_is_found_where_it_is(piece):
    marks = find(MarkedVoice().take(0, 40 * EVERY), piece)
    assert len(marks) >= 38, "the first begins with the sound, and has no beginning of its own"
    assert [mark.kind for mark in marks] == [k % KINDS for k in range(1, 40)][: len(marks)]
    assert max(abs(mark.at - k * EVERY) for k, mark in enumerate(marks, 1)) < 5, "a tenth of a millisecond"


def test_marks_survive_opus():
    voice = MarkedVoice().take(0, 500 * 960)
    clock, heard = ManualClock(), []
    encoder, inlet = VoiceEncoder(), VoiceInlet(heard.append, clock)
    packets = [p for i in range(250) for p in encoder.encode(voice[i * 1_920 : (i + 1) * 1_920], i)]
    for i, packet in enumerate(packets):
        clock.advance_ms(20)
        inlet.add(rtp(i, 960 * i, bytes(packet)))
    marks = find(np.concatenate(heard)[:, 0])
    late = np.array([mark.at - (spoken_at(mark.kind, mark.at + 48) or 0) for mark in marks])
    assert len(marks) > 43
    assert abs(np.median(late) - 312) < 24, "Opus looks 6.5 ms ahead"
    assert np.mean(np.abs(late - 312) < 96) > 0.9, "2 ms"


def test_no_mark_where_none_is():
    noise = 0.1 * np.random.default_rng(0).standard_normal(48_000 * 5)
    assert not find(load_sample()[: 48_000 * 10]) and not find(noise.astype(np.float32))


def test_marks_are_found_after_a_gap():
    finder, voice = MarkFinder(), MarkedVoice()
    found = []
    for place in [*range(0, 96_000, 960), *range(153_600, 240_000, 960)]:
        found += [mark.at for mark in finder.push(voice.take(place, 960), place)]
    assert all(abs(at / EVERY - round(at / EVERY)) < 1e-3 for at in found)
    assert sum(at < 96_000 for at in found) >= 9 and sum(at > 153_600 for at in found) >= 8


def test_the_newest_mark_of_a_kind():
    assert spoken_at(3, 3 * EVERY) == 3 * EVERY and spoken_at(3, 3 * EVERY + REPEAT - 1) == 3 * EVERY
    assert spoken_at(3, 3 * EVERY + REPEAT) == 3 * EVERY + REPEAT
    assert spoken_at(3, 2 * EVERY) is None


@pytest.mark.parametrize("size", [64, 128, 512])
def test_a_stamp_is_read_as_it_was_painted(size):
    chance = np.random.default_rng(size)
    for tick in (0, 1, 2_711, TICKS - 1):
        others = (Stamp(tick, KINDS - 1, 39.5), Stamp(tick, 5, PLACE_FROM_MS, SPEAKS), Stamp(tick, mouth=LETS_GO))
        for stamp in (Stamp(tick), Stamp(tick, 0, -12.5), *others):
            picture = chance.integers(0, 256, (size, size, 3), dtype=np.uint8)
            paint(picture, stamp)
            assert read(picture[..., 0]) == stamp
    assert read(np.zeros((size, size), np.uint8)) is None and read(np.full((size, size), 255, np.uint8)) is None
    with pytest.raises(ValueError):
        paint(picture, Stamp(0, 1, 41.0))


def test_a_mouth_that_lets_go_is_told_from_one_that_speaks():
    watch, motion = MouthWatch(), np.zeros(64, np.float32)
    seen = []
    for opening in (0.0, 0.2, 0.6, 0.57, 0.6, 0.4, 0.2, 0.06, 0.03, 0.0):
        motion[MOUTH[0]] = opening
        seen.append(watch.look(motion))
    assert seen == [REST, SPEAKS, SPEAKS, SPEAKS, SPEAKS, LETS_GO, LETS_GO, LETS_GO, REST, REST]


@pytest.mark.parametrize("codec, decoder", [("H264", "h264"), ("VP8", "libvpx")])
def test_stamps_survive_the_picture_codec(codec, decoder):
    import av

    encoder, reader = PictureEncoder(codec, 128, 128), av.CodecContext.create(decoder, "r")
    ground, stamps = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8), []
    for i in range(20):
        picture = np.roll(ground, i, 0)
        paint(picture, Stamp(800 + i, i % KINDS, i - 10.0))
        packet = encoder.encode(picture, i)
        stamps += [read(frame.to_ndarray(format="gray")) for frame in reader.decode(packet)] if packet else []
    stamps += [read(frame.to_ndarray(format="gray")) for frame in reader.decode(None)]
    read_well = [stamp for stamp in stamps if stamp is not None]
    assert len(read_well) >= 15 and all(s == Stamp(s.tick, (s.tick - 800) % KINDS, s.tick - 810.0) for s in read_well)


def run(lag: float, late_ms: float, ticks: range, every: int = 5) -> tuple[list[Seen], int]:
    """Pictures as they would come: each `late_ms` after the last sample of its tick was spoken."""
    begun_ns, seen = 5_000_000_000, []
    for tick in ticks:
        spoken_ns = begun_ns + ((tick + 1) * VOICE_TICK_SAMPLES - lag) * SAMPLE_NS
        at_ns, stamp = round(spoken_ns + late_ms * 1e6), Stamp(tick % TICKS)
        if tick % every == 0:
            number = round((tick * VOICE_TICK_SAMPLES - lag) // EVERY)
            place_ms = (number * EVERY + lag - tick * VOICE_TICK_SAMPLES) / 48
            if number >= 0 and place_ms >= PLACE_FROM_MS:
                stamp = Stamp(tick % TICKS, number % KINDS, round(2 * place_ms) / 2)
        seen.append(Seen(at_ns, 3_600 * tick + 77, stamp))
    return seen, begun_ns


@pytest.mark.parametrize("lag", [48.0, 12_345.0])
def test_latency_comes_from_stamps_and_marks(lag):
    seen, begun_ns = run(lag, 55.0, range(10, 110))
    del seen[20], seen[40:43]
    seen[60] = Seen(seen[60].at_ns, seen[60].timestamp, None)
    came = timeline.arrivals(seen, begun_ns)
    assert [one.tick for one in came][:20] == list(range(10, 30)) and timeline.dropped(came) == 5
    assert np.allclose([one.lag for one in came], lag, atol=13), "a stamp has steps of half a millisecond"
    last = timeline.last_sample_latency(came, begun_ns)
    assert np.allclose(last, 55.0, atol=0.3)
    every = timeline.every_sample(last)
    assert len(every) == 40 * len(came) and every.min() == last.min() and every.max() == last.max() + 39


def test_a_wrong_mark_moves_nothing_and_ticks_run_on():
    seen, begun_ns = run(48.0, 30.0, range(TICKS - 50, TICKS + 50))
    seen[50] = Seen(seen[50].at_ns, seen[50].timestamp, Stamp(0, 7, 20.0))
    came = timeline.arrivals(seen, begun_ns)
    assert [one.tick for one in came] == list(range(TICKS - 50, TICKS + 50))
    assert np.allclose(timeline.last_sample_latency(came, begun_ns), 30.0, atol=0.3)
    assert timeline.arrivals([], 0) == [] and timeline.arrivals([Seen(0, 0, Stamp(3))], 0) == []


@pytest.mark.parametrize("shift_ms", [0.0, 30.0])
def test_offset_is_what_a_receiver_makes_of_the_reports(shift_ms):
    seen, begun_ns = run(48.0, 30.0, range(100))
    came = timeline.arrivals(seen, begun_ns)
    origin = 2**32 - 40_000
    times = [begun_ns + round(k * EVERY * SAMPLE_NS) + 60_000_000 for k in range(-KINDS, 18 + KINDS)]
    # Marks of a longer talk than was seen: each is paired with its own picture, not with another of its kind.
    heard = [Heard(k % KINDS, origin + k * EVERY + 48.0, at) for k, at in enumerate(times, -KINDS)]
    wall_ns = 10**18
    reports = {
        "video": [(wall_ns + 10**9 + round(shift_ms * 1e6), 90_000 + 77), (wall_ns + 3 * 10**9, 270_000 + 77)],
        "audio": [(wall_ns + 2 * 10**9, (origin + 96_000) % 2**32)],
    }
    offsets = timeline.offsets(seen, heard, came, reports)
    assert np.allclose(offsets[:40], shift_ms, atol=0.5), "the picture is late: sound before picture"
    assert np.allclose(offsets[-20:], 0.0, atol=0.5)
    assert len(timeline.offsets(seen, heard, came, {"video": [], "audio": []})) == 0
    assert len(timeline.offsets(seen, [], came, reports)) == 0


def test_timestamps_are_counted_on():
    count = Unwrapped()
    assert [count(t % 2**32) for t in (2**32 - 10, 2**32 - 5, 2**32 + 3, 2**32 - 1, 2**32 + 900)] == [
        2**32 - 10, 2**32 - 5, 2**32 + 3, 2**32 - 1, 2**32 + 900]  # fmt: skip
