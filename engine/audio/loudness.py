"""Causal loudness: a slow gain that brings speech to one level and leaves silence and noise alone."""

from dataclasses import dataclass

import torch
from torch import nn

from engine.frames import TICK_SAMPLES
from engine.stage import Stage, State

TARGET_DB = -23.0  # level of speech ticks, dBFS
LOWEST_GAIN_DB, HIGHEST_GAIN_DB = -12.0, 24.0
NOISE_CEILING_DB = -48.0  # background noise is not lifted above this
PEAK = 0.98

SILENCE_DB = -60.0  # nothing under this is speech
ABOVE_NOISE_DB = 9.0  # speech stands this far out of the noise floor
# Noise holds its level from tick to tick (0.3 dB), speech does not (5 dB).
STEADY_DB = 1.2
STEADY_DECAY = 0.8
FLOOR_RANGE_DB = (-75.0, -30.0)
FLOOR_RISE_DB, STEADY_FLOOR_RISE_DB = 0.1, 0.8  # per tick; the floor falls at once
# The level is an average in dB over speech ticks, as if half a tick at its prior had gone before; after
# MEMORY_TICKS it forgets. Soft ticks (breaths, fading ends) count little, or loud recordings, in which more
# of them pass the gates, would come out louder. An average of dB lies CREST_DB under the mean power.
PRIOR_TICKS, MEMORY_TICKS = 0.5, 150.0
SOFT_DB, SOFT_WEIGHT, FIRST_TICKS = 10.0, 0.1, 4.0
CREST_DB = 2.2
LOUDEST_DB = 7.0  # no tick comes out further above the target: the first words may begin softly
STEP_DB = 9.0  # most change of gain in one tick
RAMP_SAMPLES = 320  # over which a new gain is reached


@dataclass(slots=True)
class LoudnessState(State):
    """What one speaker and one room have shown so far; each float32 (S,)."""

    level_db: torch.Tensor  # of speech
    counted: torch.Tensor  # ticks in that level
    noise_db: torch.Tensor  # floor between the words
    steady_db: torch.Tensor  # mean change of level from tick to tick
    previous_db: torch.Tensor  # level of the last tick
    gain: torch.Tensor  # at the end of the last tick, a factor


class LoudnessNormaliser(nn.Module, Stage):
    """samples (S, 640) to samples (S, 640), both within -1..1; look-ahead 0.

    The gain follows the mean level of those ticks that are speech, reaches most of its value within
    three of them, holds in pauses, changes along a ramp, and is cut back where a peak would clip.
    Exact zeros stay exact zeros.
    """

    def __init__(self, target_db: float = TARGET_DB):
        super().__init__()
        self.target_db = target_db
        ramp = torch.linspace(0, 1, RAMP_SAMPLES + 1)[1:]
        self.ramp = nn.Buffer(torch.cat([ramp, torch.ones(TICK_SAMPLES - RAMP_SAMPLES)]), persistent=False)

    def init_state(self, slots: int) -> LoudnessState:
        def full(value: float) -> torch.Tensor:
            return torch.full((slots,), value)

        return LoudnessState(
            level_db=full(self.target_db - CREST_DB),
            noise_db=full(FLOOR_RANGE_DB[0]),
            steady_db=full(0.0),
            counted=full(PRIOR_TICKS),
            previous_db=full(-100.0),
            gain=full(1.0),
        )

    def step(self, state: LoudnessState, x: torch.Tensor) -> torch.Tensor:
        tick_db = x.square().mean(1).clamp_(min=1e-10).log10_().mul_(10.0)
        speech = self._detect_speech(state, tick_db)

        # Running mean over speech ticks; in other ticks the weight is zero.
        soft = (tick_db < state.level_db - SOFT_DB) & (state.counted > FIRST_TICKS)
        weight = speech * torch.where(soft, SOFT_WEIGHT, 1.0)
        state.counted.add_(weight).clamp_(max=MEMORY_TICKS)
        state.level_db.add_((tick_db - state.level_db) * (weight / state.counted))

        room_db = (NOISE_CEILING_DB - state.noise_db).clamp_(min=0.0)
        wanted_db = (self.target_db - CREST_DB - state.level_db).clamp_(LOWEST_GAIN_DB, HIGHEST_GAIN_DB)
        wanted_db = torch.minimum(torch.minimum(wanted_db, room_db), self.target_db + LOUDEST_DB - tick_db)
        now_db = state.gain.log10().mul_(20.0)
        gain_db = now_db + (wanted_db - now_db).clamp_(-STEP_DB, STEP_DB)
        gain = torch.pow(10.0, gain_db / 20.0)
        gain = torch.minimum(gain, PEAK / x.abs().amax(1).clamp_(min=1e-6))

        start = state.gain[:, None]
        out = torch.addcmul(start, gain[:, None] - start, self.ramp).mul_(x)
        state.gain.copy_(gain)
        return out.clamp_(-1.0, 1.0)  # the ramp's beginning may still be too loud

    def _detect_speech(self, state: LoudnessState, tick_db: torch.Tensor) -> torch.Tensor:
        """1.0 where this tick is speech, float32 (S,). Keeps the noise floor."""
        change = (tick_db - state.previous_db).abs_().clamp_(max=12.0)
        state.previous_db.copy_(tick_db)
        state.steady_db.mul_(STEADY_DECAY).add_(change, alpha=1.0 - STEADY_DECAY)
        unsteady = state.steady_db > STEADY_DB
        rise = torch.where(unsteady, FLOOR_RISE_DB, STEADY_FLOOR_RISE_DB)
        state.noise_db.add_(rise).copy_(torch.minimum(state.noise_db, tick_db)).clamp_(*FLOOR_RANGE_DB)
        loud = tick_db > (state.noise_db + ABOVE_NOISE_DB).clamp_(min=SILENCE_DB)
        return (loud & unsteady).to(tick_db.dtype)
