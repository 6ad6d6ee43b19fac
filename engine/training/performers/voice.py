"""Synthetic emotional prosody: neutral speech made to sound as if it were felt.

This is no acting: pitch, its range, loudness and its range, tempo and spectral tilt of a neutral recording are moved
the way reviews of acoustic correlates found them to move, and that is all that tells the feeling. Directions after
Juslin and Laukka, "Communication of emotions in vocal expression and music performance" (2003), tables 7 and 11;
Scherer, "Vocal communication of emotion" (2003), table 2; Murray and Arnott (1993) for disgust; Banse and Scherer
(1996) for contempt; Pell et al. (2009) for surprise. They give which way things move; how far is our choice.
"""

from dataclasses import dataclass, fields
from zlib import crc32

import numpy as np

from engine.errors import MediaError
from engine.frames import SAMPLE_RATE_HZ
from engine.training.coarticulation import VOWELS
from engine.training.performers.emotion import EMOTIONS, Feeling
from engine.training.performers.prosody import FRAME_S, measure, phrases
from engine.training.performers.psola import pitch_marks, resynthesize

TILT_FROM_HZ, TILT_OCTAVES = 500.0, 3.0  # the tilt is reached at 4 kHz
LOUDEST = 0.97
FREE_HZ = 320.0  # pitch rises freely to here, and at most a fifth higher
STRETCH = {"vowel": 1.25, "stop": 0.55, "other": 0.9, "sil": 1.0}  # how willingly parts of speech change length
STOPS = ("P", "B", "T", "D", "K", "G", "DX", "CH", "JH")


@dataclass(frozen=True)
class Tone:
    """What a feeling does to a voice at full strength.

    pitch: semitones. pitch_range, loudness_range: factors of the excursions around the middle. loudness: dB.
    rate: factor of speed. tilt: dB at 4 kHz against 500 Hz. end: semitones that the last 0.4 s of a phrase rises
    (+) or falls. tremor: deviation of a 7 Hz wavering of pitch in semitones. breaks: of single periods.
    """

    pitch: float = 0.0
    pitch_range: float = 1.0
    loudness: float = 0.0
    loudness_range: float = 1.0
    rate: float = 1.0
    tilt: float = 0.0
    end: float = 0.0
    tremor: float = 0.0
    breaks: float = 0.0


TONES = {
    "neutral": Tone(),
    # fast, loud and varied, much high-frequency energy, high and moving pitch
    "angry": Tone(2.5, 1.5, 5.0, 1.35, 1.12, 6.0, -1.0, 0.0, 0.12),
    # low, soft, slow (Banse and Scherer)
    "contempt": Tone(-1.5, 1.1, -1.5, 0.9, 0.9, -1.0, -1.5),
    # lower, slower, downward inflexions (Murray and Arnott)
    "disgusted": Tone(-2.0, 1.2, -1.0, 1.0, 0.86, -0.5, -2.0, 0.0, 0.15),
    # fast and high, narrow, trembling, little level
    "fear": Tone(4.0, 0.6, -2.0, 1.15, 1.16, -2.0, 0.5, 0.3, 0.15),
    # fast, rather loud, bright, high with wide rising movements
    "happy": Tone(3.0, 1.6, 2.5, 1.15, 1.08, 3.0, 1.5),
    # slow, soft, dull, low and flat, falling
    "sad": Tone(-2.0, 0.6, -5.0, 0.8, 0.82, -6.0, -1.5, 0.15),
    # the highest and widest, rising at the end
    "surprised": Tone(4.5, 1.8, 2.0, 1.1, 1.0, 2.0, 4.0),
}


@dataclass(frozen=True, slots=True)
class Spoken:
    """Felt speech: float32 samples (N,), 16 kHz, and its phones `[symbol, start_s, end_s]` moved along."""

    samples: np.ndarray
    phones: list


