"""Bounded channels between threads and the event loop, each with a declared policy.

`BLOCK` loses nothing and makes the sender wait (asyncio) or refuse (put_nowait on a full channel
raises); `LATEST` keeps the newest items, drops the oldest and counts every drop. A channel can be
closed, with an error if need be; the receiver gets what is left, then the end or that error.
"""

import asyncio
import threading
from collections import deque
from enum import Enum
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Policy(Enum):
    """What happens when a channel is full."""

    BLOCK = "block"
    LATEST = "latest"


class ChannelFull(Exception):
    """put_nowait on a full channel whose policy is to lose nothing."""


class Channel(Generic[Item]):
    """One receiver on an event loop, senders on any thread.

    dropped: items lost so far (always 0 with BLOCK).
    """

    def __init__(self, depth: int, policy: Policy, loop: asyncio.AbstractEventLoop | None = None):
        if depth < 1:
            raise ValueError("a channel holds at least one item")
        self.depth = depth
        self.policy = policy
        self.dropped = 0
        self._items: deque[Item] = deque()
        self._lock = threading.Lock()
        self._loop = loop
        self._filled = asyncio.Event()
        self._drained = asyncio.Event()
        self._closed = False
        self._error: BaseException | None = None

    def __len__(self) -> int:
        return len(self._items)

    @property
    def closed(self) -> bool:
        return self._closed

    def put_nowait(self, item: Item) -> None:
        """Send from any thread. Silently ignored once closed: the receiver has gone."""
        with self._lock:
            if self._closed:
                return
            if len(self._items) >= self.depth:
                if self.policy is Policy.BLOCK:
                    raise ChannelFull(f"a channel of depth {self.depth} is full")
                self._items.popleft()
                self.dropped += 1
            self._items.append(item)
        self._wake(self._filled)

    async def put(self, item: Item) -> None:
        """Send from the event loop; with BLOCK, waits for room."""
        while True:
            self._drained.clear()
            try:
                return self.put_nowait(item)
            except ChannelFull:
                await self._drained.wait()

    async def get(self) -> Item:
        """Next item; after the last one of a closed channel, StopAsyncIteration or its error."""
        while True:
            with self._lock:
                if self._items:
                    item = self._items.popleft()
                    self._drained.set()
                    return item
                if self._closed:
                    if self._error is not None:
                        raise self._error
                    raise StopAsyncIteration
                self._filled.clear()
            await self._filled.wait()

    def close(self, error: BaseException | None = None) -> None:
        """No more items; a receiver that waits is woken. Closing twice keeps the first error."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._error = error
        self._wake(self._filled)
        self._wake(self._drained)

    def __aiter__(self) -> "Channel[Item]":
        return self

    async def __anext__(self) -> Item:
        return await self.get()

    def _wake(self, event: asyncio.Event) -> None:
        loop = self._loop
        if loop is None:
            event.set()
        elif not loop.is_closed():
            loop.call_soon_threadsafe(event.set)
