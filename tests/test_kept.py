"""What is kept between starts: made once, the same afterwards, and never in the way."""

import os
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from engine import kept
from engine.torchkit import openvino_executor
from engine.torchkit.openvino_executor import OpenVino
from tests.hubert_files import TINY, tiny


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VISEMA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


class Maker:
    """Makes arrays and counts how often."""

    def __init__(self):
        self.made = 0

    def __call__(self) -> dict[str, np.ndarray]:
        self.made += 1
        return {"a": np.arange(6, dtype=np.uint8).reshape(2, 3).T, "b": np.array([self.made], np.float32)}


def test_arrays_are_made_once(cache: Path) -> None:
    make = Maker()
    first, second = kept.kept_arrays("x-1", make), kept.kept_arrays("x-1", make)
    assert make.made == 1
    for name, array in first.items():
        assert array.dtype == second[name].dtype and (array == second[name]).all()
    kept.kept_arrays("x-2", make)
    assert make.made == 2


def test_names_tell_everything_apart() -> None:
    a = np.arange(4, dtype=np.int32)
    names = [
        kept.name_of("x", *parts)
        for parts in [("a", "b"), ("ab",), ("ab", ""), (a,), (a.reshape(2, 2),), (a.view(np.uint32),), (a.tobytes(),)]
    ]
    assert len(set(names)) == len(names)
    assert kept.name_of("x", a) == kept.name_of("x", a.copy())


def test_what_is_damaged_is_made_anew(cache: Path) -> None:
    make = Maker()
    kept.kept_arrays("x-1", make)
    (cache / "x-1" / "arrays.safetensors").write_bytes(b"nonsense")
    assert kept.kept_arrays("x-1", make)["b"] == [2]
    assert kept.kept_arrays("x-1", make)["b"] == [3] and kept.kept_arrays("x-1", make)["b"] == [3]


@pytest.mark.parametrize("folder", ["", "taken/cache"])
def test_nothing_is_kept_where_nothing_can_be(folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "taken").write_text("a file")
    monkeypatch.setenv("VISEMA_CACHE", str(tmp_path / folder) if folder else "")
    make = Maker()
    assert [kept.kept_arrays("x-1", make)["b"][0] for _ in range(2)] == [1, 2]


def test_the_least_recently_used_goes_first(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "MOST", 2)
    make = Maker()
    for name, age_s in (("x-1", 30), ("x-2", 20)):
        kept.kept_arrays(name, make)
        os.utime(cache / name, (time.time() - age_s, time.time() - age_s))
    kept.kept_arrays("x-1", make)
    kept.kept_arrays("x-3", make)
    assert sorted(path.name for path in cache.iterdir()) == ["x-1", "x-3"]


def test_a_failing_maker_leaves_nothing(cache: Path) -> None:
    def fail() -> dict[str, np.ndarray]:
        raise ValueError("no")

    with pytest.raises(ValueError):
        kept.kept_arrays("x-1", fail)
    assert not list(cache.iterdir())


def test_networks_are_converted_once_and_answer_the_same(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    stage, ticks = tiny(TINY), 0.07 * torch.randn(2, 3, 640)
    converted, convert = [], openvino_executor._convert
    monkeypatch.setattr(openvino_executor, "_convert", lambda *given: converted.append(1) or convert(*given))

    def answers() -> list[torch.Tensor]:
        compiled = OpenVino(stage, ticks[:, 0].clone())
        state = compiled.init_state(2)
        return [compiled.step(state, ticks[:, k]) for k in range(3)]

    first, again = answers(), answers()
    assert len(converted) == 1 and all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    for path in cache.glob("*/model.xml"):
        path.write_text("<net>")
    assert all(torch.equal(a, b) for a, b in zip(first, answers(), strict=True))
    assert len(converted) == 2
    with torch.no_grad():
        next(p for p in stage.parameters() if p.ndim > 1).mul_(1.5)
    changed = answers()
    assert len(converted) == 3 and not any(torch.equal(a, b) for a, b in zip(first, changed, strict=True))
