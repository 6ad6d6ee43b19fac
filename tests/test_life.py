"""Life: blinks, glances, breath and prosody, all a function of the seed."""

import numpy as np
import pytest
import torch

from engine.frames import SpeechFeatures
from engine.motion import layout
from engine.motion.life import Life
from engine.stage import fold
from engine.torchkit.noise import uniform

MOUTH = [i for i, name in enumerate(layout.EXPRESSION) if name.startswith(("mouth", "jaw", "tongue", "cheek"))]


def _live(seconds: int, level_db: float, seed: int = 1, amount: float = 1.0, beat: bool = False) -> np.ndarray:
    ticks = 25 * seconds
    level = torch.full((1, ticks, 2), level_db)
    if beat:  # a stressed syllable twice a second
        level += 9.0 * torch.sin(torch.arange(ticks) * 2 * torch.pi / 12.5)[None, :, None]
    features = SpeechFeatures(torch.zeros(1, ticks, 2, 4), level, torch.ones(1, ticks, 2))
    return fold(Life(amount), (features, torch.zeros(1, ticks, layout.M)), seed)[0].numpy()


@pytest.fixture(scope="module")
def silence() -> np.ndarray:
    return _live(60, -100.0)


def test_noise_is_uniform_and_depends_on_everything():
    seed, tick = torch.arange(40).repeat_interleave(50), torch.arange(50).repeat(40)
    u = uniform(seed, tick, torch.arange(8))
    assert 0 < u.min() and u.max() < 1
    assert abs(u.mean() - 0.5) < 0.01 and abs(u.std() - 12**-0.5) < 0.01
    assert len(torch.unique(u)) > 0.999 * u.numel()
    assert np.abs(np.corrcoef(u.T.numpy()) - np.eye(8)).max() < 0.1


def test_a_face_blinks_as_people_do(silence):
    shut = silence[:, layout.BLINK].max(1) >= 0.95
    blinks = np.flatnonzero(shut[1:] & ~shut[:-1])
    assert 8 <= len(blinks) <= 30, f"{len(blinks)} blinks a minute"
    assert np.diff(blinks).max() <= 250
    assert silence[:, layout.BLINK].min() >= 0 and silence[:, layout.BLINK].max() <= 1


def test_silence_lives_but_the_mouth_is_still(silence):
    assert np.abs(silence[:, MOUTH]).max() == 0
    assert np.degrees(silence[:, layout.ROTATION].std(0)).min() > 0.2
    assert np.degrees(np.abs(silence[:, layout.ROTATION]).max()) < 10
    speed = np.degrees(np.abs(np.diff(silence[:, layout.ROTATION], axis=0)).max()) * 25
    assert speed < 40, "a calm head does not jerk"


def test_glances_move_and_return_to_the_listener(silence):
    looked = silence[:, layout.GAZE_LEFT] + silence[:, [layout.E + 1, layout.E]] * [1, -1]
    assert (np.abs(looked) < np.radians(2.5)).all(1).mean() > 0.5
    assert np.degrees(np.abs(looked).max()) > 4


def test_the_head_follows_the_voice():
    flat, beaten = (_live(20, -25.0, beat=beat)[100:] for beat in (False, True))
    rhythm = np.exp(-2j * np.pi * np.arange(400) / 12.5)
    strength = [abs((run[:, layout.E] - run[:, layout.E].mean()) @ rhythm) for run in (flat, beaten)]
    assert strength[1] > 3 * strength[0]


def test_seeds_repeat_and_differ_and_zero_is_a_statue():
    assert np.array_equal(_live(8, -100.0, 3), _live(8, -100.0, 3))
    assert not np.array_equal(_live(8, -100.0, 3), _live(8, -100.0, 4))
    assert np.abs(_live(8, -25.0, amount=0.0, beat=True)).max() == 0
