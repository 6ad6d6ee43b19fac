"""A key-value cache that remembers a bounded past and can run for ever.

R ring entries = context + T - 1 (T frames per step): with fewer, the first query of a step would
lose its oldest keys. Positions are tensors and wrap at R, so nothing overflows after hours.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import torch

from engine.stage import State


class RingWindow(NamedTuple):
    """Where one step writes and what its queries may read; the same for every layer.

    The R entries are the past as it was before the step, and behind them stand the step's own T frames.
    write: int64 (S, T) ring entries that receive the new frames.
    distance: int64 (S, T, R + T) frames from query back to key, clamped to 0..context - 1.
    readable: bool (S, T, R + T) key is written, not in the query's future and not too old.
    """

    write: torch.Tensor
    distance: torch.Tensor
    readable: torch.Tensor


@dataclass(slots=True)
class RingClock(State):
    """Positions of a ring, shared by all caches that are written together.

    head: int64 (S,) entry that the next frame goes to, 0..R-1.
    filled: int64 (S,) entries written so far, at most R; negative while frames of before the start pass through.
    entries: int64 (S, R) the numbers 0..R-1 (a constant that travels with the state).
    """

    head: torch.Tensor
    filled: torch.Tensor
    entries: torch.Tensor


@dataclass(slots=True)
class RingCache(State):
    """One layer's past: keys and values float32 (S, heads, R, width of a head)."""

    keys: torch.Tensor
    values: torch.Tensor


def ring_entries(context: int, frames: int) -> int:
    """Ring size R for `context` frames seen by each query and `frames` new ones per step."""
    return context + frames - 1


def init_clock(slots: int, context: int, frames: int, early: int = 0) -> RingClock:
    """A clock at its start. early: so many first frames lie before the start (a look-ahead fills) and are not read."""
    size = ring_entries(context, frames)
    return RingClock(
        head=torch.zeros(slots, dtype=torch.int64),
        filled=torch.full((slots,), -early, dtype=torch.int64),
        entries=torch.arange(size).repeat(slots, 1),
    )


def init_cache(slots: int, context: int, frames: int, heads: int, head_width: int) -> RingCache:
    """An empty cache. Unwritten entries weigh nothing, whatever number they hold; NaN is none."""
    shape = (slots, heads, ring_entries(context, frames), head_width)
    return RingCache(torch.zeros(shape), torch.zeros(shape))


def advance(clock: RingClock, frames: int) -> RingWindow:
    """Move the clock on by `frames` in place; the window says where the step writes and reads."""
    size = clock.entries.shape[1]
    context = size - frames + 1
    fresh = clock.entries[:, :frames]
    head, filled = clock.head.clone(), clock.filled.clone()
    write = torch.remainder(head[:, None] + fresh, size)
    clock.head.copy_(torch.remainder(head + frames, size))
    clock.filled.copy_(torch.clamp(filled + frames, max=size))
    # age 1 is the newest frame of the past; query t comes t frames after the first new one
    age = torch.remainder(head[:, None] - 1 - clock.entries, size) + 1
    query = fresh[:, :, None]
    past = age[:, None, :] + query
    readable = (age <= filled[:, None])[:, None, :] & (past < context)
    own = query - fresh[:, None, :]
    distance = torch.cat((past, own), -1)
    # own frames need no clock: one of before the start sees those before it too, but nobody reads its answer
    readable = torch.cat((readable, (own >= 0) & (own < context)), -1)
    return RingWindow(write, distance.clamp(0, context - 1), readable)


class RingWrite(NamedTuple):
    """New frames (S, heads, T, width) for the entries `at` (S, T) of a cache tensor (S, heads, R, width)."""

    cache: torch.Tensor
    at: torch.Tensor
    frames: torch.Tensor


def write(cache: RingCache, window: RingWindow, keys: torch.Tensor, values: torch.Tensor) -> None:
    """Put new keys and values (S, heads, T, width) into the ring, in place."""
    if _noted is not None:
        _noted.extend((RingWrite(cache.keys, window.write, keys), RingWrite(cache.values, window.write, values)))
        return
    index = window.write[:, None, :, None].expand_as(keys)
    cache.keys.scatter_(2, index, keys)
    cache.values.scatter_(2, index, values)


_noted: list[RingWrite] | None = None


@contextmanager
def noted_writes() -> Iterator[list[RingWrite]]:
    """Inside, ring writes are noted instead of done: a compiler then returns the few new frames, and the executor
    writes them, where it would have to return whole caches. Reads inside a step never need its own writes."""
    global _noted
    _noted = []
    try:
        yield _noted
    finally:
        _noted = None
