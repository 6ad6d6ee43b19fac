"""Trains GMEG on a frozen encoder: `visema train gmtalker.expression`.

Rec, cond, w and emo with the paper's weights (appendix A.2), the label's term (see `mixture`), and a past that is
mostly the decoder's own (see `rollout`). Figures are of free-running speech on held-out voices: z comes from the prior,
as when speaking, and an emotion classifier that knows only the performances judges what is shown.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from engine.errors import ConfigError
from engine.features.checkpoint import fingerprint
from engine.frames import FPS
from engine.motion import layout
from engine.stage import tree_map
from engine.training.loop import Figures
from engine.training.performers import LEVELS
from plugins.gmtalker import training
from plugins.gmtalker.data import Takes, labels
from plugins.gmtalker.expression import ExpressionGenerator, ExpressionWeights, reconstruction
from plugins.gmtalker.judge import EmotionJudge, plain_to_see
from plugins.gmtalker.mixture import mix
from plugins.gmtalker.motion import load_expression, save_generator
from plugins.gmtalker.rollout import roll_out, taught_past
from plugins.gmtalker.settings import Settings
from plugins.gmtalker.sizes import choose_size

TITLE = "GMTalker, expression generator (GMEG)"
ABOUT = "Speech features and a mixture of emotions to expression coefficients. Learned from made performances."


TURNING = 1 / 3  # share of a batch in which one performance turns into another one of the same voice
QUICK, SLOW = 0.3, 0.1  # shares of the way to the goal per tick, as `motion.RAMP`
LASTING = 0.5  # share of these that stop on the way: what lies between two emotions is held as long as they are


class ExpressionLoss(nn.Module):
    """The loss of a generator on batches made from the step number.

    In some examples the emotion changes: the coefficients fade from one performance to another one of the same voice
    and performer, and z between what the posterior makes of either. Otherwise the decoder, whose past says what was
    felt, would follow a new z late and in jumps. With `blends = false` nothing lies between two emotions: only whole
    ones at full strength are learned from, and none changes; ConfigError if the examples have none.
    """

    def __init__(self, generator: ExpressionGenerator, takes: Takes, settings: Settings):
        super().__init__()
        self.generator, self.takes, self.settings = generator, takes, settings
        self.weights = ExpressionWeights(
            settings.rec, settings.cond, settings.source, settings.emotion, settings.label
        )
        whole = labels(takes.emotion, takes.strength).amax(-1) == 1.0
        self.whole = None if settings.blends else whole.nonzero()
        if self.whole is not None and not len(self.whole):
            raise ConfigError(
                "blends = false learns from whole emotions at full strength alone, and none of the examples shows one: "
                f"record some at level {len(LEVELS)}, or some neutral ones (--fitted), or set blends = true"
            )

    def forward(self, step: int) -> tuple[torch.Tensor, Figures]:
        takes, face = self.takes, self.generator
        batch = training.draw_batch(takes, takes.motion.shape[1], self.settings, step, self.whole)
        size, turning = len(batch.rows), round(TURNING * len(batch.rows)) if self.settings.blends else 0
        others = torch.minimum(batch.takes[:turning] ^ 1, torch.tensor(takes.motion.shape[1] - 1))
        at = torch.cat((batch.rows, batch.rows[:turning])), torch.cat((batch.takes, others))
        performed = face.scaled(takes.motion[at][..., : layout.E].float())
        speaker, shares = takes.performer[at][:size], labels(takes.emotion[at], takes.strength[at])
        noise = torch.randn(len(performed), face.size.source + face.size.latent, generator=batch.random)
        heard_twice = tree_map(lambda v: torch.cat((v, v[:turning])), batch.speech)
        clip_z, parts = face.encode(
            performed, heard_twice, takes.emotion[at], takes.strength[at], noise, self.weights
        )
        fade = fades(turning, takes.ticks, batch.random)
        scaled = turned(performed, size, fade)
        z = None if clip_z is None else turned(clip_z[:, None], size, fade)
        label = turned(shares[:, None], size, fade)

        def say(past: torch.Tensor) -> torch.Tensor:
            return face.decode(past, z, batch.speech, speaker, batch.lookahead, label)

        past = taught_past(face.decoder, say, scaled, speaker, self.settings, step, batch.random)
        heard = scaled.shape[1] - batch.lookahead
        seconds = heard / FPS  # z stands for a whole clip: its divergences weigh against all of its error
        parts = {"rec": self.weights.rec * seconds * reconstruction(say(past)[:, :heard], scaled[:, :heard]), **parts}
        means = {name: part.mean() for name, part in parts.items()}
        return torch.stack(list(means.values())).sum(), {name: mean.item() for name, mean in means.items()}


def fades(count: int, ticks: int, random: torch.Generator) -> torch.Tensor:
    """How far each of some changes is at each tick, (count, ticks, 1): two slow averages in a row of a step, or as far
    from the first tick to the last."""
    lasting = torch.rand(count, 1, 1, generator=random) < LASTING
    share = torch.rand(count, 1, 1, generator=random)
    rate = SLOW + (QUICK - SLOW) * torch.rand(count, 1, 1, generator=random)
    since = torch.arange(ticks)[:, None] - torch.rand(count, 1, 1, generator=random) * ticks
    since = since.clamp(min=0.0)
    return torch.where(lasting, share, 1.0 - (1.0 - rate) ** since * (1.0 + rate * since))


def turned(values: torch.Tensor, size: int, fade: torch.Tensor) -> torch.Tensor:
    """Values (size + X, T or 1, V), whose last X are what the first X turn into -> (size, T, V); fade (X, T, 1)."""
    turning, ticks, _ = fade.shape
    whole = values[:size].expand(-1, ticks, -1)
    return torch.cat((torch.lerp(whole[:turning], values[size:].expand(-1, ticks, -1), fade), whole[turning:]))


@torch.no_grad()
def speak(face: ExpressionGenerator, takes: Takes, rows: torch.Tensor, take: int, lookahead: int, seed: int):
    """Free-running coefficients (N, T - lookahead, E) of windows, with the emotion of one of their takes."""
    random = torch.Generator().manual_seed(seed)
    label = labels(takes.emotion[rows, take], takes.strength[rows, take])
    size, z, condition = face.size, None, None
    if size.prior != "onehot":
        w = torch.randn(len(rows), size.source, generator=random)
        components = face.components(w, torch.randn(len(rows), size.latent, generator=random))
        z = mix(components, label) if size.prior == "mixture" else components[:, 0]
    if size.prior != "mixture":
        condition = label
    said = roll_out(face.decoder, z, takes.features(rows), takes.performer[rows, take], lookahead, condition)
    return face.coefficients(said)


def judge(face: ExpressionGenerator, takes: Takes, critic: EmotionJudge, lookahead: int = 1) -> Figures:
    """Figures of free-running speech. accuracy, of_truth: of the strongest emotions, generated and performed;
    error: of scaled coefficients against one performance of the same; range: deviation over time against it; jaw:
    correlation of the jaw with it."""
    rows = torch.arange(len(takes.content))
    said = speak(face, takes, rows, 0, lookahead, 0).clamp(0.0, 1.2)
    true = takes.motion[:, 0, : said.shape[1], : layout.E].float()
    jaw = layout.INDEX["jawOpen"]
    strong = plain_to_see(takes.emotion, takes.strength)[:, 0]
    emotion = takes.emotion[strong, 0].argmax(-1)
    pair = torch.stack((said[..., jaw].flatten(), true[..., jaw].flatten()))
    return {
        "accuracy": critic.accuracy(said[strong], emotion),
        "of_truth": critic.accuracy(true[strong], emotion),
        "error": reconstruction(face.scaled(said), face.scaled(true)).mean().item(),
        "range": (said.std(1).mean() / true.std(1).mean()).item(),
        "jaw": torch.corrcoef(pair)[0, 1].item(),
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Command line of `visema train gmtalker.expression`."""
    options = training.parse("expression", __doc__, argv, Path(__file__).with_name("expression.safetensors"))
    settings, encoder = options.settings, options.encoder
    torch.manual_seed(settings.seed)
    train, valid, speakers = training.load_examples(options)
    size = choose_size(settings.size, settings.prior, settings.flow, encoder.width)
    face = ExpressionGenerator(size.expression, size.content, len(speakers), settings.dropout)
    values = train.motion[..., : layout.E]
    mean, deviation = training.scales(values)
    face.mean.copy_(mean)
    face.deviation.copy_(deviation.clamp(min=training.LEAST_DEVIATION))
    if options.start:
        face.load_state_dict(load_expression(options.start)[0].state_dict())
    critic = EmotionJudge(values, train.emotion, train.strength)
    figures: Figures = {}

    def save(averaged: nn.Module) -> None:
        save_generator(averaged.generator, options.out, fingerprint(encoder), speakers, size.content)  # type: ignore[arg-type]

    def judged(averaged: nn.Module) -> Figures:
        figures.update(judge(averaged.generator, valid, critic))  # type: ignore[arg-type]
        return figures

    training.fit(
        ExpressionLoss(face, train, settings), judged, options.run, settings, settings.minutes, save, options.resume
    )
    training.write_card(options.out.with_suffix(".md"), TITLE, ABOUT, settings, figures, options.command)
    training.show(figures)


if __name__ == "__main__":
    main()
