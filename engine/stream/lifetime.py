"""What lives on tasks and ends once."""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from typing import Any

log = logging.getLogger(__name__)


class Lifetime(ABC):
    """It ends at the end of any of its tasks, with the error of one, or when it is closed, whichever comes first.

    error: why it ended, or None. `_close` gives everything back, and is called once.
    """

    def __init__(self) -> None:
        self.error: str | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._closing: asyncio.Task[None] | None = None

    async def close(self, error: str | None = None) -> None:
        """End it, and return when everything is given back. May be called often and from anywhere on the loop."""
        await asyncio.shield(self._end(error))

    @property
    def ending(self) -> bool:
        """From its end on: what begins now would not be given back."""
        return self._closing is not None

    @abstractmethod
    async def _close(self) -> None: ...

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.create_task(self._guard(work)))

    async def _stop(self) -> None:
        """End its tasks; their errors have been told."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _end(self, error: str | None) -> asyncio.Task[None]:
        if self._closing is None:
            self.error = error
            self._closing = asyncio.create_task(self._close())
        return self._closing

    async def _guard(self, work: Coroutine[Any, Any, None]) -> None:
        error = None
        try:
            await work
        except asyncio.CancelledError:
            return
        except Exception as reason:
            log.error("a %s ended with an error", type(self).__name__.lower(), exc_info=reason)
            error = str(reason) or type(reason).__name__
        self._end(error)
