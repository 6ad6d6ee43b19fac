"""Div, BA and PCM on motions whose figures are known."""

import numpy as np
import pytest

from benchmarks.motion_figures import (
    angles,
    beat_alignment,
    correct_motion,
    diversity,
    motion_beats,
    prosodic_beats,
)
from engine.motion import layout
from engine.training.performers import Prosody

T = 250


def turned(yaw_degrees: np.ndarray) -> np.ndarray:
    motion = np.zeros((T, layout.M), np.float32)
    motion[:, layout.INDEX["headYaw"]] = np.radians(yaw_degrees)
    return motion


def test_div_is_the_mean_distance_of_pairs():
    three = [turned(np.full(T, yaw)) for yaw in (0.0, 1.0, 4.0)]
    assert diversity(three) == pytest.approx((1 + 4 + 3) / 3, abs=1e-4)
    assert diversity([three[0], three[0].copy()]) == 0.0


def test_beats_are_where_a_movement_turns_back():
    ticks = np.arange(T)
    motion = turned(5 * np.sin(2 * np.pi * ticks / 20))  # turns back at 5, 15, 25, ...
    assert np.abs((motion_beats(motion) - 5 + 5) % 10 - 5).max() <= 1
    assert not len(motion_beats(turned(np.zeros(T))))


def test_ba_is_one_on_the_beat_and_less_beside_it():
    motion = turned(5 * np.sin(2 * np.pi * np.arange(T) / 40))
    own = motion_beats(motion)
    assert beat_alignment(motion, own) == pytest.approx(1.0)
    assert beat_alignment(motion, own + 3) == pytest.approx(np.exp(-0.5), abs=0.02)
    assert np.isnan(beat_alignment(motion, np.zeros(0)))


def test_pcm_counts_angles_within_a_degree():
    true = turned(np.zeros(T))
    assert correct_motion(true, true) == 1.0
    assert correct_motion(turned(np.full(T, 2.0)), true) == pytest.approx(2 / 3)
    assert correct_motion(true[:, layout.E :], true) == 1.0  # the 12 numbers alone will do
    assert angles(true[:, layout.E :]).shape == (T, 3)


def test_beats_of_a_voice_are_its_loud_and_high_syllables():
    frames = np.arange(2 * T)
    loud = np.where(frames % 60 < 12, -20.0, -34.0)
    pitch = np.where(frames % 60 < 12, 220.0, 160.0)
    beats = prosodic_beats(Prosody(loud, pitch))
    assert len(beats) == pytest.approx(T / 30, abs=2)
    assert np.median(np.abs((beats * 2) % 60 - 6)) <= 6
    assert not len(prosodic_beats(Prosody(np.full(2 * T, -90.0), np.zeros(2 * T))))
