"""Makes a causal student of a non-causal teacher: `visema train distill`.

Both hear the same varied speech; the student, which begins with the teacher's weights, learns to give in causal
form, with its own context and look-ahead, the features that the teacher gives when it hears the whole clip (L1 and
cosine, as in DistilHuBERT, Chang et al. 2022), at the middle layer and at the end. Teachers are our own weights or
published HuBERT checkpoints.
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

from engine.errors import WeightsError
from engine.features.checkpoint import read_metadata
from engine.features.hubert import Hubert, HubertConfig
from engine.features.hubert.checkpoint import load_hubert
from engine.features.speech_encoder import SpeechConfig, SpeechEncoder
from engine.features.speech_files import load_speech_encoder, save_speech_encoder
from engine.training.augment import Augmentation
from engine.training.corpus import Clip, read_corpus, read_sounds, split_of
from engine.training.encoder import balance
from engine.training.loop import Figures, Schedule, train_model

SECONDS, BATCH = 4.0, 8
COSINE_WEIGHT = 1.0
SETTLE = 25  # frames at the edges of an excerpt that do not count: there nobody has heard enough


def load_teacher(path: Path, allow_pickle: bool = False) -> Hubert:
    """The trunk of our own weights, or a published checkpoint."""
    if "visema.model" in read_metadata(path):
        return load_speech_encoder(path).trunk
    return load_hubert(path, allow_pickle)


def make_student(teacher: Hubert, context: int | None = None, lookahead: int | None = None) -> Hubert:
    """The teacher's weights in a causal form with its own context (frames) and look-ahead (ticks)."""
    changes = {"context": context, "lookahead": lookahead}
    config = replace(teacher.config, **{k: v for k, v in changes.items() if v is not None})
    student = Hubert(config)
    tensors = dict(teacher.state_dict())
    for name, wanted in student.state_dict().items():
        if name.endswith("attention.bias") and tensors[name].shape != wanted.shape:
            tensors[name] = _other_context(tensors[name], wanted.shape[1])
    student.load_state_dict(tensors)
    return student


def _other_context(bias: torch.Tensor, context: int) -> torch.Tensor:
    """A bias table (heads, distances) cut, or drawn out with its last entry."""
    return bias[:, torch.arange(context).clamp(max=bias.shape[1] - 1)].clone()


class Distillation(nn.Module):
    """Loss of a student on excerpts made from the step number."""

    def __init__(self, student: Hubert, teacher: Hubert, clips: list[Clip], shares: np.ndarray, seed: int, batch: int):
        super().__init__()
        self.student, self.seed, self.batch = student, seed, batch
        self.hidden = [teacher.eval().requires_grad_(False)]  # a list: the teacher is not saved or averaged
        self.clips, self.shares = clips, shares
        self.augmentation = Augmentation(clips, SECONDS, seed)

    def excerpts(self, step: int) -> torch.Tensor:
        """Varied samples (B, N)."""
        random = self.augmentation.random = np.random.default_rng((self.seed, step))
        chosen = random.choice(len(self.clips), self.batch, p=self.shares)
        return torch.from_numpy(np.stack([self.augmentation(self.clips[i]).samples for i in chosen]))

    def forward(self, step: int) -> tuple[torch.Tensor, Figures]:
        samples = self.excerpts(step)
        with torch.no_grad():
            aims = noncausal_layers(self.hidden[0], samples)
        own = list(self.student.layers(samples))
        middle = len(own) // 2
        total, figures = samples.new_zeros(()), {}
        for name, k in (("middle", middle), ("end", len(own) - 1)):
            aim, got = (_settled(x) for x in align(aims[k], own[k]))
            cosine = F.cosine_similarity(got, aim, dim=-1).mean()
            scale = aim.std(dim=(0, 1)).clamp(min=1e-3)
            error = ((got - aim) / scale).abs().mean()
            total = total + error + COSINE_WEIGHT * (1.0 - cosine)
            figures |= {f"{name}_l1": error.item(), f"{name}_cosine": cosine.item()}
        return total, figures


def noncausal_layers(trunk: Hubert, samples: torch.Tensor) -> list[torch.Tensor]:
    """Hidden states when the whole clip is heard, frame i ending with sample 320 (i + 1) as in the causal form."""
    return list(trunk.layers_of(trunk.hear(samples), causal=False))


