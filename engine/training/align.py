"""Finds the times of known phones in a recording: by an encoder's posteriors, or by pocketsphinx."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np

from engine.errors import DeviceError
from engine.features.phones import PHONE_INDEX

Phones = tuple[tuple[str, float, float], ...]


def viterbi(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The likeliest frame labels (T,) that say the same phones in the same order as `labels` (T,).

    scores: log probabilities (T, phones). Every phone of the sequence keeps at least one frame.
    """
    starts = np.flatnonzero(np.diff(labels, prepend=-1))
    sequence = labels[starts]
    own = scores[:, sequence]  # (T, N)
    frames, count = own.shape
    best = np.full(count, -np.inf)
    best[0] = own[0, 0]
    moved = np.zeros((frames, count), bool)
    for t in range(1, frames):
        before = np.concatenate(([-np.inf], best[:-1]))
        moved[t] = before > best
        best = np.where(moved[t], before, best) + own[t]
    at, path = count - 1, np.empty(frames, np.int64)
    for t in range(frames - 1, -1, -1):
        path[t] = sequence[at]
        at -= int(moved[t, at])
    return path


def aligner() -> Any:
    """A pocketsphinx decoder with its American English acoustic model."""
    try:
        from pocketsphinx import Decoder
    except ModuleNotFoundError:
        raise DeviceError("aligning speech needs pocketsphinx: pip install 'visema[train]'") from None
    return Decoder(bestpath=False, lm=None, loglevel="FATAL")


# the model knows the 39 phones of CMUdict
SPOKEN_AS = {"AX": "AH", "OH": "AA", "DX": "T"}


def align_words(decoder: Any, words: Sequence[tuple[str, str]], samples: np.ndarray) -> list[tuple[str, float, float]]:
    """(phone, start s, end s) of words given as (name, phones "AA B ..."), pauses as `sil`; [] when they do not fit.

    samples: int16 (N,), 16 kHz. Times are multiples of 10 ms.
    """
    for name, phones in words:
        if decoder.lookup_word(name) is None:
            decoder.add_word(name, phones, False)
    sound = samples.tobytes()

    def decode_all() -> None:
        decoder.start_utt()
        decoder.process_raw(sound, full_utt=True)
        decoder.end_utt()

    try:
        decoder.set_align_text(" ".join(name for name, _ in words))
        decode_all()
        if decoder.hyp() is None:
            return []
        decoder.set_alignment()
        decode_all()  # asking this pass for its hypothesis would crash pocketsphinx 5.1.1
        return [
            (phone.name if phone.name in PHONE_INDEX else "sil", *_times(phone))
            for word in decoder.get_alignment()
            for phone in word
        ]
    except RuntimeError:
        return []


def gapless(found: Sequence[tuple[str, float, float]], samples: int) -> Phones:
    """Aligned phones from 0 to the end of the sound, silence where nothing was aligned."""
    out, at = [], 0.0
    for name, start_s, end_s in found:
        if start_s > at + 1e-6:
            out.append(("sil", at, start_s))
        out.append((name, start_s, end_s))
        at = end_s
    if found and samples / 16_000 > at + 1e-6:
        out.append(("sil", at, samples / 16_000))
    return tuple(out)


def _times(phone: Any) -> tuple[float, float]:
    return phone.start / 100, (phone.start + phone.duration) / 100


def align_groups(decoder: Any, groups: Sequence[Sequence[str]], samples: np.ndarray) -> list[tuple[str, float, float]]:
    """(phone, start s, end s) of phones of our own set; pauses, which lie between groups only, as `sil`; [] when they
    do not fit. Phones that the acoustic model lacks are aligned as their nearest relatives and keep their own names."""
    spoken = [[SPOKEN_AS.get(name, name) for name in group] for group in groups]
    found = align_words(decoder, [("p_" + "_".join(group), " ".join(group)) for group in spoken], samples)
    if [name for name, _, _ in found if name != "sil"] != list(chain(*spoken)):
        return []
    own = chain(*groups)
    return [(name if name == "sil" else next(own), start, end) for name, start, end in found]


def aligned_phones(decoder: Any, names: Sequence[str], samples: np.ndarray) -> Phones | None:
    """Phones of our own set with aligned times, pauses as `sil`; None when the aligner finds no way."""
    # groups of three: pauses may lie between words only, and words with one phone are fragile
    found = align_groups(decoder, [names[i : i + 3] for i in range(0, len(names), 3)], samples)
    return gapless(found, len(samples)) if found else None
