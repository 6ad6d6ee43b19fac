"""A voice with marks in it: short tones above all speech, told apart by their pitch, found again to half a millisecond.

A mark survives what a voice goes through on its way: Opus, resampling to and from 48 kHz, loss of other packets. It
says which sample of the spoken voice is heard now, whatever timestamps and buffers claim.
"""

from dataclasses import dataclass

import numpy as np

from engine.frames import VOICE_RATE_HZ
from engine.stream.sample import load_sample

# 400 Hz apart, so that a window of 8 ms tells them apart; the voice is cut below. Over 9.6 kHz Opus keeps no places.
TONES_HZ = np.arange(4_800, 9_600, 400)
KINDS = len(TONES_HZ)
EVERY = 10_128  # samples from mark to mark: 211 ms, so that marks fall on every part of a tick in turn
LENGTH = 384  # samples of a tone: 8 ms
LEVEL = 0.25
VOICE_CUT_HZ = 4_300
REPEAT = KINDS * EVERY  # after so many samples (2.5 s) the same tone comes again
_BLOCK = 24  # samples: 0.5 ms, in which a place is looked for
_WINDOW = LENGTH // _BLOCK
_KEPT = 3 * LENGTH  # samples of the past in which a mark may still be found
_THRESHOLD = 0.4 * LEVEL


class MarkedVoice:
    """The built-in sample over and over, its marks in it; float32 at 48 kHz, to be had from any place on."""

    def __init__(self) -> None:
        voice = load_sample()
        spectrum = np.fft.rfft(voice)
        spectrum[round(VOICE_CUT_HZ * len(voice) / VOICE_RATE_HZ) :] = 0
        voice = np.fft.irfft(spectrum, len(voice))
        self._voice = (0.5 * voice / np.abs(voice).max()).astype(np.float32)
        t = np.arange(LENGTH)
        edge = np.minimum(1.0, (np.minimum(t, t[::-1]) + 1) / (VOICE_RATE_HZ // 1000))  # 1 ms: no click
        phases = 2 * np.pi / VOICE_RATE_HZ * np.outer(TONES_HZ, t)
        self._tones = (LEVEL * edge * np.sin(phases)).astype(np.float32)

    def take(self, start: int, count: int) -> np.ndarray:
        """Samples `start` to `start + count`, float32 (count,)."""
        sound = self._voice[np.arange(start, start + count) % len(self._voice)]
        for number in range(max(0, (start - LENGTH) // EVERY), (start + count) // EVERY + 1):
            first = number * EVERY
            begin, end = max(first, start), min(first + LENGTH, start + count)
            if begin < end:
                sound[begin - start : end - start] += self._tones[number % KINDS, begin - first : end - first]
        return sound


@dataclass(frozen=True, slots=True)
class Mark:
    """A tone that was heard: which of the `KINDS`, and the sample of the listener's timeline at which it began."""

    kind: int
    at: float


class MarkFinder:
    """Marks in a sound that comes in pieces of whole multiples of 0.5 ms, each once it has been heard to its end."""

    def __init__(self) -> None:
        self._held = np.zeros(0, np.float32)
        self._place = 0  # of the first sample held
        self._last = -EVERY
        self._turns = _turns(np.arange(_BLOCK))

    def push(self, samples: np.ndarray, place: int | None = None) -> list[Mark]:
        """Marks that can be told now. place: of the first sample, where sound was lost before it (a jump ahead)."""
        end = self._place + len(self._held)
        if place is not None and place != end:
            self._held, self._place = np.zeros(0, np.float32), place
        self._held = np.concatenate([self._held, samples.astype(np.float32)])
        found = self._search()
        drop = max(0, len(self._held) - _KEPT) // _BLOCK * _BLOCK
        self._held, self._place = self._held[drop:], self._place + drop
        return found

    def _search(self) -> list[Mark]:
        blocks = len(self._held) // _BLOCK
        if blocks < 2 * _WINDOW:
            return []
        parts = self._held[: blocks * _BLOCK].reshape(blocks, _BLOCK) @ self._turns
        parts *= _turns(np.arange(blocks) * _BLOCK)
        sums = np.cumsum(np.concatenate([np.zeros((1, KINDS)), parts]), axis=0)
        level = np.abs(sums[_WINDOW:] - sums[:-_WINDOW]) * 2 / LENGTH  # row i: window of blocks i to i + _WINDOW
        found = []
        for kind in range(KINDS):
            place = self._peak(level, kind)
            if place is not None:
                found.append(Mark(kind, self._place + place))
                self._last = self._place + place
        return found

    def _peak(self, level: np.ndarray, kind: int) -> float | None:
        """Where the window fits this tone best: in the middle of the stretch in which it is over half of its best."""
        mine = level[:, kind]
        top = int(np.argmax(mine))
        best = mine[top]
        if best < _THRESHOLD or best < level[top].max():
            return None
        over = mine > best / 2
        first = top
        while first > 0 and over[first - 1]:
            first -= 1
        last = top
        while last < len(mine) - 1 and over[last + 1]:
            last += 1
        if first == 0 or last == len(mine) - 1:
            return None  # not whole: it was seen before, or will be
        begin, end = _cross(mine, first - 1, best / 2), _cross(mine, last, best / 2)
        place = 0.5 * (begin + end) * _BLOCK
        as_long = abs(end - begin - _WINDOW) < _WINDOW / 4  # a window passes over a tone of its own length
        return place if as_long and self._place + place - self._last > EVERY // 2 else None


def _turns(places: np.ndarray) -> np.ndarray:
    """What turns every tone back to where it began: complex64 (len(places), KINDS)."""
    return np.exp(-2j * np.pi / VOICE_RATE_HZ * np.outer(places, TONES_HZ)).astype(np.complex64)


def _cross(line: np.ndarray, before: int, height: float) -> float:
    """Where a line crosses a height between two neighbours."""
    low, high = line[before], line[before + 1]
    return before + (height - low) / (high - low)


def spoken_at(kind: int, latest: float) -> int | None:
    """The sample of the marked voice at which the newest mark of a kind began, not after sample `latest`."""
    number = (int(latest) // EVERY - kind) // KINDS * KINDS + kind
    return number * EVERY if number >= 0 else None
