"""Trains the viseme decoder on a frozen encoder: `python -m engine train viseme`.

The gates come from the side outputs of the encoder. Here the mouth around them is learned: besides coefficients
and articulators the loss compares lip aperture and width on the mesh (linear in the coefficients, so gradients
pass), most of all where lips must shut, where the lip must meet the teeth, and on open vowels against false closure;
and it compares speeds.
"""

import argparse
import copy
import json
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from engine.features import SpeechEncoder, load_encoder
from engine.features.checkpoint import fingerprint
from engine.motion import layout
from engine.motion.articulation import ARTICULATORS
from engine.render.face_model import FaceModel
from engine.render.lips import LEFT, LOWER, RIGHT, UPPER, LipMeasure
from engine.training.corpus import read_corpus, split_of
from engine.training.loop import Figures, Schedule, train_model
from plugins.viseme.examples import TICKS, Examples, make_examples, read_captured, read_stress
from plugins.viseme.motion import Decoder, DecoderConfig, Mouth, build, save_decoder

HELD_OUT = ("2_04", "3_15")  # captured clips that never train, for honest figures
BATCH = 32
SETTLE_TICKS = 6  # the first ticks of an excerpt lack their past and do not count
HEAD_WEIGHTS = (1.0, 1.0, 0.6)
KIND_WEIGHTS = (1.0, 5.0, 3.0, 2.0)  # other, bilabial, labiodental, open vowel
# Captured units that teach; the captured speaker's face does not show the others.
CAPTURED = (
    "jawOpen", "mouthFunnel", "mouthPucker", "mouthLowerDownLeft", "mouthUpperUpLeft", "mouthSmileLeft",
    "mouthStretchLeft",
)  # fmt: skip
UNIT_SPREAD = 0.08  # least deviation that an error is measured in


