"""What speaks for shut lips, a bitten lip and a waking mouth: the encoder's phones and gestures, and noise.

For the motion stages of any plugin.

A decision between a miss and a false closure: in doubt between B and D shut lips are a small error, in doubt between
B and AA a great one. So a vowel speaks against shut lips wholly, any other phone by REST_SHARE only. On the real
prompts, at equal recall, that halves the open vowels on which lips shut by mistake.

Noise flattens the encoder's posteriors, and closures would be missed. The level between words tells of it: it falls
at once and rises slowly. Above QUIET_ROOM_DB something is added to the lips' logits, all of SHIFT from LOUD_ROOM_DB on.
"""

import torch
from torch import nn

from engine.features.phones import BILABIAL, GESTURES, LABIODENTAL, PHONES, VOWELS, indices

SILENCE = GESTURES.index("silence")
REST_SHARE = 0.2
LEAST = 1e-5  # added to probabilities before their logarithm
FIRST_FLOOR_DB, LEAST_FLOOR_DB = -30.0, -70.0  # of the level between words: before anything was heard, and at least
RISE_DB = 0.32  # per tick: 8 dB a second
NOTHING_DB = -90.0  # digital silence says nothing of the room
QUIET_ROOM_DB, LOUD_ROOM_DB, SHIFT = -55.0, -35.0, 0.7
QUIET_DB = -66.0  # both frames of a tick below this level: nothing is heard
QUIET_TICKS = 10  # after so many quiet ticks the mouth is exactly at rest
REST_EASE = 0.62  # share of the mouth kept per quiet tick


class Evidence(nn.Module):
    """Gate logits (..., 3) shut, bite, awake from the phones (..., 2, 43) and gestures (..., 2, 4) of a tick's frames;
    noise (...), 0 to 1.

    Lips: the newer frame alone, whose middle lies 10 ms after the tick's, as lips are ahead of the sound. Awake: the
    gesture "silence", not the phone, which many murmuring voices make likely too.
    """

    groups: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        groups = torch.zeros(3, len(PHONES))
        for row, names in zip(groups, (BILABIAL, LABIODENTAL, VOWELS), strict=True):
            row[indices(names)] = 1.0
        self.register_buffer("groups", groups, persistent=False)

    def forward(self, phones: torch.Tensor, gestures: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        lips, vowels = (phones[..., -1, None, :] * self.groups).sum(-1).split((2, 1), -1)
        against = vowels + REST_SHARE * (1.0 - lips - vowels)
        shut_bite = torch.log(lips + LEAST) - torch.log(against + LEAST) + SHIFT * noise[..., None]
        silent = gestures[..., SILENCE].mean(-1, keepdim=True)
        return torch.cat((shut_bite, torch.log(1.0 - silent + LEAST) - torch.log(silent + LEAST)), -1)


def next_floor(floor_db: torch.Tensor, loudness_db: torch.Tensor) -> torch.Tensor:
    """The level between words (...) after one more tick of loudness (..., 2), all in dBFS."""
    return torch.minimum(floor_db + RISE_DB, _room(loudness_db))


def floors(loudness_db: torch.Tensor) -> torch.Tensor:
    """The same for all ticks at once, (..., T, 2) -> (..., T)."""
    risen = RISE_DB * torch.arange(1, loudness_db.shape[-2] + 1)
    return (_room(loudness_db) - risen).cummin(-1).values.clamp(max=FIRST_FLOOR_DB) + risen


def noise_of(floor_db: torch.Tensor) -> torch.Tensor:
    """0 in a quiet room, 1 in a loud one, (...)."""
    return ((floor_db - QUIET_ROOM_DB) / (LOUD_ROOM_DB - QUIET_ROOM_DB)).clamp(0.0, 1.0)


def heard(loudness_db: torch.Tensor) -> torch.Tensor:
    """Whether anything is heard in a tick of loudness (..., 2): 1 or 0, (...)."""
    return (loudness_db.amax(-1) > QUIET_DB).to(loudness_db.dtype)


def _room(loudness_db: torch.Tensor) -> torch.Tensor:
    """Level (...) of the quieter frame of a tick (..., 2) as far as it tells of the room."""
    level = loudness_db.amin(-1)
    return torch.where(level > NOTHING_DB, level.clamp(min=LEAST_FLOOR_DB), 0.0)
