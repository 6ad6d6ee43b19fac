"""Threads that draw one picture together. Kernels let go of Python's lock, so two threads keep two cores busy.

Work is dealt out in parts, more of them than threads: whoever is done takes the next one. A neighbour that keeps a
core busy then costs little, since the other core takes the parts. What a part writes no other part touches, so the
picture is the same whoever draws what.
"""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable
from functools import lru_cache
from itertools import pairwise
from queue import SimpleQueue

import numpy as np

Part = Callable[[], object]
BANDS = 3  # of rows, for every thread: enough that all are done at nearly the same time


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Crew:
    """The calling thread and threads - 1 helpers, which sleep between jobs and end with the process."""

    def __init__(self, threads: int):
        self.threads = threads
        self._jobs: SimpleQueue[tuple[deque[Part], SimpleQueue[BaseException | None]]] = SimpleQueue()
        for k in range(1, threads):
            threading.Thread(target=self._help, name=f"visema-draw-{k}", daemon=True).start()

    def run(self, parts: Iterable[Part]) -> None:
        """Call every part once, in any order, and return when all are done; a part's error is raised here."""
        waiting = deque(parts)
        if self.threads == 1:
            for part in waiting:
                part()
            return
        done: SimpleQueue[BaseException | None] = SimpleQueue()  # one answer for every part that a helper took
        theirs = len(waiting)
        for _ in range(min(self.threads, theirs) - 1):
            self._jobs.put((waiting, done))
        failed: BaseException | None = None
        while waiting:
            try:
                part = waiting.popleft()
            except IndexError:
                break
            theirs -= 1
            try:
                part()
            except BaseException as error:
                failed = error
        for _ in range(theirs):
            failed = done.get() or failed
        if failed is not None:
            raise failed

    def _help(self) -> None:
        while True:
            waiting, done = self._jobs.get()
            while waiting:
                try:
                    part = waiting.popleft()
                except IndexError:
                    break
                try:
                    part()
                    done.put(None)
                except BaseException as error:
                    done.put(error)
            del waiting, done  # keep no picture alive while asleep


@lru_cache(maxsize=8)
def crew(threads: int) -> Crew:
    """The crew of so many threads that all renderers share."""
    return Crew(threads)


def row_bands(screen: np.ndarray, size: int, threads: int) -> list[tuple[int, int]]:
    """Bands (first, stop) of the rows of a picture of `size`, with about as much to draw in each.

    screen float32 (V, 3): where vertices lie. One thread draws everything at once.
    """
    if threads == 1:
        return [(0, size)]
    top = min(max(float(screen[:, 1].min()), 0.0), size - 1.0)
    marks = np.linspace(top, size, BANDS * threads + 1).astype(int).tolist()
    return list(pairwise([0, *marks[1:]]))
