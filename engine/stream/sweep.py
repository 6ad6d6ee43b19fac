"""After a session: memory goes back to the system, a little later, once for all that ended meanwhile.

Connections refer to themselves, and keep encoders and pictures until the collector comes by: with hundreds of
megabytes, if nobody calls it. What was there before the first session is frozen, so it has little to look at (20 ms).
The C library keeps what is freed; glibc can be told to return it (2 ms), others are left alone.
"""

import asyncio
import ctypes
import gc
from collections.abc import Callable

AFTER_S = 1.0  # of an end, when nothing of it runs any more


class Sweeper:
    """`call` as often as something ends."""

    def __init__(self) -> None:
        self._due: asyncio.TimerHandle | None = None

    def call(self) -> None:
        """On the event loop."""
        if self._due is None:
            self._due = asyncio.get_running_loop().call_later(AFTER_S, self._sweep)

    def _sweep(self) -> None:
        self._due = None
        gc.collect()
        if _trim is not None:
            _trim(0)


def _find_trim() -> Callable[[int], int] | None:
    """What hands freed memory back to the system, given how many bytes to keep; None where there is no such call."""
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # another C library; Windows has no such handle
        return None


_trim = _find_trim()
