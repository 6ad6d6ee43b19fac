"""Discrete units of speech: k-means over cepstra or over an encoder's features, seeded, on one thread.

`visema train units` gives an encoder its 200 content units: centroids of its own content on the training voices.
"""

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from engine.features.levels import FRAME_SAMPLES
from engine.features.log_mel import LogMel
from engine.features.speech_encoder import SpeechEncoder
from engine.features.speech_files import load_speech_encoder, save_speech_encoder
from engine.training.corpus import Clip, read_corpus, split_of
from engine.training.phones import PHONES, frame_labels

CEPSTRA, SPAN = 13, 4  # coefficients; frames on each side of a delta
FeaturesOf = Callable[[torch.Tensor], torch.Tensor]


def cepstra(samples: torch.Tensor) -> torch.Tensor:
    """Cepstra with two differences at 50 Hz, what HuBERT's first units are made of: (B, N) -> (B, T, 39)."""
    mel = LogMel(40)(samples)[:, 1::2]
    bands = mel.shape[-1]
    turn = torch.cos(torch.pi / bands * (torch.arange(bands) + 0.5)[:, None] * torch.arange(CEPSTRA))
    c = mel @ turn * (2.0 / bands) ** 0.5
    first = _delta(c)
    return torch.cat((c, first, _delta(first)), -1)


def _delta(x: torch.Tensor) -> torch.Tensor:
    """Slope over time, (B, T, D)."""
    padded = torch.nn.functional.pad(x.transpose(1, 2), (SPAN, SPAN), mode="replicate").transpose(1, 2)
    steps = range(-SPAN, SPAN + 1)
    total = sum(k * padded[:, SPAN + k : SPAN + k + x.shape[1]] for k in steps)
    assert isinstance(total, torch.Tensor)
    return total / sum(k * k for k in steps)


def layer_of(encoder: SpeechEncoder, layer: int, causal: bool = True) -> FeaturesOf:
    """Hidden states of one layer, (B, N) -> (B, T, width)."""

    def features(samples: torch.Tensor) -> torch.Tensor:
        return list(encoder.trunk.layers_of(encoder.trunk.hear(samples), causal=causal))[layer]

    return features


def content_of(encoder: SpeechEncoder) -> FeaturesOf:
    """What the encoder gives to plugins."""
    return lambda samples: encoder(samples).content


@torch.inference_mode()
def features_of(clips: Sequence[Clip], make: FeaturesOf) -> Iterator[np.ndarray]:
    """Features float32 (T, D) of every clip, whole ticks only."""
    for clip in clips:
        n = len(clip.samples) // (2 * FRAME_SAMPLES) * 2 * FRAME_SAMPLES
        samples = torch.from_numpy(np.asarray(clip.samples[:n], np.float32))[None] / 32768
        yield make(samples)[0].numpy() if n else np.zeros((0, 1), np.float32)


class Clusters:
    """k-means on standardised features. centroids: (k, D) in the features' own units; scale: (D,) deviations."""

    def __init__(self, centroids: np.ndarray, scale: np.ndarray):
        self.centroids, self.scale = centroids.astype(np.float32), scale.astype(np.float32)

    def nearest(self, features: np.ndarray) -> np.ndarray:
        """Numbers of the nearest centroids, int64 (T,)."""
        x, c = features / self.scale, self.centroids / self.scale
        return (x @ c.T - 0.5 * np.square(c).sum(-1)).argmax(-1)

    def save(self, path: Path) -> None:
        partial = path.with_suffix(".partial.npz")
        np.savez(partial, centroids=self.centroids, scale=self.scale)
        partial.rename(path)

    @staticmethod
    def load(path: Path) -> "Clusters":
        with np.load(path) as file:
            return Clusters(file["centroids"], file["scale"])