class MouthLoss(nn.Module):
    """Loss of a decoder on batches made from the step number."""

    basis: torch.Tensor
    neutral: torch.Tensor
    unit_scale: torch.Tensor
    part_scale: torch.Tensor
    part_weight: torch.Tensor
    taught: torch.Tensor
    kinds: torch.Tensor

    def __init__(self, decoder: Decoder, examples: Examples, seed: int):
        super().__init__()
        self.decoder, self.examples, self.seed = decoder, examples, seed
        measure = LipMeasure(FaceModel.load())
        basis, neutral = torch.from_numpy(measure.landmark_basis), torch.from_numpy(measure.landmark_neutral)
        self.register_buffer("basis", basis / measure.width_m)
        self.register_buffer("neutral", neutral / measure.width_m)
        self.rest = max(measure.rest_m, 0.0) / measure.width_m
        spread = examples.values.flatten(0, 1).std(0).clamp(min=UNIT_SPREAD)
        self.register_buffer("unit_scale", 1.0 / spread)
        self.register_buffer("part_scale", 1.0 / examples.mouth.flatten(0, 1).std(0).clamp(min=UNIT_SPREAD))
        taught = torch.zeros(layout.E)
        taught[[layout.INDEX[name] for name in CAPTURED]] = 1.0
        self.register_buffer("taught", taught)
        part_weight = torch.ones(len(ARTICULATORS))
        part_weight[0] = 3.0
        self.register_buffer("part_weight", part_weight)
        self.register_buffer("kinds", torch.tensor(KIND_WEIGHTS))

    def lips(self, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Aperture and width (...) of coefficients (..., E), as `LipMeasure` measures them."""
        points = self.neutral + torch.tensordot(values, self.basis, 1)
        height = points[..., UPPER, 1] - points[..., LOWER, 1] - self.rest
        return height.clamp(min=0.0), (points[..., LEFT, :] - points[..., RIGHT, :]).norm(dim=-1)

    def forward(self, step: int) -> tuple[torch.Tensor, Figures]:
        random = np.random.default_rng((self.seed, step))
        rows = torch.from_numpy(random.choice(len(self.examples.kind), min(BATCH, len(self.examples.kind)), False))
        return self.loss_of(rows, random)

    def loss_of(self, rows: torch.Tensor, random: np.random.Generator | None = None) -> tuple[torch.Tensor, Figures]:
        """Loss of the chosen examples over all look-aheads; with a generator, features are varied a little."""
        features = self.examples.features(rows)
        if random is not None:
            noise = torch.from_numpy(random.standard_normal(features.content.shape, np.float32))
            level = torch.from_numpy(random.uniform(-4.0, 4.0, (len(rows), 1, 1)).astype(np.float32))
            features = features._replace(
                content=features.content + 0.12 * noise, loudness_db=features.loudness_db + level
            )
        total, figures = torch.zeros(()), {}
        weights = zip(self.decoder.mouths(features), self.decoder.config.lookaheads, HEAD_WEIGHTS, strict=True)
        for mouth, delay, weight in weights:
            parts = self._head(mouth, rows, delay)
            total = total + weight * sum(parts.values())
            figures |= {f"{name}{delay}": part.item() for name, part in parts.items()} if delay == 1 else {}
        return total, figures

    def _head(self, mouth: Mouth, rows: torch.Tensor, delay: int) -> dict[str, torch.Tensor]:
        """Parts of the loss of one head: tick t answers for target t - delay."""
        mouth = Mouth(*(part[:, SETTLE_TICKS + delay :] for part in mouth))
        stop = self.examples.kind.shape[1] - delay
        values, parts, gates, kind = (
            source[rows, SETTLE_TICKS:stop]
            for source in (self.examples.values, self.examples.mouth, self.examples.gates, self.examples.kind)
        )
        captured = self.examples.captured[rows]
        spoken = ~captured
        own = self.decoder.coefficients(mouth)
        scaled = (own - values) * self.unit_scale
        scaled = torch.where(captured[:, None, None], scaled * self.taught * 4.0, scaled)
        # articulators show where no gate hides them
        shown = ((gates[..., 2:] > 0.5) & (gates[..., :2].amax(-1, True) < 0.7)).float()
        part_error = F.smooth_l1_loss(
            mouth.articulators * self.part_scale, parts * self.part_scale, reduction="none", beta=0.3
        )
        aperture, width = self.lips(own)
        aim_aperture, aim_width = self.lips(values)
        weight = self.kinds[kind] * spoken[:, None]
        jaw = (own - values)[..., layout.INDEX["jawOpen"]]
        return {
            "units": 1.0 * F.smooth_l1_loss(scaled, torch.zeros_like(scaled), beta=1.0) * 1.5,
            "parts": 0.4 * (part_error * shown * self.part_weight)[spoken].mean(),
            "aperture": 3.0 * (huber(aperture - aim_aperture, 0.05) * weight).mean(),
            "width": 3.0 * (huber(width - aim_width, 0.03) * spoken[:, None]).mean(),
            "speed": 3.0 * huber(jaw.diff(dim=1), 0.08).mean()
            + 1.5 * (huber((aperture - aim_aperture).diff(dim=1), 0.08) * spoken[:, None]).mean(),
        }


def huber(error: torch.Tensor, bend: float) -> torch.Tensor:
    """Absolute error that is square below `bend`: means, not medians, so that movement does not shrink."""
    return F.smooth_l1_loss(error, torch.zeros_like(error), reduction="none", beta=bend)


@torch.no_grad()
def fit_gain(decoder: Decoder, examples: Examples, lookahead: int = 1) -> None:
    """Set the decoder's gain so that articulators reach the 95th percentile of their references."""
    decoder.gain.fill_(1.0)
    rows = torch.nonzero(~examples.captured)[:, 0]
    mouths = decoder.mouths(examples.features(rows))
    own = mouths[decoder.config.lookaheads.index(lookahead)].articulators[:, SETTLE_TICKS + lookahead :]
    stop = TICKS - lookahead
    aim = examples.mouth[rows, SETTLE_TICKS:stop]
    shown = (examples.gates[rows, SETTLE_TICKS:stop, 2] > 0.5) & (
        examples.gates[rows, SETTLE_TICKS:stop, :2].amax(-1) < 0.5
    )
    ratio = torch.quantile(aim[shown], 0.95, 0) / torch.quantile(own[shown], 0.95, 0).clamp(min=0.02)
    decoder.gain.copy_(ratio.clamp(1.0, 1.35))


def load_examples(path: Path) -> Examples:
    """Examples written by an earlier run."""
    return Examples(**torch.load(path, weights_only=True))


def train(
    corpus: Path,
    capture: Path,
    out: Path,
    run: Path = Path("runs/viseme"),
    encoder: SpeechEncoder | None = None,
    count: int = 2_400,
    captured_share: float = 0.2,
    minutes: float = 6.0,
    steps: int = 600,
    seed: int = 0,
    resume: bool = True,
    start: Path | None = None,
) -> Figures:
    """Train on features of a frozen encoder and write the best averaged weights to `out`.

    corpus: folder with phone timings. capture: folder of captured performances; the clips in HELD_OUT are
    left out. run: where features and checkpoints are kept, so that training goes on where it stopped.
    count: varied excerpts of 5 s. start: weights to begin with. Returns the figures on the validation voices.
    """
    torch.manual_seed(seed)
    run.mkdir(parents=True, exist_ok=True)
    encoder = encoder or load_encoder()
    sets = {}
    for split, size in (("train", count), ("valid", max(count // 16, 4))):
        # examples hold the encoder's phones and gestures too
        path = run / f"{split}-{size}-{seed}-{fingerprint(encoder, whole=True)}.pt"
        if not (resume and path.is_file()):
            clips = split_of(read_corpus(corpus, run.parent / "corpus"), split)
            faces = read_captured(capture, HELD_OUT) if split == "train" else []
            made = make_examples(
                encoder, clips, read_stress(corpus), faces, size, captured_share, seed,
                lambda done, of: print(f"  features {done}/{of}", flush=True),
            )  # fmt: skip
            torch.save({f.name: getattr(made, f.name) for f in fields(made)}, path)
        sets[split] = load_examples(path)
    decoder = Decoder(DecoderConfig(content=encoder.width))
    if start:
        decoder.load_state_dict(build(1, start).state_dict())
        decoder.gain.fill_(1.0)
    decoder.belong_to(encoder)
    loss = MouthLoss(decoder, sets["train"], seed)
    best: Figures = {}

    def evaluate(averaged: nn.Module, step: int) -> Figures:
        own = averaged.decoder
        assert isinstance(own, Decoder)
        own.eval()
        judge = MouthLoss(own, sets["valid"], seed)
        with torch.inference_mode():
            judged, parts = judge.loss_of(torch.arange(len(sets["valid"].kind)))
        figures = {"valid": judged.item(), **parts}
        if judged.item() < best.get("valid", float("inf")):
            best.update(figures, step=step)
            fitted = copy.deepcopy(own)
            fit_gain(fitted, sets["valid"])
            save_decoder(fitted, out)
        return figures

    # the training examples are no parameters: only the decoder is averaged and saved
    train_model(loss, loss, evaluate, run, Schedule(steps, minutes, 2e-3, 100, 0.3, 0.99, 150), resume)
    return best


def main(argv: Sequence[str] | None = None) -> None:
    """Command line of `python -m engine train viseme`."""
    parser = argparse.ArgumentParser(prog="visema train viseme", description=train.__doc__)
    parser.add_argument("--corpus", type=Path, default=Path("../shared/corpus"))
    parser.add_argument("--capture", type=Path, default=Path("../shared/capture"))
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("viseme.safetensors"))
    parser.add_argument("--run", type=Path, default=Path("runs/viseme"))
    parser.add_argument("--encoder", type=Path, default=None, help="encoder weights; default: the shipped ones")
    parser.add_argument("--count", type=int, default=2_400)
    parser.add_argument("--minutes", type=float, default=6.0)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start", type=Path, default=None, help="viseme weights to begin with")
    parser.add_argument("--fresh", action="store_true", help="do not resume the run in --run")
    options = vars(parser.parse_args(argv))
    torch.set_num_threads(1)
    options["resume"] = not options.pop("fresh")
    options["encoder"] = load_encoder(options["encoder"])
    print(json.dumps(train(**options), indent=1))


if __name__ == "__main__":
    main()
