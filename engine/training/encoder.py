"""Trains the small speech encoder on phone timings: `python -m engine train encoder`.

Loss: phones by cross-entropy at 0, 1 and 2 ticks of delay, plus four gestures (lips shut, lip on
teeth, lips rounded, nobody speaks), where a missed closure costs more than a false one. The
figures of real speech are watched at every evaluation; the best averaged weights are kept.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from engine.features.encoder import EncoderConfig, SmallEncoder, save_encoder
from engine.features.phones import BILABIAL, PHONES, SIL, indices
from engine.training.augment import Augmentation
from engine.training.corpus import SOUNDS_EN, Clip, read_corpus, read_real, split_of
from engine.training.loop import Figures, Schedule, train_model
from engine.training.phone_figures import phone_figures
from engine.training.phones import GESTURE_TABLE, frame_labels

SECONDS, BATCH = 4.0, 16
FRAMES = round(SECONDS * 50)
DELAY_WEIGHTS = (1.0, 1.0, 0.7)


class PhoneLoss(nn.Module):
    """Loss of an encoder on batches made from the step number."""

    def __init__(self, encoder: SmallEncoder, clips: list[Clip], shares: np.ndarray, seed: int):
        super().__init__()
        self.encoder, self.clips, self.shares, self.seed = encoder, clips, shares, seed
        self.augmentation = Augmentation(clips, SECONDS, seed)
        weights = torch.ones(len(PHONES))
        weights[SIL], weights[indices(BILABIAL)] = 0.6, 1.5
        self.weights = nn.Buffer(weights)
        self.gestures = nn.Buffer(torch.tensor(GESTURE_TABLE, dtype=torch.float32))
        self.missed = nn.Buffer(torch.tensor([3.0, 2.0, 1.5, 1.0]))

    def batch(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Varied samples (B, N) and labels (B, delays, frames), -100 where nothing was heard yet."""
        random = self.augmentation.random = np.random.default_rng((self.seed, step))
        chosen = random.choice(len(self.clips), BATCH, p=self.shares)
        samples = np.empty((BATCH, FRAMES * 320), np.float32)
        labels = np.full((BATCH, len(self.encoder.config.delays), FRAMES), -100)
        for row, i in enumerate(chosen):
            excerpt = self.augmentation(self.clips[i])
            samples[row] = excerpt.samples
            truth = frame_labels(excerpt.phones, FRAMES)
            for k, ticks in enumerate(self.encoder.config.delays):
                labels[row, k, 2 * ticks :] = truth[: FRAMES - 2 * ticks]
        return torch.from_numpy(samples), torch.from_numpy(labels)

    def forward(self, step: int) -> tuple[torch.Tensor, Figures]:
        samples, labels = self.batch(step)
        with torch.no_grad():
            mel = mask_patches(self.encoder.mel(samples), np.random.default_rng((self.seed, step, 1)))
        content = self.encoder.content(mel)
        phones, gestures = self.encoder.phone_logits(content), self.encoder.gesture_logits(content)
        total, figures = content.new_zeros(()), {}
        for k, weight in enumerate(DELAY_WEIGHTS[: labels.shape[1]]):
            known = labels[:, k] >= 0
            truth, logits = labels[:, k][known], phones[:, :, k][known]
            named = F.cross_entropy(logits, truth, self.weights, label_smoothing=0.1)
            gesture = F.binary_cross_entropy_with_logits(
                gestures[:, :, k][known], self.gestures[truth], pos_weight=self.missed
            )
            total = total + weight * (named + 0.5 * gesture)
            figures[f"ce{k}"] = named.item()
            figures[f"acc{k}"] = (logits.argmax(-1) == truth).float().mean().item()
        return total, figures


def mask_patches(mel: torch.Tensor, random: np.random.Generator) -> torch.Tensor:
    """A few bands and moments of each log-mel picture (B, T, mels) set to the mean, in place."""
    batch, time, mels = mel.shape
    for row in range(batch):
        for _ in range(random.integers(0, 3)):
            low = random.integers(0, mels - 8)
            mel[row, :, low : low + random.integers(1, 9)] = 0.0
        for _ in range(random.integers(0, 5)):
            at = random.integers(0, time - 6)
            mel[row, at : at + random.integers(1, 7)] = 0.0
    return mel


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
    out: Path,
    run: Path = Path("runs/encoder"),
    extra: Sequence[Path] = (),
    extra_shares: Sequence[float] = (),
    sounds: Path = Path(SOUNDS_EN),
    minutes: float = 45.0,
    steps: int = 4_000,
    seed: int = 0,
    resume: bool = True,
    rate: float = 1.5e-3,
    config: EncoderConfig | None = None,
) -> dict:
    """Train, write the best weights to `out`, and return the figures of the chosen weights.

    corpus: folder with manifest.jsonl and real_en.jsonl. extra: further folders of the same form,
    each drawn with its share (1/4 if none is given) against the corpus's 1. sounds: the real
    prompts, for validation only.
    """
    torch.manual_seed(seed)
    cache = run.parent / "corpus"
    clips = read_corpus(corpus, cache)
    groups = [split_of(clips, "train")] + [split_of(read_corpus(folder, cache), "train") for folder in extra]
    real = read_real(corpus / "real_en.jsonl", sounds)
    encoder = SmallEncoder(config or EncoderConfig(), dropout=0.1)
    shares = [1.0, *(extra_shares or [0.25] * len(extra))]
    loss = PhoneLoss(encoder, *balance(groups, shares), seed)
    watched = split_of(clips, "valid")[::3]
    best: dict = {"score": 0.0}

    def evaluate(averaged: nn.Module, step: int) -> Figures:
        average = averaged.encoder
        assert isinstance(average, SmallEncoder)
        found = {"real": phone_figures(average, real), "valid": phone_figures(average, watched)}
        with (run / "figures.jsonl").open("a") as log:
            log.write(json.dumps({"step": step, **found}) + "\n")
        save_encoder(average, run / "newest.safetensors")
        if score(found["real"]) > best["score"]:
            best.update(score=score(found["real"]), step=step, **found)
            save_encoder(average, out)
        return {
            f"{name}.{key}{ticks}": figures[ticks][key]
            for name, figures in found.items()
            for ticks in figures
            for key in ("phone", "viseme", "closure")
        }

    train_model(loss, loss, evaluate, run, Schedule(steps, minutes, rate), resume)
    return best


def main(argv: Sequence[str] | None = None) -> None:
    """Command line of `python -m engine train encoder`."""
    parser = argparse.ArgumentParser(prog="visema train encoder", description=train.__doc__)
    parser.add_argument("--corpus", type=Path, default=Path("../shared/corpus"))
    parser.add_argument("--out", type=Path, default=Path("engine/assets/encoder_small.safetensors"))
    parser.add_argument("--run", type=Path, default=Path("runs/encoder"))
    parser.add_argument("--extra", type=Path, nargs="*", default=[])
    parser.add_argument("--extra-shares", type=float, nargs="*", default=[])
    parser.add_argument("--sounds", type=Path, default=Path(SOUNDS_EN))
    parser.add_argument("--minutes", type=float, default=45.0)
    parser.add_argument("--steps", type=int, default=4_000)
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fresh", action="store_true", help="do not resume the run in --run")
    options = vars(parser.parse_args(argv))
    torch.set_num_threads(1)
    options["resume"] = not options.pop("fresh")
    print(json.dumps(train(**options), indent=1))


if __name__ == "__main__":
    main()
