"""Films: the right pictures, in sync with the voice to the sample, and playable even when cut short."""

import os
import re
import subprocess
import sys

import av
import numpy as np
import pytest

from engine.errors import MediaError
from engine.frames import AudioTick, FaceMotion, Image, Moment
from engine.stream.movie import NOTICE, MovieWriter

COLOUR = (200, 60, 30)
FLASHES = (10, 50)


def moment(index, size=128):
    """A coloured picture; at the flashes white, with a click at the tick's first sample."""
    rgb = np.empty((size, size, 3), np.uint8)
    voice = np.zeros(1920, np.float32)
    rgb[:] = COLOUR
    if index in FLASHES:
        rgb[:] = 255
        voice[:480] = 0.8 * np.cos(np.arange(480) * 0.5)
    audio = AudioTick(voice[::3].copy(), voice, index, 0)
    return Moment(Image(rgb, index, 0), FaceMotion(np.zeros(64, np.float32), index, 0), audio, 0)


def read(path):
    with av.open(str(path)) as film:
        pictures = [(frame.time, frame) for frame in film.decode(video=0)]
    with av.open(str(path)) as film:
        frames = list(film.decode(audio=0))
    return pictures, frames[0].time, np.concatenate([frame.to_ndarray()[0] for frame in frames])


@pytest.mark.parametrize("ending", [".mp4", ".mkv", ".webm"])
def test_flash_and_click_coincide(tmp_path, ending):
    path = tmp_path / f"film{ending}"
    with MovieWriter(path, 128, 128) as film:
        for i in range(76):
            film.write(moment(i))
    film.close()  # twice is fine
    pictures, start_s, voice = read(path)
    assert len(pictures) == 76
    np.testing.assert_allclose([t for t, _ in pictures], np.arange(76) / 25, atol=1e-3)
    white = [t for t, frame in pictures if frame.to_ndarray(format="rgb24").mean() > 240]
    loud = np.flatnonzero(np.abs(voice) > 0.3) / 48_000 + start_s
    clicks = [loud[0], loud[loud > 1.0][0]]
    np.testing.assert_allclose(white, [0.4, 2.0], atol=1e-3)
    np.testing.assert_allclose(clicks, white, atol=1e-3)
    with av.open(str(path)) as film:
        tags = {key.lower(): value for key, value in film.metadata.items()}
        assert tags["comment"] == NOTICE and "Synthetic media" in tags["description"] and tags["title"]
        assert film.duration / 1e6 == pytest.approx(76 / 25, abs=0.03)
        assert film.streams.video[0].average_rate == 25
        assert (film.streams.audio[0].rate, film.streams.audio[0].channels) == (48_000, 1)


def test_colours_are_right_and_declared(tmp_path):
    with MovieWriter(tmp_path / "a.mp4", 64, 64) as film:
        film.write(moment(0, 64))
    frame = read(tmp_path / "a.mp4")[0][0][1]
    np.testing.assert_allclose(frame.to_ndarray(format="rgb24")[32, 32], COLOUR, atol=4)
    assert (int(frame.colorspace), int(frame.color_range)) == (1, 1)  # BT.709, studio range
    assert abs(int(frame.to_ndarray()[32, 32]) - 91) <= 1  # its luma of COLOUR; BT.601 gives 103


def test_killed_process_leaves_a_film(tmp_path):
    path = tmp_path / "killed.mp4"
    code = (
        "import os, sys; from tests.test_movie import *\n"
        "film = MovieWriter(sys.argv[1], 128, 128)\n"
        "for i in range(110): film.write(moment(i))\n"
        "os._exit(9)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 9
    pictures, start_s, voice = read(path)
    assert 75 <= len(pictures) <= 110 and len(voice) > 3 * 48_000
    white = [t for t, frame in pictures if frame.to_ndarray(format="rgb24").mean() > 240]
    loud = np.flatnonzero(np.abs(voice) > 0.3) / 48_000 + start_s
    np.testing.assert_allclose([loud[0], loud[loud > 1.0][0]], white, atol=1e-3)


def test_refusals_say_why(tmp_path):
    cases = [
        (tmp_path / "a.avi", 64, 64, r"\.mp4, \.mkv, \.webm"),
        (tmp_path / "a", 64, 64, "ends in"),
        (tmp_path / "a.mp4", 65, 64, "even"),
        (tmp_path / "a.mp4", 64, 0, "16 or more"),
        (tmp_path / "missing" / "a.mp4", 64, 64, f"no folder {re.escape(str(tmp_path / 'missing'))};"),
    ]
    (tmp_path / "folder.mp4").mkdir()
    cases.append((tmp_path / "folder.mp4", 64, 64, "directory"))
    for path, width, height, words in cases:
        with pytest.raises(MediaError, match=words):
            MovieWriter(path, width, height)
    assert [p.name for p in tmp_path.iterdir()] == ["folder.mp4"]
    with MovieWriter(tmp_path / "b.mp4", 64, 64) as film, pytest.raises(ValueError, match="picture"):
        film.write_picture(np.zeros((32, 64, 3), np.uint8))


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_full_disk_is_told(tmp_path):
    (tmp_path / "a.mkv").symlink_to("/dev/full")
    with pytest.raises(MediaError, match="No space left"), MovieWriter(tmp_path / "a.mkv", 128, 128) as film:
        for i in range(200):
            film.write(moment(i))
