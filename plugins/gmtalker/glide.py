"""Muscles that speech hardly moves never leap: the face glides from one emotion to another.

Not in the paper. Shares of the emotions move softly (`motion.py`), but a decoder bends the way between two faces and
does most of it in a few ticks. What is bounded here is about twice what a unit's quickest hundredth of steady speech
does; lips, the jaw's opening and the tongue stay as quick as speech.
"""

import torch
from torch import nn

from engine.motion import layout

# Most that a unit changes in a tick of 40 ms; both sides alike. From the p99 of its steps in steady speech with all
# eight emotions (`visema eval gmtalker --only interpolation` measures them), times 2.
FASTEST = {
    "browDown": 0.065, "browInnerUp": 0.09, "browOuterUp": 0.075, "cheekSquint": 0.075, "eyeBlink": 0.012,
    "eyeSquint": 0.055, "eyeWide": 0.075, "jawForward": 0.11, "lipCompress": 0.04, "lipCornerPull": 0.017,
    "mouth": 0.015, "mouthDimple": 0.055, "mouthFrown": 0.06, "mouthSmile": 0.14, "neckTense": 0.024,
    "noseSneer": 0.06, "nostrilFlare": 0.075,
}  # fmt: skip
UNBOUND = 2.0  # more than any coefficient can change


class Glide(nn.Module):
    """Coefficients (..., E) wanted now, and those of the tick before -> those of now."""

    fastest: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        names = [unit.removesuffix("Left").removesuffix("Right") for unit in layout.EXPRESSION]
        fastest = torch.tensor([FASTEST.get(name, UNBOUND) for name in names])
        self.register_buffer("fastest", fastest, persistent=False)

    def forward(self, wanted: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
        return before + torch.maximum(torch.minimum(wanted - before, self.fastest), -self.fastest)
