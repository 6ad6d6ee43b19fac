"""What causality costs an encoder: features and phones against look-ahead and context.

    python -m benchmarks.causality --weights FILE --json F.json          # also writes F.png

Any checkpoint: our own weights or a published HuBERT. The yardstick is the same network hearing the whole clip, or
another one (`--yardstick`: a distilled student is held to its teacher).
For every look-ahead (where the structure has one: it is spent in the positional convolution) and every context,
the causal form's features are compared with the yardstick's: cosine similarity per frame, and phone accuracy of one
linear probe (ridge regression onto phones, fitted on the yardstick's features of training voices) on both; a second
probe, fitted on each causal form's own features, tells what the information is worth once it is asked for.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.plot import plot_lines
from engine.features.hubert import Hubert
from engine.training.corpus import Clip, read_corpus, split_of
from engine.training.distill import load_teacher, make_student, noncausal_layers
from engine.training.phone_figures import share
from engine.training.phones import PHONES, frame_labels

CONTEXTS, LOOKAHEADS = (12, 25, 50, 100, 200), (0, 1, 2)
RIDGE = 1e-2
Features = list[np.ndarray]


@torch.inference_mode()
def features_of(trunk: Hubert, clips: Sequence[Clip], layer: int, causal: bool) -> Features:
    """One layer's hidden states per clip, float32 (T, width)."""
    out = []
    for clip in clips:
        n = len(clip.samples) // 640 * 640
        samples = torch.from_numpy(np.asarray(clip.samples[:n], np.float32))[None] / 32768
        hidden = list(trunk.layers(samples)) if causal else noncausal_layers(trunk, samples)
        out.append(hidden[layer][0].numpy())
    return out


class Probe:
    """Ridge regression from standardised features to one of the phones."""

    def __init__(self, features: Features, labels: Features):
        x, y = np.concatenate(features).astype(np.float64), np.eye(len(PHONES))[np.concatenate(labels)]
        self.mean, self.scale = x.mean(0), np.maximum(x.std(0), 1e-6)
        x = self._prepared(x)
        self.weight = np.linalg.solve(x.T @ x + RIDGE * len(x) * np.eye(x.shape[1]), x.T @ y)

    def accuracy(self, features: Features, labels: Features) -> float:
        """Share of frames whose phone is named."""
        guess = [(self._prepared(f) @ self.weight).argmax(-1) for f in features]
        return share(np.concatenate(guess) == np.concatenate(labels))

    def _prepared(self, x: np.ndarray) -> np.ndarray:
        scaled = (x - self.mean) / self.scale
        return np.concatenate((scaled, np.ones((len(scaled), 1))), 1)


def similarity(one: Features, other: Features) -> float:
    """Mean cosine of two sets of features, frame by frame, after taking out the yardstick's mean."""
    mean = np.concatenate(other).mean(0)
    cosines = []
    for a, b in zip(one, other, strict=True):
        frames = min(len(a), len(b))
        a, b = a[:frames] - mean, b[:frames] - mean
        norm = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
        cosines.append((a * b).sum(1) / np.maximum(norm, 1e-9))
    return float(np.concatenate(cosines).mean())


def measure(
    trunk: Hubert, yardstick: Hubert, train: Sequence[Clip], valid: Sequence[Clip], layer: int, contexts: Sequence[int]
) -> dict:
    """The table of the module's docstring."""

    def labels_of(clips: Sequence[Clip], features: Features) -> Features:
        return [frame_labels(clip.phones, len(f)) for clip, f in zip(clips, features, strict=True)]

    whole_train, whole = (features_of(yardstick, clips, layer, causal=False) for clips in (train, valid))
    train_labels, labels = labels_of(train, whole_train), labels_of(valid, whole)
    probe = Probe(whole_train, train_labels)
    table: dict = {"whole_clip": {"probe_accuracy": probe.accuracy(whole, labels)}, "causal": []}
    able = [n for n in LOOKAHEADS if n == 0 or trunk.config.position_kernel >= 4 * n + 2]
    for lookahead in able:
        for context in contexts:
            student = make_student(trunk, context, lookahead).eval()
            own_train, own = (features_of(student, clips, layer, causal=True) for clips in (train, valid))
            table["causal"].append(
                {
                    "lookahead_ms": lookahead * 40,
                    "context_ms": context * 20,
                    "cosine": similarity(own, whole),
                    "probe_accuracy": probe.accuracy(own, labels_of(valid, own)),
                    "own_probe_accuracy": Probe(own_train, labels_of(train, own_train)).accuracy(
                        own, labels_of(valid, own)
                    ),
                }
            )
    return table


def draw(table: dict, path: Path) -> None:
    """Cosine and accuracies over context, one line per look-ahead."""
    lines: dict[str, list[tuple[float, float]]] = {}
    for row in table["causal"]:
        for name in ("cosine", "probe_accuracy", "own_probe_accuracy"):
            key = f"{name.replace('_', ' ')}, {row['lookahead_ms']} ms ahead"
            lines.setdefault(key, []).append((row["context_ms"], row[name]))
    bound = table["whole_clip"]["probe_accuracy"]
    ends = [row["context_ms"] for row in table["causal"]]
    lines["probe accuracy, whole clip"] = [(min(ends), bound), (max(ends), bound)]
    plot_lines(lines, "context, ms", "share, cosine", f"What causality costs: {table['weights']}").save(path)


def main(argv: Sequence[str] | None = None) -> None:
    """Command line: see the module's docstring."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.causality", description=__doc__)
    parser.add_argument("--weights", type=Path, required=True, help="our weights or a published HuBERT checkpoint")
    parser.add_argument(
        "--yardstick", type=Path, default=None, help="weights that hear the whole clip (default: these)"
    )
    parser.add_argument("--allow-pickle", action="store_true")
    parser.add_argument("--layer", type=int, default=-1, help="hidden state to judge (default: the last)")
    parser.add_argument("--corpus", type=Path, default=Path("../shared/corpus"))
    parser.add_argument("--cache", type=Path, default=Path("runs/corpus"))
    parser.add_argument("--clips", type=int, default=60, help="of training and of validation voices, each")
    parser.add_argument("--contexts", type=int, nargs="*", default=CONTEXTS, help="frames of 20 ms")
    parser.add_argument("--json", type=Path, required=True)
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    trunk = load_teacher(args.weights, args.allow_pickle).eval()
    yardstick = load_teacher(args.yardstick, args.allow_pickle).eval() if args.yardstick else trunk
    clips = read_corpus(args.corpus, args.cache)
    order = np.random.default_rng(0)
    train, valid = (
        [some[i] for i in order.permutation(len(some))[: args.clips]]
        for some in (split_of(clips, "train"), split_of(clips, "valid"))
    )
    table = {"weights": args.weights.name, "layer": args.layer, "clips": args.clips}
    table["yardstick"] = (args.yardstick or args.weights).name
    table |= measure(trunk, yardstick, train, valid, args.layer, args.contexts)
    args.json.parent.mkdir(parents=True, exist_ok=True)
    args.json.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    draw(table, args.json.with_suffix(".png"))
    print(json.dumps(table, indent=1))


if __name__ == "__main__":
    main()
