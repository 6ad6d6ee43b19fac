"""The motion stage of GMTalker: both generators, tick by tick, for as many sessions as there are slots.

A session's seed gives one z for every emotion (w is drawn once, section 3.2.4) and the noise of its head's motion,
fresh every tick. `set_emotion` moves the goal of the mixture's weights; two slow averages in the state follow it, so
that z glides and the face never jumps.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from engine.config import Config
from engine.errors import ConfigError, WeightsError
from engine.features.checkpoint import fit, read_checkpoint, save_checkpoint
from engine.frames import SpeechFeatures
from engine.motion import layout
from engine.motion.emotion import NEUTRAL, Emotion, make_emotion, parse_emotion
from engine.motion.evidence import FIRST_FLOOR_DB, QUIET_TICKS, heard, next_floor, noise_of
from engine.stage import Stage, State
from engine.torchkit.coupling import FlowState
from engine.torchkit.noise import NoiseStreams, draw, init_streams, normal, seed_streams, uniform
from plugins.gmtalker.decoder import MOST_AHEAD, DecoderState
from plugins.gmtalker.expression import ExpressionGenerator
from plugins.gmtalker.glide import Glide
from plugins.gmtalker.head_motion import MotionGenerator
from plugins.gmtalker.lips import LipGates
from plugins.gmtalker.mixture import component_weights, mix
from plugins.gmtalker.sizes import read_expression, read_motion, table_of

EXPRESSION_MODEL, MOTION_MODEL = "gmtalker-expression", "gmtalker-motion"
RAMP = 0.22  # share of the way to the goal per tick, twice in a row
QUICKEST = 0.025  # change of an emotion's share per tick: brows must not move faster than they do in speech
ONCE = 1 << 20  # channels of the numbers that are drawn once per session begin here
MOST_SILENT = QUIET_TICKS + MOST_AHEAD  # ticks of silence that are counted
LARGEST = 1.2  # of a coefficient
BEGINNING = 25  # ticks in which head, eyes and lids leave rest: what the decoder says first is far from its own start


@dataclass(slots=True)
class GMTalkerState(State):
    """seed: int64 (S,); noise: of the head's latents; expression, head: decoders; flow: of the latents;
    components: (S, K, Z) this session's z of every emotion;
    goal, near, mix: (S, K) shares of the emotions: where to, the first and the second average on the way;
    face: (S, E) coefficients of the last tick, before anything is done for the lips; a session begins at rest;
    floor: (S,) level between words, dBFS; silent: (S,) ticks since anything was heard, up to those that matter;
    begun: (S,) share of the session's beginning that has passed."""

    seed: torch.Tensor
    noise: NoiseStreams
    expression: DecoderState
    head: DecoderState
    flow: FlowState
    components: torch.Tensor
    goal: torch.Tensor
    near: torch.Tensor
    mix: torch.Tensor
    face: torch.Tensor
    floor: torch.Tensor
    silent: torch.Tensor
    begun: torch.Tensor


