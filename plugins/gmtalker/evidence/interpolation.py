"""From one emotion to another: 17 frames on the way (E-PPL, E-PDV), and the largest step of a change while speaking."""

from collections.abc import Sequence

import numpy as np

from benchmarks.emotion_reader import EmotionReader
from benchmarks.evidence import Evidence
from benchmarks.interpolation_figures import (
    FRAMES,
    detour,
    distance_variance,
    largest_step,
    path_length,
    steady_steps,
    unevenness,
)
from engine.frames import FPS
from engine.motion import layout
from plugins.gmtalker.evidence.emotions import PAIRS
from plugins.gmtalker.evidence.scenes import Scene, one_hot
from plugins.gmtalker.evidence.streaming import Actor, Line, stream

MOMENTS = (0.35, 0.5, 0.65, 0.8)  # of a clip, at which faces are compared
CHANGE_AT = 0.3  # of a clip
LEAST_CHANGE_S = 2.4  # that a clip goes on after a change, which takes two seconds


def judge_interpolation(
    evidence: Evidence, reader: EmotionReader, scenes: Sequence[Scene], actor: Actor | None, end: str = ""
) -> None:
    """Every pair of emotions in 17 equal steps of their shares, same words, same seed, each step a stream of its own;
    frames are compared at the same moment of the words, so that only the emotion moves. actor None: performed.

    detour and unevenness say the same of a path whatever its length: a face that shows little has short ones.
    """
    shares = np.linspace(0.0, 1.0, FRAMES, dtype=np.float32)
    cast = [(scenes[n % len(scenes)], pair) for n, pair in enumerate(PAIRS)]
    steps = [(scene, (1.0 - share) * one_hot(a) + share * one_hot(b)) for scene, (a, b) in cast for share in shares]
    if actor is None:
        motions = [scene.performed(weights) for scene, weights in steps]
    else:
        motions = stream(actor, [scene.line(weights) for scene, weights in steps])
    rows = []
    for n in range(len(cast)):
        faces = np.stack(motions[n * FRAMES : (n + 1) * FRAMES])
        for moment in MOMENTS:
            seen = reader.look(faces[:, int(moment * faces.shape[1])])
            rows.append((path_length(seen), distance_variance(seen), detour(seen), unevenness(seen)))
    for name, value in zip(("eppl", "epdv", "eppl_detour", "epdv_relative"), np.nanmean(rows, 0), strict=True):
        evidence.add(name + end, float(value), len(rows))


def judge_changes(evidence: Evidence, scenes: Sequence[Scene], actor: Actor, end: str = "") -> None:
    """Emotions changed while speaking, every pair both ways round in turn; beside it the largest step of the same
    speech without a change, which shows what a p99 leaves out."""
    long = [scene for scene in scenes if (1.0 - CHANGE_AT) * len(scene.heard.content) > LEAST_CHANGE_S * FPS]
    if not long:
        evidence.leave_out("largest_step" + end, "every clip is too short for a change: take more --clips")
        return
    steady, changing = [], []
    for n, pair in enumerate(PAIRS):
        scene, (a, b) = long[n % len(long)], pair if n % 2 else pair[::-1]
        line = scene.line(one_hot(a))
        steady += [line, scene.line(one_hot(b))]
        at = int(CHANGE_AT * len(scene.heard.content))
        changing.append(Line(line.heard, line.performer, line.weights, line.seed, change=(at, one_hot(b), 1.0)))
    calm = [motion[:, : layout.E] for motion in stream(actor, steady)]
    changed = [
        motion[max(line.change[0] - actor.stage.lookahead - 1, 0) :, : layout.E]
        for line, motion in zip(changing, stream(actor, changing), strict=True) if line.change
    ]  # fmt: skip
    usual = steady_steps(calm)
    most, which = largest_step(changed, usual)
    evidence.add("largest_step" + end, most, len(changed))
    evidence.add(f"largest_step_unit{end}", layout.EXPRESSION[which], len(changed))
    evidence.add(f"largest_step_steady{end}", largest_step(calm, usual)[0], len(calm))
    for name, clips in (("median", changed), ("steady_median", calm)):
        each = [largest_step([clip], usual)[0] for clip in clips]
        evidence.add(f"largest_step_{name}{end}", float(np.median(each)), len(each))
