"""Lips in time, and shut whatever the face feels: what is done to expression coefficients behind the decoder.

Not in the paper: there the decoder alone moves the lips. One trained on squared error half-closes them, which is the
first thing a lip-reader misses, so gates as those of the viseme plugin (`engine.motion.evidence`) act on the decoded
coefficients. They blend towards a shut and a biting mouth that keep most of the emotion; what is then left of the gap
between the lips, which is linear in the coefficients, `mouthClose` takes away.

One that sees its own past also lags: 9 ms behind what it learned from, on real prompts. Most of the last step, done
once more (a phase lead), brings that back. The lips do it, as they are quicker than the jaw: with all of its own steps
lengthened, the jaw followed a captured one less (correlation 0.63 instead of 0.68). It does a fifth of its opening
again, and where it shuts, most of its step comes a tick later and the lips meet in front of it, as they do in people:
the lighter part arrives first. The gap between the lips does not feel the latter; the jaw follows a captured one more.

Squared error also averages round and spread lips towards each other: what the encoder is sure of is added to both.
"""

import torch
from torch import nn

from engine.features.phones import PHONES, indices
from engine.motion import layout
from engine.motion.articulation import ARTICULATORS, BITE_ADD, BITE_KEEP, CLOSED_ADD, CLOSED_KEEP
from engine.motion.evidence import QUIET_TICKS, REST_EASE, SILENCE, Evidence
from engine.render.face_model import FaceModel
from engine.render.lips import LOWER, UPPER, LipMeasure

# Where a gate's probability begins and ends to count: (shut, bite). Lower than the viseme plugin's: emotions open the
# mouth wider, and what is half bitten then shows.
GATE_LOW, GATE_HIGH = (0.37, 0.04), (0.61, 0.20)
ONSET = 0.2  # share of the next tick's gates that acts already: lips take longer to meet than to part
LEAD = 0.8  # share of their last step that lips are ahead
MOST_LEAD, MOST_STEP = 0.06, 0.15  # of a lip's lead, and of the opening of the jaw that the lower lip does again
JAW_EARLY = 0.2  # share of an opening step that the jaw does again
JAW_LATE = 0.7  # share of a closing step that the lips do in place of the jaw, which follows a tick later
MOST_TAKEN = 0.25  # share of an opening that a lead takes away at most: shutting lips is the gates' affair
LEADING = ("mouthFunnel", "mouthPucker", "mouthLowerDown", "mouthUpperUp")
ROUND, SPREAD = ("UW", "OW", "W"), ("IY", "EH")
# What a certain phone of these adds to the lips, and by how much: what squared error leaves out of them.
ROUND_ADD, SPREAD_ADD = {"mouthPucker": 0.3}, {"mouthStretch": 0.06}
# Where the probability that nobody speaks begins and ends to shut the mouth; of an emotion's own opening half stays.
QUIET_LOW, QUIET_HIGH, FELT_OPENING = 0.5, 0.95, 0.5
CALM_FROM = 0.8  # share of neutral from which on silence brings the mouth wholly to rest
OPENING = ("jawOpen", "mouthFunnel", "mouthPucker", "mouthLowerDown", "mouthUpperUp", "mouthStretch")
# Of what an emotion does to the mouth, so much stays while lips are shut or bitten; all else of the face stays wholly.
EMOTION_KEEP = {
    "mouthDimple": 1.0, "mouthStretch": 0.6, "mouthShrugLower": 0.7, "mouthShrugUpper": 0.6,
    "mouthPress": 1.0, "mouthRollLower": 0.8, "mouthRollUpper": 0.8, "mouthUpperUp": 0.45, "mouthFunnel": 0.2,
    "lipUpperRaise": 0.4,
}  # fmt: skip
# In place of what articulation keeps of these: a smile would jerk at every bilabial, an angry chin at every F.
SHUT_KEEP = {**CLOSED_KEEP, "mouthSmile": 0.8}
BITTEN_KEEP = {**BITE_KEEP, "mouthSmile": 0.8, "jawForward": 0.45}