class GMTalkerMotion(nn.Module, Stage):
    """SpeechFeatures of one tick -> motion vectors float32 (S, M), for the tick `lookahead` ago.

    life: factor of head, gaze and blinks. emotion: how a session begins. performer: number of the speaker embedding.
    """

    needs = ("phones", "gestures")
    emotional = True
    alive = True

    def __init__(
        self, expression: ExpressionGenerator, head: MotionGenerator, lookahead: int = 1, made_for: str = "",
        emotion: Emotion | None = None, performer: tuple[int, int] = (0, 0), life: float = 1.0,
    ):  # fmt: skip
        super().__init__()
        if lookahead > MOST_AHEAD:
            raise ConfigError(f"gmtalker looks at most {MOST_AHEAD} ticks ahead, not {lookahead}")
        self.expression, self.head, self.glide, self.lips = expression, head, Glide(), LipGates()
        self.lookahead, self.made_for, self.performer = lookahead, made_for, performer
        # pose and gaze grow with life; lids never shut twice
        self.register_buffer("life", torch.tensor([life] * 10 + [min(life, 1.0)] * 2), persistent=False)
        self.emotion = emotion or make_emotion({})

    life: torch.Tensor

    def init_state(self, slots: int) -> GMTalkerState:
        seed = torch.zeros(slots, dtype=torch.int64)
        weights, strength = torch.tensor([self.emotion.weights]), torch.tensor([self.emotion.intensity])
        share = component_weights(weights, strength, NEUTRAL).repeat(slots, 1)
        expression = self.expression.decoder.init_state(slots, self.lookahead)
        head = self.head.decoder.init_state(slots, self.lookahead)
        for state, number in zip((expression, head), self.performer, strict=True):
            state.speaker.fill_(number)
        return GMTalkerState(
            seed=seed,
            noise=init_streams(slots, 2 * self.head.size.latent),
            expression=expression,
            head=head,
            flow=self.head.flow.init_state(slots, early=self.lookahead),
            components=self._components(seed),
            goal=share.clone(),
            near=share.clone(),
            mix=share.clone(),
            face=torch.zeros(slots, layout.E),
            floor=torch.full((slots,), FIRST_FLOOR_DB),
            silent=torch.full((slots,), float(MOST_SILENT)),
            begun=torch.zeros(slots),
        )

    def reset(self, state: GMTalkerState, slot: int, seed: int = 0) -> None:
        super().reset(state, slot, seed)
        seed_streams(state.noise, slot, seed)
        state.components[slot] = self._components(state.seed[slot : slot + 1])[0]

    @torch.inference_mode()
    def set_emotion(self, state: GMTalkerState, slot: int, weights: Sequence[float], intensity: float) -> None:
        chosen = make_emotion(weights, intensity)
        share = component_weights(torch.tensor(chosen.weights), torch.tensor(chosen.intensity), NEUTRAL)
        state.goal[slot].copy_(share)

    def step(self, state: GMTalkerState, x: SpeechFeatures) -> torch.Tensor:
        state.near.lerp_(state.goal, RAMP)
        move = RAMP * (state.near - state.mix)
        fastest = move.abs().amax(-1, keepdim=True)
        state.mix.add_(move * (QUICKEST / fastest.clamp(min=QUICKEST)))  # a part of the way: shares stay shares
        values = self._face(state, x)
        numbers = self._head(state, x)
        return torch.cat((values, numbers), -1)

    def _face(self, state: GMTalkerState, x: SpeechFeatures) -> torch.Tensor:
        generator, size = self.expression, self.expression.size
        z = None if size.prior == "onehot" else mix(state.components, state.mix[:, : size.components])
        if size.components == 1:
            z = state.components[:, 0]
        condition = state.mix if generator.decoder.take_condition is not None else None
        values = generator.coefficients(
            generator.decoder.step(state.expression, z, x, self.lookahead, condition)
        ).clamp(0.0, LARGEST)
        values = self.glide(values, state.face)
        state.floor.copy_(next_floor(state.floor, x.loudness_db))
        phones, gestures = (x.side[name] for name in self.needs)
        gates = self.lips.gates(phones, gestures, noise_of(state.floor), self.lookahead)
        lips = self.lips(values, state.face, gates).clamp(max=LARGEST)
        state.silent.add_(1.0).clamp_(max=MOST_SILENT).mul_(1.0 - heard(x.loudness_db))
        lips = self.lips.quiet(lips, gestures, state.silent, state.mix[:, NEUTRAL], self.lookahead)
        state.face.copy_(values)
        return lips

    def _head(self, state: GMTalkerState, x: SpeechFeatures) -> torch.Tensor:
        noise = normal(*draw(state.noise).chunk(2, -1))
        latents = self.head.flow.step(state.flow, noise[:, None])[:, 0]
        said = self.head.decoder.step(state.head, latents, x, self.lookahead, state.mix)
        begun = state.begun[:, None]
        numbers = self.head.numbers(said) * self.life * (begun * begun * (3.0 - 2.0 * begun))
        state.begun.add_(1.0 / BEGINNING).clamp_(max=1.0)
        lids = layout.BLINK.start - layout.E
        return torch.cat((numbers[:, :lids], numbers[:, lids:].clamp(0.0, 1.0)), -1)

    def _components(self, seed: torch.Tensor) -> torch.Tensor:
        """This session's z of every emotion, (S, K, Z), from its seed."""
        size = self.expression.size
        if self.expression.mapper is None:
            return torch.zeros(len(seed), 1, 1)
        count = size.source + size.latent
        drawn = uniform(seed, torch.zeros_like(seed), ONCE + torch.arange(2 * count, device=seed.device))
        noise = normal(*drawn.chunk(2, -1))
        return self.expression.components(noise[:, : size.source], noise[:, size.source :])


def save_generator(generator: ExpressionGenerator | MotionGenerator, path: Path, encoder: str, speakers: Sequence[str],
                   content: int) -> None:  # fmt: skip
    """Write weights (fp16), sizes, the speakers' names and whose features they know, as safetensors."""
    model = EXPRESSION_MODEL if isinstance(generator, ExpressionGenerator) else MOTION_MODEL
    table = {"size": table_of(generator.size), "encoder": encoder, "speakers": list(speakers), "content": content}
    save_checkpoint(path, model, table, generator.state_dict())


def load_expression(path: Path) -> tuple[ExpressionGenerator, dict[str, Any]]:
    """A generator of expressions from its file, and what the file says of itself. Raises WeightsError."""
    table, tensors = read_checkpoint(path, EXPRESSION_MODEL)
    made = ExpressionGenerator(read_expression(table["size"]), table["content"], len(table["speakers"]))
    fit(made, tensors, path)
    return made.eval().requires_grad_(False), table


def load_head_motion(path: Path) -> tuple[MotionGenerator, dict[str, Any]]:
    """A generator of head motion from its file, and what the file says of itself. Raises WeightsError."""
    table, tensors = read_checkpoint(path, MOTION_MODEL)
    made = MotionGenerator(read_motion(table["size"]), table["content"], len(table["speakers"]))
    fit(made, tensors, path)
    return made.eval().requires_grad_(False), table


def build(config: Config, folder: Path | None = None) -> GMTalkerMotion:
    """The motion stage that a configuration asks for, with the weights of a folder (none: the shipped ones)."""
    folder = folder or Path(__file__).parent
    files = folder / "expression.safetensors", folder / "motion.safetensors"
    for file in files:
        if not file.is_file():
            raise WeightsError(
                f"motion.plugin = 'gmtalker' needs {file}, which `visema train gmtalker.{file.stem}` writes "
                "(plugins/gmtalker/README.md); until then motion.plugin = 'viseme'"
            )
    (expression, face), (head, moves) = load_expression(files[0]), load_head_motion(files[1])
    if face["encoder"] != moves["encoder"]:
        raise WeightsError(f"{files[0]} and {files[1]} were trained on different speech encoders; train one again")
    performers = []
    for table in (face, moves):
        names = table["speakers"]
        wanted = config.motion.performer or names[0]
        if wanted not in names:
            raise ConfigError(f"motion.performer = {wanted!r}: these weights know {', '.join(names)}")
        performers.append(names.index(wanted))
    emotion = parse_emotion(config.motion.emotion, config.motion.intensity)
    stage = GMTalkerMotion(
        expression, head, config.motion.lookahead_ticks, face["encoder"], emotion, (performers[0], performers[1]),
        config.motion.life,
    )  # fmt: skip
    return stage.eval().requires_grad_(False)
