"""Look at performances before training on them: contact sheets at the apex while speaking, and clips with sound.

    python -m engine.training.performers.look OUT [--clips] [--corpus DIR] [--split test] [--size N]

    OUT/levels.png         emotions across, intensities 1 to 3 down, one performer
    OUT/performers.png     emotions across, performers down, each on another head
    OUT/speech.png         emotions across, moments of one sentence down: how feeling bends speech
    OUT/clips/*.mp4        every emotion spoken aloud, with --clips
    OUT/pictures/*.png, OUT/sheet.json       single pictures for `benchmarks/expressions.cjs`
"""

import argparse
import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from engine.frames import VOICE_RATE_HZ
from engine.motion import layout
from engine.render.people import NAMES, person
from engine.render.qualities import make_renderer
from engine.render.scene import Scene
from engine.render.sheet import label, tile, write_png
from engine.training.performers.dataset import Example, Performances, Recipe
from engine.training.performers.emotion import EMOTIONS
from engine.training.performers.style import PERFORMERS

CELL = 240  # pixels of a picture on a sheet
SEED = 1


class Stage:
    """A head that shows motion vectors."""

    def __init__(self, name: str, size: int):
        self.renderer = make_renderer(Scene(person(name)), size, "live")
        self.state = self.renderer.init_state(1)

    def draw(self, motion: np.ndarray) -> np.ndarray:
        """Picture uint8 (H, W, 3) of a motion (M,)."""
        return self.renderer.step(self.state, torch.from_numpy(motion[None]))[0].numpy().copy()


def moments(example: Example, count: int = 1) -> list[int]:
    """Ticks of speech with open lids where the display is fullest, one from each of `count` stretches of the clip."""
    display = example.motion[:, : layout.E].copy()
    display[:, [layout.INDEX[n] for n in ("jawOpen", "mouthFunnel", "mouthPucker", "mouthClose")]] = 0.0
    phones = np.zeros(len(example.motion), bool)
    for name, start, end in example.voice.phones:
        if name != "sil":
            phones[int(start * 25) : int(end * 25)] = True
    open_lids = example.motion[:, layout.BLINK].max(1) < 0.15
    score = np.linalg.norm(display, axis=1) + 0.5 * example.motion[:, layout.INDEX["jawOpen"]]
    score = np.where(phones & open_lids, score, -1.0)
    bounds = np.linspace(0, len(score), count + 1).astype(int)
    ticks = [lo + int(np.argmax(score[lo:hi])) for lo, hi in pairwise(bounds) if hi > lo]
    return [tick for tick in ticks if score[tick] >= 0] or [int(np.argmax(score))]


def recipe(utterance: str, emotion: str, level: int, who: str) -> Recipe:
    """What to look at."""
    return Recipe(utterance, emotion, 1 if emotion == "neutral" else level, who, SEED)


def write_sheets(data: Performances, utterances: list[str], out: Path, size: int) -> list[dict]:
    """All sheets and single pictures; returns the rows of sheet.json."""
    (out / "pictures").mkdir(parents=True, exist_ok=True)
    rows: list[dict] = []
    first = PERFORMERS[0].name
    heads = {who.name: Stage(NAMES[i % len(NAMES)], size) for i, who in enumerate(PERFORMERS)}

    def cell(example: Example, tick: int, text: str) -> np.ndarray:
        return label(_small(heads[example.recipe.performer].draw(example.motion[tick])), text)

    levels = []
    for level in (1, 2, 3):
        for emotion in EMOTIONS:
            example = data.make(recipe(utterances[0], emotion, level, first))
            levels.append(cell(example, moments(example)[0], f"{emotion} {level}"))
    write_png(out / "levels.png", tile(levels, len(EMOTIONS)))
    shown = []
    for i, who in enumerate(PERFORMERS):
        for emotion in EMOTIONS:
            example = data.make(recipe(utterances[i % len(utterances)], emotion, 3, who.name))
            for k, tick in enumerate(moments(example, 3)):
                picture = heads[who.name].draw(example.motion[tick])
                file = f"pictures/{who.name}_{emotion}_{k}.png"
                write_png(out / file, picture)
                rows.append({"file": file, "identity": who.name, "expression": emotion, "yaw": 0, "sheet": "emotions"})
            shown.append(cell(example, moments(example)[0], f"{who.name}: {emotion}"))
    write_png(out / "performers.png", tile(shown, len(EMOTIONS)))
    speech = [data.make(recipe(utterances[0], emotion, 3, first)) for emotion in EMOTIONS]
    spoken = [_spoken_ticks(example) for example in speech]
    write_png(
        out / "speech.png",
        tile([cell(e, ticks[k][1], f"{e.recipe.emotion}: {ticks[k][0]}") for k in range(len(spoken[0]))
              for e, ticks in zip(speech, spoken, strict=True)], len(EMOTIONS)),
    )  # fmt: skip
    (out / "sheet.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return rows


def write_clip(example: Example, head: Stage, path: Path) -> None:
    """A film of an example with its sound, 25 fps."""
    from scipy.signal import resample_poly

    from engine.stream.movie import MovieWriter

    voice = resample_poly(example.voice.samples.astype(np.float32) / 32768, VOICE_RATE_HZ // 16_000, 1)
    parts = voice.astype(np.float32).reshape(len(example.motion), -1)
    side = head.draw(example.motion[0]).shape[0]
    with MovieWriter(path, side, side, title=path.stem) as film:
        for motion, sound in zip(example.motion, parts, strict=True):
            film.write_picture(head.draw(motion))
            film.write_voice(sound)


def _spoken_ticks(example: Example) -> list[tuple[str, int]]:
    """A moment of lips that are shut, bitten, round, spread and open: (phone, tick)."""
    out = []
    for group in (("P", "B", "M"), ("F", "V"), ("UW", "OW", "W"), ("IY", "EY", "IH"), ("AA", "AE", "AH", "AY", "AO")):
        found = [(name, a, b) for name, a, b in example.voice.phones if name in group]
        name, start, end = max(found, key=lambda phone: phone[2] - phone[1], default=("sil", 0.0, 0.04))
        out.append((name, min(int(0.5 * (start + end) * 25), len(example.motion) - 1)))
    return out


def _small(picture: np.ndarray) -> np.ndarray:
    from PIL import Image

    size = len(picture)
    crop = (0.14 * size, 0.02 * size, 0.88 * size, 0.76 * size)
    return np.asarray(Image.fromarray(picture).resize((CELL, CELL), Image.Resampling.LANCZOS, crop))


def main(argv: Sequence[str] | None = None) -> None:
    """Command line: see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--corpus", type=Path, default=Path("../shared/corpus"))
    parser.add_argument("--split", default="test")
    parser.add_argument("--size", type=int, default=384, help="pixels of pictures and films (default 384)")
    parser.add_argument("--clips", action="store_true", help="also a film with sound for every emotion")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    data = Performances(args.corpus)
    names = data.utterances(args.split)
    long = [name for name in names if 3.5 < data.rows[name]["duration_s"] < 6.0][:: max(1, len(names) // 24)]
    write_sheets(data, long[: len(PERFORMERS)], args.out, args.size)
    if args.clips:
        (args.out / "clips").mkdir(exist_ok=True)
        for i, emotion in enumerate(EMOTIONS):
            who = PERFORMERS[i % len(PERFORMERS)]
            example = data.make(recipe(long[i % len(long)], emotion, 3, who.name))
            write_clip(example, Stage(NAMES[i % len(PERFORMERS)], args.size), args.out / "clips" / f"{emotion}.mp4")


if __name__ == "__main__":
    main()
