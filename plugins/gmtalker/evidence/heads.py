"""Head, eyes and lids: how much seeds vary (Div), whether the head beats with the voice (BA), how near a streamed head
comes to a performed one (PCM), blinks; and that a seed repeats."""

from collections.abc import Sequence

import numpy as np

from benchmarks.evidence import Evidence
from benchmarks.motion_figures import angles, beat_alignment, correct_motion, diversity, prosodic_beats
from engine.frames import FPS
from engine.motion import layout
from engine.motion.emotion import K
from plugins.gmtalker.evidence.scenes import Scene
from plugins.gmtalker.evidence.streaming import Actor, stream

Takes = list[list[np.ndarray]]  # of every scene, of every seed


def one_emotion_each(scenes: Sequence[Scene]) -> list[Scene]:
    """Of the scenes in all emotions, one for each utterance: emotions in turn."""
    chosen = [scene for scene in scenes if scene.emotion == (scene.seed // K) % K]
    return chosen or list(scenes)


def judge_heads(evidence: Evidence, scenes: Sequence[Scene], actors: dict[str, Actor], seeds: int) -> None:
    """Figures of every actor, by the end of their names, and of the performances."""
    numbers = [[scene.seed + 7919 * take for take in range(seeds)] for scene in scenes]
    performed = [[scene.performed(seed=seed) for seed in row] for scene, row in zip(scenes, numbers, strict=True)]
    streamed = {end: _stream(actor, scenes, numbers) for end, actor in actors.items()}
    for end, takes in {"_reference": performed, **streamed}.items():
        _figures(evidence, end, scenes, takes, performed)
    evidence.add("div_over_reference", evidence.value("div") / evidence.value("div_reference"), len(scenes))
    evidence.add("ba_chance", _chance(scenes, performed), len(scenes) * seeds)


def judge_seeds(evidence: Evidence, scenes: Sequence[Scene], actor: Actor) -> None:
    """Largest difference of any number between two streams of one seed, and least of the head's between two seeds."""
    first, again = (stream(actor, [scene.line() for scene in scenes]) for _ in range(2))
    other = stream(actor, [scene.line(seed=scene.seed + 1) for scene in scenes])
    same = max(float(np.abs(a - b).max()) for a, b in zip(first, again, strict=True))
    apart = min(float(np.abs(angles(a) - angles(b)).mean()) for a, b in zip(first, other, strict=True))
    evidence.add("same_seed_difference", same, len(scenes))
    evidence.add("other_seed_least_degrees", apart, len(scenes))


def _stream(actor: Actor, scenes: Sequence[Scene], numbers: list[list[int]]) -> Takes:
    lines = [scene.line(seed=seed) for scene, row in zip(scenes, numbers, strict=True) for seed in row]
    motions, seeds = stream(actor, lines), len(numbers[0])
    return [motions[n * seeds : (n + 1) * seeds] for n in range(len(scenes))]


def _figures(evidence: Evidence, end: str, scenes: Sequence[Scene], takes: Takes, performed: Takes) -> None:
    """performed: what PCM is held against; the performances themselves against the next take of the same voice."""
    seeds = len(takes[0])
    against = [row[1:] + row[:1] for row in performed]
    beats = [beat_alignment(take, prosodic_beats(scene.voice.prosody))
             for scene, row in zip(scenes, takes, strict=True) for take in row]  # fmt: skip
    near = [correct_motion(take, true) for row, others in zip(takes, against, strict=True)
            for take, true in zip(row, others, strict=True)]  # fmt: skip
    every = [take for row in takes for take in row]
    speeds = [np.linalg.norm(np.diff(angles(take), axis=0), axis=1).mean() * FPS for take in every]
    shut = [take[:, layout.BLINK].max(1) > 0.5 for take in every]
    blinks = sum(int((lids[1:] & ~lids[:-1]).sum()) for lids in shut)
    evidence.add("div" + end, float(np.mean([diversity(row) for row in takes])), len(scenes))
    evidence.add("ba" + end, float(np.nanmean(beats)) if np.isfinite(beats).any() else float("nan"), len(beats))
    evidence.add("pcm" + end, float(np.mean(near)), len(near))
    evidence.add(f"head_speed_degrees_s{end}", float(np.mean(speeds)), len(scenes) * seeds)
    evidence.add(f"blinks_per_minute{end}", blinks / (sum(map(len, every)) / FPS / 60), len(scenes) * seeds)


def _chance(scenes: Sequence[Scene], performed: Takes) -> float:
    """BA of the performances with as many beats of the voice at random."""
    draw, found = np.random.default_rng(0), []
    for scene, row in zip(scenes, performed, strict=True):
        beats = prosodic_beats(scene.voice.prosody)
        if len(beats):
            found += [beat_alignment(take, draw.uniform(beats.min(), beats.max(), len(beats))) for take in row]
    return float(np.nanmean(found)) if np.isfinite(found).any() else float("nan")
