"""Simulations of how peers queue sound and pictures, in virtual time, with networks that cost nothing.

What comes out is a floor: no machine makes these layouts quicker, because their waiting is in their queues. Numbers are
those of their public code (2025 to 2026); nothing of theirs runs here, and results are labelled as simulations.

Times are ms. A tick's sound is complete at (tick + 1) * 40. `Flow.ready` says when its picture exists, `Flow.left` when
it leaves for the encoder: pictures leave in order, one every 40 ms at most, as all of them pace their output.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from engine.frames import TICK_MS

CHUNK_MS = 20


@dataclass(slots=True)
class Flow:
    """ready, left: by tick, when its picture exists, and when it leaves."""

    ready: dict[int, float] = field(default_factory=dict)
    left: dict[int, float] = field(default_factory=dict)


def paced(ready: dict[int, float]) -> dict[int, float]:
    """When pictures leave that exist at these times: in order, and never closer than 40 ms."""
    left, last = {}, float("-inf")
    for tick in sorted(ready):
        last = max(ready[tick], last + TICK_MS)
        left[tick] = last
    return left


def in_blocks(ticks: int, block: int, right_ms: float = 0.0, held: int = 0, cost_ms: float = 0.0) -> Flow:
    """A layout that works on blocks of so many ticks.

    right_ms: sound after the block that must be known. held: blocks that must be done before a block is handed on (a
    cross-fade with the next one is 1). cost_ms: of a block.
    """
    done = [
        (number + 1) * block * TICK_MS + right_ms + cost_ms for number in range(-(-ticks // block) + held)
    ]  # each begins when its sound is there; cost_ms is less than a block lasts
    flow = Flow({tick: done[tick // block + held] for tick in range(ticks)})
    flow.left = paced(flow.ready)
    return flow


def livetalking(ticks: int, batch: int = 16, right: int = 10, most_batches: int = 2, most_frames: int = 32) -> Flow:
    """LiveTalking (lipku/LiveTalking, avatars/base_avatar.py and audio_features/), spoken to live.

    Sound comes in chunks of 20 ms. Its feature thread takes 2 * batch of them for a batch; when none is there for
    10 ms it takes one of silence instead, which delays all that comes later. `right` chunks stay back as context. At
    most two batches of features wait, and 2 * batch results. When five pictures or more wait to be sent, the feature
    thread sleeps 32 ms for each.
    """
    flow, spoken = Flow(), deque[int]()  # spoken: numbers of chunks that wait
    taken: list[int | None] = []  # chunks in the order in which they were taken; None is silence
    batches, results, sending = deque[int](), deque[int](), deque[int]()  # first chunk of a batch; chunk of a picture
    count, waited, sleeping, blocked, sent_ms = 0, 0, 0.0, False, float("-inf")
    now, end = 0, 40 * ticks + 60_000
    while len(flow.left) < ticks and now < end:
        now += 1
        if now % CHUNK_MS == 0:
            spoken.append(now // CHUNK_MS - 1)
        while not blocked and sleeping <= now:
            if spoken:
                taken.append(spoken.popleft())
            elif waited >= 10:
                taken.append(None)
            else:
                waited += 1
                break
            count, waited = count + 1, 0
            if count == 2 * batch:
                count, blocked = 0, True
        if blocked and len(batches) < most_batches:
            blocked = False
            batches.append(len(taken) - 2 * batch - right)
            if len(sending) >= 5:
                sleeping = now + 32 * len(sending)
        while batches and len(results) + batch <= most_frames:
            first = batches.popleft()
            results.extend(range(first, first + 2 * batch, 2))
        while results:
            chunk = results.popleft()
            sending.append(chunk)
            for one in (chunk, chunk + 1):
                if 0 <= one < len(taken) and taken[one] is not None and taken[one] % 2:  # type: ignore[operator]
                    flow.ready.setdefault(taken[one] // 2, now)  # type: ignore[operator]
        if sending and now >= sent_ms + TICK_MS:
            chunk, sent_ms = sending.popleft(), now
            for one in (chunk, chunk + 1):
                if 0 <= one < len(taken) and taken[one] is not None and taken[one] % 2:  # type: ignore[operator]
                    flow.left.setdefault(taken[one] // 2, now)  # type: ignore[operator]
    return flow


@dataclass(frozen=True, slots=True)
class Layout:
    """name, where its numbers are from, and its simulation over so many ticks."""

    name: str
    source: str
    run: Callable[[int], Flow]


LAYOUTS = (
    Layout("LiveTalking", "batches of 16 pictures, 200 ms of right context, its bounded queues", livetalking),
    Layout("Ditto online", "blocks of 10 pictures, 80 ms of right context, cross-faded with the next block",
           lambda ticks: in_blocks(ticks, 10, right_ms=80.0, held=1)),
    Layout("OpenAvatarChat", "slices of 1.0 s (LiteAvatar, LAM, MuseTalk)", lambda ticks: in_blocks(ticks, 25)),
)  # fmt: skip
