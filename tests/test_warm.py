"""A renderer that compiles says so; one that does not is silent."""

import time

import torch

from engine.motion import layout
from engine.render import warm


class Slow:
    """Stands for a renderer whose first picture takes a while."""

    def __init__(self, seconds: float):
        self.seconds, self.asked = seconds, []

    def init_state(self, slots: int) -> int:
        return slots

    def step(self, state: int, x: torch.Tensor) -> torch.Tensor:
        self.asked.append((state, tuple(x.shape)))
        time.sleep(self.seconds)
        return x


def test_a_slow_first_picture_is_explained_and_a_quick_one_is_not(capsys, monkeypatch) -> None:
    monkeypatch.setattr(warm, "PATIENCE_S", 0.05)
    slow = Slow(0.6)
    warm.warm_up(slow)  # type: ignore[arg-type]
    assert capsys.readouterr().err.strip() == warm.NOTICE
    monkeypatch.setattr(warm, "PATIENCE_S", 30.0)
    warm.warm_up(Slow(0))  # type: ignore[arg-type]
    time.sleep(0.05)
    assert capsys.readouterr().err == ""
    assert slow.asked == [(1, (1, layout.M))]