def tone_of(feeling: Feeling) -> Tone:
    """The mixture of tones of a feeling: offsets add, factors multiply. A feeling over time counts by its mean."""
    felt = feeling.ticks(max(np.size(feeling.strength), np.atleast_2d(feeling.weights).shape[0])).mean(0)
    mixed = {}
    for field in fields(Tone):
        values = np.array([getattr(TONES[name], field.name) for name in EMOTIONS])
        factor = getattr(Tone(), field.name) == 1.0
        mixed[field.name] = float(np.exp(felt @ np.log(values)) if factor else felt @ values)
    return Tone(**mixed)


def feel(samples: np.ndarray, phones: list, feeling: Feeling, seed: int) -> Spoken:
    """Neutral 16 kHz speech (N,), int16 or float, as if it were felt; variation by seed. Nothing felt: nothing changed.

    Phones keep their order and their share of the sound; the result is as long as its last phone says.
    MediaError: no sound, or no phones.
    """
    x = samples.astype(np.float32) / 32768 if samples.dtype == np.int16 else samples.astype(np.float32)
    if not len(x) or not phones:
        raise MediaError("nothing to say: a voice needs sound and phones")
    tone = tone_of(feeling)
    if tone == Tone():
        return Spoken(x, [list(phone) for phone in phones])
    draw = np.random.default_rng((seed, crc32(b"voice")))
    tone = _vary(tone, draw)
    prosody = measure(x)
    own_s, new_s = _timing(phones, len(x) / SAMPLE_RATE_HZ, tone.rate)
    marks, voiced = pitch_marks(x, prosody.pitch_hz, round(FRAME_S * SAMPLE_RATE_HZ))
    factor = _pitch_factor(draw, marks / SAMPLE_RATE_HZ, prosody.pitch_hz, phones, tone)
    loud = x * _level_gain(prosody.loudness_db, len(x), tone)
    moved = resynthesize(loud, marks, voiced, factor, own_s, new_s)
    tilted = _tilt(moved, tone.tilt)
    lifted = tilted * (_speech_level(x) / max(_speech_level(tilted), 1e-9)) * 10 ** (tone.loudness / 20)
    times = np.interp([[start, end] for _, start, end in phones], own_s, new_s)
    moved_phones = [[name, float(a), float(b)] for (name, *_), (a, b) in zip(phones, times, strict=True)]
    return Spoken(_limit(lifted), moved_phones)


def _vary(tone: Tone, draw: np.random.Generator) -> Tone:
    """The same feeling never sounds twice alike: every number about a tenth more or less."""
    varied = {}
    for field in fields(Tone):
        rest, by = getattr(Tone(), field.name), float(np.clip(draw.normal(1.0, 0.12), 0.7, 1.3))
        varied[field.name] = rest + (getattr(tone, field.name) - rest) * by
    return Tone(**varied)


