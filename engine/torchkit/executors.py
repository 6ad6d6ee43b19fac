"""How a stage is run: eager (the reference), as a CUDA graph, or compiled for the CPU by OpenVINO.

An executor is itself a Stage with the same states, which stay the caller's, so that everything else stays as it
is; a stage does not know. The choice is made in one place, `make_executor`.
"""

import importlib.util
from collections.abc import Sequence
from typing import get_args

import torch

from engine.errors import ConfigError, DeviceError
from engine.stage import Stage, Tensors, with_slots
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

    int8 weights cost a quarter to a half of fp32's time; on the real prompts 99.4 % of the frames keep their phone and
    lips stay as right as they were (engine/features/hubert/README.md).
    """
    name = choose_executor(wanted)
    return "openvino-int8" if wanted == "auto" and name == "openvino" else name


def batch_sizes(name: str, slots: int) -> tuple[int, ...]:
    """The numbers of slots that a step for up to `slots` sessions is compiled for, ascending, the last is `slots`.

    On a CPU the powers of two: an idle slot beside others costs a tenth of a step, so a batch is not filled up far
    (measured in `engine.slots`). A graph has one shape, and a GPU hardly notices idle slots.
    """
    if name == "graph":
        return (slots,)
    powers = (1 << k for k in range(slots.bit_length()))
    return (*(size for size in powers if size < slots), slots)


def make_executor(stage: Stage, name: str, example: Tensors, sizes: Sequence[int] = ()) -> Stage:
    """The stage as it will run. example: an input with the shapes of every step. sizes: the numbers of slots that
    steps will have (none: that of the example)."""
    if name == "eager":
        return stage
    if name in PRECISIONS:
        from engine.torchkit.openvino_executor import OpenVino

        return OpenVino(stage, example, PRECISIONS[name], sizes)
    if name == "graph":
        from engine.torchkit.cuda_graph import CudaGraph

        return CudaGraph(stage, with_slots(example, max(sizes)) if sizes else example)
    raise ConfigError(f"engine.executor = {name!r}; allowed: 'auto', {', '.join(map(repr, EXECUTORS))}")
