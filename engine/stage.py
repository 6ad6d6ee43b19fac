"""The stage contract: everything between a tick of sound and a picture is a Stage.

A stage maps one tick to one tick. Its shapes are static, its state is owned by the caller and
changed in place, its first tensor axis is the slot (one session owns one slot), and it says how
many ticks of look-ahead it needs. Offline is the same step folded over a file.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch

from engine.errors import PluginError

Tensors = Any  # a Tensor, or a (named) tuple or mapping of Tensors, slot axis first


@dataclass(slots=True)
class State:
    """Parent of all stage states: a slotted dataclass of preallocated tensors.

    Fields are tensors with the slot axis first, other States, or tuples of either.
    A field called `seed` (int64, (S,)) is written by `Stage.reset`.
    """

    def tensors(self) -> Iterator[tuple[str, torch.Tensor]]:
        """Every tensor with its dotted name, in a fixed order."""
        for f in fields(self):
            yield from _named(f.name, getattr(self, f.name))

    def rebuilt(self, tensors: Iterator[torch.Tensor]) -> "State":
        """The same structure around other tensors, taken in the order of `tensors()`."""
        return type(self)(*(_rebuilt(getattr(self, f.name), tensors) for f in fields(self)))


def _rebuilt(value: Any, tensors: Iterator[torch.Tensor]) -> Any:
    if isinstance(value, torch.Tensor):
        return next(tensors)
    if isinstance(value, State):
        return value.rebuilt(tensors)
    return tuple(_rebuilt(item, tensors) for item in value)


def _named(name: str, value: Any) -> Iterator[tuple[str, torch.Tensor]]:
    if isinstance(value, torch.Tensor):
        yield name, value
    elif isinstance(value, State):
        for sub, tensor in value.tensors():
            yield f"{name}.{sub}", tensor
    elif isinstance(value, tuple):
        for i, item in enumerate(value):
            yield from _named(f"{name}.{i}", item)
    else:
        raise TypeError(f"state field {name} holds {type(value).__name__}, not tensors")


class Stage(ABC):
    """One step of the data flow. Subclasses may also be `torch.nn.Module`s.

    lookahead: ticks by which the output lags the input: step t returns the answer for t - lookahead.
    made_for: fingerprint of the encoder weights that a motion stage was trained on; empty: any will do.
    needs: names of the side outputs of the encoder that a motion stage reads (`SpeechFeatures.side`).
    emotional: a motion stage or a renderer that can be told an emotion, see `set_emotion`.
    alive: a motion stage that moves head, eyes and lids itself, so that nobody else must.
    """

    lookahead: int = 0
    made_for: str = ""
    needs: tuple[str, ...] = ()
    emotional: bool = False
    alive: bool = False

    @abstractmethod
    def init_state(self, slots: int) -> State:
        """Fresh state for `slots` sessions: every tensor allocated once, here."""

    @abstractmethod
    def step(self, state: Any, x: Tensors) -> Tensors:
        """One tick for all slots. Reads and writes `state` in place, returns only the output."""

    def reset(self, state: Any, slot: int, seed: int = 0) -> None:
        """Make one slot as fresh as `init_state` would, with its own random seed."""
        fresh = dict(self.init_state(1).tensors())
        for name, tensor in state.tensors():
            tensor[slot].copy_(fresh[name][0])
            if name.rpartition(".")[2] == "seed":
                tensor[slot] = seed

    def set_emotion(self, state: Any, slot: int, weights: Sequence[float], intensity: float) -> None:
        """Head for a mixture of emotions from the next tick on, in the stage's own ramp; called between ticks.

        weights: shares of `engine.motion.emotion.EMOTIONS`, sum 1; intensity: 0 to 1 (see `make_emotion`).
        Raises PluginError where a stage is not `emotional`.
        """
        raise PluginError(f"{type(self).__name__} shows no emotions")

    def speak_for(self, stage: "Stage") -> None:
        """Declare what another stage declares: for wrappers."""
        self.lookahead, self.made_for, self.needs = stage.lookahead, stage.made_for, stage.needs
        self.emotional, self.alive = stage.emotional, stage.alive


@dataclass(slots=True)
class ChainState(State):
    """The states of a chain's stages, in order."""

    stages: tuple[State, ...]