def align(one: torch.Tensor, other: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Both cut to the frames that both have."""
    frames = min(one.shape[1], other.shape[1])
    return one[:, :frames], other[:, :frames]


def _settled(x: torch.Tensor) -> torch.Tensor:
    return x[:, SETTLE:-SETTLE] if x.shape[1] > 3 * SETTLE else x


def distill(
    teacher_path: Path,
    out: Path,
    corpora: Sequence[Path],
    sounds: Sequence[Path] = (),
    run: Path = Path("runs/distill"),
    context: int | None = None,
    lookahead: int | None = None,
    minutes: float = 30.0,
    steps: int = 2_000,
    rate: float = 3e-4,
    batch: int = BATCH,
    seed: int = 0,
    leave_out: Sequence[str] = (),
    limit: int | None = None,
    allow_pickle: bool = False,
    every: int = 250,
) -> Figures:
    """Distil and write the student to `out`; figures before and after on held-out speech."""  # fmt: skip
    torch.manual_seed(seed)
    teacher = load_teacher(teacher_path, allow_pickle)
    student = make_student(teacher, context, lookahead)
    cache = run.parent / "corpus"
    read = [read_corpus(folder, cache) for folder in corpora]
    groups = [split_of(clips, "train")[:limit] for clips in read]
    groups += [read_sounds(folder, leave_out)[:limit] for folder in sounds]
    valid = [clip for clips in read for clip in split_of(clips, "valid")[:limit]]
    loss = Distillation(student, teacher, *balance(groups, [1.0] * len(groups)), seed, batch)
    watched = Distillation(student, teacher, *balance([valid], [1.0]), seed + 1, batch)

    @torch.inference_mode()
    def judge(model: nn.Module, step: int) -> Figures:
        assert isinstance(model, Distillation)
        watched.student = model.student.eval()
        each = [watched(k)[1] for k in range(3)]
        return {f"held_out.{name}": float(np.mean([one[name] for one in each])) for name in each[0]}

    before = judge(loss, 0)
    loss.train()
    averaged = train_model(loss, loss, judge, run, Schedule(steps, minutes, rate, warmup=50, evaluate_every=every))
    after = judge(averaged, steps)
    assert isinstance(averaged, Distillation)
    save_student(averaged.student, teacher_path, out)
    return {f"before.{k}": v for k, v in before.items()} | {f"after.{k}": v for k, v in after.items()}


def save_student(student: Hubert, teacher_path: Path, out: Path) -> None:
    """A whole speech encoder around the student; heads are the teacher's where it has them."""
    if "visema.model" in read_metadata(teacher_path):
        teacher = load_speech_encoder(teacher_path)
        made = SpeechEncoder(replace(teacher.config, hubert=student.config))
        heads = {name: t for name, t in teacher.state_dict().items() if not name.startswith("trunk.")}
        made.load_state_dict(heads | {f"trunk.{name}": t for name, t in student.state_dict().items()})
    else:
        config: HubertConfig = student.config
        made = SpeechEncoder(SpeechConfig(config))
        made.trunk.load_state_dict(student.state_dict())
    if not all(torch.isfinite(t).all() for t in made.state_dict().values() if t.is_floating_point()):
        raise WeightsError(f"{out}: the student's weights are not finite; try a lower --rate")
    save_speech_encoder(made.eval(), out)


def main(argv: Sequence[str] | None = None) -> None:
    """Command line of `visema train distill`."""
    parser = argparse.ArgumentParser(prog="visema train distill", description=__doc__)
    parser.add_argument("--teacher", dest="teacher_path", type=Path, required=True, help="our weights or a checkpoint")
    parser.add_argument("--allow-pickle", action="store_true", help="read a file of torch.save, which can run code")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--corpora", type=Path, nargs="*", default=[Path("../shared/corpus")])
    parser.add_argument("--sounds", type=Path, nargs="*", default=[])
    parser.add_argument("--leave-out", nargs="*", default=["2_04", "3_15"])
    parser.add_argument("--run", type=Path, default=Path("runs/distill"))
    parser.add_argument("--context", type=int, default=None, help="frames of 20 ms that the student sees")
    parser.add_argument("--lookahead", type=int, choices=(0, 1, 2), default=None, help="ticks of 40 ms")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--steps", type=int, default=2_000)
    parser.add_argument("--rate", type=float, default=3e-4)
    parser.add_argument("--batch", type=int, default=BATCH)
    parser.add_argument("--every", type=int, default=250)
    parser.add_argument("--limit", type=int, default=None, help="clips per folder")
    parser.add_argument("--seed", type=int, default=0)
    torch.set_num_threads(1)
    print(json.dumps(distill(**vars(parser.parse_args(argv))), indent=1))


if __name__ == "__main__":
    main()
