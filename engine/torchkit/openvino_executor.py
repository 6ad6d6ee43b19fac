"""A stage compiled for the CPU by OpenVINO, with state that stays the caller's."""

import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from engine.kept import forget, kept_files, name_of
from engine.stage import Stage, State, Tensors, tree_leaves, tree_map, tree_rebuilt, with_slots
from engine.torchkit import openvino_graph
from engine.torchkit.openvino_graph import Precision, store_weights
from engine.torchkit.ring_cache import noted_writes


class _Functional(nn.Module):
    """The step as a pure function: (*state, *x) -> (*outputs, *changed states, *ring entries, *ring frames).

    OpenVINO's converter keeps returned values only; changes made in place to inputs vanish without a word. So the
    in-place step runs on clones, and those that changed are returned. Of rings only the new frames are.
    After a run `changed` lists the states returned, and `rings` (state, place among the entries) of each ring.
    """

    def __init__(self, stage: Stage, state: State, example: Tensors):
        super().__init__()
        self.stage, self.state, self.example = stage, state, example
        self.count = len(list(state.tensors()))
        self.changed: list[int] = []
        self.rings: list[tuple[int, int]] = []

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        clones = [tensor.clone() for tensor in tensors[: self.count]]
        versions = [clone._version for clone in clones]
        state = self.state.rebuilt(iter(clones))
        with noted_writes() as writes:
            x = tree_rebuilt(self.example, iter(tensors[self.count :]))
            leaves = tree_leaves(self.stage.step(state, x))
        self.changed = [i for i, clone in enumerate(clones) if clone._version != versions[i]]
        entries: list[torch.Tensor] = []
        self.rings = []
        for note in writes:
            place = next((k for k, at in enumerate(entries) if at is note.at), len(entries))
            entries += [note.at] if place == len(entries) else []
            self.rings.append((next(i for i, clone in enumerate(clones) if clone is note.cache), place))
        return (*leaves, *(clones[i] for i in self.changed), *entries, *(note.frames for note in writes))


