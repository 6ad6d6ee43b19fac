"""Percentiles, and on what machine and which state of the code something was measured."""

import os
import platform
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from engine.config import Config
from engine.device import describe_device

ROOT = Path(__file__).resolve().parents[2]
LATENCY = (50, 95, 99)
OFFSET = (0.1, 50, 99.9)


def percentiles(values: Iterable[float], which: Sequence[float] = LATENCY) -> dict[str, float | None]:
    """{"p50": ..., "p99.9": ...}, interpolated linearly between the nearest ranks; None where there are no values."""
    found = np.fromiter(values, float)
    if not len(found):
        return {f"p{q:g}": None for q in which}
    return {f"p{q:g}": round(float(x), 3) for q, x in zip(which, np.percentile(found, which), strict=True)}


def describe_run(config: Config | None = None) -> dict[str, Any]:
    """What stands beside every figure: device, commit, load of the machine, versions, and the settings that matter."""
    import aiortc
    import av
    import torch

    run: dict[str, Any] = {
        "device": describe_device(),
        "cores": usable_cores(),
        "commit": find_commit(),
        "load_average": [round(load, 2) for load in os.getloadavg()] if hasattr(os, "getloadavg") else None,
        "versions": {"python": platform.python_version(), "torch": str(torch.__version__), "av": av.__version__,
                     "aiortc": aiortc.__version__},
    }  # fmt: skip
    if config is not None:
        run["settings"] = {
            "motion.plugin": config.motion.plugin, "motion.lookahead_ticks": config.motion.lookahead_ticks,
            "render.size": config.render.size, "render.threads": config.render.threads,
            "render.identity": config.render.identity, "engine.executor": config.engine.executor,
        }  # fmt: skip
    return run


def usable_cores() -> int:
    """Cores that this process may use: fewer than there are under taskset or in a container."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def find_commit() -> str:
    """Short hash of what is measured, with + where files differ from it; empty outside a clone."""
    try:
        command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty=+", "--exclude=*"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
