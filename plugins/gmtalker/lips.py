"""Lips that shut whatever the face feels: gates on expression coefficients, read off the encoder's phones.

Not in the paper: there the decoder alone closes lips. A decoder trained on squared error half-closes them, which is
the first thing a lip-reader misses, so the gates of the viseme plugin (`plugins.viseme.evidence`) act on the decoded
coefficients. They blend towards a shut and a biting mouth that keep most of the emotion; what is then left of the gap
between the lips, which is linear in the coefficients, `mouthClose` takes away.
"""

import torch
from torch import nn

from engine.motion import layout
from engine.motion.articulation import ARTICULATORS, BITE_ADD, BITE_KEEP, CLOSED_ADD, CLOSED_KEEP
from engine.render.face_model import FaceModel
from engine.render.lips import LOWER, UPPER, LipMeasure
from plugins.viseme.evidence import Evidence

# Where a gate's probability begins and ends to count: (shut, bite). Lower than the viseme plugin's: emotions open the
# mouth wider, and what is half shut then shows.
GATE_LOW, GATE_HIGH = (0.44, 0.08), (0.68, 0.34)
RELEASE = 0.7  # most that a gate lets go in one tick
# Of what an emotion does to the mouth, so much stays while lips are shut or bitten; all else of the face stays wholly.
EMOTION_KEEP = {
    "mouthSmile": 0.8, "mouthDimple": 1.0, "mouthStretch": 0.6, "mouthShrugLower": 0.7, "mouthShrugUpper": 0.6,
    "mouthPress": 1.0, "mouthRollLower": 0.8, "mouthRollUpper": 0.8, "mouthUpperUp": 0.45, "mouthFunnel": 0.2,
    "lipUpperRaise": 0.4,
}  # fmt: skip


class LipGates(nn.Module):
    """Coefficients (..., E) and gates (..., 2) shut, bite -> coefficients with those lips shut or bitten."""

    keep: torch.Tensor
    add: torch.Tensor
    gap: torch.Tensor
    close: torch.Tensor
    low: torch.Tensor
    span: torch.Tensor

    def __init__(self, face: FaceModel | None = None):
        super().__init__()
        self.evidence = Evidence()
        measure = LipMeasure(face or FaceModel.load())
        height = measure.landmark_basis[:, UPPER, 1] - measure.landmark_basis[:, LOWER, 1]
        self.rest_m = min(measure.rest_m, 0.0)  # lips that overlap at rest need less
        jaw_shut = layout.INDEX["mouthClose"]
        tables = {
            "keep": torch.stack([_units({**EMOTION_KEEP, **keep}, 0.0) for keep in (CLOSED_KEEP, BITE_KEEP)]),
            "add": torch.stack([_units(add, None) for add in (CLOSED_ADD, BITE_ADD)]),
            "gap": torch.from_numpy(height.astype("float32")),
            "close": torch.eye(layout.E)[jaw_shut] / float(-height[jaw_shut]),
            "low": torch.tensor(GATE_LOW),
            "span": torch.tensor(GATE_HIGH) - torch.tensor(GATE_LOW),
        }  # fmt: skip
        for name, value in tables.items():
            self.register_buffer(name, value, persistent=False)

    def gates(self, phones: torch.Tensor, gestures: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """How far lips are shut and bitten (..., 2), from the side outputs of one delay (see `Evidence`)."""
        share = ((self.evidence(phones, gestures, noise)[..., :2].sigmoid() - self.low) / self.span).clamp(0.0, 1.0)
        return share * share * (3.0 - 2.0 * share)

    def forward(self, values: torch.Tensor, gates: torch.Tensor, held: torch.Tensor) -> torch.Tensor:
        """held (..., 2): the gates one tick before; lips let go over two ticks, as flesh does."""
        shut, bite = torch.maximum(gates, held - RELEASE)[..., None].unbind(-2)
        values = values + bite * (values * self.keep[1] + self.add[1] - values)
        values = values + shut * (values * self.keep[0] + self.add[0] - values)
        left_m = ((values * self.gap).sum(-1, keepdim=True) + self.rest_m).clamp(min=0.0)
        return values + shut * left_m * self.close


def _units(table: dict[str, float], rest: float | None) -> torch.Tensor:
    """A row (E,) from values by unit or articulator: rest for the mouth's other units, 1 for the face around it;
    with rest None, 0 for all others."""
    row = torch.zeros(layout.E)
    for i, unit in enumerate(layout.EXPRESSION):
        name = unit.removesuffix("Left").removesuffix("Right")
        value = table.get(unit, table.get(name))
        if value is None and rest is not None:
            value = rest if name in ARTICULATORS or unit == "mouthClose" else 1.0
        row[i] = value or 0.0
    return row
