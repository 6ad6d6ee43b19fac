"""Sizes of HuBERT encoders: the published ones, and our small default."""

from dataclasses import dataclass, replace
from typing import Literal

import torch.nn.functional as F

from engine.errors import ConfigError

ACTIVATIONS = {"gelu": F.gelu, "silu": F.silu}


@dataclass(frozen=True)
class HubertConfig:
    """Sizes and structure. The published models differ only in these (Hsu et al. 2021, table 1).

    front: "wave" reads raw samples, "mel" log-mels of 100 Hz (ours: a tenth of the cost).
    channels, kernels, strides: the convolutions that lead to 50 Hz; conv_norm: "group" normalises the first
    layer over time, "layer" every layer over channels, "none" nothing. projection: a linear map from there to the
    blocks; without it the last convolution gives their width. activation: GELU as published, or SiLU (ours).
    pre_norm: blocks normalise their input (large) or their output (base).
    position_kernel, position_groups: the positional convolution; 0 leaves it out.
    distance_bias: a learned bias per head and distance (ours). conv_frames: width of a gated depthwise
    convolution in every block, 0 for none (ours; Gulati et al. 2020 show what it gives small encoders).
    units: width of the soft-unit head (van Niekerk et al. 2022), 0 for none.

    Streaming: context is the past that a query sees, in 20 ms frames, itself included; lookahead in ticks of
    40 ms is spent in the positional convolution; gain brings engine level (-23 dBFS) to what the weights expect;
    horizon_s is the memory of the causal group norm.
    """

    front: Literal["wave", "mel"] = "wave"
    mels: int = 64
    channels: int = 512
    kernels: tuple[int, ...] = (10, 3, 3, 3, 3, 2, 2)
    strides: tuple[int, ...] = (5, 2, 2, 2, 2, 2, 2)
    conv_bias: bool = False
    conv_norm: Literal["group", "layer", "none"] = "group"
    projection: bool = True
    projection_norm: bool = True
    activation: Literal["gelu", "silu"] = "gelu"
    width: int = 768
    layers: int = 12
    heads: int = 12
    feed_forward: int = 3072
    pre_norm: bool = False
    position_kernel: int = 128
    position_groups: int = 16
    distance_bias: bool = False
    conv_frames: int = 0
    units: int = 0
    context: int = 100
    lookahead: int = 0
    gain: float = 1.0
    horizon_s: float = 10.0

    def __post_init__(self):
        samples = 160 if self.front == "mel" else 1
        for stride in self.strides:
            samples *= stride
        wrong = {
            f"strides make frames of {samples} samples, not 320": samples != 320,
            "kernels and strides differ in number": len(self.kernels) != len(self.strides),
            "a kernel is shorter than its stride": any(map(int.__lt__, self.kernels, self.strides)),
            f"heads {self.heads} do not divide width {self.width}": bool(self.width % self.heads),
            f"lookahead {self.lookahead}; allowed: 0, 1, 2 ticks": self.lookahead not in (0, 1, 2),
            "look-ahead is spent in the positional convolution: it needs a position_kernel of at least "
            f"{4 * self.lookahead + 2}": self.lookahead > 0 and self.position_kernel < 4 * self.lookahead + 2,
            "the convolution in a block needs pre_norm": self.conv_frames > 0 and not self.pre_norm,
        }
        for what, is_so in wrong.items():
            if is_so:
                raise ConfigError(f"HuBERT sizes: {what}")


BASE = HubertConfig()
LARGE = HubertConfig(
    conv_bias=True, conv_norm="layer", width=1024, layers=24, heads=16, feed_forward=4096, pre_norm=True, gain=14.0
)
SOFT = replace(BASE, units=256)
SMALL = HubertConfig(
    front="mel", channels=128, kernels=(5, 4), strides=(1, 2), conv_bias=True, conv_norm="none", projection=False,
    projection_norm=False, activation="silu", width=384, layers=4, heads=8, feed_forward=1024, pre_norm=True,
    position_kernel=0, distance_bias=True, conv_frames=9,
)  # fmt: skip
NAMED = {"base": BASE, "large": LARGE, "soft": SOFT, "small": SMALL}
