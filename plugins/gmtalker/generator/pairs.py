"""Pairs to learn from: what the generator is given and what it should draw, in a folder.

    visema train gmtalker.pairs RUN_DIR --count 2000 [--person anna] [--size 512] [--scale 3]

    pairs.jsonl               a row for each pair: name, split, weights (K,), intensity, middle of the face (row,
                              column), motion (M,), recipe
    scene.json                who, from where, how fine
    00000_plain.png           the plain rendering before black
    00000_masks.png           red: face, green: hair, blue: shoulders; what is left is background
    00000_portrait.png        the person in offline quality before black

A person's own video fits the same folder: its tracked renderings, parsed masks, frames and labels.

Moments are drawn from performances of the corpus, emotions pure and mixed, level by level. Every pair is a function
of seed and number: a stopped run goes on where it was, and a longer one begins with the shorter one's pairs. A row is
written when its pictures are. One pair in ten is for tests, of voices and texts that no training sees.
"""

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from engine.errors import ConfigError, MediaError
from engine.motion.emotion import EMOTIONS, K
from engine.render.buffers import FACE, HAIR_MASK, SHOULDERS, BufferReader
from engine.render.people import person
from engine.render.plain import PlainRenderer
from engine.render.scene import Scene
from engine.training.performers import LEVELS, PERFORMERS, Feeling, Performances, perform
from plugins.gmtalker.generator.place import HeadPlace
from plugins.gmtalker.generator.target import FeelingRenderer

TEST_EVERY = 10
MIXED = 0.3  # share of pairs whose emotion is a mixture of two
STILL = 0.04  # share of level 0: neutral faces of every mixture
PARTS = (FACE, HAIR_MASK, SHOULDERS)


@dataclass(frozen=True, slots=True)
class Moment:
    """What a pair shows. weights: of EMOTIONS, sum 1; intensity 0 to 1; motion float32 (M,)."""

    number: int
    split: str
    weights: np.ndarray
    intensity: float
    motion: np.ndarray
    recipe: str


