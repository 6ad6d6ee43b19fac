"""Sizes of the networks: `paper` as published, `small` for two CPU cores (the default), `tiny` for tests.

Where the paper is silent (width, heads, width of z and w, steps of the flow) `paper` takes what its sources use.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from engine.errors import ConfigError
from engine.motion import layout
from engine.motion.emotion import K

Prior = Literal["mixture", "gaussian", "labelled", "onehot"]  # what they are: settings.py


@dataclass(frozen=True)
class DecoderSize:
    """An autoregressive decoder. context: ticks of its own past it sees; hearing: ticks of speech behind it."""

    width: int = 160
    layers: int = 3
    heads: int = 4
    feedforward: int = 640
    context: int = 50
    hearing: int = 6


@dataclass(frozen=True)
class ExpressionSize:
    """GMEG. values: expression coefficients; latent: width of z; source: width of w.

    prior: the mixture of the paper, or an ablation: one Gaussian (the emotion then reaches the decoder as a label,
    as in any conditional VAE), or no latent at all, only a one-hot label. noise: share of z's noise that the decoder
    hears, in training as in speaking. Hearing all of it, a decoder trusts its own past more than z, and leaps from one
    emotion to the other where they meet.
    """

    decoder: DecoderSize = field(default_factory=DecoderSize)
    values: int = layout.E
    latent: int = 24
    source: int = 8
    encoder_layers: int = 3
    mapper_layers: int = 2
    mapper_width: int = 64
    components: int = K
    prior: Prior = "mixture"
    noise: float = 1.0


@dataclass(frozen=True)
class MotionSize:
    """NFMG. values: motion numbers; latent: width of z a tick; the flow has `steps` couplings of `flow_layers` each."""

    decoder: DecoderSize = field(default_factory=lambda: DecoderSize(width=128, layers=2, feedforward=512))
    values: int = layout.M - layout.E
    latent: int = 8
    encoder_layers: int = 3
    steps: int = 4
    flow_layers: int = 1
    flow_width: int = 48
    flow_heads: int = 4
    flow_context: int = 50


@dataclass(frozen=True)
class Size:
    """Both generators. content: width of the speech encoder's output."""

    expression: ExpressionSize = field(default_factory=ExpressionSize)
    motion: MotionSize = field(default_factory=MotionSize)
    content: int = 384


CALM = 0.2  # share of the noise of z
_PAPER_DECODER = DecoderSize(width=512, layers=8, heads=8, feedforward=2048, context=100, hearing=12)
_TINY_DECODER = DecoderSize(width=16, layers=2, heads=2, feedforward=32, context=6, hearing=3)
SIZES = {
    "small": Size(ExpressionSize(noise=CALM)),
    "paper": Size(
        ExpressionSize(
            _PAPER_DECODER, latent=128, source=64, encoder_layers=8, mapper_layers=8, mapper_width=256, noise=CALM,
        ),
        MotionSize(
            _PAPER_DECODER, latent=32, encoder_layers=8, steps=4, flow_layers=4, flow_width=256, flow_heads=8,
            flow_context=100,
        ),
    ),
    "tiny": Size(
        ExpressionSize(_TINY_DECODER, latent=6, source=4, encoder_layers=1, mapper_layers=1, mapper_width=16),
        MotionSize(
            _TINY_DECODER, latent=4, encoder_layers=1, steps=2, flow_width=16, flow_heads=2, flow_context=6,
        ),
    ),
}  # fmt: skip


def choose_size(name: str, prior: Prior = "mixture", flow: bool = True, content: int | None = None) -> Size:
    """A named size, or an ablation of it. ConfigError: no such size."""
    if name not in SIZES:
        raise ConfigError(f"there is no size {name!r} of gmtalker; there are {', '.join(SIZES)}")
    size = SIZES[name]
    components = 1 if prior in ("gaussian", "labelled") else size.expression.components
    return replace(
        size,
        expression=replace(size.expression, prior=prior, components=components),
        motion=size.motion if flow else replace(size.motion, steps=0),
        content=content or size.content,
    )


def table_of(size: ExpressionSize | MotionSize) -> dict[str, Any]:
    """For the metadata of a weight file."""
    return asdict(size)


def read_expression(table: Mapping[str, Any]) -> ExpressionSize:
    """From the metadata of a weight file."""
    return ExpressionSize(**{**table, "decoder": DecoderSize(**table["decoder"])})


def read_motion(table: Mapping[str, Any]) -> MotionSize:
    """From the metadata of a weight file."""
    return MotionSize(**{**table, "decoder": DecoderSize(**table["decoder"])})
