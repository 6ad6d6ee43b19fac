"""Random numbers that are a function of (seed, tick, channel): repeatable, and without hidden state.

A generator object would be state outside the stage's own; a hash of a counter lives in tensors, is the
same for a session alone or in a batch, and can be captured in a graph.
"""

import math
from dataclasses import dataclass

import torch

from engine.stage import State

_GOLDEN = -7046029254386353131  # 0x9E3779B97F4A7C15 as int64: odd, spreads consecutive counters
_MIX_A = -4658895280553007687  # 0xBF58476D1CE4E5B9
_MIX_B = -7723592293110705685  # 0x94D049BB133111EB


def _shift_right(x: torch.Tensor, bits: int) -> torch.Tensor:
    return (x >> bits) & ((1 << (64 - bits)) - 1)  # logical: int64's own shift copies the sign


def uniform(seed: torch.Tensor, tick: torch.Tensor, channels: torch.Tensor) -> torch.Tensor:
    """Uniform numbers in (0, 1), float32 (S, C), from seed (S,), tick (S,) and channels (C,), all int64.

    The mixing is SplitMix64's finaliser (Steele, Lea and Flood 2014), applied to seed and counter in turn.
    """
    x = _mix(seed * _GOLDEN + tick)[:, None] + channels[None, :] * _GOLDEN
    return (_shift_right(_mix(x), 40).to(torch.float32) + 0.5) / float(1 << 24)


def _mix(x: torch.Tensor) -> torch.Tensor:
    x = (x ^ _shift_right(x, 30)) * _MIX_A
    x = (x ^ _shift_right(x, 27)) * _MIX_B
    return x ^ _shift_right(x, 31)


def normal(u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Standard normal numbers from two sets of uniform ones (Box and Muller)."""
    return torch.sqrt(-2.0 * torch.log(u)) * torch.cos(2.0 * math.pi * v)


@dataclass(slots=True)
class NoiseStreams(State):
    """Generators whose numbers come one after the other, for steps that are compiled.

    OpenVINO multiplies integers in 32 bits, where the mixing above overflows. Wichmann and Hill's generator (1982,
    AS 183: three small congruential ones, period 7e12) never leaves 24 bits. at: int64 (S, C, 3), one per channel.
    """

    at: torch.Tensor


_FACTORS, _MODULI = (171, 172, 170), (30269, 30307, 30323)


def init_streams(slots: int, channels: int) -> NoiseStreams:
    """Streams of seed 0."""
    streams = NoiseStreams(torch.ones(slots, channels, 3, dtype=torch.int64))
    for slot in range(slots):
        seed_streams(streams, slot, 0)
    return streams


def seed_streams(streams: NoiseStreams, slot: int, seed: int) -> None:
    """Begin a slot's streams as its seed says; channels begin far from each other, at hashed places."""
    _, channels, parts = streams.at.shape
    counter = torch.arange(channels * parts, device=streams.at.device)
    start = uniform(counter.new_tensor([seed]), counter.new_tensor([-1]), counter).view(channels, parts)
    moduli = torch.tensor(_MODULI, device=start.device)
    streams.at[slot] = 1 + (start.double() * (moduli - 1)).long()  # never 0, which would stay 0


def draw(streams: NoiseStreams) -> torch.Tensor:
    """The next uniform numbers in (0, 1), float32 (S, C); moves the streams on in place."""
    device = streams.at.device
    factors, moduli = (torch.tensor(row, device=device) for row in (_FACTORS, _MODULI))
    streams.at.copy_(torch.remainder(streams.at * factors, moduli))
    return torch.remainder((streams.at / moduli).sum(-1), 1.0).clamp(2.0**-24, 1.0 - 2.0**-24)
