"""Every stage keeps every law."""

import functools
import re
from pathlib import Path

import pytest
import torch

from engine.torchkit.openvino_executor import OpenVino
from tests import laws
from tests.stages import CASES, Case

PLUGINS = Path(__file__).resolve().parents[1] / "plugins"


@functools.cache
def _stage(case: Case):
    torch.set_num_threads(1)
    return case.build()


@pytest.mark.parametrize("law", laws.LAWS, ids=lambda law: law.__name__.removeprefix("assert_"))
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_law(case: Case, law):
    law(_stage(case), case.ticks(1, 2, case.length))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_causal(case: Case):
    laws.assert_causal(_stage(case), case.ticks(1, 2, case.length), case.ticks(2, 2, case.length))


@pytest.mark.parametrize("case", [case for case in CASES if case.executors], ids=lambda case: case.name)
def test_executors_agree(case: Case):
    pytest.importorskip("openvino", reason="pip install 'visema[cpu]'")
    ticks = case.ticks(1, 2, case.length)
    stage = _stage(case)
    example = laws.tree_map(lambda v: v[:, 0].clone(), ticks)
    laws.assert_executors_agree(stage, OpenVino(stage, example), ticks)


def test_a_law_can_fail():
    """The laws catch what they are for: a stage that looks ahead, keeps hidden state, or mixes slots."""
    from engine.motion.life import Life

    class Mixed(Life):
        def step(self, state, x):
            return super().step(state, x) + x[1].mean(0)

    class Hidden(Life):
        def step(self, state, x):
            self.amount += 0.1
            return super().step(state, x)

    case = next(case for case in CASES if case.name == "life")
    ticks = case.ticks(1, 2, 30)
    with pytest.raises(AssertionError):
        laws.assert_slots_are_independent(Mixed(), ticks)
    with pytest.raises(AssertionError):
        laws.assert_repeatable(Hidden(), ticks)


def test_no_plugin_needs_another():
    """Each can be left out; what two of them share lies in the engine."""
    needed = {
        (path.relative_to(PLUGINS).parts[0], name)
        for path in PLUGINS.rglob("*.py")
        for name in re.findall(r"^\s*(?:from|import) plugins\.(\w+)", path.read_text(encoding="utf-8"), re.M)
    }
    assert ("viseme", "viseme") in needed and ("gmtalker", "gmtalker") in needed
    assert {(own, other) for own, other in needed if own != other} == set()