def _trace(module: nn.Module, inputs: list[torch.Tensor]) -> Any:
    """What the module does with such inputs.

    torch.export would be the newer way, but OpenVINO 2026.4 fails to compile what comes out of it (snippets
    pass), so the trace stays, without torch's notice that it is old.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.trace(module, tuple(inputs), check_trace=False)


def _convert(traced: Any, inputs: list[torch.Tensor], precision: Precision) -> Any:
    """A trace as an OpenVINO model, its weights stored as asked."""
    import openvino

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shapes = [tuple(leaf.shape) for leaf in inputs]
        model = openvino.convert_model(traced, example_input=tuple(inputs), input=shapes)
    store_weights(model, precision)
    return model


def _name(traced: Any, inputs: list[torch.Tensor], precision: Precision) -> str:
    """The name under which a converted trace is kept: its operations, every number in it, and what converts it."""
    import openvino

    graph = traced.inlined_graph
    constants = [node for node in graph.findAllNodes("prim::Constant") if "value" in node.attributeNames()]
    numbers = [node.t("value") for node in constants if node.kindOf("value") == "t"]
    numbers += [tensor for _, tensor in sorted((*traced.named_parameters(), *traced.named_buffers()))]
    recipe = [path.read_text(encoding="utf-8") for path in (Path(__file__), Path(openvino_graph.__file__))]
    shapes = repr([(leaf.shape, leaf.dtype) for leaf in inputs])
    # without places in files, and without the numbers that tell a second trace of a class from the first
    operations = re.sub(r"\.___torch_mangle_\d+| # .*", "", str(graph))
    return name_of("openvino", openvino.__version__, precision, shapes, operations, *recipe,
                   *(tensor.detach().contiguous().numpy() for tensor in numbers))  # fmt: skip


def _kept_model(traced: Any, inputs: list[torch.Tensor], precision: Precision) -> tuple[Any, Path | None]:
    """The converted trace, from an earlier time if it is kept, and the folder that keeps what belongs to it."""
    import openvino

    kept = kept_files(
        _name(traced, inputs, precision),
        lambda entry: openvino.save_model(_convert(traced, inputs, precision), entry / "model.xml", False),
    )
    if kept is not None:
        try:
            return openvino.Core().read_model(kept / "model.xml"), kept
        except RuntimeError:  # damaged
            forget(kept)
    return _convert(traced, inputs, precision), None


class OpenVino(Stage):
    """A stage compiled once for every number of slots in `sizes` (none: that of the example); other shapes raise.

    The state stays in torch tensors that the caller owns: each step hands them over without a copy and
    writes the new values back in place. Outputs are fresh tensors. precision: how weights are stored; what flows
    between layers stays fp32, and so do log-mels.
    """

    def __init__(self, stage: Stage, example: Tensors, precision: Precision = "f32", sizes: Sequence[int] = ()):
        self.stage = stage
        self.speak_for(stage)
        sizes = sizes or (tree_leaves(example)[0].shape[0],)
        self._compiled = {slots: _Compiled(stage, with_slots(example, slots), precision) for slots in sizes}

    def init_state(self, slots: int) -> State:
        self._for(slots)
        return self.stage.init_state(slots)

    def reset(self, state: Any, slot: int, seed: int = 0) -> None:
        self.stage.reset(state, slot, seed)

    def set_emotion(self, state: Any, slot: int, weights: Sequence[float], intensity: float) -> None:
        self.stage.set_emotion(state, slot, weights, intensity)

    def step(self, state: State, x: Tensors) -> Tensors:
        given = tree_leaves(x)
        return self._for(given[0].shape[0]).step(state, given)

    def _for(self, slots: int) -> "_Compiled":
        if slots not in self._compiled:
            raise ValueError(f"compiled for {' or '.join(map(str, self._compiled))} slots, not {slots}")
        return self._compiled[slots]


class _Compiled:
    """The step for one number of slots."""

    def __init__(self, stage: Stage, example: Tensors, precision: Precision):
        import openvino

        leaves = tree_leaves(example)
        self.shapes = [leaf.shape for leaf in leaves]
        slots = leaves[0].shape[0]
        state = stage.init_state(slots)
        inputs = [tensor.clone() for _, tensor in state.tensors()] + leaves
        with torch.inference_mode(False), torch.no_grad():
            module = _Functional(stage, state, tree_map(torch.clone, example)).eval()
            self._structure = tree_map(torch.clone, stage.step(stage.init_state(slots), example))
            traced = _trace(module, inputs)
        model, kept = _kept_model(traced, inputs, precision)
        config = {
            "INFERENCE_NUM_THREADS": 1,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",  # log-mels do not survive bf16
            "ENABLE_CPU_PINNING": False,
            # int8 only: numbers that share a scale. 32, the default, is a quarter slower and no nearer to fp32
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": "64",
        }
        if kept:
            config["CACHE_DIR"] = str(kept)
        self._request = openvino.Core().compile_model(model, "CPU", config).create_infer_request()
        self._tensor = openvino.Tensor
        self._changed, self._rings = module.changed, module.rings
        self._slot = np.arange(slots)[:, None]

    def step(self, state: State, given: list[torch.Tensor]) -> Tensors:
        """One tick; given: the leaves of the input."""
        if [leaf.shape for leaf in given] != self.shapes:
            raise ValueError(f"compiled for inputs {self.shapes}, not {[leaf.shape for leaf in given]}")
        held = [tensor.numpy() for _, tensor in state.tensors()]
        arrays = [*held, *(np.ascontiguousarray(leaf.numpy()) for leaf in given)]
        for i, array in enumerate(arrays):  # handed over one by one: as a list they are looked through, half a ms
            self._request.set_input_tensor(i, self._tensor(array, shared_memory=True))
        self._request.infer()
        results = (tensor.data for tensor in self._request.output_tensors)
        answers = [torch.from_numpy(next(results).copy()) for _ in tree_leaves(self._structure)]
        for i in self._changed:
            np.copyto(held[i], next(results))
        entries = [next(results) for _ in range(len({place for _, place in self._rings}))]
        for i, place in self._rings:
            held[i][self._slot, :, entries[place]] = next(results).transpose(0, 2, 1, 3)
        return tree_rebuilt(self._structure, iter(answers))