class LipGates(nn.Module):
    """Coefficients (..., E), those of the tick before, gates (..., 4) shut, bite, round, spread -> lips in time."""

    keep: torch.Tensor
    add: torch.Tensor
    gap: torch.Tensor
    close: torch.Tensor
    low: torch.Tensor
    span: torch.Tensor
    leading: torch.Tensor
    jaw: torch.Tensor
    lower: torch.Tensor
    together: torch.Tensor
    opening: torch.Tensor
    mouth: torch.Tensor
    shapes: torch.Tensor
    shaping: torch.Tensor

    def __init__(self, face: FaceModel | None = None):
        super().__init__()
        self.evidence = Evidence()
        measure = LipMeasure(face or FaceModel.load())
        height = measure.landmark_basis[:, UPPER, 1] - measure.landmark_basis[:, LOWER, 1]
        self.rest_m = min(measure.rest_m, 0.0)  # lips that overlap at rest need less
        jaw_shut = layout.INDEX["mouthClose"]
        tables = {
            "keep": torch.stack([_units({**EMOTION_KEEP, **keep}, 0.0) for keep in (SHUT_KEEP, BITTEN_KEEP)]),
            "add": torch.stack([_units(add, None) for add in (CLOSED_ADD, BITE_ADD)]),
            "gap": torch.from_numpy(height.astype("float32")),
            "close": torch.eye(layout.E)[jaw_shut] / float(-height[jaw_shut]),
            "low": torch.tensor(GATE_LOW),
            "span": torch.tensor(GATE_HIGH) - torch.tensor(GATE_LOW),
            "leading": _units(dict.fromkeys(LEADING, 1.0), None),
            "jaw": _units({"jawOpen": 1.0}, None),
            "opening": _units(dict.fromkeys(OPENING, 1.0), None),
            "mouth": _units(dict.fromkeys(layout.MOUTH, 1.0), None),
            "lower": _units({"mouthLowerDown": 1.0}, None),
            "together": torch.eye(layout.E)[jaw_shut],
            "shapes": torch.stack([_units(add, None) for add in (ROUND_ADD, SPREAD_ADD)]),
            "shaping": _members(ROUND, SPREAD),
        }  # fmt: skip
        for name, value in tables.items():
            self.register_buffer(name, value, persistent=False)

    def gates(self, phones: torch.Tensor, gestures: torch.Tensor, noise: torch.Tensor, delay: int) -> torch.Tensor:
        """How far lips are shut, bitten, rounded and spread (..., 4), `delay` ticks before the newest one, from the
        side outputs of its frames: phones (..., 2, K, 43) and gestures (..., 2, K, 4), noise (...) (see `Evidence`)."""
        now = self._open(phones[..., delay, :], gestures[..., delay, :], noise)
        if delay:  # otherwise nothing was heard of the tick after it
            after = self._open(phones[..., delay - 1, :], gestures[..., delay - 1, :], noise)
            now = torch.maximum(now, ONSET * after)
        return torch.cat((now, phones[..., delay, :].mean(-2) @ self.shaping), -1)

    def quiet(
        self, values: torch.Tensor, gestures: torch.Tensor, silent_ticks: torch.Tensor, neutral: torch.Tensor,
        delay: int,
    ) -> torch.Tensor:  # fmt: skip
        """Coefficients whose mouth shuts where nobody speaks: left to itself, the decoder takes a quarter of a second,
        and keeps muttering a little. Where nothing at all is heard, a neutral one comes to rest. silent_ticks: since
        when that is (...), up to the newest tick; neutral: share (...) of that emotion."""
        silent = gestures[..., delay, SILENCE].mean(-1)
        if delay:  # a mouth opens before it speaks
            silent = torch.minimum(silent, gestures[..., delay - 1, SILENCE].mean(-1))
        share = ((silent - QUIET_LOW) / (QUIET_HIGH - QUIET_LOW)).clamp(0.0, 1.0)
        kept = torch.pow(REST_EASE, (silent_ticks - delay).clamp(0.0, QUIET_TICKS))
        rested = (1.0 - kept) / (1.0 - REST_EASE**QUIET_TICKS)
        share = torch.maximum(share * share * (3.0 - 2.0 * share), rested)
        share = share * (FELT_OPENING + (1.0 - FELT_OPENING) * neutral)
        calm = rested * (1.0 - (1.0 - neutral) / (1.0 - CALM_FROM)).clamp(0.0, 1.0)
        return values * (1.0 - torch.maximum(share[..., None] * self.opening, calm[..., None] * self.mouth))

    def forward(self, values: torch.Tensor, before: torch.Tensor, gates: torch.Tensor) -> torch.Tensor:
        """before: what `values` were one tick earlier."""
        values = self._lead(values, before) + gates[..., 2:] @ self.shapes
        shut, bite = gates[..., :2, None].unbind(-2)
        values = values + bite * (values * self.keep[1] + self.add[1] - values)
        values = values + shut * (values * self.keep[0] + self.add[0] - values)
        left_m = ((values * self.gap).sum(-1, keepdim=True) + self.rest_m).clamp(min=0.0)
        return values + shut * left_m * self.close

    def _lead(self, values: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
        step = values - before
        lips = torch.maximum((LEAD * step).clamp(max=MOST_LEAD), -MOST_TAKEN * values) * self.leading
        jaw, opens = (((x * self.jaw).sum(-1, keepdim=True)) for x in (values, step))
        shuts, opens = -opens.clamp(max=0.0), opens.clamp(0.0, MOST_STEP)
        values = values + JAW_LATE * shuts * (self.jaw + self.together) + JAW_EARLY * opens * self.jaw
        falls = torch.minimum(shuts, MOST_TAKEN * jaw)
        return values + lips + falls * self.together + opens * self.lower

    def _open(self, phones: torch.Tensor, gestures: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        share = ((self.evidence(phones, gestures, noise)[..., :2].sigmoid() - self.low) / self.span).clamp(0.0, 1.0)
        return share * share * (3.0 - 2.0 * share)


def _members(*groups: tuple[str, ...]) -> torch.Tensor:
    """Columns (43, groups): 1 for the phones of each group."""
    table = torch.zeros(len(PHONES), len(groups))
    for column, names in enumerate(groups):
        table[indices(names), column] = 1.0
    return table


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