def cluster(
    features: np.ndarray,
    count: int,
    seed: int,
    iterations: int = 25,
    standardise: bool = True,
    report: Callable[[int, float], None] | None = None,
) -> Clusters:
    """k-means by Lloyd's iterations from k-means++ seeds; a centroid that nobody is nearest to takes a random point.

    features: (N, D). report: iteration, mean squared distance.
    """  # fmt: skip
    random = np.random.default_rng(seed)
    if len(features) < count:
        raise ValueError(f"{len(features)} frames are too few for {count} clusters")
    scale = np.maximum(features.std(0), 1e-6) if standardise else np.ones(features.shape[1], np.float32)
    x = np.asarray(features / scale, np.float32)
    centroids = _spread(x, count, random)
    squares = np.square(x).sum(-1)
    for k in range(iterations):
        scores = x @ centroids.T - 0.5 * np.square(centroids).sum(-1)
        nearest = scores.argmax(-1)
        distance = squares - 2.0 * scores[np.arange(len(x)), nearest]
        size = np.bincount(nearest, minlength=count)
        total = np.zeros_like(centroids, dtype=np.float64)
        np.add.at(total, nearest, x)
        empty = size == 0
        centroids = (total / np.maximum(size, 1)[:, None]).astype(np.float32)
        centroids[empty] = x[random.integers(0, len(x), int(empty.sum()))]
        if report:
            report(k + 1, float(np.maximum(distance, 0.0).mean()))
    return Clusters(centroids * scale, scale)


def _spread(x: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    """k-means++: seeds drawn far from those drawn before, on a part of the points."""
    some = x[random.permutation(len(x))[: max(20 * count, 4_000)]]
    chosen = [some[0]]
    gap = np.square(some - chosen[0]).sum(-1)
    while len(chosen) < count:
        total = gap.sum()
        at = random.choice(len(some), p=gap / total) if total > 0 else random.integers(len(some))
        chosen.append(some[at])
        gap = np.minimum(gap, np.square(some - some[at]).sum(-1))
    return np.stack(chosen)


def sample_frames(clips: Sequence[Clip], make: FeaturesOf, frames: int, seed: int) -> np.ndarray:
    """At most `frames` feature frames (N, D), drawn evenly over clips."""
    random, kept = np.random.default_rng(seed), []
    share = frames / max(sum(len(clip.samples) // FRAME_SAMPLES for clip in clips), 1)
    for features in features_of(clips, make):
        kept.append(features[random.random(len(features)) < share] if share < 1 else features)
    return np.concatenate([part for part in kept if len(part)])


def purity(units: Sequence[np.ndarray], clips: Sequence[Clip], count: int) -> dict[str, float]:
    """How much units know of phones: phone purity (the commonest phone of a unit), and normalised information."""
    table = np.zeros((count, len(PHONES)))
    for own, clip in zip(units, clips, strict=True):
        np.add.at(table, (own, frame_labels(clip.phones, len(own))), 1.0)
    joint = table / table.sum()
    u, p = joint.sum(1, keepdims=True), joint.sum(0, keepdims=True)
    known = joint > 0
    information = (joint[known] * np.log(joint[known] / (u @ p)[known])).sum()
    return {
        "phone_purity": float(joint.max(1).sum()),
        "information": float(information / -(p[p > 0] * np.log(p[p > 0])).sum()),
        "units_used": float((u > 0).sum()),
    }


def give_units(encoder: SpeechEncoder, clips: Sequence[Clip], count: int, frames: int, seed: int) -> SpeechEncoder:
    """The same encoder with `count` centroids of its content."""
    made = SpeechEncoder(replace(encoder.config, units=count))
    found = cluster(sample_frames(clips, content_of(encoder), frames, seed), count, seed, standardise=False)
    tensors = encoder.state_dict() | {"centroids": torch.from_numpy(found.centroids)}
    made.load_state_dict(tensors)
    return made.eval().requires_grad_(False)


def main(argv: Sequence[str] | None = None) -> None:
    """Command line of `visema train units`."""
    parser = argparse.ArgumentParser(prog="visema train units", description=__doc__)
    parser.add_argument("--encoder", type=Path, default=None, help="weights; default: the shipped ones")
    parser.add_argument("--out", type=Path, required=True, help="the same weights with centroids")
    parser.add_argument("--corpus", type=Path, default=Path("../shared/corpus"))
    parser.add_argument("--cache", type=Path, default=Path("runs/corpus"))
    parser.add_argument("--units", type=int, default=200)
    parser.add_argument("--frames", type=int, default=60_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    clips = read_corpus(options.corpus, options.cache)
    train = [split_of(clips, "train")[i] for i in np.random.default_rng(options.seed).permutation(400)]
    encoder = give_units(
        load_speech_encoder(options.encoder), train, options.units, options.frames, options.seed
    )  # fmt: skip
    valid = split_of(clips, "valid")
    units = [
        encoder.nearest_units(torch.from_numpy(f)).numpy() for f in features_of(valid, content_of(encoder))
    ]  # fmt: skip
    print(json.dumps(purity(units, valid, options.units)))
    save_speech_encoder(encoder, options.out)
