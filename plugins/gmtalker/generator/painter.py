"""The generator as a stage of its own, so that every executor can run it: squares in, squares out."""

import importlib.util
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import nn

from engine.motion.emotion import K
from engine.stage import Stage, State
from engine.torchkit.executors import choose_executor, make_executor
from plugins.gmtalker.generator.convolution import use_bytes
from plugins.gmtalker.generator.style_unet import StyleUNet


@dataclass(slots=True)
class PainterState(State):
    """Nothing: a picture depends on its own tick alone."""


class Given(NamedTuple):
    """plain uint8 (S, Q, Q, 3); shoulders float32 (S, 1, Q, Q), the reference mask; shares float32 (S, K) of the
    emotions."""

    plain: torch.Tensor
    shoulders: torch.Tensor
    shares: torch.Tensor


class Painter(nn.Module, Stage):
    """Given -> portraits float32 (S, Q, Q, 3), 0 to 1."""

    def __init__(self, net: StyleUNet):
        super().__init__()
        self.net = net

    def init_state(self, slots: int) -> PainterState:
        return PainterState()

    def step(self, state: PainterState, x: Given) -> torch.Tensor:
        colours = x.plain.permute(0, 3, 1, 2).float() * (2 / 255) - 1
        portrait = self.net(torch.cat((colours, x.shoulders), 1), x.shares)
        return (0.5 * portrait + 0.5).clamp(0, 1).permute(0, 2, 3, 1)

    def example(self) -> Given:
        """An input of one slot."""
        square = self.net.size.square
        return Given(
            torch.zeros(1, square, square, 3, dtype=torch.uint8),
            torch.zeros(1, 1, square, square),
            torch.full((1, K), 1 / K),
        )


def make_painter(net: StyleUNet, wanted: str) -> Stage:
    """The painter as it will run, for one slot. wanted: an executor's name of the configuration.

    For 'auto' and 'openvino-int8' convolutions are computed in bytes where OpenVINO is installed; see `convolution`.
    """
    name = choose_executor(wanted)
    in_bytes = wanted in ("auto", "openvino-int8") and importlib.util.find_spec("openvino") is not None
    use_bytes(net, in_bytes)
    painter = Painter(net).eval()
    # rounding is in the graph: the executor itself has nothing to store in fewer bits
    return make_executor(painter, "openvino" if name.startswith("openvino") else name, painter.example())
