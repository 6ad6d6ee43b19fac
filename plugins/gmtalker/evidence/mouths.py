"""Lips with every emotion at full intensity, on prompts of a real person that nobody trained on."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from benchmarks.evidence import Evidence
from benchmarks.judges import to_ticks
from benchmarks.lip_figures import MouthClip, lip_figures
from benchmarks.voices import read_manifest
from engine.features import SpeechEncoder
from engine.motion.emotion import EMOTIONS, K
from engine.render.face_model import FaceModel
from engine.render.lips import LipMeasure
from engine.training.performers import Voice, measure
from plugins.gmtalker.evidence.scenes import Scene, one_hot
from plugins.gmtalker.evidence.streaming import Actor, hear, stream

RATES = {"closure_recall": "bilabials", "labiodental_recall": "labiodentals", "false_closure": ""}
WORST: dict[str, Callable] = {"closure_recall": min, "labiodental_recall": min, "false_closure": max}


def read_prompts(
    manifest: Path, sounds: Path, count: int | None, encoder: SpeechEncoder, lookahead: int, performers: Sequence[str]
) -> list[Scene]:
    """The prompts as scenes, performers in turn; count: so many of them, spread over the manifest; None: all."""
    spoken = read_manifest(manifest, sounds)
    if count:
        spoken = spoken[:: max(len(spoken) // count, 1)][:count]
    samples = [np.round(to_ticks(one.clip.samples).reshape(-1) * 32768).astype(np.int16) for one in spoken]
    heard = hear(encoder, samples, lookahead)
    return [
        Scene(Voice(sound, list(one.clip.phones), one.stress, measure(sound)), features, n % K, True,
              performers[n % len(performers)], n)
        for n, (one, sound, features) in enumerate(zip(spoken, samples, heard, strict=True))
    ]  # fmt: skip


def judge_lips(evidence: Evidence, prompts: Sequence[Scene], actor: Actor, tell: Callable[[str], None]) -> None:
    """Recall of closures and bites, false closures: over all emotions, of the worst one, by emotion; and of the
    performances, emotions in turn."""
    lips, by_emotion, every = LipMeasure(FaceModel.load()), {}, []

    def mouths(motions: Sequence[np.ndarray]) -> list[MouthClip]:
        return [MouthClip(lips.aperture(motion), lips.width(motion), scene.voice.phones)
                for motion, scene in zip(motions, prompts, strict=True)]  # fmt: skip

    for k, name in enumerate(EMOTIONS):
        tell(f"lips, {name}: {len(prompts)} prompts")
        clips = mouths(stream(actor, [scene.line(one_hot(k)) for scene in prompts]))
        found, every = lip_figures(clips), every + clips
        by_emotion[name] = {rate: found[rate] for rate in RATES}
    pooled, performed = lip_figures(every), lip_figures(mouths([scene.performed() for scene in prompts]))
    for rate, counted in RATES.items():
        n = int(performed[counted]) if counted else len(prompts)  # of every emotion, and of the performances
        evidence.add(rate, pooled[rate], n * K)
        evidence.add(f"{rate}_worst", WORST[rate](row[rate] for row in by_emotion.values()), n)
        evidence.add(f"{rate}_reference", performed[rate], n)
    evidence.add("lips_by_emotion", by_emotion, len(every))
