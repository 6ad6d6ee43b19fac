"""What each group of figures of `visema eval gmtalker` asks for: weights, voices, the emotion reader; and its parts."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from benchmarks.emotion_reader import EmotionReader
from benchmarks.evidence import Evidence
from benchmarks.voices import SOUNDS
from engine.config import Config
from engine.features import SpeechEncoder, check_pair, load_encoder
from engine.training.performers import Performances
from plugins.gmtalker.evidence import emotions, heads, interpolation, latents, mouths, portraits, strangers
from plugins.gmtalker.evidence.scenes import Scenes
from plugins.gmtalker.evidence.streaming import Actor, load_actor

# ending of a figure -> the file it needs, and the training that writes it
FACES = {
    "_single_gaussian": ("expression-one_gaussian", "gmtalker.expression --config one_gaussian"),
    "_labelled_gaussian": (
        "expression-labelled_gaussian", "gmtalker.expression --config labelled_gaussian"
    ),
    "_one_hot": ("expression-one_hot", "gmtalker.expression --config one_hot"),
    "_soft_label": ("expression-soft_label", "gmtalker.expression --config soft_label"),
}
STEERED = tuple(end for end in FACES if end != "_single_gaussian")  # that one cannot be told an emotion
HEADS = {
    "_no_flow": ("motion-no_flow", "gmtalker.motion --config no_flow"),
    "_no_pretraining": ("motion-no_pretraining", "gmtalker.motion --config no_pretraining"),
}
PORTRAITS = {"_no_emn": ("generator-no_emn", "gmtalker.generator --config no_emn --pairs PAIRS")}


@dataclass
class Inquiry:
    """What the groups share; each part is made when a group first asks for it."""

    options: argparse.Namespace
    config: Config
    evidence: Evidence
    tell: Callable[[str], None]
    corpus: Performances = field(init=False)

    def __post_init__(self) -> None:
        self.corpus = Performances(self.options.corpus, self.options.cache / "voices")

    @cached_property
    def actor(self) -> Actor:
        actor = load_actor(self.config, self.options.weights)
        check_pair(self.encoder, actor.stage)
        self.encoder.ask(actor.stage.needs)
        return actor

    @cached_property
    def encoder(self) -> SpeechEncoder:
        return load_encoder()

    @cached_property
    def scenes(self) -> Scenes:
        actor, options = self.actor, self.options
        performers = list(actor.performers)
        return Scenes(self.corpus, self.encoder, actor.stage.lookahead, performers, options.clips, self.tell)

    @cached_property
    def reader(self) -> EmotionReader:
        options = self.options
        path = options.cache / f"emotion_reader-{options.reader_takes}-{options.seed}.safetensors"
        return emotions.get_reader(self.corpus, path, options.reader_takes, options.seed, self.tell)

    def ablation(self, end: str, what: tuple[str, str], figures: str) -> Path | None:
        """The file of an ablation; without it the figures are left out, by name."""
        path = self.options.ablations / f"{what[0]}.safetensors"
        if path.is_file():
            return path
        command = f"visema train {what[1]} --out {path}"
        self.evidence.leave_out(figures + end, f"no {path}; `{command}` writes it")
        return None

    def faces(self, ends: Sequence[str], figures: str) -> dict[str, Actor]:
        """Actors with the faces of ablations, by ending."""
        found = {end: self.ablation(end, FACES[end], figures) for end in ends}
        return {
            end: load_actor(self.config, self.options.weights, expression=path) for end, path in found.items() if path
        }


def judge_emotion(ask: Inquiry) -> None:
    felt = ask.scenes.felt
    ask.tell(f"emotions of {len(felt)} performances")
    faces = {"_reference": emotions.judge_reference(ask.evidence, ask.reader, felt)}
    ask.tell(f"emotions of {len(felt)} clips")
    faces[""] = emotions.judge_pure(ask.evidence, ask.reader, felt, ask.actor)
    others = ask.faces(tuple(FACES), "emotion_accuracy, mixture_posterior")
    for end, actor in others.items():
        ask.tell(f"emotions{end}")
        name = "emotion_accuracy" + end
        faces[end] = emotions.judge_pure(ask.evidence, ask.reader, felt, actor, name, whole=False)
    ask.tell("mixtures")
    each = max(1, ask.options.clips // 6)
    emotions.judge_mixtures(ask.evidence, ask.reader, ask.scenes.plain, {"": ask.actor, **others}, faces, each)
    if ask.options.pictures:
        emotions.draw_confusions(ask.evidence, ask.options.pictures)


def judge_interpolation(ask: Inquiry) -> None:
    interpolation.judge_interpolation(ask.evidence, ask.reader, ask.scenes.plain, None, "_reference")
    for end, actor in {"": ask.actor, **ask.faces(STEERED, "eppl, epdv, largest_step")}.items():
        ask.tell(f"emotions that change{end}")
        interpolation.judge_interpolation(ask.evidence, ask.reader, ask.scenes.plain, actor, end)
        interpolation.judge_changes(ask.evidence, ask.scenes.plain, actor, end)


def judge_head(ask: Inquiry) -> None:
    scenes = heads.one_emotion_each(ask.scenes.felt)
    found = {end: ask.ablation(end, what, "div, ba, pcm") for end, what in HEADS.items()}
    others = {end: load_actor(ask.config, ask.options.weights, motion=path) for end, path in found.items() if path}
    ask.tell(f"heads: {len(scenes)} clips, {ask.options.seeds} seeds")
    heads.judge_heads(ask.evidence, scenes, {"": ask.actor, **others}, ask.options.seeds)
    heads.judge_seeds(ask.evidence, scenes[:8], ask.actor)


def judge_lips(ask: Inquiry) -> None:
    manifest, sounds = ask.options.corpus / "real_en.jsonl", Path(SOUNDS)
    if not manifest.is_file() or not sounds.is_dir():
        missing = manifest if sounds.is_dir() else f"{sounds} (asterisk-core-sounds-en-g722)"
        ask.evidence.leave_out("closure_recall, labiodental_recall, false_closure", f"no {missing}")
        return
    actor = ask.actor
    ask.tell("lips: hearing the prompts")
    prompts = mouths.read_prompts(
        manifest, sounds, ask.options.prompts, ask.encoder, actor.stage.lookahead, list(actor.performers)
    )
    mouths.judge_lips(ask.evidence, prompts, actor, ask.tell)


def judge_latent(ask: Inquiry) -> None:
    if ask.actor.stage.expression.size.prior != "mixture":
        ask.evidence.leave_out("latent_accuracy", "these weights have no mixture")
        return
    ask.tell("z")
    latents.judge_latents(ask.evidence, ask.scenes.felt, ask.actor, ask.options.pictures)


def judge_generator(ask: Inquiry) -> None:
    options = ask.options
    weights = options.weights / "generator.safetensors"
    if not weights.is_file():
        command = "visema train gmtalker.generator --pairs PAIRS"
        ask.evidence.leave_out("psnr, ssim, cpbd", f"no {weights}; `{command} --out {weights}` writes it")
        return
    pairs = options.pairs or options.cache / "test_pairs"
    if options.pairs is None:
        portraits.make_pairs(pairs, ask.corpus, options.pair_count, weights, ask.tell)
    ask.tell(f"portraits of {pairs}")
    portraits.judge_portraits(ask.evidence, weights, pairs, options.pair_count)
    for end, what in PORTRAITS.items():
        if path := ask.ablation(end, what, "psnr, ssim"):
            portraits.judge_portraits(ask.evidence, path, pairs, options.pair_count, end, whole=False)


def judge_pictures(ask: Inquiry) -> None:
    if ask.options.classifier is None:
        ask.evidence.leave_out("picture_accuracy", "--classifier FOLDER (benchmarks/face_checks.py) was not given")
        return
    ask.tell("an independent classifier looks at pictures")
    strangers.judge_pictures(ask.evidence, ask.scenes.felt, ask.actor, ask.options.classifier, 8 * ask.options.clips)


GROUPS: dict[str, tuple[Callable[[Inquiry], None], str]] = {
    "emotion": (judge_emotion, "is the emotion asked for the one that is seen: pure, weak, mixed, ablations"),
    "interpolation": (judge_interpolation, "E-PPL, E-PDV, the largest step of a change"),
    "head": (judge_head, "Div, BA, PCM, blinks, seeds"),
    "lips": (judge_lips, "closures and bites with every emotion"),
    "latent": (judge_latent, "z: are its emotions apart; with --pictures t-SNE"),
    "generator": (judge_generator, "PSNR, SSIM, CPBD of the head generator"),
    "pictures": (judge_pictures, "an independent classifier of pictures (wants --classifier)"),
}