class Chain(Stage):
    """Stages one after the other; look-aheads add up."""

    def __init__(self, *stages: Stage):
        self.stages = stages
        self.lookahead = sum(stage.lookahead for stage in stages)

    def init_state(self, slots: int) -> ChainState:
        return ChainState(tuple(stage.init_state(slots) for stage in self.stages))

    def step(self, state: ChainState, x: Tensors) -> Tensors:
        for stage, own in zip(self.stages, state.stages, strict=True):
            x = stage.step(own, x)
        return x

    def reset(self, state: ChainState, slot: int, seed: int = 0) -> None:
        for stage, own in zip(self.stages, state.stages, strict=True):
            stage.reset(own, slot, seed)


def tree_map(f: Any, x: Tensors) -> Tensors:
    """Apply f to every tensor of a tensor, (named) tuple or mapping."""
    if isinstance(x, torch.Tensor):
        return f(x)
    if isinstance(x, Mapping):
        return {name: tree_map(f, item) for name, item in x.items()}
    items = [tree_map(f, item) for item in x]
    return type(x)(*items) if hasattr(x, "_fields") else tuple(items)


def tree_leaves(x: Tensors) -> list[torch.Tensor]:
    """The tensors of a tensor, (named) tuple or mapping, in order."""
    if isinstance(x, torch.Tensor):
        return [x]
    return [leaf for item in (x.values() if isinstance(x, Mapping) else x) for leaf in tree_leaves(item)]


def tree_rebuilt(x: Tensors, leaves: Iterator[torch.Tensor]) -> Tensors:
    """The structure of x around other tensors."""
    if isinstance(x, torch.Tensor):
        return next(leaves)
    if isinstance(x, Mapping):
        return {name: tree_rebuilt(item, leaves) for name, item in x.items()}
    items = [tree_rebuilt(item, leaves) for item in x]
    return type(x)(*items) if hasattr(x, "_fields") else tuple(items)


def with_slots(x: Tensors, slots: int) -> Tensors:
    """The same inputs for another number of slots: those that are there, again and again."""
    return tree_map(lambda leaf: leaf[torch.arange(slots) % leaf.shape[0]].clone(), x)


def tree_stack(items: list[Tensors], dim: int) -> Tensors:
    """Stack equal trees along a new axis."""
    if isinstance(items[0], torch.Tensor):
        return torch.stack(items, dim)
    if isinstance(items[0], Mapping):
        return {name: tree_stack([item[name] for item in items], dim) for name in items[0]}
    stacked = [tree_stack(list(column), dim) for column in zip(*items, strict=True)]
    return type(items[0])(*stacked) if hasattr(items[0], "_fields") else tuple(stacked)


@torch.inference_mode()
def fold(stage: Stage, ticks: Tensors, seed: int = 0) -> Tensors:
    """Offline form: `step` folded over ticks (S, T, ...), aligned to the input.

    The first `lookahead` answers belong to ticks before the start and are dropped; zeros are fed
    at the end to bring out the last ones, so the output has the same T.
    """
    slots, length = tree_leaves(ticks)[0].shape[:2]
    state = stage.init_state(slots)
    for slot in range(slots):
        stage.reset(state, slot, seed)
    out = []
    for t in range(length + stage.lookahead):
        at = min(t, length - 1)
        x = tree_map(lambda v, at=at: v[:, at], ticks)
        if t >= length:
            x = tree_map(torch.zeros_like, x)
        y = stage.step(state, x)
        if t >= stage.lookahead:
            out.append(tree_map(torch.clone, y))
    return tree_stack(out, 1)
