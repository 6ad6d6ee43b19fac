"""Files: whatever has sound in it is read in flat memory, and bad ones get a clear refusal."""

import os
import resource
import struct
import wave
from fractions import Fraction

import av
import numpy as np
import pytest

from engine.audio.file import FileSource
from engine.audio.rechunk import Rechunker
from engine.clock import ManualClock
from engine.errors import MediaError


def write_wav(path, samples, rate_hz=16_000):
    samples = np.atleast_2d(np.asarray(samples).T).T
    with wave.open(str(path), "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return path


def write_float_wav(path, samples, rate_hz=16_000):
    data = np.asarray(samples, "<f4").tobytes()
    head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, 3, 1, rate_hz,
                       rate_hz * 4, 4, 32, b"data", len(data))  # fmt: skip
    path.write_bytes(head + data)
    return path


def write_coded(path, seconds, codec, rate_hz=48_000, layout="mono", picture=False):
    """A tone of 440 Hz in any container, optionally beside a small film."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=rate_hz, layout=layout)
        if picture:
            video = out.add_stream("mpeg4", rate=25, width=64, height=64, pix_fmt="yuv420p")
        for i in range(int(seconds * 10)):
            n = rate_hz // 10
            wave_s = 0.3 * np.sin(2 * np.pi * 440 * (np.arange(n) + i * n) / rate_hz)
            channels = len(av.AudioLayout(layout).channels)
            frame = av.AudioFrame.from_ndarray(
                np.tile(wave_s.astype(np.float32), (channels, 1)), "fltp", layout
            )
            frame.sample_rate, frame.pts, frame.time_base = rate_hz, i * n, Fraction(1, rate_hz)
            out.mux(stream.encode(frame))
            if picture:
                out.mux(video.encode(av.VideoFrame(64, 64, "yuv420p")))
        out.mux(stream.encode(None))
        if picture:
            out.mux(video.encode(None))
    return path


def read(source):
    blocks = list(source)
    return np.concatenate([block.samples for block in blocks]), blocks


def tone(seconds, rate_hz, level=0.3):
    return level * np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate_hz)) / rate_hz)


@pytest.mark.parametrize(
    ("name", "codec", "rate_hz"),
    [("a.flac", "flac", 44_100), ("a.mp3", "libmp3lame", 44_100), ("a.ogg", "flac", 48_000),
     ("a.opus", "libopus", 48_000), ("a.m4a", "aac", 48_000), ("a.mka", "pcm_s24le", 192_000)],
)  # fmt: skip
def test_formats(tmp_path, name, codec, rate_hz):
    path = write_coded(tmp_path / name, 2, codec, rate_hz, "stereo")
    source = FileSource(path)
    assert source.duration_s == pytest.approx(2, abs=0.1)
    samples, blocks = read(source)
    assert blocks[0].rate_hz == rate_hz and samples.shape[1] == 2 and samples.dtype == np.float32
    assert len(samples) == pytest.approx(2 * rate_hz, rel=0.05)
    assert np.abs(samples).max() == pytest.approx(0.3, abs=0.1)
    assert not source.truncated and source.repaired == 0


def test_film_with_sound(tmp_path):
    source = FileSource(write_coded(tmp_path / "film.mp4", 1, "aac", picture=True))
    assert read(source)[0].shape[1] == 1
    assert source.seconds == pytest.approx(1, abs=0.1)


def test_wav_is_exact_and_blocks_carry_time(tmp_path):
    x = tone(0.5, 8_000)
    clock = ManualClock(7)
    samples, blocks = read(FileSource(write_wav(tmp_path / "a.wav", x, 8_000), clock))
    np.testing.assert_allclose(samples[:, 0], x, atol=2 / 32_768)
    assert blocks[0].captured_ns == 7


def test_raw_g722(tmp_path):
    path = tmp_path / "a.g722"
    path.write_bytes(bytes(range(256)) * 50)  # any bytes are g722
    samples, blocks = read(FileSource(path))
    assert blocks[0].rate_hz == 16_000 and len(samples) == 2 * 256 * 50
    path.rename(tmp_path / "raw")
    assert len(read(FileSource(tmp_path / "raw", format="g722"))[0]) == len(samples)


def test_one_sample(tmp_path):
    samples, blocks = read(FileSource(write_wav(tmp_path / "one.wav", [0.5])))
    assert len(samples) == 1
    rechunker = Rechunker()
    ticks = [t for block in blocks for t in rechunker.push(block)] + rechunker.flush()
    assert len(ticks) == 1 and ticks[0].samples[0] == samples[0, 0]


def test_not_numbers_and_clipping(tmp_path):
    x = np.full(1600, 0.25, np.float32)
    x[100], x[200], x[300], x[400] = np.nan, np.inf, -np.inf, 7.0
    source = FileSource(write_float_wav(tmp_path / "bad.wav", x))
    samples, _ = read(source)
    assert (source.repaired, source.limited) == (3, 1)
    assert samples[100] == samples[200] == samples[300] == 0 and samples[400] == 1


def test_six_channels_keep_the_dialogue(tmp_path):
    x = np.zeros((4800, 6))
    x[:, 2] = tone(0.1, 48_000)  # centre
    x[:, 3] = 0.9  # rumble in the bass channel
    source = FileSource(write_wav(tmp_path / "51.wav", x, 48_000))
    rechunker = Rechunker()
    ticks = [t for block in source for t in rechunker.push(block)]
    voice = np.concatenate([t.voice for t in ticks])
    assert abs(voice.mean()) < 1e-3 and 0.05 < voice.max() < 0.3


def bad_files(tmp):
    make = {
        "missing.wav": lambda p: None,
        "folder.wav": lambda p: p.mkdir(),
        "empty.wav": lambda p: p.write_bytes(b""),
        "text.wav": lambda p: p.write_text("this is not sound\n" * 99),
        "text.txt": lambda p: p.write_text("this is not sound\n" * 99),
        "noise.mp3": lambda p: p.write_bytes(np.random.default_rng(1).bytes(50_000)),
        "header.wav": lambda p: write_wav(p, np.zeros(0)),
        "half_header.wav": lambda p: p.write_bytes(b"RIFF\x24\x00\x00\x00WAVEfm"),
        "pipe.wav": lambda p: os.mkfifo(p),
        "list.m3u8": lambda p: p.write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n"),
        "null\0.wav": lambda p: None,
    }
    for name, create in make.items():
        create(tmp / name)
        yield tmp / name
    silent = tmp / "silent.mp4"
    with av.open(str(silent), "w") as out:
        stream = out.add_stream("mpeg4", rate=25, width=64, height=64, pix_fmt="yuv420p")
        out.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")) + stream.encode(None))
    yield silent
    cut = write_coded(tmp / "cut.m4a", 3, "aac")
    cut.write_bytes(cut.read_bytes()[:5000])  # its index stood at the end
    yield cut


@pytest.mark.timeout(30)
def test_bad_files_are_refused_with_their_name(tmp_path):
    for path in bad_files(tmp_path):
        with pytest.raises(MediaError) as refused:
            FileSource(path)
        assert path.name in str(refused.value), path.name


def test_unreadable(tmp_path):
    path = write_wav(tmp_path / "a.wav", tone(0.1, 16_000))
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    with pytest.raises(MediaError, match="permission"):
        FileSource(path)


@pytest.mark.parametrize(
    ("name", "codec"), [("a.wav", "pcm_s16le"), ("a.flac", "flac"), ("a.mp3", "libmp3lame")]
)
def test_cut_files_give_what_they_have(tmp_path, name, codec):
    path = write_coded(tmp_path / name, 10, codec)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    source = FileSource(path)
    samples, _ = read(source)
    assert source.truncated
    assert len(samples) / 48_000 == pytest.approx(5, abs=0.6)
    assert np.abs(samples).max() == pytest.approx(0.3, abs=0.1)


def test_damaged_middle_is_survived(tmp_path):
    path = write_coded(tmp_path / "a.flac", 6, "flac")
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = b"\x55" * 3000
    path.write_bytes(data)
    source = FileSource(path)
    assert source.seconds == 0 or len(read(source)[0]) > 2 * 48_000


@pytest.mark.timeout(60)
def test_eight_hours_stream_in_flat_memory(tmp_path):
    """A sparse 8 h WAV: its first 30 minutes pass through files and ticks without memory growing."""
    path = tmp_path / "long.wav"
    size = 8 * 3600 * 16_000 * 2
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.setnframes(size // 2)
        file.writeframes(b"\0\0" * 16_000)
    with open(path, "r+b") as file:
        file.truncate(44 + size)
        for at, value in ((4, size + 36), (40, size)):
            file.seek(at)
            file.write(struct.pack("<I", value))
    source = FileSource(path)
    assert source.duration_s == 8 * 3600
    rechunker = Rechunker()
    count, warm_kb = 0, 0
    for block in source:
        count += len(rechunker.push(block))
        if count >= 250 and not warm_kb:
            warm_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        if count >= 30 * 60 * 25:
            break
    source.close()
    assert list(source) == []
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - warm_kb < 20_000  # kB, peak
    assert sum(len(segment.held) for segment in rechunker._segments) < 16_000
