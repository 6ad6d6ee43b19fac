"""Life: what a face does besides speaking. Blinks, glances, breath, sway, and a head that follows prosody.

Sources of the numbers: spontaneous blinks every 2 to 6 s of about 200 ms, more often at pauses (Bentivoglio
1997; Nakano and Kitazawa 2010); fixations of 0.3 to 3 s and the saccadic main sequence (Lee, Badler and Badler
2002); resting breath near 0.25 Hz; nods and brow raises that go with stressed syllables (Hadar 1983; Graf et
al. 2002). The mouth is never touched: it belongs to the voice.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from engine.frames import SpeechFeatures
from engine.motion import layout
from engine.stage import Stage, State
from engine.torchkit.noise import normal, uniform

# Share of lid closure in the ticks after a blink begins (40 ms each): fast down, slow up.
BLINK_SHAPE = (0.0, 0.55, 1.0, 0.85, 0.5, 0.2, 0.05)
DRIFT_PERIOD_TICKS = 30  # the head looks for a new resting pose about every 1.2 s
FLOOR_DB = -55.0  # below this level nobody speaks
VOICE_DB = -23.0  # the level that the normaliser aims at


@dataclass(slots=True)
class LifeState(State):
    """All float32 unless said.

    seed, tick: int64 (S,); the random numbers are a function of both.
    blink_age: (S,) ticks since the last blink began; blink_gap: (S,) ticks that this interval lasts.
    gaze: (S, 2) yaw and pitch where the eyes are; gaze_goal: (S, 2); gaze_wait: (S,) ticks to the next glance.
    pose, pose_speed, pose_goal: (S, 6) rotation in rad and translation in m, per tick.
    slow_db, fast_db: (S,) running levels of the voice; speaking: (S,) 0 to 1.
    beat: (S,) the present emphasis; brow: (S,) the brows' answer to it.
    breath: (S,) phase in rad.
    """

    seed: torch.Tensor
    tick: torch.Tensor
    blink_age: torch.Tensor
    blink_gap: torch.Tensor
    gaze: torch.Tensor
    gaze_goal: torch.Tensor
    gaze_wait: torch.Tensor
    pose: torch.Tensor
    pose_speed: torch.Tensor
    pose_goal: torch.Tensor
    slow_db: torch.Tensor
    fast_db: torch.Tensor
    speaking: torch.Tensor
    beat: torch.Tensor
    brow: torch.Tensor
    breath: torch.Tensor


class Life(Stage):
    """Adds life to a motion vector: step(state, (features, motion (S, M))) -> (S, M).

    amount: 0 is a statue, 1 a calm speaker, 2 a lively one.
    """

    def __init__(self, amount: float = 1.0):
        self.amount = amount
        self._channels = torch.arange(24)
        self._blink_shape = torch.tensor(BLINK_SHAPE)
        # Standard deviations of the resting pose: pitch, yaw, roll in rad; x, y, z in m.
        self._spread = torch.tensor([0.022, 0.038, 0.018, 0.0025, 0.0015, 0.003])
        self._brows = [layout.INDEX[n] for n in ("browInnerUp", "browOuterUpLeft", "browOuterUpRight")]

    def init_state(self, slots: int) -> LifeState:
        def zeros(*shape: int) -> torch.Tensor:
            return torch.zeros(slots, *shape)

        return LifeState(
            seed=torch.zeros(slots, dtype=torch.int64),
            tick=torch.zeros(slots, dtype=torch.int64),
            blink_age=zeros() + 100.0,
            blink_gap=zeros() + 140.0,  # the first blink comes 1.6 s in
            gaze=zeros(2),
            gaze_goal=zeros(2),
            gaze_wait=zeros() + 20.0,
            pose=zeros(6),
            pose_speed=zeros(6),
            pose_goal=zeros(6),
            slow_db=zeros() + FLOOR_DB,
            fast_db=zeros() + FLOOR_DB,
            speaking=zeros(),
            beat=zeros(),
            brow=zeros(),
            breath=zeros(),
        )

    def step(self, state: LifeState, x: tuple[SpeechFeatures, torch.Tensor]) -> torch.Tensor:
        features, motion = x
        noise = uniform(state.seed, state.tick, self._channels)
        state.tick.add_(1)
        self._listen(state, features)
        self._sway(state, noise)
        self._glance(state, noise)
        lids = self._blink(state, noise)
        return self._compose(state, motion, lids)

    def _listen(self, state: LifeState, features: SpeechFeatures) -> None:
        level = features.loudness_db.mean(1).clamp(FLOOR_DB, 0.0)
        spoken = torch.sigmoid((level - (FLOOR_DB + 12.0)) / 3.0)
        state.speaking.lerp_(spoken, 0.12)
        state.fast_db.lerp_(level, 0.45)
        state.slow_db.lerp_(level, 0.06)
        # Emphasis is what rises above the running level of this voice, in units of about 10 dB.
        rise = ((state.fast_db - state.slow_db) / 10.0).clamp(0.0, 1.2) * state.speaking
        state.beat.lerp_(rise, 0.35)
        state.brow.lerp_((rise - 0.55).clamp(min=0.0) * 1.6, 0.25)

    def _sway(self, state: LifeState, noise: torch.Tensor) -> None:
        renew = (noise[:, 0] < 1.0 / DRIFT_PERIOD_TICKS)[:, None]
        goal = normal(noise[:, 1:7], noise[:, 7:13]).clamp(-2.2, 2.2) * self._spread
        lively = 0.45 + 0.75 * state.speaking[:, None]
        state.pose_goal.copy_(torch.where(renew, goal * lively, state.pose_goal))
        # A critically damped spring of about 0.5 s: a head has mass, it never jumps.
        pull = (state.pose_goal - state.pose) * 0.018 - state.pose_speed * 0.27
        state.pose_speed.add_(pull)
        state.pose.add_(state.pose_speed)
        state.breath.add_(2.0 * math.pi * (0.0092 + 0.0016 * noise[:, 13])).remainder_(2.0 * math.pi)

    def _glance(self, state: LifeState, noise: torch.Tensor) -> None:
        state.gaze_wait.sub_(1.0)
        due = state.gaze_wait <= 0.0
        away = noise[:, 14] < 0.22
        yaw = torch.where(away, 0.17, 0.018) * (2.0 * noise[:, 15] - 1.0)
        pitch = torch.where(away, 0.09, 0.012) * (2.0 * noise[:, 16] - 1.2)
        goal = torch.stack((yaw, pitch), 1)
        state.gaze_goal.copy_(torch.where(due[:, None], goal, state.gaze_goal))
        # Looking away is short, looking at the listener lasts; both spread exponentially.
        wait = torch.where(away, 8.0 + 14.0 * -torch.log(noise[:, 17]), 14.0 + 34.0 * -torch.log(noise[:, 17]))
        state.gaze_wait.copy_(torch.where(due, wait.clamp(max=120.0), state.gaze_wait))
        state.gaze.lerp_(state.gaze_goal, 0.72)  # a saccade of this size is over in two ticks

    def _blink(self, state: LifeState, noise: torch.Tensor) -> torch.Tensor:
        state.blink_age.add_(1.0)
        pause = (state.fast_db < FLOOR_DB + 12.0) & (state.slow_db > FLOOR_DB + 14.0)
        turned = (state.gaze_goal - state.gaze).abs().sum(1) > 0.14  # large glances take a blink along
        wish = (pause & (noise[:, 18] < 0.05)) | (turned & (noise[:, 19] < 0.35))
        due = (state.blink_age >= state.blink_gap) | (wish & (state.blink_age > 25.0))
        state.blink_age.mul_(torch.where(due, 0.0, 1.0))
        gap = torch.where(noise[:, 20] < 0.12, 9.0, 45.0 + 60.0 * -torch.log(noise[:, 21]))
        state.blink_gap.copy_(torch.where(due, gap.clamp(max=200.0), state.blink_gap))
        index = state.blink_age.clamp(max=len(BLINK_SHAPE) - 1).long()
        shape = self._blink_shape[index]
        return torch.where(state.blink_age < len(BLINK_SHAPE), shape, torch.zeros_like(shape))

    def _compose(self, state: LifeState, motion: torch.Tensor, lids: torch.Tensor) -> torch.Tensor:
        out = motion.clone()
        pose = state.pose * self.amount
        breath = torch.sin(state.breath) * self.amount
        out[:, layout.POSE] += pose
        out[:, layout.E + 0] += (0.075 * state.beat - 0.02 * state.brow) * self.amount + 0.003 * breath
        out[:, layout.E + 4] += 0.0012 * breath
        # Eyes fixate: they turn against the head, so that the glance stays where it was (vestibulo-ocular).
        yaw = state.gaze[:, 0] * self.amount - out[:, layout.E + 1]
        pitch = state.gaze[:, 1] * self.amount + out[:, layout.E + 0]
        for gaze in (layout.GAZE_LEFT, layout.GAZE_RIGHT):
            out[:, gaze] += torch.stack((yaw, pitch), 1)
        out[:, layout.BLINK] += (lids * min(self.amount, 1.0))[:, None]
        for brow in self._brows:
            out[:, brow] += 0.35 * state.brow * self.amount
        return out


@dataclass(slots=True)
class LivelyState(State):
    """The states of the spoken motion and of life."""

    motion: State
    life: LifeState


class Lively(Stage):
    """A plugin's motion with life added: SpeechFeatures -> (S, M).

    Life listens to the newest sound while the motion lags by its look-ahead: a head needs no exact lips' timing.
    """

    def __init__(self, motion: Stage, life: Life):
        self.motion = motion
        self.life = life
        self.speak_for(motion)
        self.alive = True

    def init_state(self, slots: int) -> LivelyState:
        return LivelyState(self.motion.init_state(slots), self.life.init_state(slots))

    def step(self, state: LivelyState, x: SpeechFeatures) -> torch.Tensor:
        return self.life.step(state.life, (x, self.motion.step(state.motion, x)))

    def reset(self, state: LivelyState, slot: int, seed: int = 0) -> None:
        self.motion.reset(state.motion, slot, seed)
        self.life.reset(state.life, slot, seed)

    def set_emotion(self, state: LivelyState, slot: int, weights: Sequence[float], intensity: float) -> None:
        self.motion.set_emotion(state.motion, slot, weights, intensity)
