"""Loudness: quiet and loud speakers come out alike at once, silence and noise stay what they are."""

import numpy as np
import pytest
import torch

from engine.audio.loudness import NOISE_CEILING_DB, LoudnessNormaliser
from engine.stage import fold


def babble(seconds, level_db, seed=0):
    """Syllables and pauses of pulse-like sound, (1, T, 640), whose syllables lie at level_db."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(int(seconds * 25) * 640) / 16_000
    envelope = np.clip(np.sin(2 * np.pi * 3.1 * time_s + rng.uniform(0, 6)), 0.02, 1)
    envelope *= np.sin(2 * np.pi * 0.35 * time_s) > -0.6
    tone = np.sin(2 * np.pi * 140 * time_s) + 0.5 * np.sin(2 * np.pi * 700 * time_s)
    sound = envelope * tone + 1e-3 * rng.standard_normal(len(time_s))
    sound *= 10 ** (level_db / 20) / np.sqrt(np.mean(sound[envelope > 0.3] ** 2))
    return torch.from_numpy(np.clip(sound, -1, 1).astype(np.float32)).view(1, -1, 640)


def hiss(seconds, level_db):
    noise = np.random.default_rng(3).standard_normal((1, int(seconds * 25), 640)) * 10 ** (level_db / 20)
    return torch.from_numpy(noise.astype(np.float32))


def loud_level_db(ticks):
    power = ticks.square().mean(-1)
    return 10 * torch.log10(power[power > power.max() * 10**-1.5].mean()).item()


@pytest.mark.parametrize("level_db", (-45, -35, -25, -15))
def test_speech_comes_to_one_level(level_db):
    out = fold(LoudnessNormaliser(), babble(12, level_db))
    assert abs(loud_level_db(out[:, 100:]) + 22) < 3
    assert abs(loud_level_db(out[:, :25]) + 22) < 7  # already sensible in the first second
    assert out.abs().max() <= 1.0


def test_noise_is_not_pumped_up():
    for level_db in (-70, -60, -50, -40):
        out = fold(LoudnessNormaliser(), hiss(10, level_db))
        end_db = 10 * torch.log10(out[:, -25:].square().mean()).item()
        assert end_db <= max(level_db, NOISE_CEILING_DB) + 0.5


def test_pauses_hold_the_gain_and_silence_stays_zero():
    speech, silence = babble(6, -40), torch.zeros(1, 100, 640)
    both = fold(LoudnessNormaliser(), torch.cat([speech, silence, speech], 1))
    assert not both[:, speech.shape[1] : speech.shape[1] + 100].any()
    tail = both[:, speech.shape[1] + 100 :]
    assert abs(loud_level_db(tail[:, :25]) - loud_level_db(both[:, 100:150])) < 2.5
    assert not fold(LoudnessNormaliser(), silence).any()


def test_gain_never_jumps():
    speech = babble(8, -38)
    speech[:, 100:] *= 12  # a sudden shout
    stage = LoudnessNormaliser()
    loud = stage.init_state(1)
    gains = [loud.gain.item()]
    for t in range(speech.shape[1]):
        y = stage.step(loud, speech[:, t])
        gains.append(loud.gain.item())
        used = (y / speech[:, t])[(speech[:, t].abs() > 1e-4) & (y.abs() < 1)]
        if not len(used):
            continue
        assert used.min() >= min(gains[-2:]) * 0.999 and used.max() <= max(gains[-2:]) * 1.001
    assert loud_level_db(fold(stage, speech)[:, 150:]) < -15.5


def test_one_bad_session_harms_no_other():
    speech = babble(2, -30)
    pair = torch.cat([torch.full_like(speech, torch.nan), speech])
    torch.testing.assert_close(fold(LoudnessNormaliser(), pair)[1:], fold(LoudnessNormaliser(), speech))
