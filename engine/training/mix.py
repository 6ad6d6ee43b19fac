"""Fits how both frames of a tick answer for its first (`TickMix`) on a frozen encoder: `visema train mix`.

The trunk and its heads stay as they are, so features and everything that was trained on them stay valid. What every
frame of some varied batches says by itself (batches as in `visema train encoder`) is made once and kept in the run;
from then on a step takes milliseconds. Loss: cross-entropy of the first frames' phones. The figures of the validation
voices and of the real prompts are shown; the averaged weights of the last step are written.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import nn

from engine.features.checkpoint import fingerprint
from engine.features.speech_encoder import SpeechEncoder
from engine.features.speech_files import load_speech_encoder, save_speech_encoder
from engine.features.tick_mix import TickMix
from engine.frames import FEATURE_FRAMES
from engine.training.corpus import SOUNDS_EN, read_corpus, read_real, split_of
from engine.training.encoder import balance, phone_weights
from engine.training.loop import Figures, Schedule, train_model
from engine.training.phone_batches import PhoneBatches
from engine.training.phone_figures import phone_figures

BATCHES, ROWS = 100, 32
SEED_APART = 1_000  # other excerpts than those on which `visema train encoder` trained the heads with the same seed
SHOWN = ("phone", "viseme", "closure", "closure25", "false25")


class MixLoss(nn.Module):
    """Cross-entropy of the phones of first frames, summed over delays."""

    def __init__(self, mix: TickMix):
        super().__init__()
        self.mix = mix
        self.weights = nn.Buffer(phone_weights())

    def forward(self, logits: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, Figures]:
        """logits: (B, T, delays, 43) of each frame by itself; labels: (B, delays, T), negative where unknown."""
        mixed, total, figures = self.mix(logits)[:, ::FEATURE_FRAMES], logits.new_zeros(()), {}
        for k in range(labels.shape[1]):
            truth = labels[:, k, ::FEATURE_FRAMES]
            known = truth >= 0
            named = F.cross_entropy(mixed[:, :, k][known], truth[known], self.weights, label_smoothing=0.1)
            total = total + named
            figures |= {
                f"ce{k}": named.item(),
                f"acc{k}": (mixed[:, :, k].argmax(-1) == truth)[known].float().mean().item(),
            }
        return total, figures


def answers_of_batches(
    encoder: SpeechEncoder, batches: PhoneBatches, count: int, folder: Path
) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits float16 (count * rows, T, delays, 43) of each frame by itself and labels int8 (count * rows, delays, T).

    Each batch is kept in `folder`, and not made again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    kept = []
    for step in range(count):
        path = folder / f"{step:05d}.safetensors"
        if not path.is_file():
            mel, truth, _ = batches(step)
            with torch.inference_mode():
                logits = encoder.frame_logits(encoder.content(mel)).log_softmax(-1).half()
            partial = path.with_suffix(".partial")
            save_file({"logits": logits.contiguous(), "labels": truth.to(torch.int8).contiguous()}, str(partial))
            partial.rename(path)
            if step % 20 == 19:
                print(f"  answers {step + 1}/{count}", flush=True)
        kept.append(load_file(str(path)))
    logits, labels = (torch.cat([row[name] for row in kept]) for name in ("logits", "labels"))
    return logits, labels


def with_mix(encoder: SpeechEncoder) -> SpeechEncoder:
    """The same encoder with a fresh mix, frozen."""
    made = SpeechEncoder(replace(encoder.config, mixed=True))
    old = {name: t for name, t in encoder.state_dict().items() if not name.startswith(SpeechEncoder.apart)}
    made.load_state_dict(made.state_dict() | old)
    return made.eval().requires_grad_(False)


def train(
    encoder: Path | None,
    out: Path,
    corpus: Path = Path("../shared/corpus"),
    run: Path = Path("runs/mix"),
    extra: Sequence[Path] = (),
    extra_shares: Sequence[float] = (),
    sounds: Path = Path(SOUNDS_EN),
    batches: int = BATCHES,
    minutes: float = 30.0,
    steps: int = 300,
    rate: float = 0.02,
    average: float = 0.97,
    every: int = 100,
    seed: int = 0,
    resume: bool = True,
) -> Figures:
    """Fit a mix, write the encoder with it to `out`, and return the last figures.

    encoder: weights to give it to, the shipped ones by default. extra, extra_shares: as in `visema train encoder`.
    batches: how many are kept, each 16 excerpts of 4 s.
    """
    torch.manual_seed(seed)
    given = with_mix(load_speech_encoder(encoder))
    cache = run.parent / "corpus"
    clips = read_corpus(corpus, cache)
    groups = [split_of(clips, "train")] + [split_of(read_corpus(folder, cache), "train") for folder in extra]
    shares = [1.0, *(extra_shares or [0.25] * len(extra))]
    mels, delays = given.mel.filters.shape[1], given.config.delays
    made = PhoneBatches(*balance(groups, shares), mels, delays, seed + SEED_APART)
    logits, labels = answers_of_batches(given, made, batches, run / f"answers-{fingerprint(given)}-{seed}")
    watched = {"valid": split_of(clips, "valid"), "real": read_real(corpus / "real_en.jsonl", sounds)}
    loss, last = MixLoss(TickMix(len(delays))), Figures()

    def loss_of(step: int) -> tuple[torch.Tensor, Figures]:
        rows = torch.from_numpy(np.random.default_rng((seed, step)).integers(0, len(logits), ROWS))
        return loss(logits[rows].float(), labels[rows].long())

    def evaluate(averaged: nn.Module, step: int) -> Figures:
        assert given.mix is not None and isinstance(averaged, MixLoss)
        given.mix.load_state_dict(averaged.mix.state_dict())
        for name, some in watched.items():
            found = phone_figures(given, some)
            last.update({f"{name}.{key}{ticks}": found[ticks][key] for ticks in found for key in SHOWN})
        return last

    schedule = Schedule(
        steps, minutes, rate, warmup=20, decay_from=0.4, average=average, evaluate_every=every
    )  # fmt: skip
    train_model(loss, loss_of, evaluate, run, schedule, resume)
    save_speech_encoder(given, out)
    return last


def main(argv: Sequence[str] | None = None) -> None:
    """Command line of `visema train mix`."""
    parser = argparse.ArgumentParser(prog="visema train mix", description=__doc__)
    parser.add_argument("--encoder", type=Path, default=None, help="weights; default: the shipped ones")
    parser.add_argument("--out", type=Path, required=True, help="the same weights with another mix")
    parser.add_argument("--corpus", type=Path, default=Path("../shared/corpus"))
    parser.add_argument("--run", type=Path, default=Path("runs/mix"))
    parser.add_argument("--extra", type=Path, nargs="*", default=[])
    parser.add_argument("--extra-shares", type=float, nargs="*", default=[])
    parser.add_argument("--sounds", type=Path, default=Path(SOUNDS_EN))
    parser.add_argument("--batches", type=int, default=BATCHES, help="varied batches whose answers are kept")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--rate", type=float, default=0.02)
    parser.add_argument("--average", type=float, default=0.97, help="how slowly the averaged weights follow")
    parser.add_argument("--every", type=int, default=100, help="steps between evaluations and checkpoints")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fresh", action="store_true", help="do not resume the run in --run")
    options = vars(parser.parse_args(argv))
    torch.set_num_threads(1)
    options["resume"] = not options.pop("fresh")
    print(json.dumps(train(**options), indent=1))


if __name__ == "__main__":
    main()
