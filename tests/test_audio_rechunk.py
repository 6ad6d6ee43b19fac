"""Ticks: the same moment in both streams, however the sound was cut, for as long as it lasts."""

import numpy as np
import pytest

from engine.audio.block import AudioBlock, level_db, mix_mono
from engine.audio.rechunk import Rechunker
from engine.errors import MediaError

RATES = (8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000, 192_000)


def cut(samples, rate_hz, sizes, start_ns=0):
    """Blocks of the given sizes (repeated), timed by their last sample."""
    samples = samples.reshape(len(samples), -1).astype(np.float32)
    at, i = 0, 0
    while at < len(samples):
        end = min(at + sizes[i % len(sizes)], len(samples))
        yield AudioBlock(samples[at:end], rate_hz, start_ns + round(end / rate_hz * 1e9))
        at, i = end, i + 1


def run(blocks, **options):
    rechunker = Rechunker(**options)
    ticks = [tick for block in blocks for tick in rechunker.push(block)]
    return ticks + rechunker.flush()


def joined(ticks):
    return np.concatenate([t.voice for t in ticks]), np.concatenate([t.samples for t in ticks])


@pytest.mark.parametrize("rate_hz", RATES)
def test_impulse_stays_where_it_is(rate_hz):
    x = np.zeros(rate_hz)
    at = round(0.52 * rate_hz)
    x[at] = 1
    voice, samples = joined(run(cut(x, rate_hz, [rate_hz // 100])))
    for stream, stream_hz in ((voice, 48_000), (samples, 16_000)):
        centre = (np.arange(len(stream)) * stream**2).sum() / (stream**2).sum()
        assert abs(centre / stream_hz - at / rate_hz) < 1 / 16_000


@pytest.mark.parametrize("rate_hz", RATES)
def test_declared_latency_is_enough_and_short(rate_hz):
    rechunker = Rechunker()
    n = rate_hz // 25
    list(map(rechunker.push, cut(np.zeros(1), rate_hz, [1])))
    assert rechunker.latency_ms <= 1.1
    wait = int(np.ceil(rechunker.latency_ms * rate_hz / 1e3)) + 1
    ticks = [t for block in cut(np.zeros(n + wait), rate_hz, [1]) for t in rechunker.push(block)]
    assert len(ticks) == 1


def test_lead_in_makes_packets_end_with_ticks():
    rechunker = Rechunker(lead_in_ms=1)
    assert rechunker.start_s == -0.001
    counts = [len(rechunker.push(block)) for block in cut(np.zeros(48_000), 48_000, [960])]
    assert counts == [0, 1] * 25
    x = np.zeros(4800)
    x[2400] = 1
    voice, samples = joined(run(cut(x, 48_000, [960]), lead_in_ms=1))
    assert voice.argmax() == 2400 + 48 and samples.argmax() == 800 + 16


@pytest.mark.parametrize("rate_hz", (8_000, 16_000, 44_100, 48_000, 96_000, 47_999))
def test_any_cutting_gives_the_same_bits(rate_hz):
    rng = np.random.default_rng(0)
    x = rng.uniform(-0.5, 0.5, (rate_hz, 3))
    whole = run(cut(x, rate_hz, [len(x)]))
    for sizes in ([rate_hz // 50], [1, 777, 13], [5000]):
        ticks = run(cut(x, rate_hz, sizes))
        assert len(ticks) == len(whole) == 25
        for a, b in zip(ticks, whole, strict=True):
            assert np.array_equal(a.voice, b.voice) and np.array_equal(a.samples, b.samples)
            assert abs(a.captured_ns - b.captured_ns) <= 2 and a.index == b.index


def test_matching_rates_pass_unchanged():
    x = np.random.default_rng(1).uniform(-1, 1, 10_001).astype(np.float32)
    assert np.array_equal(joined(run(cut(x, 48_000, [999])))[0][: len(x)], x)
    voice, samples = joined(run(cut(x, 16_000, [999])))
    assert np.array_equal(samples[: len(x)], x)
    np.testing.assert_allclose(voice[: 3 * len(x) : 3], x, atol=0.4)
    assert not samples[len(x) :].any()


@pytest.mark.parametrize("rate_hz", (8_000, 44_100, 96_000))
def test_speech_band_comes_through(rate_hz):
    x = 0.5 * np.sin(2 * np.pi * 1_000 * np.arange(rate_hz) / rate_hz)
    voice, samples = joined(run(cut(x, rate_hz, [441])))
    for stream, hz in ((voice, 48_000), (samples, 16_000)):
        want = 0.5 * np.sin(2 * np.pi * 1_000 * np.arange(hz) / hz)
        assert np.abs(stream - want)[hz // 10 : -hz // 10].max() < 5e-3


def test_what_16_khz_cannot_hold_does_not_fold_back():
    x = 0.5 * np.sin(2 * np.pi * 12_000 * np.arange(48_000) / 48_000)
    assert level_db(joined(run(cut(x, 48_000, [960])))[1][800:-800]) < -60


@pytest.mark.parametrize("rate_hz", (44_100, 48_000, 22_050))
def test_ten_minutes_do_not_drift(rate_hz):
    n = 600 * rate_hz + 1
    rechunker = Rechunker()
    block = np.zeros((rate_hz // 2, 1), np.float32)
    block[100] = 0.5
    ticks = 0
    for i in range(1200):
        new = rechunker.push(AudioBlock(block, rate_hz, 0))
        ticks += len(new)
        late = i == 1199 and new
    assert late and rechunker.push(AudioBlock(block[:1], rate_hz, 0)) == []
    last = rechunker.flush()
    assert ticks + len(last) == -(-n * 25 // rate_hz) == 15_001
    # Block 1199 starts at 599.5 s, in tick 14987 and 20 ms; its click must be there.
    x = joined(late)[0]
    assert abs(x.argmax() / 48_000 + late[0].index / 25 - (599.5 + 100 / rate_hz)) < 1 / 16_000


def test_rate_and_channels_may_change_midway():
    blocks, t = [], 0.0
    for rate_hz, channels, n in (
        (48_000, 1, 20_011),
        (44_100, 2, 30_007),
        (44_100, 1, 9_001),
        (8_000, 6, 7_000),
    ):
        x = 0.5 * np.sin(2 * np.pi * 200 * (t + np.arange(n) / rate_hz))
        blocks.append(AudioBlock(np.tile(x[:, None], channels).astype(np.float32), rate_hz, round(t * 1e9)))
        t += n / rate_hz
    ticks = run(blocks)
    assert len(ticks) == int(np.ceil(t * 25)) and [tick.index for tick in ticks] == list(range(len(ticks)))
    voice, samples = joined(ticks)
    edges = np.cumsum([0] + [len(b.samples) / b.rate_hz for b in blocks])
    for stream, hz in ((voice, 48_000), (samples, 16_000)):
        time_s = np.arange(len(stream)) / hz
        inside = (np.abs(time_s[:, None] - edges).min(1) > 0.003) & (time_s < t)
        error = np.abs(stream - 0.5 * np.sin(2 * np.pi * 200 * time_s))[inside]
        assert error.max() < 0.02  # half a sample at 16 kHz: where a new rate begins, the grid is rounded
    small = [piece for b in blocks for piece in cut(b.samples, b.rate_hz, [331])]
    for a, b in zip(run(small), ticks, strict=True):
        assert np.array_equal(a.voice, b.voice) and np.array_equal(a.samples, b.samples)


def test_times_are_interpolated():
    ticks = run(cut(np.zeros(48_000), 48_000, [1234], start_ns=5_000))
    for tick in ticks:
        assert abs(tick.captured_ns - 5_000 - (tick.index + 1) * 40_000_000) <= 2


def test_nothing_and_nonsense():
    assert Rechunker().flush() == []
    assert Rechunker().push(AudioBlock(np.zeros((0, 1), np.float32), 16_000, 0)) == []
    for rate_hz in (1, 0, 10_000_000):
        with pytest.raises(MediaError, match="Hz"):
            Rechunker().push(AudioBlock(np.zeros((9, 1), np.float32), rate_hz, 0))
    rechunker = Rechunker()
    bad = np.full((640, 1), np.nan, np.float32)
    rechunker.push(AudioBlock(bad, 16_000, 0))
    assert rechunker.repaired == 640 and not rechunker.flush()[0].voice.any()
    with pytest.raises(ValueError, match="flush"):
        rechunker.push(AudioBlock(bad, 16_000, 0))


def test_mix_of_two_is_their_mean():
    x = np.array([[0.2, 0.4], [1.0, 1.0]], np.float32)
    np.testing.assert_allclose(mix_mono(AudioBlock(x, 16_000, 0)), [0.3, 1.0])
