"""Training examples of the viseme decoder: frozen features of varied speech, beside the mouth it should make.

Corpus excerpts take their mouth from the reference performance of their phones; captured excerpts take the
captured curves. All are varied by `engine.training.augment`, which also stretches time, so targets are made
after the variation.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from engine.features import SpeechEncoder
from engine.frames import FPS, SpeechFeatures
from engine.motion.articulation import A
from engine.training.augment import Augmentation
from engine.training.calibration import read_capture
from engine.training.corpus import Clip, decode
from engine.training.performance import perform
from plugins.viseme.motion import Decoder

SECONDS = 5.0
SILENT_SHARE = 0.06  # excerpts in which nobody speaks: noise alone must not move the mouth
TICKS = round(SECONDS * FPS)
AHEAD_S = 0.020  # targets are this early: the decoder comes out behind what it is taught
# What a tick is for the loss on lip aperture.
OTHER, BILABIAL, LABIODENTAL, OPEN = range(4)
OPEN_VOWELS = {"AA", "AE", "AH", "AO", "AW", "AY", "EH", "OH"}


@dataclass(frozen=True)
class Examples:
    """N excerpts of T ticks.

    content: float16 (N, 2 T, D); loudness_db, voice: float32 (N, 2 T);
    phones (N, 2 T, K, 43), gestures (N, 2 T, K, 4): float16, the encoder's side outputs.
    values: target coefficients (N, T, E); mouth: target articulators (N, T, A);
    gates: target (N, T, 3) shut, bite, awake; kind: int64 (N, T) of OTHER, BILABIAL, LABIODENTAL, OPEN.
    captured: bool (N,), targets are captured curves (no articulators, no gates).
    """

    content: torch.Tensor
    loudness_db: torch.Tensor
    voice: torch.Tensor
    phones: torch.Tensor
    gestures: torch.Tensor
    values: torch.Tensor
    mouth: torch.Tensor
    gates: torch.Tensor
    kind: torch.Tensor
    captured: torch.Tensor

    def __deepcopy__(self, memo: dict) -> "Examples":
        return self  # examples never change: a copied model shares them

    def features(self, rows: torch.Tensor) -> SpeechFeatures:
        """The chosen excerpts tick by tick: content (B, T, 2, D)."""
        return SpeechFeatures(
            self.content[rows].float().unflatten(1, (TICKS, 2)),
            self.loudness_db[rows].unflatten(1, (TICKS, 2)),
            self.voice[rows].unflatten(1, (TICKS, 2)),
            {name: getattr(self, name)[rows].float().unflatten(1, (TICKS, 2)) for name in Decoder.needs},
        )


def read_stress(corpus: Path) -> dict[str, list]:
    """Stress marks of every corpus clip, beside its phones."""
    with (corpus / "manifest.jsonl").open(encoding="utf-8") as file:
        return {row["id"]: row["stress"] for row in map(json.loads, file)}


def read_captured(capture: Path, without: tuple[str, ...]) -> list[tuple[Clip, np.ndarray]]:
    """Captured clips and their curves (T, E) at 25 fps. A clip's one "phone" marks its whole length,
    so that a variation tells where it starts and how fast it runs."""
    out = []
    for name, values in read_capture(capture).items():
        if name not in without:
            samples = decode(str(capture / "audio" / f"{name}.flac"))
            whole = (("sil", 0.0, len(values) / FPS),)
            out.append((Clip(name, "captured", "train", whole, samples), values))
    return out


def make_examples(
    encoder: SpeechEncoder,
    clips: list[Clip],
    stress: dict[str, list],
    captured: list[tuple[Clip, np.ndarray]],
    count: int,
    captured_share: float,
    seed: int,
    report: Callable[[int, int], None] | None = None,
) -> Examples:
    """Vary, encode and label `count` excerpts; a share of them comes from the captured clips."""
    encoder.ask(Decoder.needs)
    vary = Augmentation(clips, SECONDS, seed)
    random = np.random.default_rng((seed, 1))
    lengths = np.array([len(clip.samples) for clip in clips], float)
    order = random.choice(len(clips), count, p=lengths / lengths.sum())
    silence = Clip("silence", "nobody", "train", (("sil", 0.0, 8.0),), np.zeros(8 * 16_000, np.int16))
    rows: list[dict] = []
    for n, i in enumerate(order):
        if random.random() < SILENT_SHARE:
            excerpt = vary(silence)
            row = _phone_targets(list(excerpt.phones), None)
        elif captured and random.random() < captured_share:
            clip, values = captured[random.integers(len(captured))]
            excerpt = vary(clip)
            row = _captured_targets(values, excerpt.phones[0])
        else:
            excerpt = vary(clips[i])
            early = [(name, start - AHEAD_S, end - AHEAD_S) for name, start, end in excerpt.phones]
            row = _phone_targets(early, stress.get(clips[i].name))
        with torch.inference_mode():
            heard = encoder(torch.from_numpy(excerpt.samples)[None])
        row |= {
            "content": heard.content[0].half(), "loudness_db": heard.loudness_db[0], "voice": heard.voice[0],
            **{name: side[0].half() for name, side in heard.side.items()},
        }  # fmt: skip
        rows.append(row)
        if report and n % 50 == 49:
            report(n + 1, count)
    return Examples(**{name: torch.stack([torch.as_tensor(row[name]) for row in rows]).clone() for name in rows[0]})


def _phone_targets(phones: list, stress: list | None) -> dict:
    performed = perform(phones, SECONDS, stress)
    centre_s = (np.arange(TICKS) + 0.5) / FPS
    kind = np.full(TICKS, OTHER)
    awake = np.zeros(TICKS)
    for name, start, end in phones:
        inside = (centre_s >= start) & (centre_s < end)
        if name in OPEN_VOWELS:
            kind[inside] = OPEN
        awake[inside] = name != "sil"
    kind[performed.bite > 0.95] = LABIODENTAL
    kind[performed.closure > 0.95] = BILABIAL
    # the awake gate opens as far as the reference has left rest
    moving = np.maximum(awake, np.minimum(performed.coefficients().max(1) / 0.04, 1.0))
    gates = np.stack((performed.closure, performed.bite, moving), 1).astype(np.float32)
    return {
        "values": performed.coefficients(), "mouth": performed.mouth, "gates": gates, "kind": kind,
        "captured": np.bool_(False),
    }  # fmt: skip


def _captured_targets(values: np.ndarray, whole: tuple[str, float, float]) -> dict:
    """The curves in the excerpt's time: `whole` says where the clip starts and ends in it."""
    _, start_s, end_s = whole
    own_s = start_s + (np.arange(len(values)) + 0.5) / len(values) * (end_s - start_s)
    centre_s = (np.arange(TICKS) + 0.5) / FPS
    curves = np.stack([np.interp(centre_s, own_s, curve, left=0.0, right=0.0) for curve in values.T], 1)
    return {
        "values": curves.astype(np.float32),
        "mouth": np.zeros((TICKS, A), np.float32),
        "gates": np.zeros((TICKS, 3), np.float32),
        "kind": np.full(TICKS, OTHER),
        "captured": np.bool_(True),
    }
