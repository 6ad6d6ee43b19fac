"""Trains NFMG on a frozen encoder: `visema train gmtalker.motion`.

First wide, on performers at random whom nobody meets again (where the paper takes 20,000 VoxCeleb2 videos), then for
some minutes on the known performers, or on one of them (`performer`). To adapt ready weights to somebody:
`visema train gmtalker.motion --start motion.safetensors --set pretrain_minutes=0 --set performer=otto`.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn

from engine.errors import ConfigError
from engine.features.checkpoint import fingerprint
from engine.motion import layout
from engine.training.loop import Figures
from plugins.gmtalker import training
from plugins.gmtalker.data import Takes, labels
from plugins.gmtalker.expression import reconstruction
from plugins.gmtalker.head_motion import MotionGenerator, velocity_loss
from plugins.gmtalker.motion import load_head_motion, save_generator
from plugins.gmtalker.rollout import roll_out, taught_past
from plugins.gmtalker.settings import Settings
from plugins.gmtalker.sizes import choose_size

TITLE = "GMTalker, motion generator (NFMG)"
ABOUT = "Speech features and noise to head, eyes and lids. Learned from made performances."
LEAST = 1e-4  # deviation: metres and radians are small
GROUPS = {"turn": slice(0, 3), "shift": slice(3, 6), "gaze": slice(6, 10), "lids": slice(10, 12)}


class Moves(NamedTuple):
    """Motion numbers (B, T, 12), soft labels (B, K) and speakers (B,) of some performances."""

    values: torch.Tensor
    label: torch.Tensor
    speaker: torch.Tensor


def moves_of(head: MotionGenerator, takes: Takes, rows: torch.Tensor, chosen: torch.Tensor, wide: bool) -> Moves:
    """Performances `chosen` of windows `rows`, by strangers or by known performers."""
    at = rows, chosen
    if wide:
        label = labels(takes.wide_emotion[at], takes.wide_strength[at])
        return Moves(takes.wide[at].float(), label, torch.full_like(rows, head.decoder.speaker.num_embeddings - 1))
    values = takes.motion[at][..., layout.E :].float()
    return Moves(values, labels(takes.emotion[at], takes.strength[at]), takes.performer[at])


class MotionLoss(nn.Module):
    """The loss of a generator on batches made from the step number. wide: on strangers.

    among: int64 (X, 2) windows and performances to choose from, if not all.
    """

    def __init__(
        self, generator: MotionGenerator, takes: Takes, settings: Settings, wide: bool,
        among: torch.Tensor | None = None,
    ):  # fmt: skip
        super().__init__()
        self.generator, self.takes, self.settings, self.wide = generator, takes, settings, wide
        self.register_buffer("among", among, persistent=False)

    among: torch.Tensor | None

    def forward(self, step: int) -> tuple[torch.Tensor, Figures]:
        head, settings = self.generator, self.settings
        performed = (self.takes.wide if self.wide else self.takes.motion).shape[1]
        batch = training.draw_batch(self.takes, performed, settings, step, self.among)
        moves = moves_of(head, self.takes, batch.rows, batch.takes, self.wide)
        scaled = head.scaled(moves.values)
        noise = torch.randn(*scaled.shape[:2], head.size.latent, generator=batch.random)
        latents, divergence = head.encode(scaled, batch.speech, noise)

        def say(past: torch.Tensor) -> torch.Tensor:
            return head.decode(past, latents, batch.speech, moves.speaker, batch.lookahead, moves.label)

        past = taught_past(head.decoder, say, scaled, moves.speaker, settings, step, batch.random)
        heard = scaled.shape[1] - batch.lookahead
        said, wanted = say(past)[:, :heard], scaled[:, :heard]
        parts = {
            "rec": settings.rec * reconstruction(said, wanted).mean(),
            "kl": settings.kl * divergence.mean(),
            "velocity": settings.velocity * velocity_loss(said, wanted).mean(),
        }
        return torch.stack(list(parts.values())).sum(), {name: part.item() for name, part in parts.items()}


@torch.no_grad()
def move(
    head: MotionGenerator, takes: Takes, rows: torch.Tensor, moves: Moves, lookahead: int, seed: int
) -> torch.Tensor:
    """Free-running motion numbers (N, T - lookahead, 12) of windows, from noise of a seed."""
    random = torch.Generator().manual_seed(seed)
    noise = torch.randn(len(rows), takes.ticks, head.size.latent, generator=random)
    latents = head.flow.sample(noise)
    said = roll_out(head.decoder, latents, takes.features(rows), moves.speaker, lookahead, moves.label)
    return head.numbers(said)


def judge(head: MotionGenerator, takes: Takes, wide: bool, lookahead: int = 1) -> Figures:
    """Figures of free-running motion beside the performances. *_range: deviation over time against theirs; *_speed: of
    steps; diversity: mean distance of the head's turn between seeds against that between performances; blinks: a
    minute, and theirs."""
    rows = torch.arange(len(takes.content))
    performed = (takes.wide if wide else takes.motion).shape[1]
    moves, other = (moves_of(head, takes, rows, torch.full_like(rows, k), wide) for k in (0, performed - 1))
    said, again = (move(head, takes, rows, moves, lookahead, seed) for seed in (1, 2))
    true, second = (part.values[:, : said.shape[1]] for part in (moves, other))
    figures: Figures = {}
    for name, part in GROUPS.items():
        figures[f"{name}_range"] = (said[..., part].std(1).mean() / true[..., part].std(1).mean()).item()
        steps, wanted = (x[..., part].diff(dim=1).square().mean().sqrt() for x in (said, true))
        figures[f"{name}_speed"] = (steps / wanted).item()
    turn = GROUPS["turn"]
    if performed > 1:
        apart = (said - again)[..., turn].abs().mean() / (true - second)[..., turn].abs().mean()
        figures["diversity"] = apart.item()
    figures["blinks"], figures["blinks_true"] = blinks_per_minute(said), blinks_per_minute(true)
    return figures


def blinks_per_minute(numbers: torch.Tensor) -> float:
    """How often the left lid comes down past the middle, of motion numbers (N, T, 12)."""
    shut = numbers[..., 10] > 0.5
    begun = (shut[:, 1:] & ~shut[:, :-1]).sum().item()
    return begun / (numbers.shape[0] * numbers.shape[1] / 25 / 60)


def chosen_takes(takes: Takes, speakers: tuple[str, ...], settings: Settings) -> torch.Tensor | None:
    """Windows and performances (X, 2) that the adaptation may see; None: all. ConfigError: nobody of that name."""
    rows, performed = takes.performer.shape
    rows = min(settings.adapt_voices or rows, rows)
    if not settings.performer and rows == len(takes.performer):
        return None
    mask = torch.zeros(len(takes.performer), performed, dtype=torch.bool)
    mask[:rows] = True
    if settings.performer:
        if settings.performer not in speakers[:-1]:
            known = ", ".join(speakers[:-1])
            raise ConfigError(f"performer = {settings.performer!r}: the performances have {known}")
        mask &= takes.performer == speakers.index(settings.performer)
    if not mask.any():
        raise ConfigError(f"performer = {settings.performer!r}: no performance among {rows} voices; take more")
    return torch.nonzero(mask)


def introduce(head: MotionGenerator) -> None:
    """Let every known performer begin as what strangers have in common."""
    for table in (head.decoder.start, head.decoder.speaker):
        table.weight.data[:-1] = table.weight.data[-1:]


def main(argv: Sequence[str] | None = None) -> None:
    """Command line of `visema train gmtalker.motion`."""
    options = training.parse("motion", __doc__, argv, Path(__file__).with_name("motion.safetensors"))
    settings, encoder = options.settings, options.encoder
    torch.manual_seed(settings.seed)
    train, valid, speakers = training.load_examples(options)
    size = choose_size(settings.size, settings.prior, settings.flow, encoder.width)
    head = MotionGenerator(size.motion, size.content, len(speakers), settings.dropout)
    mean, deviation = training.scales(train.wide)
    head.mean.copy_(mean)
    head.deviation.copy_(deviation.clamp(min=LEAST))
    if options.start:
        head.load_state_dict(load_head_motion(options.start)[0].state_dict())
    figures: Figures = {}

    def save(averaged: nn.Module) -> None:
        save_generator(averaged.generator, options.out, fingerprint(encoder), speakers, size.content)  # type: ignore[arg-type]

    phases = (
        ("wide", settings.pretrain_minutes, True, None),
        ("adapted", settings.adapt_minutes, False, chosen_takes(train, speakers, settings)),
    )
    for name, minutes, wide, among in phases:
        if minutes <= 0:
            continue
        if not wide and settings.pretrain_minutes > 0:
            introduce(head)

        def judged(averaged: nn.Module, wide: bool = wide) -> Figures:
            figures.clear()
            figures.update(judge(averaged.generator, valid, wide))  # type: ignore[arg-type]
            return figures

        loss = MotionLoss(head, train, settings, wide, among)
        done = training.fit(loss, judged, options.run / name, settings, minutes, save, options.resume)
        head.load_state_dict(done.generator.state_dict())  # type: ignore[union-attr]
    if not figures or not all(map(math.isfinite, figures.values())):
        raise ConfigError("nothing was trained: pretrain_minutes and adapt_minutes are 0, or the training diverged")
    training.write_card(options.out.with_suffix(".md"), TITLE, ABOUT, settings, figures, options.command)
    training.show(figures)


if __name__ == "__main__":
    main()
