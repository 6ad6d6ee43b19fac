"""Sizes of the head generator: `paper` at 512, `small` for two CPU cores (the default), `tiny` for tests."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from engine.errors import ConfigError
from engine.motion.emotion import K


@dataclass(frozen=True)
class GeneratorSize:
    """picture: pixels of the picture it is for; square: pixels of what is generated, around the face or all of it.

    haar: levels of wavelets before the first and behind the last layer, each of which halves the resolution.
    channels: of the features, from the finest resolution, square >> haar, each next one half of it.
    finest: how many modulated convolutions more at the finest resolution.
    pyramid: pictures go in and come out at every resolution, not only at the finest.
    residual: the network says what to change in the rendering, not the picture.
    style, mapping: width of the style code and of the mapping network; heads: K, or 1 without emotions (ablation).
    critic_haar, critic: the same of the discriminator.
    """

    picture: int = 512
    square: int = 256
    haar: int = 2
    channels: tuple[int, ...] = (64, 96, 128, 128)
    finest: int = 1
    pyramid: bool = False
    residual: bool = True
    style: int = 64
    mapping: int = 64
    heads: int = K
    critic_haar: int = 2
    critic: tuple[int, ...] = (64, 96, 128, 128)


SIZES = {
    "small": GeneratorSize(),
    # StyleUNet's channels for 512 pictures with twice the narrow ones (its default), StyleGAN2's discriminator
    "paper": GeneratorSize(
        square=512, haar=1, channels=(128, 256, 512, 512, 512, 512), finest=0, pyramid=True, residual=False,
        style=64, mapping=64, critic_haar=0, critic=(64, 128, 256, 512, 512, 512, 512, 512),
    ),
    "tiny": GeneratorSize(
        picture=96, square=64, channels=(8, 12), style=8, mapping=8, critic=(8, 8),
    ),
}  # fmt: skip


def choose_size(name: str, emotions: bool = True) -> GeneratorSize:
    """A named size; without emotions: one unshared head, the paper's ablation. ConfigError: no such size."""
    if name not in SIZES:
        raise ConfigError(f"there is no size {name!r} of the generator; there are {', '.join(SIZES)}")
    size = SIZES[name]
    return size if emotions else read_size({**asdict(size), "heads": 1})


def table_of(size: GeneratorSize) -> dict[str, Any]:
    """For the metadata of a weight file."""
    return asdict(size)


def read_size(table: Mapping[str, Any]) -> GeneratorSize:
    """From the metadata of a weight file."""
    return GeneratorSize(**{**table, "channels": tuple(table["channels"]), "critic": tuple(table["critic"])})
