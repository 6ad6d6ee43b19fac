"""Masked prediction of clustered units, HuBERT's recipe (Hsu et al. 2021): `visema train pretrain`.

Round 1 clusters cepstra of all speech at hand, hides spans of varied log-mels and names the units behind them;
round 2 clusters what round 1 has learned in a middle layer and does it again. Causal encoders answer 80 ms later,
so that they too may use what follows. `--bidirectional` trains a teacher that hears the whole clip; `visema train
distill` makes a causal student of it. `visema train encoder --start` goes on with phones.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from engine.features.log_mel import LogMel
from engine.features.speech_files import load_speech_encoder, save_speech_encoder
from engine.training.corpus import Clip, read_corpus, read_sounds, split_of
from engine.training.encoder import BATCH, BF16_HELP, SIZES, balance, begin
from engine.training.loop import Figures, Schedule, precision, train_model
from engine.training.masking import Batches, MaskedUnits, with_units
from engine.training.phone_batches import FRAMES
from engine.training.prefetch import Prefetch
from engine.training.units import Clusters, FeaturesOf, cepstra, cluster, features_of, layer_of, sample_frames

WATCHED = 20  # every so many clips one is held out
WATCHED_BATCHES = 3


def find_units(
    clips: Sequence[Clip], make: FeaturesOf, count: int, frames: int, seed: int, folder: Path
) -> list[np.ndarray]:
    """Units of every clip; clusters and units are kept in `folder`, so that a stopped run goes on."""
    folder.mkdir(parents=True, exist_ok=True)
    centres, done = folder / "clusters.npz", folder / "units.npz"
    if not centres.is_file():
        cluster(sample_frames(clips, make, frames, seed), count, seed, report=_say).save(centres)
    if not done.is_file():
        clusters = Clusters.load(centres)
        units = [clusters.nearest(features).astype(np.int16) for features in features_of(clips, make)]
        partial = done.with_suffix(".partial.npz")
        np.savez(partial, lengths=[len(own) for own in units], units=np.concatenate(units))
        partial.rename(done)
    with np.load(done) as file:
        found = np.split(file["units"], np.cumsum(file["lengths"])[:-1])
    if len(found) != len(clips):
        raise ValueError(f"{done}: units of {len(found)} clips, but there are {len(clips)}; use another --run")
    return found


def _say(iteration: int, distance: float) -> None:
    if iteration % 5 == 0:
        print(f"  k-means {iteration}: mean squared distance {distance:.3f}", flush=True)


def pretrain(
    corpora: Sequence[Path],
    sounds: Sequence[Path],
    run: Path,
    size: str = "small",
    rounds: int = 2,
    units: Sequence[int] = (100, 200),
    minutes: float = 60.0,
    steps: int = 4_000,
    frames: int = 60_000,
    rate: float = 1e-3,
    causal: bool = True,
    start: Path | None = None,
    leave_out: Sequence[str] = (),
    seed: int = 0,
    limit: int | None = None,
    batch: int = BATCH,
    every: int = 250,
    device: str = "cpu",
    workers: int = 0,
    bf16: bool = False,
    keep: bool = False,
) -> Path:
    """All rounds; minutes and steps are those of one round. Returns the weights of the last one.

    corpora: folders with a manifest, of which the training split is taken. sounds: folders of recordings without
    labels, all but those named in leave_out. start: weights that round 1 begins with. limit: clips per folder.
    keep: round 2 goes on with round 1's weights; as published it begins anew.
    """  # fmt: skip
    cache = run.parent / "corpus"
    groups = [split_of(read_corpus(folder, cache), "train")[:limit] for folder in corpora]
    groups += [read_sounds(folder, leave_out)[:limit] for folder in sounds]
    make, out = cepstra, run
    for number in range(1, rounds + 1):
        torch.manual_seed(seed + number)
        folder, count = run / f"round{number}", units[number - 1]
        out = folder / "encoder.safetensors"
        flat = [clip for group in groups for clip in group]
        found = iter(find_units(flat, make, count, frames, seed, folder))
        own = [[with_units(clip, next(found)) for clip in group] for group in groups]
        model = MaskedUnits(begin(SIZES[size], start, seed), count, causal, seed)
        trained, watched = (
            Batches(*_balanced(some), LogMel(model.encoder.config.hubert.mels), FRAMES, batch, seed + number)
            for some in ([[c for i, c in enumerate(g) if i % WATCHED] for g in own], [g[::WATCHED] for g in own])
        )

        batches = Prefetch(trained, workers, device)  # before CUDA is touched
        model = model.to(device)

        def loss_of(step: int, model=model, batches=batches) -> tuple[torch.Tensor, Figures]:
            mel, labels = batches(step)
            with precision(device, bf16):
                return model(mel, labels, step)

        averaged = train_model(
            model,
            loss_of,
            _judge(Prefetch(watched, 0, device)),
            folder,
            Schedule(steps, minutes, rate, evaluate_every=every),
        )
        batches.close()
        assert isinstance(averaged, MaskedUnits)
        save_speech_encoder(averaged.encoder, out)
        encoder, start = load_speech_encoder(out), out if keep else None
        make = layer_of(encoder, max(1, encoder.config.hubert.layers // 2), causal)
    return out


def _balanced(groups: list[list[Clip]]) -> tuple[list[Clip], np.ndarray]:
    """Folders by the root of their length, so that little real speech is not drowned by much synthetic."""
    return balance(groups, [sum(len(clip.samples) for clip in group) ** 0.5 for group in groups])


def _judge(batches: Callable) -> Callable[[nn.Module, int], Figures]:
    """Figures on the same held-out batches with the same masks at every evaluation."""

    @torch.inference_mode()
    def judge(model: nn.Module, step: int) -> Figures:
        model.eval()
        each = [model(*batches(k), k)[1] for k in range(WATCHED_BATCHES)]
        return {f"held_out.{name}": float(np.mean([one[name] for one in each])) for name in each[0]}

    return judge


def main(argv: Sequence[str] | None = None) -> None:
    """Command line of `visema train pretrain`."""
    parser = argparse.ArgumentParser(prog="visema train pretrain", description=__doc__)
    parser.add_argument("--corpora", type=Path, nargs="*", default=[Path("../shared/corpus")])
    parser.add_argument("--sounds", type=Path, nargs="*", default=[], help="folders of recordings without labels")
    parser.add_argument(
        "--leave-out", nargs="*", default=["2_04", "3_15"], help="recordings that judge and never train"
    )
    parser.add_argument("--run", type=Path, default=Path("runs/pretrain"))
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--rounds", type=int, choices=(1, 2), default=2)
    parser.add_argument("--units", type=int, nargs=2, default=(100, 200), help="clusters of each round")
    parser.add_argument("--minutes", type=float, default=60.0, help="of one round")
    parser.add_argument("--steps", type=int, default=4_000, help="of one round")
    parser.add_argument("--frames", type=int, default=60_000, help="that k-means looks at")
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--batch", type=int, default=BATCH)
    parser.add_argument("--every", type=int, default=250, help="steps between evaluations and checkpoints")
    parser.add_argument("--start", type=Path, default=None)
    parser.add_argument("--limit", type=int, default=None, help="clips per folder")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--workers", type=int, default=0, help="processes that make batches")
    parser.add_argument("--bf16", action="store_true", help=BF16_HELP)
    parser.add_argument("--keep", action="store_true", help="round 2 goes on with round 1's weights")
    parser.add_argument("--bidirectional", action="store_true", help="a teacher that hears the whole clip")
    parser.add_argument("--seed", type=int, default=0)
    options = vars(parser.parse_args(argv))
    torch.set_num_threads(1)
    options["causal"] = not options.pop("bidirectional")
    print(pretrain(**options))


if __name__ == "__main__":
    main()
