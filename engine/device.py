"""Which device computes, what it is called, and the threads it may use."""

import os
import platform
from pathlib import Path

from engine.errors import DeviceError

# Idle OpenMP and BLAS pools spin: they cost more than they gain at our sizes (one compute thread).
for _pool in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(_pool, "1")


def choose_device(wanted: str) -> str:
    """'cpu' or 'cuda' for 'auto', 'cpu' or 'cuda'; DeviceError when CUDA is asked for and absent."""
    import torch

    if wanted == "cuda" and not torch.cuda.is_available():
        raise DeviceError("engine.device = 'cuda', but torch sees no NVIDIA GPU; use 'cpu' or 'auto'")
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return wanted


def use_one_thread() -> None:
    """One thread per compute process: two OpenMP threads beside a busy neighbour are slower."""
    import torch

    torch.set_num_threads(1)


def describe_device(device: str = "cpu") -> str:
    """A name to put beside a figure, such as '2 x Intel(R) Xeon(R) Processor'."""
    if device == "cuda":
        import torch

        return torch.cuda.get_device_name()
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    return f"{os.cpu_count()} x {name}"
