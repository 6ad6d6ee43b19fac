"""Labels a person's recording of a known text as the corpus labels its voices.

Pronunciation by the corpus's own rules (`hibari`), times by pocketsphinx, edges moved onto what is heard. So phones of
people and of synthesizers mean the same, and a voice that reads "the" with AX is not taught AH by a dictionary.
"""

import re
from itertools import groupby
from typing import Any

import numpy as np

from engine.errors import DeviceError
from engine.features.phones import STOPS
from engine.frames import SAMPLE_RATE_HZ
from engine.training.align import align_groups, aligner
from engine.training.speech.check import LEAST_CORRELATION, MOST_LAG_S
from engine.training.speech.edges import ABOVE_NOISE_DB, HOP, SOFT_DB, agreement, energy_db, refine, snap
from engine.training.speech.labels import Segment, segments_of
from engine.training.speech.texts import clean

PHONES_PER_S = (4.0, 24.0)  # what people manage; outside of it the text is not what was said
LONGEST_PHONE_S = 0.75


class Transcriber:
    """text and int16 samples (N,) at 16 kHz -> phones of the corpus's set with times, or () when they do not fit."""

    def __init__(self) -> None:
        try:
            from hibari.g2p import G2P
        except ModuleNotFoundError:
            raise DeviceError("pronouncing texts needs hibari-tts: pip install 'visema[corpus]'") from None
        self.decoder, self.phonetic = aligner(), G2P(british=False)

    def __call__(self, text: str, samples: np.ndarray) -> tuple[tuple[str, float, float], ...]:
        cleaned = clean(text)
        if cleaned is None:
            return ()
        said = pronounced(self.phonetic(cleaned.replace('"', "")))
        segments = _aligned(self.decoder, said, samples) if said else []
        if not segments:
            return ()
        sound = samples.astype(np.float32) / 32768
        segments = snap(refine(segments, sound), sound)
        return tuple((s.name, s.start, s.end) for s in segments) if plausible(segments, sound) else ()


def pronounced(tokens: str) -> list[Segment]:
    """The phones of tokens in their order, each with its word; the times mean nothing."""
    kept = re.sub(r"[^\S ]", "", tokens)
    return [s for s in segments_of(kept, np.full(len(kept) + 2, 4.0), british=False, shift_s=0.0) if s.name != "sil"]


def plausible(segments: list[Segment], sound: np.ndarray) -> bool:
    """Whether labels follow the sound, at a pace at which people speak."""
    spoken = [s.end - s.start for s in segments if s.name != "sil"]
    lag_s, fit = agreement(segments, sound)
    pace = len(spoken) / sum(spoken)
    return (
        abs(lag_s) <= MOST_LAG_S
        and fit >= LEAST_CORRELATION
        and PHONES_PER_S[0] <= pace <= PHONES_PER_S[1]
        and max(spoken) <= LONGEST_PHONE_S
    )


def _aligned(decoder: Any, said: list[Segment], samples: np.ndarray) -> list[Segment]:
    """Gapless segments from 0 to the end of the sound; [] when the aligner finds no way."""
    words = [[s.name for s in word] for _, word in groupby(said, lambda s: s.word)]
    heard = [item for item in align_groups(decoder, words, samples) if item[0] != "sil"]
    if not heard:
        return []
    out, at, end_s = [], 0.0, len(samples) / SAMPLE_RATE_HZ
    for (_, start, end), own in zip(heard, said, strict=True):
        if start > at + 1e-6 or not out:
            out.append(Segment("sil", at, max(start, at)))
        out.append(Segment(own.name, max(start, at), end, own.stress, own.word))
        at = end
    if end_s < at + 0.01:  # edges are moved into the pauses around a word
        out[-1].end = at = max(at - 0.01, out[-1].start + 0.01)
    out.append(Segment("sil", at, max(end_s, at + 0.01)))
    _open_onset(out, samples.astype(np.float32) / 32768)
    return [s for s in out if s.end > s.start + 1e-6]


def _open_onset(segments: list[Segment], sound: np.ndarray) -> None:
    """The aligner likes to begin the first phone at zero: it begins where sound does, a closure 50 ms before it."""
    pause, first = segments[0], segments[1]
    if pause.end > pause.start + 1e-6:
        return
    level = energy_db(sound)
    least = max(np.percentile(level, 95) - SOFT_DB, np.percentile(level, 2) + ABOVE_NOISE_DB)
    loud = np.flatnonzero(level > least)
    onset = loud[0] * HOP / SAMPLE_RATE_HZ - (0.05 if first.name in STOPS else 0.0) if len(loud) else 0.0
    if onset > 0.02:
        pause.end = first.start = float(min(onset, first.end - 0.03))
