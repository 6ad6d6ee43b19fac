"""Batches made ahead of time by other processes, where a GPU would otherwise wait for them.

A batch depends on its step number only, so any process may make any batch: results are the same with any number of
workers. Start this before CUDA is touched: the workers are forks.
"""

import multiprocessing
from collections.abc import Callable
from multiprocessing.pool import AsyncResult
from typing import Any

import torch

Batch = tuple[torch.Tensor, ...]
_made_by: list[Callable[[int], Batch]] = []  # in a worker: what makes its batches


def _begin(make: Callable[[int], Batch]) -> None:
    torch.set_num_threads(1)
    _made_by[:] = [make]


def _work(step: int) -> tuple:
    # as arrays: tensors would travel through shared memory, which may be small
    return tuple(part.numpy() for part in _made_by[0](step))


class Prefetch:
    """make(step) with `workers` processes that make the batches of the steps to come; none: made when asked for."""

    def __init__(self, make: Callable[[int], Batch], workers: int = 0, device: str = "cpu"):
        self.make, self.device, self.ahead = make, device, 3 * workers
        self.waiting: dict[int, AsyncResult[Any]] = {}
        self.pool = multiprocessing.get_context("fork").Pool(workers, _begin, (make,)) if workers else None

    def __call__(self, step: int) -> Batch:
        """The batch of a step, on the device."""
        if self.pool is None:
            return tuple(part.to(self.device) for part in self.make(step))
        self.waiting = {k: job for k, job in self.waiting.items() if k >= step}
        for k in range(step, step + self.ahead + 1):
            if k not in self.waiting:
                self.waiting[k] = self.pool.apply_async(_work, (k,))
        parts = self.waiting.pop(step).get()
        return tuple(torch.from_numpy(part).to(self.device, non_blocking=True) for part in parts)

    def close(self) -> None:
        """End the workers."""
        if self.pool is not None:
            self.pool.terminate()
            self.pool.join()
