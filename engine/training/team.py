"""Several processes train one model, each on batches of its own: gradients are averaged at every step.

`visema train encoder --processes N`. All begin with the same weights and take the same steps, so all end with the same
weights; the first one alone looks at figures and writes files. What it makes depends on N, as batches do.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
from torch import distributed, nn

PATIENCE = timedelta(hours=2)  # how long the others wait while the first one evaluates


def size() -> int:
    """How many processes train together."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def rank() -> int:
    """Which one of them this is; 0 looks at figures and writes."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def average_gradients(model: nn.Module) -> None:
    """Every gradient becomes the mean of all processes'; in place."""
    if size() == 1:
        return
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    distributed.all_reduce(flat)
    flat /= size()
    at = 0
    for gradient in gradients:
        gradient.copy_(flat[at : at + gradient.numel()].view_as(gradient))
        at += gradient.numel()


def agree(value: float) -> float:
    """The first process's value, in all of them."""
    if size() == 1:
        return value
    told = torch.tensor([value], dtype=torch.float64)
    distributed.broadcast(told, 0)
    return told.item()


@contextmanager
def first_alone() -> Iterator[None]:
    """The first process does this before the others do, so that they find in the cache what it has put there."""
    if rank():
        agree(0.0)
    yield
    if size() > 1 and not rank():
        agree(0.0)


def run_team(processes: int, work: Callable[[dict], Any], options: dict) -> None:
    """work(options) in so many processes."""
    if processes == 1:
        work(options)
        return
    with tempfile.TemporaryDirectory() as folder:
        place = f"file://{os.path.join(folder, 'meeting')}"
        torch.multiprocessing.spawn(_take_part, (processes, place, work, options), processes)


def _take_part(number: int, processes: int, place: str, work: Callable[[dict], Any], options: dict) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", place, PATIENCE, processes, number)
    try:
        work(options)
    finally:
        distributed.destroy_process_group()
