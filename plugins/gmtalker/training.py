"""What both trainings of GMTalker share: the command line, examples, batches, curves and cards."""

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from engine.features import load_encoder
from engine.features.checkpoint import fingerprint
from engine.frames import SpeechFeatures
from engine.training.loop import Figures, Schedule, train_model
from engine.training.performers import Performances
from engine.training.run_log import RunLog
from plugins.gmtalker.data import SPEAKERS, Takes, make_takes
from plugins.gmtalker.fitted import fitted_speakers, fitted_takes
from plugins.gmtalker.settings import Settings, read_settings

CONTENT_NOISE, LEVEL_DB = 0.1, 4.0  # features are varied a little in every batch
LEAST_DEVIATION = 0.03
LOG_EVERY = 20


class Batch(NamedTuple):
    """rows: int64 (B,) windows; takes: int64 (B,) performances of them; speech: features, varied; lookahead in ticks;
    random: for everything else that is drawn in this step."""

    rows: torch.Tensor
    takes: torch.Tensor
    speech: SpeechFeatures
    lookahead: int
    random: torch.Generator


def draw_batch(takes: Takes, performed: int, settings: Settings, step: int, among: torch.Tensor | None = None) -> Batch:
    """A batch that is a function of seed and step. performed: how many performances a window has; among: int64 (X, 2)
    windows and performances to choose from, if not all."""
    draw = np.random.default_rng((settings.seed, step))
    count = settings.batch
    if among is None:
        rows = torch.from_numpy(draw.integers(0, len(takes.content), count))
        chosen = torch.from_numpy(draw.integers(0, performed, count))
    else:
        rows, chosen = among[torch.from_numpy(draw.integers(0, len(among), count))].unbind(1)
    speech = takes.features(rows)
    noise = torch.from_numpy(draw.standard_normal(speech.content.shape, np.float32))
    level = torch.from_numpy(draw.uniform(-LEVEL_DB, LEVEL_DB, (count, 1, 1)).astype(np.float32))
    speech = speech._replace(content=speech.content + CONTENT_NOISE * noise, loudness_db=speech.loudness_db + level)
    random = torch.Generator().manual_seed(int(draw.integers(2**62)))
    return Batch(rows, chosen, speech, int(draw.integers(0, 3)), random)


def scales(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and deviation (V,) of values (..., V); what hardly moves is not blown up."""
    flat = values.float().flatten(0, -2)
    return flat.mean(0), flat.std(0)


def load_examples(options: argparse.Namespace) -> tuple[Takes, Takes, tuple[str, ...]]:
    """Examples to train and to validate on, and the speakers' names; see `parse`.

    Made once for each encoder and kept beside the run.
    """
    settings, encoder, fitted = options.settings, options.encoder, options.fitted
    speakers = fitted_speakers(fitted) if fitted else SPEAKERS
    sets = []
    for split, voices in (("train", settings.voices), ("valid", settings.valid_voices)):
        asked = f"{voices}-{settings.takes}-{settings.wide}-{settings.seconds:g}-{settings.seed}"
        source = f"{fitted.resolve().name}-" if fitted else ""
        path = options.run.parent / "takes" / f"{source}{split}-{asked}-{fingerprint(encoder)}.safetensors"

        def report(done: int, of: int, split: str = split) -> None:
            print(f"  {split}: {done}/{of} voices", flush=True)

        if not path.is_file():
            encoder.ask(())
            if fitted:
                made = fitted_takes(encoder, fitted, split, voices, settings.seconds, settings.seed, report)
            else:
                made = make_takes(
                    encoder, Performances(options.corpus), split, voices, settings.takes, settings.wide,
                    settings.seconds, settings.seed, report,
                )  # fmt: skip
            made.save(path)
        sets.append(Takes.load(path))
    return sets[0], sets[1], speakers


def fit(
    loss: nn.Module, judge: Callable[[nn.Module], Figures], run: Path, settings: Settings, minutes: float,
    save: Callable[[nn.Module], None], resume: bool,
) -> nn.Module:  # fmt: skip
    """Train a loss module; figures, curves (curves.png) and checkpoints lie in `run`. Returns the averaged module."""
    log = RunLog(run)

    def loss_of(step: int) -> tuple[torch.Tensor, Figures]:
        total, figures = loss(step)
        if step % LOG_EVERY == 0:
            log.write(step, figures)
        return total, figures

    def evaluate(averaged: nn.Module, step: int) -> Figures:
        averaged.eval()
        save(averaged)
        figures = judge(averaged)
        log.write(step, figures, "valid")
        log.draw(run / "curves.png")
        return figures

    schedule = Schedule(
        settings.steps, max(minutes, 1e-3), settings.rate, 200, 0.4, 0.998, settings.evaluate_every
    )
    return train_model(loss, loss_of, evaluate, run, schedule, resume)


def write_card(path: Path, title: str, text: str, settings: Settings, figures: Figures, command: str) -> None:
    """What a weight file is, beside it as Markdown: data, settings, figures, and how to make it again."""
    told = {name: value for name, value in settings.model_dump().items()}
    lines = [
        f"# {title}", "", text, "", "Made by", "", f"    {command}", "", "Settings:", "",
        *(f"- {name} = {value!r}" for name, value in told.items()), "", "Figures on held-out voices and texts:", "",
        *(f"- {name}: {value:.4g}" for name, value in figures.items()), "",
    ]  # fmt: skip
    path.write_text("\n".join(lines), encoding="utf-8")


def parse(name: str, text: str | None, argv: Sequence[str] | None, out: Path) -> argparse.Namespace:
    """Options of `visema train gmtalker.NAME`, with `settings`, `encoder` and `resume` made of them."""
    parser = argparse.ArgumentParser(prog=f"visema train gmtalker.{name}", description=text)
    parser.add_argument("--config", metavar="NAME|FILE", help="small (default), paper, an ablation, or a TOML file")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override a setting")
    parser.add_argument("--corpus", type=Path, default=Path("../shared/corpus"))
    parser.add_argument("--fitted", type=Path, default=None, metavar="FOLDER",
                        help="recordings with fitted coefficients instead of a corpus; see engine.training.readers")
    parser.add_argument("--out", type=Path, default=out)
    parser.add_argument("--run", type=Path, default=None, help="default: runs/gmtalker/NAME and the configuration")
    parser.add_argument("--encoder", type=Path, default=None, help="encoder weights; default: the shipped ones")
    parser.add_argument("--start", type=Path, default=None, help="weights to begin with")
    parser.add_argument("--fresh", action="store_true", help="do not resume the run in --run")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    options.settings = read_settings(options.config, options.set)
    options.resume = not options.fresh
    kind = Path(options.config).stem if options.config else "small"
    options.run = options.run or Path("runs/gmtalker") / f"{name}-{kind}"
    options.encoder = load_encoder(options.encoder)
    options.command = " ".join(["visema train gmtalker." + name, *(argv or [])])
    return options


def show(figures: Figures) -> None:
    """The end of a training, as JSON."""
    print(json.dumps(figures, indent=1))
