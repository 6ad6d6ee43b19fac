"""How a stage is run: eager (the reference), as a CUDA graph, or compiled for the CPU by OpenVINO.

An executor is itself a Stage with the same states, which stay the caller's, so that everything else stays as it
is; a stage does not know. The choice is made in one place, `make_executor`.
"""

import importlib.util
from typing import get_args

import torch

from engine.errors import ConfigError, DeviceError
from engine.stage import Stage, Tensors
from engine.torchkit.openvino_graph import Precision

PRECISIONS: dict[str, Precision] = {"openvino": "f32", "openvino-bf16": "bf16", "openvino-int8": "int8"}
EXECUTORS = ("eager", "graph", *PRECISIONS)
assert set(PRECISIONS.values()) == set(get_args(Precision))


def choose_executor(wanted: str) -> str:
    """A name of EXECUTORS for 'auto' or one of them; DeviceError when what it needs is missing."""
    installed = importlib.util.find_spec("openvino") is not None
    if wanted in PRECISIONS and not installed:
        raise DeviceError(f"engine.executor = {wanted!r}, but openvino is missing: pip install 'visema[cpu]'")
    if wanted == "graph" and not torch.cuda.is_available():
        raise DeviceError("engine.executor = 'graph' needs an NVIDIA GPU and a CUDA build of torch")
    if wanted == "auto":
        return "openvino" if installed else "eager"
    return wanted


def ears_executor(wanted: str) -> str:
    """The executor of the speech encoder: for 'auto' the fastest.

    int8 weights halve its cost; on the built-in sample 99.7 % of the frames keep their phone, no probability moves
    by more than 0.02.
    """
    name = choose_executor(wanted)
    return "openvino-int8" if wanted == "auto" and name == "openvino" else name


def make_executor(stage: Stage, name: str, example: Tensors) -> Stage:
    """The stage as it will run. example: an input with the shapes and the number of slots of every step."""
    if name == "eager":
        return stage
    if name in PRECISIONS:
        from engine.torchkit.openvino_executor import OpenVino

        return OpenVino(stage, example, PRECISIONS[name])
    if name == "graph":
        from engine.torchkit.cuda_graph import CudaGraph

        return CudaGraph(stage, example)
    raise ConfigError(f"engine.executor = {name!r}; allowed: 'auto', {', '.join(map(repr, EXECUTORS))}")
