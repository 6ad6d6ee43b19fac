"""The command to look at performances: it picks moments of speech, and its films have the sound in sync."""

from pathlib import Path

import av
import numpy as np
import pytest

from engine.motion import layout
from engine.training.performers import Performances, Recipe
from engine.training.performers.look import Stage, moments, write_clip

CORPUS = Path("../shared/corpus")
pytestmark = pytest.mark.skipif(not CORPUS.is_dir(), reason="the speech corpus ../shared/corpus is not here")


@pytest.fixture(scope="module")
def example():
    data = Performances(CORPUS)
    shortest = min(data.utterances("test"), key=lambda name: data.rows[name]["duration_s"])
    return data.make(Recipe(shortest, "surprised", 3, "leila", 1))


def test_moments_are_of_speech_with_open_eyes(example):
    ticks = moments(example, 3)
    assert 1 <= len(ticks) <= 3 and ticks == sorted(set(ticks))
    spoken = [(start, end) for name, start, end in example.voice.phones if name != "sil"]
    for tick in ticks:
        assert any(start - 0.05 <= tick / 25 <= end + 0.05 for start, end in spoken)
        assert example.motion[tick, layout.BLINK].max() < 0.15


def test_a_clip_has_every_picture_and_all_the_sound(example, tmp_path):
    write_clip(example, Stage("anna", 64), tmp_path / "clip.mp4")
    with av.open(str(tmp_path / "clip.mp4")) as film:
        pictures = sum(1 for _ in film.decode(video=0))
    with av.open(str(tmp_path / "clip.mp4")) as film:
        sound = np.concatenate([frame.to_ndarray()[0] for frame in film.decode(audio=0)])
    assert pictures == len(example.motion)
    assert abs(len(sound) / 48_000 - len(example.motion) / 25) < 0.05
    level = np.sqrt(np.square(example.voice.samples / 32768).mean())
    assert np.sqrt(np.square(sound).mean()) == pytest.approx(level, rel=0.15)
