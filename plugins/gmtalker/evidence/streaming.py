"""The motion stage as it speaks, tick by tick: many clips in the slots of one step, each with its own emotion."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from engine.audio.loudness import LoudnessNormaliser
from engine.config import Config
from engine.errors import ConfigError
from engine.features import SpeechEncoder
from engine.frames import TICK_SAMPLES, SpeechFeatures
from engine.motion.emotion import NEUTRAL
from engine.stage import Chain, fold, tree_map, tree_stack
from engine.training.performers import PERFORMER_INDEX
from plugins.gmtalker.mixture import component_weights
from plugins.gmtalker.motion import GMTalkerMotion, build, load_expression, load_head_motion

SLOTS, EARS = 64, 24  # clips in one step of the stage, and of the encoder


@dataclass(frozen=True)
class Actor:
    """A motion stage, and the performers that its two files know, as their numbers there."""

    stage: GMTalkerMotion
    performers: dict[str, tuple[int, int]]


@dataclass(frozen=True)
class Line:
    """What one slot speaks: features (T + look-ahead ticks), in whose manner, how, and from which seed.

    change: at which tick that is heard the emotion changes, to which weights and intensity.
    """

    heard: SpeechFeatures
    performer: str
    weights: np.ndarray
    seed: int
    intensity: float = 1.0
    change: tuple[int, np.ndarray, float] | None = None


def load_actor(config: Config, folder: Path, expression: Path | None = None, motion: Path | None = None) -> Actor:
    """The stage of a folder's weights, or with another file in place of one of them (an ablation).

    WeightsError: a file is missing or unfit; ConfigError: it learned from other people than our performers.
    """
    stage = build(config, folder)
    tables = []
    for path, load in ((expression, load_expression), (motion, load_head_motion)):
        name = "expression" if load is load_expression else "motion"
        generator, table = load(path or folder / f"{name}.safetensors")
        setattr(stage, "expression" if load is load_expression else "head", generator)
        tables.append(table["speakers"])
    known = [name for name in tables[0] if name in tables[1] and name in PERFORMER_INDEX]
    if not known:
        raise ConfigError(
            f"{folder}: these weights know {', '.join(tables[0])}; evidence is measured beside made performances, "
            f"of {', '.join(PERFORMER_INDEX)}"
        )
    return Actor(stage, {name: (tables[0].index(name), tables[1].index(name)) for name in known})


@torch.inference_mode()
def hear(encoder: SpeechEncoder, clips: Sequence[np.ndarray], lookahead: int) -> list[SpeechFeatures]:
    """Features of every clip int16 (N,), tick by tick through normaliser and encoder as the product does, and of
    `lookahead` ticks of silence after it."""
    ears, out = Chain(LoudnessNormaliser(), encoder), [None] * len(clips)
    ticks = [len(clip) // TICK_SAMPLES + lookahead for clip in clips]
    for chosen in _batches(ticks, EARS):
        longest = max(ticks[i] for i in chosen) * TICK_SAMPLES
        sound = np.stack([np.pad(clips[i].astype(np.float32) / 32768, (0, longest - len(clips[i]))) for i in chosen])
        heard = fold(ears, torch.from_numpy(sound).unflatten(1, (-1, TICK_SAMPLES)))
        for row, i in enumerate(chosen):
            out[i] = tree_map(lambda x, row=row, i=i: x[row, : ticks[i]].clone(), heard)
    return out  # type: ignore[return-value]


@torch.inference_mode()
def stream(actor: Actor, lines: Sequence[Line], tell: Callable[[int], None] = lambda done: None) -> list[np.ndarray]:
    """Motion (T, M) of every line, aligned to its speech."""
    out: list[np.ndarray] = [np.zeros(0)] * len(lines)
    lengths = [len(line.heard.content) for line in lines]
    for chosen in _batches(lengths, SLOTS):
        for i, motion in zip(chosen, _speak(actor, [lines[i] for i in chosen]), strict=True):
            out[i] = motion
        tell(len(chosen))
    return out


def _speak(actor: Actor, lines: list[Line]) -> list[np.ndarray]:
    stage, state = actor.stage, actor.stage.init_state(len(lines))
    for slot, line in enumerate(lines):
        stage.reset(state, slot, line.seed)
        share = component_weights(torch.tensor(line.weights), torch.tensor(line.intensity), NEUTRAL).float()
        for shares in (state.goal, state.near, state.mix):
            shares[slot] = share
        state.expression.speaker[slot], state.head.speaker[slot] = actor.performers[line.performer]
    lengths = [len(line.heard.content) for line in lines]
    heard = tree_stack([tree_map(partial(_padded, ticks=max(lengths)), line.heard) for line in lines], 0)
    said = []
    for t in range(max(lengths)):
        for slot, line in enumerate(lines):
            if line.change and line.change[0] == t:
                stage.set_emotion(state, slot, line.change[1].tolist(), line.change[2])
        said.append(stage.step(state, tree_map(lambda x, t=t: x[:, t], heard)).clone())
    motion = torch.stack(said, 1).numpy()
    return [motion[slot, stage.lookahead : length] for slot, length in enumerate(lengths)]


def _padded(x: torch.Tensor, ticks: int) -> torch.Tensor:
    """(T, ...) -> (ticks, ...): what comes after its end is never asked for."""
    return torch.cat((x, x.new_zeros(ticks - len(x), *x.shape[1:])))


def _batches(lengths: Sequence[int], size: int) -> list[list[int]]:
    """Numbers of clips, alike in length, at most `size` together."""
    order = sorted(range(len(lengths)), key=lambda i: lengths[i])
    return [order[at : at + size] for at in range(0, len(order), size)]
