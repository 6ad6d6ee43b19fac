"""Rate conversion without hidden delay: a short symmetric filter, evaluated where it is asked."""

from functools import lru_cache
from math import ceil, gcd

import numpy as np

HALF_WIDTH = 16  # of the filter, in samples of the slower side
HALF_WIDTH_MS = 1.0  # and never longer than this, so that 8 kHz sound waits no longer than others
KAISER_BETA = 6.0  # about 60 dB of rejection


class Polyphase:
    """Samples at rate_out_hz from samples at rate_in_hz; output k lies at the moment k / rate_out_hz.

    A pure function of its input: no state, so what comes out cannot depend on how the input was cut.
    `half` input samples after the moment of an output sample must be known: that is all its latency.
    """

    def __init__(self, rate_in_hz: int, rate_out_hz: int):
        shared = gcd(rate_in_hz, rate_out_hz)
        self.up, self.down = rate_out_hz // shared, rate_in_hz // shared
        self.exact = rate_in_hz == rate_out_hz
        self.half, self.table = (0, None) if self.exact else _design(rate_in_hz, rate_out_hz)
        self.latency_ms = 1e3 * self.half / rate_in_hz

    def last_input(self, output: int) -> int:
        """Index of the last input sample that output sample `output` reads."""
        return output * self.down // self.up + self.half

    def first_input(self, output: int) -> int:
        """Index of the first input sample that output sample `output` reads."""
        return output * self.down // self.up - max(self.half - 1, 0)

    def render(self, held: np.ndarray, held_from: int, first: int, count: int) -> np.ndarray:
        """Output samples first to first + count, float32 (count,).

        held: input samples (n,) from index `held_from` on; whatever lies outside counts as zero.
        """
        start, stop = self.first_input(first), self.last_input(first + count - 1) + 1
        window = _cut(held, start - held_from, stop - held_from)
        if self.table is None:
            return window.astype(np.float32)
        at = np.arange(first, first + count, dtype=np.int64) * self.down
        base, phase = at // self.up - (self.half - 1) - start, at % self.up
        taps = np.lib.stride_tricks.sliding_window_view(window, 2 * self.half)
        return np.einsum("nk,nk->n", taps[base], self.table[phase])


def _cut(held: np.ndarray, start: int, stop: int) -> np.ndarray:
    """held[start:stop] with zeros outside."""
    if start >= 0 and stop <= len(held):
        return held[start:stop]
    out = np.zeros(stop - start, np.float32)
    inside = slice(max(start, 0), max(min(stop, len(held)), 0))
    part = held[inside]
    out[max(-start, 0) : max(-start, 0) + len(part)] = part
    return out


@lru_cache(maxsize=16)
def _design(rate_in_hz: int, rate_out_hz: int) -> tuple[int, np.ndarray]:
    """Half width in input samples and one windowed sinc per phase, float32 (phases, 2 * half).

    Tap j of phase p weighs the input sample (j - half + 1) after the one at or before the output.
    """
    slow_hz = min(rate_in_hz, rate_out_hz)
    reach = min(HALF_WIDTH, HALF_WIDTH_MS * 1e-3 * slow_hz)  # in samples of the slower side
    half = max(2, ceil(reach * rate_in_hz / slow_hz))
    up = rate_out_hz // gcd(rate_in_hz, rate_out_hz)
    distance = np.arange(2 * half)[None] - (half - 1) - np.arange(up)[:, None] / up
    # Half amplitude a little under the Nyquist frequency of the slower side: little folds back.
    cut = (1.0 - 1.0 / (2.0 * max(reach, 2.0))) * slow_hz / rate_in_hz
    window = np.i0(KAISER_BETA * np.sqrt(np.clip(1.0 - (distance / half) ** 2, 0.0, 1.0)))
    table = np.sinc(distance * cut) * np.where(np.abs(distance) < half, window, 0.0)  # symmetric: no delay
    return half, (table / table.sum(1, keepdims=True)).astype(np.float32)
