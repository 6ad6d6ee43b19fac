"""The head generator on pairs that no training saw: near the target person, or no nearer than what it was given?"""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.evidence import Evidence
from engine.training.performers import Performances
from plugins.gmtalker.generator.data import Pairs
from plugins.gmtalker.generator.pairs import TEST_EVERY, PairArtist, add_pair, draw_moments, read_rows
from plugins.gmtalker.generator.training import judge, load_generator

PLAIN = ("psnr", "psnr_input", "ssim", "ssim_input", "psnr_square", "psnr_square_input", "cpbd", "cpbd_input",
         "cpbd_wanted")  # fmt: skip


def make_pairs(
    folder: Path, corpus: Performances, count: int, weights: Path, tell: Callable[[str], None]
) -> None:
    """Fill a folder with `count` pairs of the test split, those that `visema train gmtalker.pairs` would make, of the
    person whom a generator draws."""
    folder.mkdir(parents=True, exist_ok=True)
    done = len(read_rows(folder)) if (folder / "pairs.jsonl").is_file() else 0
    if done >= count:
        return
    net, about = load_generator(weights)
    artist = PairArtist(about["person"], net.size.picture, about["scale"])
    (folder / "scene.json").write_text(json.dumps({**artist.about, "seed": 0, "split": "test"}, indent=1) + "\n")
    for n in range(done, count):
        number = n * TEST_EVERY + TEST_EVERY - 1
        moment = next(draw_moments(corpus, number, number + 1))
        add_pair(folder, artist, moment)
        tell(f"pair {n + 1} of {count}")


def judge_portraits(
    evidence: Evidence, weights: Path, pairs: Path, count: int, end: str = "", whole: bool = True
) -> None:
    """Figures of a generator on at most `count` test pairs; whole: also of 8 bits."""
    net, _ = load_generator(weights)
    with tempfile.TemporaryDirectory() as cut:
        test = Pairs(pairs, Path(cut), net.size, "test")
        figures = judge(net, test, count)
        n = int(figures["n"])
        for name in PLAIN if whole else ("psnr", "ssim", "cpbd"):
            evidence.add(name + end, figures[name], n)
        if whole:
            in_bytes = judge(net, test, count, in_bytes=True)
            evidence.add("psnr_gain", figures["psnr"] - figures["psnr_input"], n)
            evidence.add("psnr_8bit_loss", figures["psnr"] - in_bytes["psnr"], n)
            evidence.add("ssim_8bit_loss", figures["ssim"] - in_bytes["ssim"], n)
