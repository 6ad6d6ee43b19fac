"""The training loop: seeded, resumable, with averaged weights and a progress line.

A checkpoint under runs/ holds model, average, optimizer, step and the minutes spent, so that training goes on where
it stopped; parameters that a model has gained since then begin fresh. Batches come from the step number, so a resumed
run sees what an unbroken one would have seen.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from engine.errors import WeightsError
from engine.training import team

Figures = dict[str, float]
LONGEST_STEP_S = 90.0  # what is more was a pause (a stopped process, a sleeping machine) and does not count


@dataclass(frozen=True)
class Schedule:
    """How long and how fast. Training ends at `steps` or after `minutes`, whichever comes first.

    The rate warms up over `warmup` steps, stays, and falls linearly to zero from `decay_from`
    (share of the way) on. average: how slowly the averaged weights follow.
    """

    steps: int
    minutes: float
    rate: float = 1.5e-3
    warmup: int = 300
    decay_from: float = 0.5
    average: float = 0.999
    evaluate_every: int = 250

    def rate_at(self, step: int, progress: float) -> float:
        """Learning rate; progress 0..1 is the share of the way behind us."""
        fall = min(1.0, (1.0 - progress) / (1.0 - self.decay_from))
        return self.rate * min(1.0, (step + 1) / self.warmup) * max(fall, 0.0)


def train_model(
    model: nn.Module,
    loss_of: Callable[[int], tuple[torch.Tensor, Figures]],
    evaluate: Callable[[nn.Module, int], Figures],
    folder: Path,
    schedule: Schedule,
    resume: bool = True,
) -> nn.Module:
    """Train and return the averaged model.

    loss_of: step number -> loss with graph, and figures to show.
    evaluate: averaged model and step -> figures; called at intervals and at the end. Of a team (`engine.training.team`)
    the first process alone is asked and writes.
    """
    from rich.console import Console

    first = team.rank() == 0
    console = Console(quiet=not first)
    average = torch.optim.swa_utils.AveragedModel(model, avg_fn=_follow(schedule.average))
    decayed = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.02}, {"params": plain, "weight_decay": 0.0}],
        lr=schedule.rate, betas=(0.9, 0.98),
    )  # fmt: skip
    path = folder / "latest.pt"
    step, spent_s = 0, 0.0
    if resume and path.is_file():
        saved = torch.load(path, map_location=next(model.parameters()).device, weights_only=True)
        for module, tensors in ((model, saved["model"]), (average, saved["average"])):
            strange = module.load_state_dict(tensors, strict=False).unexpected_keys
            if strange:
                raise WeightsError(
                    f"{path}: holds {strange[0]}, which is no part of this model; use another run folder"
                )
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict(_in_order(saved["optimizer"], saved["names"], _names(model, optimizer), groups))
        step, spent_s = saved["step"], saved["spent_s"]
        console.print(f"resumed at step {step}, {spent_s / 60:.1f} min")

    folder.mkdir(parents=True, exist_ok=True)
    shown: Figures = {}
    before = time.monotonic()
    while True:
        now = time.monotonic()
        spent_s += min(now - before, LONGEST_STEP_S)
        before = now
        spent_s = team.agree(spent_s)
        progress = max(step / schedule.steps, spent_s / 60 / schedule.minutes)
        ended = progress >= 1.0
        if first and (ended or (step and step % schedule.evaluate_every == 0)):
            _save(path, model, average, optimizer, step, spent_s)
            figures = evaluate(average.module, step)
            console.print(f"step {step} {spent_s / 60:.1f} min  " + _line(figures), highlight=False, soft_wrap=True)
        if ended:
            return average.module
        for group in optimizer.param_groups:
            group["lr"] = schedule.rate_at(step, progress)
        model.train()
        loss, figures = loss_of(step)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        team.average_gradients(model)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        average.update_parameters(model)
        shown = {name: 0.98 * shown.get(name, value) + 0.02 * value for name, value in figures.items()}
        step += 1
        if step % 50 == 0:
            line = f"  {step}/{schedule.steps}  {progress:.0%}  {spent_s / 60:.1f} min  {_line(shown)}"
            console.print(line, highlight=False, soft_wrap=True)


def precision(device: str, bf16: bool = False) -> torch.autocast:
    """Products in bf16 on a GPU, and on a CPU when asked for; sums, norms and losses stay in fp32."""
    return torch.autocast(device, torch.bfloat16, enabled=bf16 or device == "cuda")


def _follow(slow: float) -> Callable:
    """Weight average that follows quickly at first."""

    def average(averaged: torch.Tensor, new: torch.Tensor, seen: torch.Tensor | int) -> torch.Tensor:
        keep = min(slow, (1.0 + float(seen)) / (10.0 + float(seen)))
        return averaged + (1.0 - keep) * (new - averaged)

    return average


def _save(
    path: Path,
    model: nn.Module,
    average: nn.Module,
    optimizer: torch.optim.Optimizer,
    step: int,
    spent_s: float,
) -> None:
    partial = path.with_suffix(".partial")
    saved = {
        "model": model.state_dict(), "average": average.state_dict(), "optimizer": optimizer.state_dict(),
        "names": _names(model, optimizer), "step": step, "spent_s": spent_s,
    }  # fmt: skip
    torch.save(saved, partial)
    partial.rename(path)


def _names(model: nn.Module, optimizer: torch.optim.Optimizer) -> list[str]:
    """Names of the parameters in the optimizer's own order."""
    known = {id(p): name for name, p in model.named_parameters()}
    return [known[id(p)] for group in optimizer.param_groups for p in group["params"]]


def _in_order(saved: dict, before: list[str], now: list[str], groups: list[dict]) -> dict:
    """An optimizer's state for parameters in another order than when it was saved; new ones begin without."""
    at = {name: i for i, name in enumerate(before)}
    state = {i: saved["state"].get(at[name]) for i, name in enumerate(now) if name in at}
    return {"param_groups": groups, "state": {i: own for i, own in state.items() if own is not None}}


def _line(figures: Figures) -> str:
    return "  ".join(f"{name} {value:.3f}" for name, value in figures.items())
