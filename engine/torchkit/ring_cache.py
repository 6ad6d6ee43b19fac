"""A key-value cache that remembers a bounded past and can run for ever.

R ring entries = context + T - 1 (T frames per step): with fewer, the first query of a step would
lose its oldest keys. Positions are tensors and wrap at R, so nothing overflows after hours.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch

from engine.stage import State


class RingWindow(NamedTuple):
    """Where one step writes and what its queries may read; the same for every layer.

    write: int64 (S, T) ring entries that receive the new frames.
    distance: int64 (S, T, R) frames from query back to entry, clamped to 0..context - 1.
    readable: bool (S, T, R) entry is written, not in the query's future and not too old; its own always.
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
    """An empty cache; unwritten entries are never read, whatever they hold."""
    shape = (slots, heads, ring_entries(context, frames), head_width)
    return RingCache(torch.zeros(shape), torch.zeros(shape))


def advance(clock: RingClock, frames: int) -> RingWindow:
    """Move the clock on by `frames` in place; the window says where the step writes and reads."""
    size = clock.entries.shape[1]
    context = size - frames + 1
    fresh = clock.entries[:, :frames]
    write = torch.remainder(clock.head[:, None] + fresh, size)
    clock.head.copy_(torch.remainder(clock.head + frames, size))
    clock.filled.copy_(torch.clamp(clock.filled + frames, max=size))
    # age 0 is the newest entry; query t of the step is itself T - 1 - t frames old
    age = torch.remainder(clock.head[:, None] - 1 - clock.entries, size)
    distance = age[:, None, :] - (frames - 1 - fresh)[:, :, None]
    written = age < clock.filled[:, None]
    readable = written[:, None, :] & (distance >= 0) & (distance < context)
    # a frame of before the start sees itself alone: its answer is dropped, but must be a number
    readable = readable | (distance == 0)
    return RingWindow(write, distance.clamp(0, context - 1), readable)


def write(cache: RingCache, window: RingWindow, keys: torch.Tensor, values: torch.Tensor) -> None:
    """Put new keys and values (S, heads, T, width) into the ring, in place."""
    index = window.write[:, None, :, None].expand_as(keys)
    cache.keys.scatter_(2, index, keys)
    cache.values.scatter_(2, index, values)
