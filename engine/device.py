"""Which device computes, what it is called, and the threads it may use."""

import os
import platform
from pathlib import Path

# Idle OpenMP and BLAS pools spin: they cost more than they gain at our sizes (one compute thread).
for _pool in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(_pool, "1")


def choose_device(wanted: str) -> str:
    """The device for 'auto' or 'cpu'. Always 'cpu' so far: no stage computes on a GPU yet."""
    return "cpu" if wanted == "auto" else wanted


def use_one_thread() -> None:
    """One thread per compute process: two OpenMP threads beside a busy neighbour are slower."""
    import torch

    torch.set_num_threads(1)


def describe_device() -> str:
    """A name to put beside a figure, such as '2 x Intel(R) Xeon(R) Processor'."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    return f"{os.cpu_count()} x {name}"
