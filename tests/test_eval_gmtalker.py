"""`visema eval gmtalker` on a small corpus and tiny weights made here: every group, what is left out, bad input."""

import json
import wave
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.audio.loudness import LoudnessNormaliser
from engine.cli import main
from engine.config import load_config
from engine.features import load_encoder
from engine.features.checkpoint import fingerprint
from engine.frames import TICK_SAMPLES
from engine.motion.emotion import EMOTIONS
from engine.stage import Chain, fold
from engine.training.performers import PERFORMERS
from plugins.gmtalker.evidence import emotions, interpolation
from plugins.gmtalker.evidence.scenes import one_hot
from plugins.gmtalker.evidence.streaming import Line, hear, load_actor, stream
from plugins.gmtalker.expression import ExpressionGenerator
from plugins.gmtalker.generator.sizes import choose_size as choose_generator
from plugins.gmtalker.generator.style_unet import StyleUNet
from plugins.gmtalker.generator.training import save_generator as save_portraits
from plugins.gmtalker.head_motion import MotionGenerator
from plugins.gmtalker.motion import build, save_generator
from plugins.gmtalker.sizes import Prior, choose_size
from tests.test_gmtalker import stir

PAIRS = emotions.PAIRS[:24:4]
SPEAKERS = ("mara", "otto", "anyone")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    """Hummed vowels and shut lips: two utterances to teach the reader, two to judge."""
    folder = tmp_path_factory.mktemp("corpus")
    (folder / "audio").mkdir()
    rows = []
    for n, split in enumerate(("train", "train", "test", "test")):
        phones, at = [], 0.0
        for k in range(8):
            for name, seconds in (("AA", 0.3), ("B", 0.08), ("sil", 0.12)) if k else (("sil", 0.3),):
                phones.append([name, round(at, 3), round(at + seconds, 3)])
                at += seconds
        time_s = np.arange(int(at * 16_000)) / 16_000
        voiced = np.sum([np.sin(2 * np.pi * (110 + 9 * n) * k * time_s) / k for k in range(1, 12)], 0)
        loud = np.interp((time_s - 0.3) % 0.5, [0, 0.05, 0.25, 0.35, 0.5], [0, 0.2, 0.2, 0.0, 0.0]) * (time_s > 0.3)
        with wave.open(str(folder / "audio" / f"u{n}.wav"), "wb") as file:
            file.setparams((1, 2, 16_000, 0, "NONE", ""))
            file.writeframes((voiced * loud * 20_000).astype(np.int16).tobytes())
        stress = [1 if name == "AA" else None for name, *_ in phones]
        rows.append({"id": f"u{n}", "voice": f"v{n}", "split": split, "phones": phones, "stress": stress})
    (folder / "manifest.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    """Random weights that move, under the names that the command looks for, ablations among them."""
    folder = tmp_path_factory.mktemp("weights")
    encoder = load_encoder()
    made_for, width = fingerprint(encoder), encoder.width
    torch.manual_seed(0)
    priors: tuple[tuple[str, Prior], ...] = (
        ("expression", "mixture"), ("expression-one_gaussian", "gaussian"),
        ("expression-labelled_gaussian", "labelled"), ("expression-one_hot", "onehot"),
    )  # fmt: skip
    for name, prior in priors:
        face = ExpressionGenerator(choose_size("tiny", prior).expression, width, len(SPEAKERS))
        face.deviation.fill_(0.2)
        face.mean.fill_(0.3)
        save_generator(face, folder / f"{name}.safetensors", made_for, SPEAKERS, width)
    for name, flow in (("motion", True), ("motion-no_flow", False)):
        head = MotionGenerator(choose_size("tiny", flow=flow).motion, width, len(SPEAKERS))
        stir(head.flow)
        head.deviation.fill_(0.05)
        save_generator(head, folder / f"{name}.safetensors", made_for, SPEAKERS, width)
    return folder


def judged(corpus: Path, weights: Path, folder: Path, *options: str) -> dict:
    """The table of a short run; folder: what is kept between runs."""
    out = folder / "f.json"
    code = main(["eval", "gmtalker", "--json", str(out), "--corpus", str(corpus), "--weights", str(weights),
                 "--ablations", str(weights), "--cache", str(folder / "cache"), "--clips", "2", "--seeds", "2",
                 "--reader-takes", "16", *options])  # fmt: skip
    assert code == 0
    return json.loads(out.read_text())


@pytest.fixture(autouse=True)
def fewer_pairs(monkeypatch) -> None:
    """Six pairs of emotions instead of 28: 17 streams for each of them cost minutes."""
    for module in (emotions, interpolation):
        monkeypatch.setattr(module, "PAIRS", PAIRS)


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("kept")


@pytest.mark.timeout(900)
def test_figures_of_motion(corpus, weights, kept, capsys):
    table = judged(corpus, weights, kept, "--only", "emotion,interpolation,head,latent,lips,pictures",
                   "--pictures", str(kept / "pictures"))  # fmt: skip
    for name in ("emotion_accuracy", "emotion_accuracy_reference", "emotion_accuracy_single_gaussian",
                 "emotion_accuracy_one_hot", "mixture_posterior", "mixture_between_reference", "latent_accuracy"):
        assert 0.0 <= table[name]["value"] <= 1.0 and table[name]["n"] > 0, name
    assert table["emotion_accuracy"]["n"] == 2 * len(EMOTIONS)
    assert np.array(table["confusion"]["value"]).sum(1) == pytest.approx(1.0, abs=1e-3)
    for name in ("eppl", "epdv", "eppl_one_hot", "epdv_one_hot", "largest_step", "div", "div_reference", "div_no_flow",
                 "ba", "pcm", "pcm_reference", "other_seed_least_degrees"):  # fmt: skip
        assert table[name]["value"] > 0.0, name
    assert table["eppl"]["n"] == 4 * len(PAIRS) and table["largest_step"]["n"] == len(PAIRS)
    assert table["same_seed_difference"]["value"] == 0.0
    assert table["eppl_detour"]["value"] >= 1.0
    missing = table["left_out"]
    assert "motion-no_pretraining" in missing["div, ba, pcm_no_pretraining"]
    assert any("closure_recall" in name for name in missing) and "picture_accuracy" in missing
    assert table["about"]["clips"] == 2 and "eval gmtalker" in table["about"]["command"]
    assert {path.name for path in (kept / "pictures").iterdir()} == {
        "latents.png", "confusion.png", "confusion_reference.png"
    }  # fmt: skip
    assert "emotion_accuracy" in capsys.readouterr().out


def test_a_second_run_says_the_same(corpus, weights, kept):
    tables = [judged(corpus, weights, kept, "--only", "head") for _ in range(2)]
    for table in tables:
        del table["about"]
    assert tables[0] == tables[1]


@pytest.mark.timeout(900)
def test_figures_of_the_generator(corpus, weights, kept, capsys):
    missing = judged(corpus, weights, kept, "--only", "generator")
    assert "gmtalker.generator" in missing["left_out"]["psnr, ssim, cpbd"]
    torch.manual_seed(0)
    net = StyleUNet(choose_generator("tiny"))
    save_portraits(net, weights / "generator.safetensors", {"person": "anna", "size": net.size.picture, "scale": 1})
    table = judged(corpus, weights, kept, "--only", "generator", "--pair-count", "2")
    for name in ("psnr", "psnr_input", "ssim", "ssim_input", "cpbd", "psnr_gain", "psnr_8bit_loss"):
        assert table[name]["n"] == 2 and np.isfinite(table[name]["value"]), name
    assert table["psnr_gain"]["value"] == pytest.approx(table["psnr"]["value"] - table["psnr_input"]["value"], abs=1e-2)
    assert "psnr, ssim_no_emn" in table["left_out"]
    assert "pair 2 of 2" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--only", "emotions"], "there are emotion, interpolation"),
        (["--clips", "0"], "--clips is 1 or more"),
        (["--seeds", "1"], "--seeds is 2 or more"),
        (["--corpus", "nowhere"], r"manifest.jsonl"),
        (["--weights", "nowhere", "--only", "head"], "visema train gmtalker.expression"),
        (["--pairs", "nowhere", "--only", "generator"], "pairs"),
        (["--classifier", "nowhere", "--only", "pictures"], "face_checks"),
    ],
)
def test_bad_input(corpus, weights, kept, capsys, options, said):
    if "--pairs" in options:
        net = StyleUNet(choose_generator("tiny"))
        save_portraits(net, weights / "generator.safetensors", {"person": "anna", "size": 64, "scale": 1})
    fixed = ["--corpus", str(corpus), "--weights", str(weights), "--cache", str(kept / "cache"), "--clips", "1"]
    assert main(["eval", "gmtalker", *fixed, *options]) == 2
    assert said in capsys.readouterr().err.replace("\n", " ")


def test_weights_of_other_people_are_refused(tmp_path, weights, corpus, capsys):
    encoder = load_encoder()
    for name, generator in (
        ("expression", ExpressionGenerator(choose_size("tiny").expression, encoder.width, 2)),
        ("motion", MotionGenerator(choose_size("tiny").motion, encoder.width, 2)),
    ):
        save_generator(generator, tmp_path / f"{name}.safetensors", fingerprint(encoder), ["M003", "anyone"],
                       encoder.width)  # fmt: skip
    fixed = ["--corpus", str(corpus), "--weights", str(tmp_path), "--cache", str(tmp_path), "--only", "head"]
    assert main(["eval", "gmtalker", *fixed]) == 2
    assert "M003" in capsys.readouterr().err


def test_plugins_are_listed(capsys):
    assert main(["eval"]) == 0 and "gmtalker" in capsys.readouterr().out
    assert main(["eval", "nobody"]) == 2


def test_slots_stream_what_the_product_streams(weights):
    """Many lines of other lengths, performers and emotions at once are what each is alone through the whole chain."""
    encoder, actor = load_encoder(), load_actor(load_config(None), weights)
    encoder.ask(actor.stage.needs)
    draw = np.random.default_rng(0)
    clips = [(3000 * draw.standard_normal(ticks * TICK_SAMPLES)).astype(np.int16) for ticks in (30, 18)]
    heard = hear(encoder, clips, actor.stage.lookahead)
    lines = [Line(heard[0], "mara", one_hot(4), 5), Line(heard[1], "otto", one_hot(0), 6)]
    motions = stream(actor, lines)
    assert [len(motion) for motion in motions] == [30, 18]
    for clip, line, motion in zip(clips, lines, motions, strict=True):
        felt = EMOTIONS[int(line.weights.argmax())]
        own = load_config(None, [f'motion.performer="{line.performer}"', f'motion.emotion="{felt}"'])
        chain = Chain(LoudnessNormaliser(), encoder, build(own, weights))
        ticks = torch.from_numpy(clip.astype(np.float32) / 32768).reshape(1, -1, TICK_SAMPLES)
        assert np.abs(fold(chain, ticks, line.seed)[0].numpy() - motion).max() < 1e-4
    assert {who.name for who in PERFORMERS} >= set(actor.performers)


def test_a_change_comes_where_it_is_asked_for(weights):
    encoder, actor = load_encoder(), load_actor(load_config(None), weights)
    encoder.ask(actor.stage.needs)
    heard = hear(encoder, [np.zeros(40 * TICK_SAMPLES, np.int16)], actor.stage.lookahead)[0]
    steady = Line(heard, "mara", one_hot(4), 5)
    changed = Line(heard, "mara", one_hot(4), 5, change=(20, one_hot(6), 1.0))
    a, b = stream(actor, [steady, changed])
    late = 20 - actor.stage.lookahead
    # the rows of one product are not summed in the same order on every processor
    assert np.abs(a[:late] - b[:late]).max() < 1e-5 and np.abs(a[late:] - b[late:]).max() > 1e-2
