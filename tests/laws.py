"""The laws of the stage contract, as assertions that any stage (ours or a plugin's) can be held to.

Each takes a stage and `ticks`, a tensor or tuple of tensors (S, T, ...) with S >= 2.
"""

import torch

from engine.stage import Stage, State, Tensors, fold, tree_leaves, tree_map


def _steps(stage: Stage, state: State, ticks: Tensors, start: int, stop: int) -> list[list[torch.Tensor]]:
    out = []
    with torch.inference_mode():
        for t in range(start, stop):
            y = stage.step(state, tree_map(lambda v, t=t: v[:, t].clone(), ticks))
            out.append([leaf.clone() for leaf in tree_leaves(y)])
    return out


def _fresh(stage: Stage, ticks: Tensors, seed: int = 5) -> State:
    with torch.inference_mode():
        slots = tree_leaves(ticks)[0].shape[0]
        state = stage.init_state(slots)
        for slot in range(slots):
            stage.reset(state, slot, seed + slot)
    return state


def _length(ticks: Tensors) -> int:
    return tree_leaves(ticks)[0].shape[1]


def _assert_equal(a, b, tolerance: float, what: str) -> None:
    for step, (one, other) in enumerate(zip(a, b, strict=True)):
        for left, right in zip(one, other, strict=True):
            gap = (left.double() - right.double()).abs().max().item() if left.numel() else 0.0
            assert gap <= tolerance, f"{what}: step {step} differs by {gap:.3g} (allowed {tolerance:g})"


def assert_state_is_slotted(stage: Stage, ticks: Tensors) -> None:
    """Every state tensor has the slot axis first, and shapes do not depend on anything else."""
    for slots in (1, 3):
        for name, tensor in stage.init_state(slots).tensors():
            assert tensor.shape[0] == slots, f"{name} has shape {tuple(tensor.shape)} for {slots} slots"


def assert_state_changes_in_place(stage: Stage, ticks: Tensors) -> None:
    """Steps never rebind a state tensor nor change its shape: a captured graph would read stale memory."""
    state = _fresh(stage, ticks)
    before = [(name, tensor.data_ptr(), tensor.shape) for name, tensor in state.tensors()]
    _steps(stage, state, ticks, 0, min(3, _length(ticks)))
    after = [(name, tensor.data_ptr(), tensor.shape) for name, tensor in state.tensors()]
    assert before == after


def assert_outputs_are_finite(stage: Stage, ticks: Tensors) -> None:
    """No answer is NaN or infinite."""
    for step, leaves in enumerate(_steps(stage, _fresh(stage, ticks), ticks, 0, _length(ticks))):
        assert all(torch.isfinite(leaf.float()).all() for leaf in leaves), f"step {step} is not finite"


def assert_repeatable(stage: Stage, ticks: Tensors) -> None:
    """The same input and seed give the same output, bit for bit."""
    runs = [_steps(stage, _fresh(stage, ticks), ticks, 0, _length(ticks)) for _ in range(2)]
    _assert_equal(*runs, 0.0, "second run")


def assert_causal(stage: Stage, ticks: Tensors, other: Tensors) -> None:
    """Answers up to step t do not change with what is heard after t. `other` differs from ticks everywhere."""
    half = _length(ticks) // 2
    mixed = tree_map(torch.clone, ticks)
    for into, source in zip(tree_leaves(mixed), tree_leaves(other), strict=True):
        into[:, half:] = source[:, half:]
    a = _steps(stage, _fresh(stage, ticks), ticks, 0, half)
    b = _steps(stage, _fresh(stage, ticks), mixed, 0, half)
    _assert_equal(a, b, 0.0, "the future leaks")


def assert_reset_is_fresh(stage: Stage, ticks: Tensors, tolerance: float = 1e-6) -> None:
    """After reset a slot answers as a new one does, and the other slots do not notice."""
    length = _length(ticks)
    straight = _steps(stage, _fresh(stage, ticks), ticks, 0, length)
    state = _fresh(stage, ticks)
    half = length // 2
    _steps(stage, state, ticks, 0, half)
    with torch.inference_mode():
        stage.reset(state, 0, 5)
    shifted = tree_map(torch.clone, ticks)
    for leaf, source in zip(tree_leaves(shifted), tree_leaves(ticks), strict=True):
        leaf[0, half : 2 * half] = source[0, :half]
    again = _steps(stage, state, shifted, half, 2 * half)
    first = [[leaf[0] for leaf in leaves] for leaves in straight[:half]]
    _assert_equal([[leaf[0] for leaf in leaves] for leaves in again], first, tolerance, "reset slot")
    others = [[leaf[1:] for leaf in leaves] for leaves in straight[half : 2 * half]]
    _assert_equal([[leaf[1:] for leaf in leaves] for leaves in again], others, tolerance, "neighbour of a reset")


def assert_slots_are_independent(stage: Stage, ticks: Tensors, tolerance: float = 1e-5) -> None:
    """A session in a batch equals the session alone, even beside a neighbour full of NaN."""
    length = _length(ticks)
    beside = tree_map(torch.clone, ticks)
    for leaf in tree_leaves(beside):
        if leaf.is_floating_point():
            leaf[0] = float("nan")
    batch = _steps(stage, _fresh(stage, ticks), beside, 0, length)
    alone = tree_map(lambda v: v[-1:], ticks)
    slots = tree_leaves(ticks)[0].shape[0]
    single = _steps(stage, _fresh(stage, alone, 5 + slots - 1), alone, 0, length)
    _assert_equal([[leaf[-1:] for leaf in leaves] for leaves in batch], single, tolerance, "slot in a batch")


def assert_fold_is_stepping(stage: Stage, ticks: Tensors) -> None:
    """The offline form is the same step: same length as the input, shifted by the look-ahead."""
    length = _length(ticks)
    folded = tree_leaves(fold(stage, ticks, seed=5))
    same_seed = _fresh(stage, ticks)
    with torch.inference_mode():
        for slot in range(tree_leaves(ticks)[0].shape[0]):
            stage.reset(same_seed, slot, 5)
    steps = _steps(stage, same_seed, ticks, 0, length)[stage.lookahead :]
    assert all(leaf.shape[1] == length for leaf in folded)
    _assert_equal([[leaf[:, t] for leaf in folded] for t in range(len(steps))], steps, 0.0, "fold")


def assert_executors_agree(stage: Stage, compiled: Stage, ticks: Tensors, tolerance: float = 1e-3) -> None:
    """A compiled executor answers as the eager stage does."""
    length = _length(ticks)
    eager = _steps(stage, _fresh(stage, ticks), ticks, 0, length)
    other = _steps(compiled, _fresh(compiled, ticks), ticks, 0, length)
    _assert_equal(other, eager, tolerance, "executor")


def assert_streaming_is_parallel(
    stage: Stage, parallel: list[torch.Tensor], ticks: Tensors, tolerance: float = 1e-4
) -> None:
    """Stepping gives what the training-time parallel forward gave: leaves (S, T, ...), T = ticks - look-ahead."""
    steps = _steps(stage, _fresh(stage, ticks), ticks, 0, _length(ticks))[stage.lookahead :]
    expected = [[leaf[:, t] for leaf in parallel] for t in range(len(steps))]
    _assert_equal(steps, expected, tolerance, "streaming")


LAWS = (
    assert_state_is_slotted,
    assert_state_changes_in_place,
    assert_outputs_are_finite,
    assert_repeatable,
    assert_reset_is_fresh,
    assert_slots_are_independent,
    assert_fold_is_stepping,
)
