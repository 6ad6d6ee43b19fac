"""Trains the speech encoder on phone timings: `python -m engine train encoder`.

Loss: phones by cross-entropy at 0, 1 and 2 ticks of delay, plus four gestures (lips shut, lip on teeth, lips
rounded, nobody speaks), where a missed closure costs more than a false one, plus the coefficients of the reference
performance. The figures of real speech are watched at every evaluation; the best averaged weights are kept.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from engine.features.checkpoint import fit
from engine.features.hubert import SMALL
from engine.features.phones import PHONES, SIL
from engine.features.speech_encoder import SpeechConfig, SpeechEncoder
from engine.features.speech_files import load_speech_encoder, save_speech_encoder
from engine.training import team
from engine.training.corpus import SOUNDS_EN, Clip, read_corpus, read_real, read_rows, split_of
from engine.training.grow import widen
from engine.training.loop import Figures, Schedule, precision, train_model
from engine.training.phone_batches import MOUTH, PhoneBatches
from engine.training.phone_figures import phone_figures
from engine.training.phones import GESTURE_TABLE
from engine.training.prefetch import Prefetch

BATCH = 16
DELAY_WEIGHTS = (1.0, 1.0, 0.7)
DROPOUT = 0.05
MOUTH_WEIGHT, MOUTH_SPREAD = 1.0, 0.12
BF16_HELP = "products in bf16 on the CPU too: nearly three times as fast where it has instructions for them"
SIZES = {
    "tiny": SpeechConfig(replace(SMALL, width=96, layers=2, heads=2, feed_forward=256)),  # to try a command with
    "first": SpeechConfig(replace(SMALL, width=192, heads=4, feed_forward=768)),
    "small": SpeechConfig(),
}


def phone_weights() -> torch.Tensor:
    """How much a frame of each phone counts, float32 (43,): there is more silence than of anything else."""
    weights = torch.ones(len(PHONES))
    weights[SIL] = 0.6
    return weights


class PhoneLoss(nn.Module):
    """Loss of an encoder on batches of `PhoneBatches`."""

    def __init__(self, encoder: SpeechEncoder):
        super().__init__()
        self.encoder = encoder
        self.weights = nn.Buffer(phone_weights())
        self.gestures = nn.Buffer(torch.tensor(GESTURE_TABLE, dtype=torch.float32))
        self.missed = nn.Buffer(torch.tensor([3.0, 2.0, 1.5, 1.0]))
        # only asked while training: what the mouth does, so that content holds what lips need
        self.mouth_head = nn.Linear(encoder.width, len(encoder.config.delays) * MOUTH)

    def forward(self, mel: torch.Tensor, labels: torch.Tensor, mouths: torch.Tensor) -> tuple[torch.Tensor, Figures]:
        """mel: (B, 2 T, mels); labels: (B, delays, T), negative where nothing is known; mouths: (B, T, MOUTH)."""
        content = self.encoder.content(mel)
        phones, gestures = self.encoder.frame_logits(content), self.encoder.gesture_logits(content)
        shown = self.mouth_head(content).unflatten(-1, (-1, MOUTH))
        total, figures = content.new_zeros(()), {}
        for k, weight in enumerate(DELAY_WEIGHTS[: labels.shape[1]]):
            known = labels[:, k] >= 0
            truth, logits = labels[:, k][known], phones[:, :, k][known]
            named = F.cross_entropy(logits, truth, self.weights, label_smoothing=0.1)
            gesture = F.binary_cross_entropy_with_logits(
                gestures[:, :, k][known], self.gestures[truth], pos_weight=self.missed
            )
            late, frames = 2 * self.encoder.config.delays[k], mouths.shape[1]
            error = (shown[:, late:, k] - mouths[:, : frames - late]) / MOUTH_SPREAD
            mouth = F.smooth_l1_loss(error, torch.zeros_like(error))
            total = total + weight * (named + 0.5 * gesture + MOUTH_WEIGHT * mouth)
            figures[f"ce{k}"] = named.item()
            figures[f"mouth{k}"] = mouth.item()
            figures[f"acc{k}"] = (logits.argmax(-1) == truth).float().mean().item()
        return total, figures


def balance(groups: Sequence[list[Clip]], shares: Sequence[float]) -> tuple[list[Clip], np.ndarray]:
    """All clips in a row, and how often to draw each: by length within a group, by share between groups."""
    clips, weights = [], []
    for group, share in zip(groups, shares, strict=True):
        lengths = np.array([len(clip.samples) for clip in group], float)
        clips += group
        weights.append(lengths / lengths.sum() * share)
    joined = np.concatenate(weights)
    return clips, joined / joined.sum()


def score(real: dict[int, dict[str, float]]) -> float:
    """One number to choose weights by: closures and phones of the real voice over all look-aheads."""
    return float(np.mean([f["closure"] + 0.5 * f["viseme"] + 0.5 * f["phone"] for f in real.values()]))


def train(
    corpus: Path,
    out: Path | None = None,
    run: Path = Path("runs/encoder"),
    extra: Sequence[Path] = (),
    extra_shares: Sequence[float] = (),
    sounds: Path = Path(SOUNDS_EN),
    minutes: float = 45.0,
    steps: int = 4_000,
    seed: int = 0,
    resume: bool = True,
    rate: float = 1.5e-3,
    config: SpeechConfig | None = None,
    start: Path | None = None,
    decay_from: float = 0.5,
    average: float = 0.999,
    batch: int = BATCH,
    every: int = 250,
    dropout: float = DROPOUT,
    device: str = "cpu",
    workers: int = 0,
    bf16: bool = False,
) -> dict:
    """Train, write the best weights to `out` (by default best.safetensors of the run), and return their figures.

    corpus: folder with manifest.jsonl and real_en.jsonl. extra: further folders of the same form, each drawn with
    its share (1/4 if none is given) against the corpus's 1. sounds: the real prompts, for validation only. start:
    weights to begin with; those of half the width are widened. A run goes on from its checkpoint, also with more
    minutes or steps than before: its rate then rises again to where it stands in the longer schedule. device, workers:
    where the network trains, and how many processes make its batches. bf16: see `precision`.
    """
    torch.manual_seed(seed)
    cache = run.parent / "corpus"
    with team.first_alone():
        clips = read_corpus(corpus, cache)
        groups = [split_of(clips, "train")] + [split_of(read_corpus(folder, cache), "train") for folder in extra]
    real = read_real(corpus / "real_en.jsonl", sounds)
    encoder = begin(config or SpeechConfig(), start, seed, dropout)
    shares = [1.0, *(extra_shares or [0.25] * len(extra))]
    rows = max(1, batch // team.size())
    made = PhoneBatches(*balance(groups, shares), encoder.mel.filters.shape[1], encoder.config.delays, seed, rows)
    batches = Prefetch(made, workers, device)  # before CUDA is touched
    loss = PhoneLoss(encoder).to(device)
    watched = split_of(clips, "valid")[::3]
    log = run / "figures.jsonl"
    past = read_rows(log) if resume and log.is_file() else []
    best: dict = max(past, key=lambda row: row["score"], default={"score": 0.0})

    def evaluate(averaged: nn.Module, step: int) -> Figures:
        newest = averaged.encoder
        assert isinstance(newest, SpeechEncoder)
        found = {"real": phone_figures(newest, real), "valid": phone_figures(newest, watched)}
        row = {"step": step, "score": score(found["real"]), **found}
        with log.open("a") as file:
            file.write(json.dumps(row) + "\n")
        save_speech_encoder(newest, run / "newest.safetensors")
        if row["score"] > best["score"]:
            best.update(row)
            save_speech_encoder(newest, out or run / "best.safetensors")
        return {
            f"{name}.{key}{ticks}": figures[ticks][key]
            for name, figures in found.items()
            for ticks in figures
            for key in ("phone", "viseme", "closure")
        }

    def loss_of(step: int) -> tuple[torch.Tensor, Figures]:
        batch = batches(step * team.size() + team.rank())
        with precision(device, bf16):
            return loss(*batch)

    schedule = Schedule(steps, minutes, rate, decay_from=decay_from, average=average, evaluate_every=every)
    train_model(loss, loss_of, evaluate, run, schedule, resume)
    batches.close()
    return best


def begin(config: SpeechConfig, start: Path | None, seed: int, dropout: float = DROPOUT) -> SpeechEncoder:
    """An encoder with fresh weights, those of `start`, or those of a `start` of half the width."""
    if start is None:
        return SpeechEncoder(config, dropout=dropout)
    given = load_speech_encoder(start)
    if given.width < config.hubert.width:
        return widen(given, config, seed, dropout)
    encoder = SpeechEncoder(replace(config, units=given.config.units), dropout=dropout)
    # a mix was fitted to the old answers: `visema train mix` makes another
    own = {name: t for name, t in given.state_dict().items() if not name.startswith(SpeechEncoder.apart)}
    fit(encoder, own, start)
    return encoder


def report(options: dict) -> None:
    """Train and print the best figures."""
    best = train(**options)
    if team.rank() == 0:
        print(json.dumps(best, indent=1))


def main(argv: Sequence[str] | None = None) -> None:
    """Command line of `python -m engine train encoder`."""
    parser = argparse.ArgumentParser(prog="visema train encoder", description=train.__doc__)
    parser.add_argument("--corpus", type=Path, default=Path("../shared/corpus"))
    parser.add_argument("--out", type=Path, default=None)
    parser.add_argument("--run", type=Path, default=Path("runs/encoder"))
    parser.add_argument("--extra", type=Path, nargs="*", default=[])
    parser.add_argument("--extra-shares", type=float, nargs="*", default=[])
    parser.add_argument("--sounds", type=Path, default=Path(SOUNDS_EN))
    parser.add_argument("--minutes", type=float, default=45.0)
    parser.add_argument("--steps", type=int, default=4_000)
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--decay-from", type=float, default=0.5, help="share of the way from which the rate falls")
    parser.add_argument("--average", type=float, default=0.999, help="how slowly the averaged weights follow")
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--start", type=Path, default=None, help="weights to begin with; half the width is widened")
    parser.add_argument("--batch", type=int, default=BATCH)
    parser.add_argument("--every", type=int, default=250, help="steps between evaluations and checkpoints")
    parser.add_argument("--dropout", type=float, default=DROPOUT, help="0 where training ends before it overfits")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--workers", type=int, default=0, help="processes that make batches (with cuda: one per core)")
    parser.add_argument("--bf16", action="store_true", help=BF16_HELP)
    parser.add_argument("--processes", type=int, default=1, help="that share each batch, one core each (CPU only)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fresh", action="store_true", help="do not resume the run in --run")
    options = vars(parser.parse_args(argv))
    torch.set_num_threads(1)
    options["resume"], options["config"] = not options.pop("fresh"), SIZES[options.pop("size")]
    processes = options.pop("processes")
    if processes < 1:
        parser.error(f"--processes {processes}: at least 1")
    if processes > 1 and (options["workers"] or options["device"] != "cpu"):
        parser.error("--processes is for the CPU, where every process makes its own batches: leave --workers out")
    team.run_team(processes, report, options)


if __name__ == "__main__":
    main()
