"""The mouth in articulators: what speech moves, how lips shut, and how that becomes a motion vector.

Speech moves left and right alike, so the mouth is described by A = 15 articulators and two gates of the lips.
`closure` says how far the lips are shut (P B M), `bite` how far the lower lip is on the upper teeth (F V).
The gates blend towards poses that keep some of the surrounding mouth (rounding above all), because a
bilabial between rounded vowels is a rounded bilabial. Reference curves and the viseme plugin share this; the plugin's
third gate, awake, is no pose: it scales all coefficients that come out.
"""

import torch

from engine.motion import layout

ARTICULATORS = (
    "jawOpen", "jawForward", "mouthFunnel", "mouthPucker", "mouthStretch", "mouthSmile", "mouthDimple",
    "mouthLowerDown", "mouthUpperUp", "mouthRollLower", "mouthRollUpper", "mouthPress",
    "mouthShrugLower", "mouthShrugUpper", "tongueOut",
)  # fmt: skip
A = len(ARTICULATORS)
INDEX = {name: i for i, name in enumerate(ARTICULATORS)}

# Share of the open mouth that stays while the lips are shut, and what a shut mouth adds.
CLOSED_KEEP = {"jawOpen": 0.25, "mouthPucker": 0.8, "mouthStretch": 0.5, "mouthSmile": 0.6, "jawForward": 1.0}
CLOSED_ADD = {"jawOpen": 0.035, "mouthPress": 0.14, "mouthRollLower": 0.10, "mouthRollUpper": 0.06}
# The same for a lower lip on the upper teeth.
BITE_KEEP = {
    "jawOpen": 0.18, "mouthPucker": 0.5, "mouthStretch": 0.6, "mouthSmile": 0.6, "mouthFunnel": 0.15,
    "jawForward": 0.3, "mouthUpperUp": 0.5,
}  # fmt: skip
BITE_ADD = {"jawOpen": 0.065, "mouthRollLower": 0.42, "mouthUpperUp": 0.27, "mouthLowerDown": 0.03}
BITE_SHUT = 0.3  # share of a biting jaw's opening that mouthClose takes back


def _vector(values: dict[str, float]) -> torch.Tensor:
    out = torch.zeros(A)
    for name, value in values.items():
        out[INDEX[name]] = value
    return out


def spread() -> torch.Tensor:
    """Matrix (A, E): an articulator drives the unit of its name, or its Left and Right units."""
    out = torch.zeros(A, layout.E)
    for i, name in enumerate(ARTICULATORS):
        for unit in (name, name + "Left", name + "Right"):
            if unit in layout.EXPRESSION:
                out[i, layout.INDEX[unit]] = 1.0
    return out


class Composer(torch.nn.Module):
    """Articulators (..., A), closure (...), bite (...) -> expression coefficients (..., E)."""

    spread: torch.Tensor
    closed_keep: torch.Tensor
    closed_add: torch.Tensor
    bite_keep: torch.Tensor
    bite_add: torch.Tensor
    close: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        for name, value in (
            ("spread", spread()),
            ("closed_keep", _vector(CLOSED_KEEP)),
            ("closed_add", _vector(CLOSED_ADD)),
            ("bite_keep", _vector(BITE_KEEP)),
            ("bite_add", _vector(BITE_ADD)),
            ("close", torch.eye(layout.E)[layout.INDEX["mouthClose"]]),
        ):
            self.register_buffer(name, value, persistent=False)

    def forward(self, mouth: torch.Tensor, closure: torch.Tensor, bite: torch.Tensor) -> torch.Tensor:
        closure, bite = closure[..., None], bite[..., None]
        bitten = mouth * self.bite_keep + self.bite_add
        mouth = mouth + bite * (bitten - mouth)
        shut = mouth * self.closed_keep + self.closed_add
        taken = BITE_SHUT * bite * (1.0 - closure) * bitten[..., :1] + closure * shut[..., :1]
        mouth = mouth + closure * (shut - mouth)
        # mouthClose means "lips together although the jaw is open": equal to jawOpen it shuts them
        return mouth @ self.spread + taken * self.close
