"""Several processes train one model, each on batches of its own: gradients are averaged at every step.

`visema train encoder --processes N`. All begin with the same weights and take the same steps, so all end with the same
weights; the first one alone looks at figures and writes files. What it makes depends on N, as batches do.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from torch import distributed, nn
from torch.multiprocessing import ProcessExitedException, ProcessRaisedException

from engine.errors import DeviceError, EngineError

PATIENCE = timedelta(hours=2)  # how long the others wait while the first one evaluates
LINE = "gloo/transport"  # named by the error of a process whose line to another broke
REFUSED = "refused"  # file in which a process leaves its error for the one that waits


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
    """work(options) in so many processes.

    When one ends early so do the others. EngineError with what a process refused, DeviceError when one was lost.
    """
    if processes == 1:
        work(options)
        return
    with tempfile.TemporaryDirectory() as folder:
        try:
            torch.multiprocessing.spawn(_take_part, (processes, Path(folder), work, options), processes)
        except (ProcessRaisedException, ProcessExitedException) as error:
            refused = Path(folder) / REFUSED
            if refused.is_file():
                raise EngineError(refused.read_text(encoding="utf-8")) from None
            # a process that lost another one may be seen before the lost one is
            if isinstance(error, ProcessRaisedException) and LINE not in str(error):
                raise
            raise DeviceError(
                f"one of {processes} training processes was lost, perhaps for want of memory; "
                "the same command goes on from the last checkpoint"
            ) from error


def _take_part(number: int, processes: int, folder: Path, work: Callable[[dict], Any], options: dict) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", f"file://{folder / 'meeting'}", PATIENCE, processes, number)
    try:
        work(options)
    except EngineError as error:
        (folder / REFUSED).write_text(str(error), encoding="utf-8")
        raise
    finally:
        distributed.destroy_process_group()
