"""GMTalker's head generator: the pairs of pictures that it learns from, and the training."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.config import load_config
from engine.errors import ConfigError, MediaError, WeightsError
from engine.motion import layout
from engine.motion.emotion import K
from engine.training.performers import Performances
from plugins.gmtalker.generator import training
from plugins.gmtalker.generator.adversaries import Adversaries
from plugins.gmtalker.generator.data import Pairs
from plugins.gmtalker.generator.pairs import draw_moments, read_rows
from plugins.gmtalker.generator.pairs import main as draw_pairs
from plugins.gmtalker.generator.renderer import build
from plugins.gmtalker.generator.settings import GeneratorSettings
from plugins.gmtalker.generator.sizes import choose_size
from tests.heads import TINY, tiny_batch
from tests.test_gmtalker_training import corpus  # noqa: F401, a fixture


@pytest.mark.parametrize("name", ("small", "paper", "tiny"))
def test_every_size_trains_and_draws(name, tmp_path):
    """A step of both networks, with the penalty; at paper size all widths, on a quarter of the side to save time."""
    size = choose_size(name)
    size = replace(size, square=128, picture=128) if name == "paper" else size
    settings = GeneratorSettings(size=name, steps=3, gan=1.0, gan_from=0.0, batch=2)
    both = Adversaries(size, settings, tmp_path)
    before = [p.clone() for p in (*both.net.parameters(), *both.critic.parameters())]
    batch = tiny_batch(size.square, 1 if name == "paper" else 2)
    if size.residual:
        both.learn(batch)  # the first step only moves the last layer, which begins as 0
    both.step = 0
    figures = both.learn(batch)
    assert set(figures) == {"l1", "perceptual", "gan", "critic", "penalty"}
    assert all(np.isfinite(value) for value in figures.values())
    after = (*both.net.parameters(), *both.critic.parameters())
    moved = sum(int(not torch.equal(old, new)) for old, new in zip(before, after, strict=True))
    assert moved > 0.6 * len(before)
    with torch.inference_mode():
        assert both.averaged()(batch.given, batch.shares).shape == batch.wanted.shape


def test_pairs_resume(corpus, tmp_path, capsys):  # noqa: F811
    """A stopped run goes on with what a longer one would have drawn; rows point to whole pictures."""
    from PIL import Image

    rows = [json.loads(line) for line in (corpus / "manifest.jsonl").read_text().splitlines()]
    folder = tmp_path / "corpus"
    folder.mkdir()
    (folder / "audio").symlink_to(corpus / "audio")
    for row in rows:
        row["split"] = "test" if row["split"] == "valid" else row["split"]
    (folder / "manifest.jsonl").write_text("\n".join(map(json.dumps, rows)))
    common = ["--corpus", str(folder), "--size", "96", "--scale", "1", "--seed", "3"]
    once, twice = tmp_path / "once", tmp_path / "twice"
    draw_pairs([str(once), "--count", "3", *common])
    draw_pairs([str(twice), "--count", "1", *common])
    draw_pairs([str(twice), "--count", "3", *common])
    assert (once / "pairs.jsonl").read_text() == (twice / "pairs.jsonl").read_text()
    for row in read_rows(once):
        assert sum(row["weights"]) == pytest.approx(1) and len(row["motion"]) == layout.M
        for part in ("plain", "masks", "portrait"):
            name = f"{row['name']}_{part}.png"
            assert (once / name).read_bytes() == (twice / name).read_bytes()
        plain, portrait = (np.asarray(Image.open(once / f"{row['name']}_{p}.png")) for p in ("plain", "portrait"))
        assert plain.shape == portrait.shape == (96, 96, 3) and (plain != portrait).mean() > 0.1
    assert "2/3" in capsys.readouterr().out
    with pytest.raises(ConfigError, match="another"):
        draw_pairs([str(once), "--count", "3", "--person", "ben", *common])
    moments = list(draw_moments(Performances(folder), 0, 24))
    assert [m.split for m in moments].count("test") == 2 and moments[9].split == "test"
    assert all(m.weights.sum() == pytest.approx(1) for m in moments)
    assert {int(m.weights.argmax()) for m in moments} == set(range(K))


def _made_pairs(folder: Path, count: int = 12) -> Path:
    """A folder of small pairs: the portrait is another colour, by emotion."""
    from PIL import Image

    folder.mkdir()
    draw = np.random.default_rng(0)
    about = {"person": "anna", "size": 96, "scale": 1, "seed": 0,
             "camera": {"centre": [0.0, 0.002, 0.03], "distance_m": 1.5, "height_m": 0.38}}  # fmt: skip
    (folder / "scene.json").write_text(json.dumps(about))
    rows = []
    for n in range(count):
        plain = np.kron(draw.integers(60, 200, (12, 12, 3)), np.ones((8, 8, 1))).astype(np.uint8)
        weights = np.eye(K)[n % 2].tolist()
        portrait = np.clip(plain.astype(int) + (50 if n % 2 else -40), 0, 255).astype(np.uint8)
        masks = np.zeros_like(plain)
        masks[10:86, 10:86, 0] = 255
        for part, picture in (("plain", plain), ("masks", masks), ("portrait", portrait)):
            Image.fromarray(picture).save(folder / f"{n:05d}_{part}.png")
        rows.append({"name": f"{n:05d}", "split": "test" if n % 4 == 3 else "train", "weights": weights,
                     "intensity": 1.0, "middle": [48.0, 48.0], "motion": [0.0] * layout.M})  # fmt: skip
    (folder / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_training_as_a_user_would(tmp_path, capsys):
    """It learns, resumes where it stopped, and writes weights that the plugin's renderer loads."""
    pairs, out = _made_pairs(tmp_path / "pairs"), tmp_path / "generator.safetensors"

    def learn(run: str, steps: int, out: Path = out) -> None:
        training.main(["--pairs", str(pairs), "--run", str(tmp_path / run), "--out", str(out), "--set", "size=tiny",
                       "--set", f"steps={steps}", "--set", "evaluate_every=120", "--set", "average=0.9",
                       "--set", "gan_from=0.9"])  # fmt: skip

    learn("run", 240)
    rows = [json.loads(line) for line in (tmp_path / "run" / "figures.jsonl").read_text().splitlines()]
    valid = [row for row in rows if row["group"] == "valid"]
    assert valid[-1]["psnr"] > valid[-1]["psnr_input"] + 4
    assert abs(valid[-1]["psnr_8bit"] - valid[-1]["psnr"]) < 1.5 and valid[-1]["n"] == 3
    card = out.with_suffix(".md").read_text()
    assert "anna" in card and "psnr_input" in card and "--set size=tiny" in card
    for name in ("curves.png", "pictures.png"):
        assert (tmp_path / "run" / name).is_file()
    learn("run", 242)
    assert "resumed at step 240" in capsys.readouterr().out

    config = load_config(None, ["render.plugin=gmtalker", "render.size=96", "engine.executor=eager"])
    stage = build(config, out)
    assert stage.step(stage.init_state(1), torch.zeros(1, layout.M)).shape == (1, 96, 96, 3)
    with pytest.raises(ConfigError, match="identity"):
        build(load_config(None, ["render.size=96", "render.identity=ben"]), out)
    with pytest.raises(ConfigError, match=r"render\.size = 512"):
        build(load_config(None, ["render.size=512"]), out)
    with pytest.raises(WeightsError, match="made for"):
        build(config, Path("plugins/viseme/viseme.safetensors"))


