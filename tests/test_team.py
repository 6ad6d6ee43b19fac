"""Processes that train one model together."""

import os
import signal
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.multiprocessing import ProcessExitedException, ProcessRaisedException

from engine.cli import main
from engine.errors import DeviceError, EngineError, WeightsError
from engine.training import team
from engine.training.loop import Schedule, train_model

DATA = torch.linspace(-1.0, 1.0, 64).view(16, 4)


def learn(options: dict) -> None:
    """Fit a line; of a team each process sees every other example."""
    torch.manual_seed(0)
    model = nn.Linear(4, 1)
    own = DATA[team.rank() :: team.size()]

    def loss_of(step: int):
        loss = (model(own) - own.sum(1, keepdim=True)).square().mean()
        return loss, {"loss": loss.item()}

    folder = Path(options["folder"])
    schedule = Schedule(6, 60.0, rate=0.05, warmup=1, evaluate_every=3)
    done = train_model(model, loss_of, lambda averaged, step: {"asked": float(step)}, folder / "run", schedule)
    torch.save(done.state_dict(), folder / f"{team.rank()}.pt")
    with (folder / "asked").open("a") as file:
        file.write(f"{team.rank()}\n")


def test_two_learn_what_one_does(tmp_path):
    folders = [tmp_path / "two", tmp_path / "one"]
    for folder, processes in zip(folders, (2, 1), strict=True):
        folder.mkdir()
        team.run_team(processes, learn, {"folder": str(folder)})
    first, second = (torch.load(folders[0] / f"{k}.pt", weights_only=True) for k in (0, 1))
    alone = torch.load(folders[1] / "0.pt", weights_only=True)
    for name in alone:
        assert torch.equal(first[name], second[name])
        torch.testing.assert_close(first[name], alone[name])
    assert not torch.equal(alone["weight"], nn.Linear(4, 1).weight)
    assert len((folders[0] / "asked").read_text().split()) == 2


def end(options: dict) -> None:
    """What the second of a team is asked to do: refuse, or die."""
    if not team.rank():
        team.agree(0.0)
    elif options["how"] == "refuse":
        raise WeightsError("these weights are another model's")
    elif options["how"] == "die":
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize(
    ("how", "kind", "said"),
    [("refuse", EngineError, "^these weights are another model's$"), ("die", DeviceError, "from the last checkpoint")],
)
def test_a_team_ends_with_the_error_of_one(how, kind, said):
    with pytest.raises(kind, match=said):
        team.run_team(2, end, {"how": how})


@pytest.mark.parametrize("seen", ["the lost one", "its partner"])
def test_whoever_of_a_lost_pair_is_seen_first(monkeypatch, seen):
    """The operating system decides which of two dead processes is noticed; the user reads the same either way."""
    lost = ProcessExitedException("killed", 1, 7, -9)
    partner = ProcessRaisedException("RuntimeError: [gloo/transport/tcp/pair.cc:537] Connection reset by peer", 0, 6)

    def spawn(*_):
        raise lost if seen == "the lost one" else partner

    monkeypatch.setattr(torch.multiprocessing, "spawn", spawn)
    with pytest.raises(DeviceError, match="from the last checkpoint"):
        team.run_team(2, end, {"how": "die"})


def test_a_mistake_in_a_team_keeps_its_traceback(monkeypatch):
    def spawn(*_):
        raise ProcessRaisedException("ZeroDivisionError: in step", 1, 7)

    monkeypatch.setattr(torch.multiprocessing, "spawn", spawn)
    with pytest.raises(ProcessRaisedException, match="ZeroDivisionError"):
        team.run_team(2, end, {"how": "die"})


def test_alone_nothing_is_shared():
    assert (team.rank(), team.size(), team.agree(3.0)) == (0, 1, 3.0)
    model = nn.Linear(2, 1)
    model(torch.ones(1, 2)).sum().backward()
    before = model.weight.grad.clone()
    team.average_gradients(model)
    assert torch.equal(model.weight.grad, before)
    with team.first_alone():
        pass


def test_workers_and_processes_exclude_each_other(capsys):
    for more in (["--workers", "1"], ["--device", "cuda"]):
        with pytest.raises(SystemExit):
            main(["train", "encoder", "--processes", "2", *more])
        assert "makes its own batches" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["train", "encoder", "--processes", "0"])
    assert "--processes 0: at least 1" in capsys.readouterr().err
