"""Makes clean synthetic speech sound like people, rooms, microphones and networks.

The aim is real voices (design/quality.md): a synthesizer shuts its lips into digital silence, people
do not. So besides levels, rooms, bands, noise and codecs, the closures themselves are varied: voice
bars, leakage, breath and the tail of the vowel before are laid into them.
"""

from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from engine.features.phones import BILABIAL, STOPS
from engine.frames import SAMPLE_RATE_HZ
from engine.training.corpus import Clip

TELEPHONE_HZ = (300.0, 3_400.0)


@dataclass(frozen=True)
class Excerpt:
    """A varied piece of a clip: float32 samples (N,), and its phones in its own seconds."""

    samples: np.ndarray
    phones: tuple[tuple[str, float, float], ...]


class Augmentation:
    """Varies clips; everything random comes from one seeded generator.

    clips: where babble comes from, if from anywhere. seconds: length of every excerpt.
    """

    def __init__(self, clips: list[Clip], seconds: float, seed: int):
        self.clips, self.length = clips, round(seconds * SAMPLE_RATE_HZ)
        self.random = np.random.default_rng(seed)

    def __call__(self, clip: Clip) -> Excerpt:
        """One varied excerpt of `length` samples; what lies before or after the clip is silence."""
        random = self.random
        speed = random.uniform(0.85, 1.18) if self._chance(0.7) else 1.0
        source = clip.coded if clip.coded is not None and self._chance(0.4) else clip.samples
        need = int(self.length * speed) + 2
        start = int(random.integers(-SAMPLE_RATE_HZ // 2, max(len(source) - need // 2, 1)))
        piece = np.zeros(need, np.float32)
        low, high = max(start, 0), min(start + need, len(source))
        piece[low - start : high - start] = source[low:high].astype(np.float32) / 32768
        start_s = start / SAMPLE_RATE_HZ
        phones = tuple((p, (a - start_s) / speed, (b - start_s) / speed) for p, a, b in clip.phones)
        if speed != 1.0:
            at = np.arange(self.length) * speed
            piece = np.interp(at, np.arange(need), piece).astype(np.float32)
        x = piece[: self.length]
        if self._chance(0.6):
            x = self._soften_closures(x, phones)
        return Excerpt(self.record(x), phones)

    def record(self, x: np.ndarray) -> np.ndarray:
        """What a microphone in a room makes of float32 samples (N,): the same length, nothing moves in time."""
        return self._level_and_clip(self._add_noise(self._room_and_microphone(self._scale_parts(x))))

    def _chance(self, share: float) -> bool:
        return self.random.random() < share

    def _db(self, low: float, high: float) -> float:
        return float(10 ** (self.random.uniform(low, high) / 20))

    def _soften_closures(self, x: np.ndarray, phones: tuple) -> np.ndarray:
        """Fill stops with voice bars, leakage and noise; lift or lower nasals."""
        random, x = self.random, x.copy()
        leak_db, share = random.uniform(-40, -14), random.uniform(0.4, 1.0)
        for name, start_s, end_s in phones:
            a, b = round(start_s * SAMPLE_RATE_HZ), round(end_s * SAMPLE_RATE_HZ)
            n = b - a
            if a < n or b > len(x) or n < 320 or random.random() > share:
                continue
            before = x[a - n : a]
            level = np.sqrt(np.square(before).mean())
            fade = np.minimum(np.minimum(np.arange(n), np.arange(n)[::-1]) / 80.0, 1.0)
            if name in STOPS:
                kind = random.integers(3)
                if kind == 0:  # breath or leakage through lips that are not quite shut
                    fill = _coloured(random, n, random.uniform(0.0, 0.97)) * level
                elif kind == 1:  # voice bar: the vowel goes on behind the closed mouth
                    fill = np.asarray(lfilter([0.08], [1.0, -0.92], before[::-1])) * 2.0
                else:  # an incomplete closure: the vowel fades instead of stopping
                    fill = before[::-1] * np.linspace(1.0, 0.3, n)
                gain = 10 ** ((leak_db + random.uniform(-6, 6)) / 20) * (3.0 if kind == 1 else 1.0)
                x[a:b] += (fill * fade * gain).astype(np.float32)
            elif name in BILABIAL:
                x[a:b] *= 1.0 + fade * (self._db(-8, 6) - 1.0)
                if self._chance(0.3):
                    x[a:b] += (_coloured(random, n, 0.9) * level * fade * self._db(-35, -18)).astype(np.float32)
        return x

    def _scale_parts(self, x: np.ndarray) -> np.ndarray:
        """Loudness that wanders within the utterance, as a moving head's does."""
        if not self._chance(0.4):
            return x
        knots = self.random.normal(0.0, 3.5, 6)
        gain_db = np.interp(np.linspace(0, 5, len(x)), np.arange(6), knots)
        return (x * 10 ** (gain_db / 20)).astype(np.float32)

    def _room_and_microphone(self, x: np.ndarray) -> np.ndarray:
        """Room response, smooth random equaliser, tilt and band limits: one product of spectra."""
        random, size = self.random, _fast_length(len(x) + SAMPLE_RATE_HZ // 2)
        hz = np.fft.rfftfreq(size, 1 / SAMPLE_RATE_HZ)
        octaves = np.log2(np.maximum(hz, 60.0) / 1_000.0)
        curve_db = np.zeros_like(hz)
        if self._chance(0.8):
            curve_db += np.interp(octaves, np.linspace(-4, 3, 9), random.normal(0.0, random.uniform(1, 5), 9))
            curve_db += octaves * random.uniform(-3.0, 2.0)
        if self._chance(0.3):
            low, high = TELEPHONE_HZ if self._chance(0.4) else (random.uniform(20, 250), random.uniform(3_400, 7_500))
            curve_db -= 24.0 * np.maximum(np.log2(low / np.maximum(hz, 10.0)), 0.0)
            curve_db -= 60.0 * np.maximum(np.log2(np.maximum(hz, 10.0) / high), 0.0)
        spectrum = np.fft.rfft(x, size) * 10 ** (curve_db / 20)
        if self._chance(0.45):
            spectrum *= np.fft.rfft(self._room_response(), size)
        return np.fft.irfft(spectrum, size)[: len(x)].astype(np.float32)

    def _room_response(self) -> np.ndarray:
        """Direct sound, a few early reflections, and a decaying tail; up to 0.4 s."""
        random = self.random
        decay_s = random.uniform(0.08, 0.6)
        n = int(0.4 * SAMPLE_RATE_HZ)
        time_s = np.arange(n) / SAMPLE_RATE_HZ
        tail = random.normal(size=n) * 10 ** (-3.0 * time_s / decay_s)
        tail[: int(random.uniform(0.002, 0.02) * SAMPLE_RATE_HZ)] = 0.0
        response = tail / np.sqrt(np.square(tail).sum()) * self._db(-22, 0)
        for _ in range(random.integers(0, 6)):
            response[int(random.uniform(0.001, 0.03) * SAMPLE_RATE_HZ)] += random.normal() * self._db(-18, -4)
        response[0] = 1.0
        return response

    def _add_noise(self, x: np.ndarray) -> np.ndarray:
        """Coloured noise, babble, hum and offset, in relation to the speech's level."""
        random, n = self.random, len(x)
        loud = np.square(x)
        level = float(np.sqrt(loud[loud > loud.max() * 1e-4].mean())) if loud.max() > 0 else 0.02
        if self._chance(0.75):
            noise = _coloured(random, n, float(random.choice((0.0, 0.5, 0.9, 0.97, 0.99))))
            x = x + noise * (level * self._db(-45, -6))
        if self._chance(0.35) and self.clips:
            x = x + self._babble(n) * (level * self._db(-32, -5))
        if self._chance(0.15):
            x = x + self._clatter(n) * (level * self._db(-12, 9))
        if self._chance(0.2):
            time = np.arange(n, dtype=np.float32) * (2 * np.pi * float(random.choice((50, 60))) / SAMPLE_RATE_HZ)
            hum = np.sin(time) + 0.5 * np.sin(3 * time + 1.0)
            x = x + hum.astype(np.float32) * (level * self._db(-45, -15)) + level * self._db(-60, -20)
        return x.astype(np.float32)

    def _babble(self, n: int) -> np.ndarray:
        """One to six other talkers, of unit RMS; the more there are, the steadier they murmur."""
        babble = np.zeros(n, np.float32)
        for _ in range(self.random.integers(1, 7)):
            other = self.clips[self.random.integers(len(self.clips))].samples[:n]
            babble[: len(other)] += np.roll(other, int(self.random.integers(n))).astype(np.float32) / 32768
        return babble / max(float(np.sqrt(np.square(babble).mean())), 1e-4)

    def _clatter(self, n: int) -> np.ndarray:
        """A few rings that die away within 20 to 150 ms, as of cups and keys; peaks of about one."""
        random, out = self.random, np.zeros(n, np.float32)
        for _ in range(random.integers(1, 6)):
            size = int(random.uniform(0.02, 0.15) * SAMPLE_RATE_HZ)
            time = np.arange(size) / SAMPLE_RATE_HZ
            ring = np.sin(2 * np.pi * random.uniform(700, 6_500) * time) + 0.5 * random.standard_normal(size)
            at = int(random.integers(0, n - size))
            out[at : at + size] += (ring * np.exp(-6.0 * np.arange(size) / size) * 0.7).astype(np.float32)
        return out

    def _level_and_clip(self, x: np.ndarray) -> np.ndarray:
        """Overall gain, soft or hard clipping, 16-bit steps."""
        x = x * self._db(-16, 12)
        if self._chance(0.1):
            drive = self._db(3, 18)
            x = np.tanh(x * drive) / drive
        x = np.clip(x, -1.0, 1.0)
        return (np.round(x * 32768) / 32768).astype(np.float32)


def _coloured(random: np.random.Generator, n: int, pole: float) -> np.ndarray:
    """Noise of unit RMS, white (pole 0) to brown (pole 1), float32 (n,)."""
    noise = random.standard_normal(n, np.float32)
    if pole:
        noise = np.asarray(lfilter([np.sqrt(1 - pole * pole)], [1.0, -pole], noise))
    return noise.astype(np.float32)


def _fast_length(n: int) -> int:
    """The next length that an FFT likes."""
    from scipy.fft import next_fast_len

    return 2 * int(next_fast_len((n + 1) // 2, real=True) or 0)