def test_a_batch_depends_on_seed_and_step_only(tmp_path):
    """Broken off and gone on is the same as gone through."""
    pairs = _made_pairs(tmp_path / "pairs")
    weights = []
    for stops in ((6,), (3, 6)):
        for steps in stops:
            run = tmp_path / f"run{len(stops)}"
            settings = GeneratorSettings(size="tiny", steps=6, gan_from=0.0, minutes=1e6)
            data = Pairs(pairs, run, TINY, "train")
            torch.manual_seed(0)
            both = Adversaries(TINY, settings, run)
            both.resume()
            while both.step < steps:
                draw = np.random.default_rng((0, both.step))
                both.learn(data.batch(torch.from_numpy(draw.integers(0, len(data), 2))))
            both.save()
        weights.append(torch.cat([p.flatten() for p in both.averaged().parameters()]))
    assert torch.equal(*weights)


def test_bad_pairs(tmp_path):
    with pytest.raises(MediaError, match=r"pairs\.jsonl"):
        Pairs(tmp_path, tmp_path / "run", TINY, "train")
    folder = _made_pairs(tmp_path / "pairs", 2)
    with pytest.raises(MediaError, match="'test'"):
        Pairs(folder, tmp_path / "run", TINY, "test")
    with pytest.raises(MediaError, match="512 x 512"):
        Pairs(folder, tmp_path / "run", choose_size("small"), "train")
    (folder / "00000_plain.png").write_bytes(b"no picture")
    with pytest.raises(MediaError, match="00000_plain"):
        Pairs(folder, tmp_path / "run", TINY, "train")
    both = Adversaries(TINY, GeneratorSettings(), tmp_path)
    both.save()
    with pytest.raises(WeightsError, match="another size"):
        Adversaries(replace(TINY, channels=(8, 16)), GeneratorSettings(), tmp_path).resume()
