"""A stage's step captured once as a CUDA graph and replayed: no launch costs, static memory, no surprises.

The graph reads and writes the very tensors of the caller's state, so the state stays the caller's; each state is
captured once, at its first step. Inputs are copied into static buffers, outputs are copied out once, because the
next replay overwrites them. Moving in place is the stage contract; what a graph needs beyond it (no host round trips)
the capture itself refuses.
"""

from collections.abc import Sequence
from typing import Any

import torch

from engine.errors import DeviceError
from engine.stage import Stage, State, Tensors, tree_leaves, tree_map, tree_rebuilt

WARM_UP = 3  # steps before the capture: libraries choose their kernels and reserve memory in them


class CudaGraph(Stage):
    """A stage on a GPU, replayed as a graph. Takes inputs from any device; answers lie on the GPU.

    captures: how many graphs were made, one per state; a steady session makes no more. enabled: set it to False and
    steps run eagerly on the same states. Raises ValueError for shapes other than the example's.
    """

    def __init__(self, stage: Stage, example: Tensors, device: str = "cuda"):
        if not torch.cuda.is_available():
            raise DeviceError("engine.executor = 'graph' needs an NVIDIA GPU and a CUDA build of torch")
        self.device = torch.device(device)
        self.stage = stage
        module: Any = stage
        if isinstance(module, torch.nn.Module):
            module.to(self.device)  # in place
        self.speak_for(stage)
        self.shapes = [leaf.shape for leaf in tree_leaves(example)]
        self.captures = 0
        self.enabled = True
        self._graphs: dict[tuple[int, ...], _Captured] = {}

    def init_state(self, slots: int) -> State:
        with self.device:
            return self.stage.init_state(slots)

    def reset(self, state: Any, slot: int, seed: int = 0) -> None:
        with self.device:
            self.stage.reset(state, slot, seed)

    def set_emotion(self, state: Any, slot: int, weights: Sequence[float], intensity: float) -> None:
        with self.device:
            self.stage.set_emotion(state, slot, weights, intensity)

    @torch.inference_mode()
    def step(self, state: State, x: Tensors) -> Tensors:
        given = [leaf.shape for leaf in tree_leaves(x)]
        if given != self.shapes:
            raise ValueError(f"captured for inputs {self.shapes}, not {given}: a graph cannot change its shapes")
        if not self.enabled:
            return self.stage.step(state, tree_map(lambda leaf: leaf.to(self.device), x))
        key = tuple(tensor.data_ptr() for _, tensor in state.tensors())
        if key not in self._graphs:
            self._graphs[key] = _Captured(self.stage, state, x, self.device)
            self.captures += 1
        return self._graphs[key].replay(x)

    def forget(self, state: State) -> None:
        """Free the graph of a state that ends."""
        self._graphs.pop(tuple(tensor.data_ptr() for _, tensor in state.tensors()), None)


class _Captured:
    """One graph with its static inputs and outputs. Holds the state, so that its memory stays where it is."""

    def __init__(self, stage: Stage, state: State, x: Tensors, device: torch.device):
        self.state = state
        self.inputs = tree_map(lambda leaf: leaf.to(device, copy=True), x)
        # warming up and capturing must not move the session on: its state is put back
        before = [tensor.clone() for _, tensor in state.tensors()]
        stream = torch.cuda.Stream(device)
        stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP):
                stage.step(state, self.inputs)
        torch.cuda.current_stream(device).wait_stream(stream)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.outputs = stage.step(state, self.inputs)
        for (_, tensor), kept in zip(state.tensors(), before, strict=True):
            tensor.copy_(kept)

    def replay(self, x: Tensors) -> Tensors:
        """One step: inputs in, graph, outputs out."""
        for static, leaf in zip(tree_leaves(self.inputs), tree_leaves(x), strict=True):
            static.copy_(leaf, non_blocking=True)
        self.graph.replay()
        return tree_rebuilt(self.outputs, iter([leaf.clone() for leaf in tree_leaves(self.outputs)]))
