"""Shapes that movements are made of: pulses, steps between goals, slow noise. Times in s, rates in 1 / s."""

import numpy as np
from numpy.random import Generator

from engine.frames import FPS


def centres_s(ticks: int) -> np.ndarray:
    """The moment that each tick shows: its middle, (T,)."""
    return (np.arange(ticks) + 0.5) / FPS


def pulse(times_s: np.ndarray, rise_s: float, from_s: float, to_s: float, fall_s: float) -> np.ndarray:
    """0 to 1 by from_s, held to to_s, back to 0; raised cosines that take rise_s and fall_s: (T,)."""
    before = np.clip((from_s - times_s) / rise_s, 0.0, 1.0)
    after = np.clip((times_s - to_s) / fall_s, 0.0, 1.0)
    return 0.5 + 0.5 * np.cos(np.pi * np.maximum(before, after))


def minimum_jerk(share: np.ndarray) -> np.ndarray:
    """From 0 to 1 with the least jerk (Flash and Hogan 1985): 10 s^3 - 15 s^4 + 6 s^5."""
    s = np.clip(share, 0.0, 1.0)
    return s**3 * (10.0 - 15.0 * s + 6.0 * s**2)


def steps(times_s: np.ndarray, goals: list[tuple[float, float, np.ndarray]], first: np.ndarray) -> np.ndarray:
    """A posture that moves from goal to goal, each (start s, duration s, value (D,)), in order: (T, D)."""
    out = np.broadcast_to(first, (len(times_s), len(first))).astype(float).copy()
    before = np.asarray(first, float)
    for start, duration, value in goals:
        share = minimum_jerk((times_s - start) / max(duration, 1e-3))[:, None]
        out += share * (np.asarray(value) - before)
        before = np.asarray(value, float)
    return out


def slow_noise(draw: Generator, ticks: int, channels: int, period_s: float) -> np.ndarray:
    """Gaussian noise of unit deviation without steps, about one swing per period_s: (T, channels)."""
    from scipy.ndimage import gaussian_filter1d

    sigma = max(period_s * FPS / 6.0, 0.5)
    margin = int(4 * sigma) + 1
    raw = draw.standard_normal((ticks + 2 * margin, channels))
    # white noise through a Gaussian of deviation sigma has variance 1 / (2 sigma sqrt(pi))
    return gaussian_filter1d(raw, sigma, axis=0)[margin : margin + ticks] * np.sqrt(2.0 * sigma * np.sqrt(np.pi))