def _timing(phones: list, duration_s: float, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """Moments of the old sound and where they go; vowels give most, stops least, speech as a whole 1 / rate."""
    starts = np.array([start for _, start, _ in phones] + [duration_s])
    lengths = np.maximum(np.diff(starts), 0.0)
    kinds = ["sil" if n == "sil" else "vowel" if n in VOWELS else "stop" if n in STOPS else "other" for n, *_ in phones]
    give = np.array([STRETCH[kind] for kind in kinds])
    spoken = np.array([kind != "sil" for kind in kinds])
    if spoken.any():
        give[spoken] *= lengths[spoken].sum() / max((give * lengths)[spoken].sum(), 1e-9)
    new = np.concatenate(([0.0], np.cumsum(lengths * (1.0 + (1.0 / rate - 1.0) * give))))
    lead = starts[0]
    own_s, new_s = np.concatenate(([0.0], starts)), np.concatenate(([0.0], lead + new))
    keep = np.concatenate(([True], np.diff(own_s) > 1e-6))
    return own_s[keep], new_s[keep]


def _pitch_factor(
    draw: np.random.Generator, times_s: np.ndarray, pitch_hz: np.ndarray, phones: list, tone: Tone
) -> np.ndarray:
    """Factor of pitch at each mark: (N,)."""
    from scipy.ndimage import gaussian_filter1d, median_filter

    frames_s = (np.arange(len(pitch_hz)) + 0.5) * FRAME_S
    voiced = pitch_hz > 0
    if not voiced.any():
        return np.ones(len(times_s))
    semitones = 12.0 * np.log2(np.maximum(pitch_hz, 1.0))
    # the movement of the melody, not every step of the tracker, is made wider or narrower
    away = gaussian_filter1d(median_filter(semitones[voiced] - np.median(semitones[voiced]), 7, mode="nearest"), 1.0)
    shift = tone.pitch + (tone.pitch_range - 1.0) * np.interp(times_s, frames_s[voiced], np.clip(away, -7.0, 7.0))
    for _, end in phrases(phones):
        shift += tone.end * np.clip((times_s - end + 0.4) / 0.4, 0.0, 1.0) * (times_s <= end + 0.05)
    wave = np.sin(2.0 * np.pi * (7.0 * times_s + draw.uniform()))
    shift = shift + tone.tremor * wave * 1.4 + tone.breaks * draw.standard_normal(len(times_s))
    own_hz = np.interp(times_s, frames_s[voiced], pitch_hz[voiced])
    wanted_hz = own_hz * 2.0 ** (np.clip(shift, -8.0, 10.0) / 12.0)
    over = np.maximum(wanted_hz / FREE_HZ - 1.0, 0.0)  # bent under what the engine's tracker can follow
    return np.where(over > 0, FREE_HZ * (1.0 + 0.2 * np.tanh(over / 0.2)), wanted_hz) / own_hz


def _level_gain(loudness_db: np.ndarray, samples: int, tone: Tone) -> np.ndarray:
    """Gain of each sample that widens or narrows the movement of level around its mean in speech: (N,)."""
    from scipy.ndimage import gaussian_filter1d

    level = gaussian_filter1d(np.maximum(loudness_db, -60.0), 3.0)
    away = np.clip(level - level[level > -40.0].mean() if (level > -40.0).any() else 0.0 * level, -6.0, 6.0)
    gain_db = (tone.loudness_range - 1.0) * away
    at_s = np.arange(samples) / SAMPLE_RATE_HZ
    return 10 ** (np.interp(at_s, (np.arange(len(gain_db)) + 0.5) * FRAME_S, gain_db) / 20)


def _speech_level(samples: np.ndarray) -> float:
    """Root mean square of the 20 ms frames that are loud enough to be speech."""
    frames = samples[: len(samples) // 320 * 320].astype(np.float64).reshape(-1, 320)
    power = np.square(frames).mean(1)
    return float(np.sqrt(power[power > 0.01 * power.max(initial=0.0)].mean())) if power.any() else 0.0


def _tilt(samples: np.ndarray, tilt_db: float) -> np.ndarray:
    """Highs raised or lowered, the level kept."""
    spectrum = np.fft.rfft(samples.astype(np.float64))
    hz = np.fft.rfftfreq(len(samples), 1.0 / SAMPLE_RATE_HZ)
    octaves = np.clip(np.log2(np.maximum(hz, 1.0) / TILT_FROM_HZ), 0.0, TILT_OCTAVES)
    tilted = np.fft.irfft(spectrum * 10 ** (tilt_db * octaves / TILT_OCTAVES / 20), len(samples))
    before, after = np.square(samples, dtype=np.float64).mean(), np.square(tilted).mean()
    return tilted * np.sqrt(before / max(after, 1e-12))


def _limit(samples: np.ndarray) -> np.ndarray:
    """Peaks bent down softly above half of full scale."""
    knee = 0.5
    over = np.maximum(np.abs(samples) - knee, 0.0)
    bent = knee + (LOUDEST - knee) * np.tanh(over / (LOUDEST - knee))
    return (np.sign(samples) * np.where(over > 0, bent, np.abs(samples))).astype(np.float32)