def draw_moments(corpus: Performances, first: int, count: int, seed: int = 0) -> Iterator[Moment]:
    """Moments number first .. count - 1, each from a performance of its own."""
    names = {split: corpus.utterances(split) for split in ("train", "test")}
    for number in range(first, count):
        draw = np.random.default_rng((seed, number))
        split = "test" if number % TEST_EVERY == TEST_EVERY - 1 else "train"
        name = names[split][draw.integers(len(names[split]))]
        weights = np.zeros(K)
        one = (number // TEST_EVERY + number) % K  # even over emotions, in both splits
        weights[one] = 1.0
        if draw.random() < MIXED:
            share = draw.uniform(0.25, 0.75)
            weights *= share
            weights[(one + draw.integers(1, K)) % K] += 1 - share
        intensity = 0.0 if draw.random() < STILL else float(draw.choice((*LEVELS, draw.uniform(0.2, 1.0))))
        who = PERFORMERS[draw.integers(len(PERFORMERS))]
        voice = corpus.voice(name, "neutral", 1)
        take = int(draw.integers(2**31))
        done = perform(voice.phones, voice.prosody, Feeling(weights, intensity), who, take, voice.stress)
        tick = int(draw.integers(len(done.motion)))
        yield Moment(number, split, weights, intensity, done.motion[tick], f"{name} {who.name} {take} tick {tick}")


class PairArtist:
    """Draws the three pictures of a moment. size of the picture; scale: offline samples per pixel each way."""

    def __init__(self, who: str, size: int, scale: int):
        scene = Scene(person(who), background="black")
        self.about = {"person": who, "size": size, "scale": scale, "camera": asdict(scene.camera)}
        self._plain, self._reader = PlainRenderer(scene, size), BufferReader(scene, size)
        self._target = FeelingRenderer(scene, size, scale)
        self._states = self._plain.init_state(1), self._target.init_state(1)
        self.place = HeadPlace(self._plain.face, self._plain.shape, scene.camera, size)

    def draw(self, moment: Moment) -> dict[str, np.ndarray]:
        """Pictures uint8 (H, W, 3) by the end of their names."""
        motion = torch.from_numpy(moment.motion[None])
        self._target.feel((moment.weights * moment.intensity).astype(np.float32))
        masks = self._reader.read(moment.motion).masks[..., PARTS]
        return {
            "plain": self._plain.step(self._states[0], motion)[0].numpy(),
            "masks": np.round(masks * 255).astype(np.uint8),
            "portrait": self._target.step(self._states[1], motion)[0].numpy(),
        }


def render_pairs(folder: Path, corpus: Performances, count: int, who: str, size: int, scale: int, seed: int) -> None:
    """Fill a folder up to `count` pairs, with a line of progress for each. ConfigError: it holds other pairs."""
    artist = PairArtist(who, size, scale)
    about = {**artist.about, "seed": seed}
    folder.mkdir(parents=True, exist_ok=True)
    scene, index = folder / "scene.json", folder / "pairs.jsonl"
    if scene.is_file() and json.loads(scene.read_text()) != json.loads(json.dumps(about)):
        raise ConfigError(f"{folder} holds pairs of another person, size, scale, camera or seed; use another folder")
    scene.write_text(json.dumps(about, indent=1) + "\n")
    done = len(read_rows(folder)) if index.is_file() else 0
    began_s, spent_s = time.monotonic(), time.process_time()
    for moment in draw_moments(corpus, done, count, seed):
        add_pair(folder, artist, moment)
        felt = ", ".join(f"{EMOTIONS[k]} {moment.weights[k]:.2f}" for k in np.flatnonzero(moment.weights))
        spent = f"{time.monotonic() - began_s:.1f} s, {time.process_time() - spent_s:.1f} s of a core"
        print(f"  {moment.number + 1}/{count}  {felt} at {moment.intensity:.2f}  {spent}", flush=True)
        began_s, spent_s = time.monotonic(), time.process_time()


def add_pair(folder: Path, artist: PairArtist, moment: Moment) -> None:
    """Draw a moment and write its pictures, then its row."""
    from PIL import Image

    name = f"{moment.number:05d}"
    for part, picture in artist.draw(moment).items():
        partial = folder / f".{name}_{part}.png"
        Image.fromarray(picture).save(partial)
        partial.replace(folder / f"{name}_{part}.png")
    row = {
        "name": name, "split": moment.split, "weights": moment.weights.round(4).tolist(),
        "intensity": round(moment.intensity, 4),
        "middle": [round(at, 2) for at in artist.place.middle(moment.motion)],
        "motion": [round(float(v), 6) for v in moment.motion],
        "recipe": moment.recipe,
    }  # fmt: skip
    with (folder / "pairs.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def read_rows(folder: Path) -> list[dict]:
    """The rows of a folder of pairs, whole ones only. MediaError: it is none."""
    index = Path(folder) / "pairs.jsonl"
    if not index.is_file():
        raise MediaError(f"{folder}: no pairs.jsonl here; render pairs first (see plugins/gmtalker/README.md)")
    lines = index.read_text(encoding="utf-8").splitlines()
    try:
        return [json.loads(line) for line in lines]
    except json.JSONDecodeError as error:
        raise MediaError(f"{index} is damaged: {error}; delete its last line") from None


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="visema train gmtalker.pairs", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, help="folder; a run that was stopped goes on")
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--corpus", type=Path, default=Path("../shared/corpus"))
    parser.add_argument("--person", default="anna")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--scale", type=int, default=3, help="offline samples per pixel each way (default 3)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    performances = Performances(options.corpus)  # every voice is heard once: nothing to keep
    render_pairs(options.run, performances, options.count, options.person, options.size, options.scale, options.seed)


if __name__ == "__main__":
    main()
