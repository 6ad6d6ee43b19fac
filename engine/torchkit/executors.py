"""How a stage is run: eager (the reference) or compiled for the CPU by OpenVINO. A stage does not know.

An executor is itself a Stage with the same states, so that everything else stays as it is. The choice is
made in one place, `make_executor`.
"""

import importlib.util
import warnings
from typing import Any

import numpy as np
import torch
from torch import nn

from engine.errors import ConfigError, DeviceError
from engine.stage import Stage, State, Tensors, tree_leaves, tree_map, tree_rebuilt


def choose_executor(wanted: str) -> str:
    """'eager' or 'openvino' for 'auto', 'eager', 'openvino'; DeviceError when it is not installed."""
    installed = importlib.util.find_spec("openvino") is not None
    if wanted == "openvino" and not installed:
        raise DeviceError("engine.executor = 'openvino', but it is missing: pip install 'visema[cpu]'")
    if wanted == "auto":
        return "openvino" if installed else "eager"
    return wanted


def make_executor(stage: Stage, name: str, example: Tensors) -> Stage:
    """The stage as it will run. example: an input with the shapes and the number of slots of every step."""
    if name == "eager":
        return stage
    if name == "openvino":
        return OpenVino(stage, example)
    raise ConfigError(f"engine.executor = {name!r}; allowed: 'auto', 'eager', 'openvino'")


class _Functional(nn.Module):
    """The step as a pure function: (*state, *x) -> (*outputs, *state).

    OpenVINO's converter keeps returned values only; changes made in place to inputs vanish without a word.
    So the in-place step runs on clones, which are returned.
    """

    def __init__(self, stage: Stage, state: State, example: Tensors):
        super().__init__()
        self.stage = stage
        self.state = state
        self.example = example
        self.count = len(list(state.tensors()))

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        clones = [tensor.clone() for tensor in tensors[: self.count]]
        state = self.state.rebuilt(iter(clones))
        x = tree_rebuilt(self.example, iter(tensors[self.count :]))
        return (*tree_leaves(self.stage.step(state, x)), *clones)


def _convert(module: nn.Module, inputs: list[torch.Tensor]) -> Any:
    """An OpenVINO model by way of a trace.

    torch.export would be the newer way, but OpenVINO 2026.4 fails to compile what comes out of it (snippets
    pass), so the trace stays, without torch's notice that it is old.
    """
    import openvino

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(module, tuple(inputs), check_trace=False)
        return openvino.convert_model(
            traced, example_input=tuple(inputs), input=[tuple(leaf.shape) for leaf in inputs]
        )


class OpenVino(Stage):
    """A stage compiled by OpenVINO for one number of slots; other slot counts raise.

    The state stays in torch tensors that the caller owns: each step hands them over without a copy and
    writes the new values back in place. Outputs are fresh tensors.
    """

    def __init__(self, stage: Stage, example: Tensors):
        import openvino

        self.stage = stage
        self.lookahead = stage.lookahead
        leaves = [leaf.clone() for leaf in tree_leaves(example)]
        self.slots = leaves[0].shape[0]
        state = stage.init_state(self.slots)
        inputs = [tensor.clone() for _, tensor in state.tensors()] + leaves
        with torch.inference_mode(False), torch.no_grad():
            module = _Functional(stage, state, tree_map(torch.clone, example)).eval()
            self._structure = tree_map(torch.clone, stage.step(stage.init_state(self.slots), example))
            model = _convert(module, inputs)
        config = {
            "INFERENCE_NUM_THREADS": 1,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",  # log-mels do not survive bf16
            "ENABLE_CPU_PINNING": False,
        }
        self._request = openvino.Core().compile_model(model, "CPU", config).create_infer_request()
        self._tensor = openvino.Tensor
        self._outputs = len(tree_leaves(self._structure))

    def init_state(self, slots: int) -> State:
        if slots != self.slots:
            raise ValueError(f"compiled for {self.slots} slots, not {slots}")
        return self.stage.init_state(slots)

    def reset(self, state: Any, slot: int, seed: int = 0) -> None:
        self.stage.reset(state, slot, seed)

    def step(self, state: State, x: Tensors) -> Tensors:
        held = [tensor for _, tensor in state.tensors()]
        arrays = [tensor.numpy() for tensor in (*held, *tree_leaves(x))]
        self._request.infer([self._tensor(np.ascontiguousarray(a), shared_memory=True) for a in arrays])
        results = [self._request.get_output_tensor(i).data for i in range(self._outputs + len(held))]
        for tensor, result in zip(arrays[: len(held)], results[self._outputs :], strict=True):
            np.copyto(tensor, result)
        leaves = [torch.from_numpy(result.copy()) for result in results[: self._outputs]]
        return tree_rebuilt(self._structure, iter(leaves))
