"""Training GMTalker as a user would: a small corpus, both trainings, weights that the stage loads, and resuming."""

import json
import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.config import load_config
from engine.errors import ConfigError, WeightsError
from engine.features import SpeechEncoder, load_encoder
from engine.features.checkpoint import fingerprint, read_checkpoint
from engine.motion import layout
from engine.motion.emotion import EMOTIONS, K
from engine.stage import fold
from engine.training.performers import LEVELS, Performances
from plugins.gmtalker import expression_training, motion_training
from plugins.gmtalker.data import SPEAKERS, Takes, labels, make_takes
from plugins.gmtalker.expression import ExpressionGenerator
from plugins.gmtalker.expression_training import ExpressionLoss, fades, turned
from plugins.gmtalker.motion import build, save_generator
from plugins.gmtalker.settings import Settings, read_settings
from plugins.gmtalker.sizes import choose_size
from tests.stages import _features

TINY = ["--set", "size=tiny", "--set", "voices=4", "--set", "valid_voices=2", "--set", "takes=2", "--set", "wide=2",
        "--set", "seconds=2", "--set", "batch=4", "--set", "evaluate_every=3"]  # fmt: skip


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    """Hummed vowels and shut lips, with phone timings, in the layout of a corpus folder."""
    folder = tmp_path_factory.mktemp("corpus")
    (folder / "audio").mkdir()
    rows = []
    for n, split in enumerate(["train"] * 3 + ["valid"] * 2):
        phones, at = [], 0.0
        for name, seconds in (("sil", 0.2), ("M", 0.1), ("AA", 0.3), ("B", 0.08), ("IY", 0.3), ("sil", 0.2)):
            phones.append([name, at, at + seconds])
            at += seconds
        time_s = np.arange(int(at * 16_000)) / 16_000
        voiced = np.sum([np.sin(2 * np.pi * (110 + 9 * n) * k * time_s) / k for k in range(1, 12)], 0)
        loud = np.interp(time_s, [0, 0.2, 0.25, 0.9, 1.0, at], [0, 0, 0.2, 0.2, 0, 0])
        with wave.open(str(folder / "audio" / f"u{n}.wav"), "wb") as file:
            file.setparams((1, 2, 16_000, 0, "NONE", ""))
            file.writeframes((voiced * loud * 32_767).astype(np.int16).tobytes())
        stress = [None, None, 1, None, 1, None]
        rows.append({"id": f"u{n}", "voice": f"v{n}", "split": split, "phones": phones, "stress": stress})
    (folder / "manifest.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def encoder() -> SpeechEncoder:
    return load_encoder()


def takes(corpus: Path, encoder: SpeechEncoder, seed: int = 0) -> Takes:
    encoder.ask(())
    return make_takes(encoder, Performances(corpus), "train", 3, 2, 2, 2.0, seed)


def test_takes_are_windows_of_what_is_heard_and_performed(corpus, encoder, tmp_path):
    made, again = takes(corpus, encoder), takes(corpus, encoder)
    assert made.motion.shape == (3, 2, 50, layout.M) and made.content.shape == (3, 100, encoder.width)
    assert made.wide.shape == (3, 2, 50, 12) and made.performer.max() < len(SPEAKERS) - 1
    heard = made.features(torch.tensor([2, 0]))
    assert heard.content.shape == (2, 50, 2, encoder.width)
    assert torch.equal(heard.content[1, 7, 1], made.content[0, 15].float())
    assert torch.equal(made.motion, again.motion) and torch.equal(made.content, again.content)
    assert not torch.equal(made.motion, takes(corpus, encoder, 1).motion)
    # the mouth moves while somebody speaks, and not in the silence around
    jaw, loud = made.motion[..., layout.INDEX["jawOpen"]].float().mean(1), heard.loudness_db.mean(-1)
    assert jaw.amax() > 0.1 and loud.amax() > -40
    made.save(tmp_path / "takes.safetensors")
    assert torch.equal(Takes.load(tmp_path / "takes.safetensors").strength, made.strength)
    (tmp_path / "takes.safetensors").write_bytes(b"nothing")
    with pytest.raises(WeightsError, match="delete it"):
        Takes.load(tmp_path / "takes.safetensors")


def test_an_emotion_turns_into_another():
    """One clip fades into its partner, softly and wholly where there is time; the others stay what they are."""
    many = fades(200, 200, torch.Generator().manual_seed(3))
    lasting = many.amax(1) == many.amin(1)  # (200, 1)
    assert many.shape == (200, 200, 1) and 0.4 < lasting.float().mean() < 0.6, "half of them stop on the way"
    assert (many.diff(dim=1) >= 0).all() and many.diff(dim=1).max() < 0.2
    fade = many[~lasting[:, 0]][:1]
    assert fade[0, 0] == 0.0 and fade[0, -1] > 0.9
    values = torch.arange(3.0)[:, None, None].expand(3, 200, 2)  # two examples, and what the first becomes
    made = turned(values, 2, fade)
    assert torch.allclose(made[0], 2.0 * fade[0].expand(-1, 2)) and torch.equal(made[1], values[1])
    assert turned(values[:, :1], 2, fade).shape == (2, 200, 2)


def test_one_hot_learns_from_whole_emotions_only(corpus, encoder):
    made = takes(corpus, encoder)
    settings = read_settings("one_hot", ["batch=2", "size=tiny"])
    size = choose_size("tiny", settings.prior, content=encoder.width).expression
    loss = ExpressionLoss(ExpressionGenerator(size, encoder.width, len(SPEAKERS)), made, settings)
    rows, clips = loss.whole.unbind(1)
    shares = labels(made.emotion, made.strength)
    assert 0 < len(rows) < shares.shape[0] * shares.shape[1], "weak and mixed ones are among these takes, too"
    assert (shares[rows, clips].amax(-1) == 1.0).all()
    assert torch.isfinite(loss(3)[0])


def test_one_hot_without_a_whole_emotion_says_what_to_do(corpus, encoder):
    """Recordings may hold weak emotions only."""
    made = takes(corpus, encoder)
    weak = replace(made, emotion=torch.eye(K)[EMOTIONS.index("happy")].expand_as(made.emotion),
                   strength=torch.full_like(made.strength, LEVELS[0]))  # fmt: skip
    settings = read_settings("one_hot", ["batch=2", "size=tiny"])
    size = choose_size("tiny", settings.prior, content=encoder.width).expression
    face = ExpressionGenerator(size, encoder.width, len(SPEAKERS))
    with pytest.raises(ConfigError, match=r"at level 3.*set blends = true"):
        ExpressionLoss(face, weak, settings)
    one = weak.strength.clone()
    one[1, 0] = 1.0
    assert ExpressionLoss(face, replace(weak, strength=one), settings).whole.tolist() == [[1, 0]]
    assert ExpressionLoss(face, weak, settings.model_copy(update={"blends": True})).whole is None


def test_both_trainings_make_what_the_stage_loads(corpus, encoder, tmp_path, capsys):
    """From nothing to a talking face; a run that goes on writes what an unbroken one would have written."""
    common = ["--corpus", str(corpus), *TINY]
    expression = [*common, "--run", str(tmp_path / "run" / "e"), "--set", "minutes=5"]
    expression_training.main([*expression, "--out", str(tmp_path / "expression.safetensors"), "--set", "steps=6"])
    figures = json.loads("{" + capsys.readouterr().out.rpartition("\n{")[2])
    assert set(figures) == {"accuracy", "of_truth", "error", "range", "jaw"}
    motion = [*common, "--run", str(tmp_path / "run" / "m"), "--set", "steps=4"]
    motion_training.main([*motion, "--out", str(tmp_path / "motion.safetensors")])
    for name in ("run/e/curves.png", "run/m/wide/curves.png", "run/m/adapted/curves.png", "motion.md"):
        assert (tmp_path / name).is_file(), name
    assert "batch = 4" in (tmp_path / "expression.md").read_text(encoding="utf-8")

    config = load_config(None, ["motion.emotion=happy", "motion.performer=otto", "motion.lookahead_ticks=2"])
    stage = build(config, tmp_path)
    assert stage.made_for == fingerprint(encoder) and stage.lookahead == 2
    spoken = fold(stage, _features(0, 1, 12), seed=1)
    assert torch.isfinite(spoken).all()
    state = stage.init_state(1)
    assert state.mix[0, EMOTIONS.index("happy")] == 1.0 and state.head.speaker.item() == SPEAKERS.index("otto")
    with pytest.raises(ConfigError, match="performer = 'nobody'"):
        build(load_config(None, ["motion.performer=nobody"]), tmp_path)


def test_a_resumed_run_is_an_unbroken_one(corpus, encoder, tmp_path):
    def weights(name: str, *stops: int) -> dict:
        out = tmp_path / f"{name}.safetensors"
        for steps in stops:
            options = ["--corpus", str(corpus), *TINY, "--run", str(tmp_path / "run" / name), "--out", str(out)]
            # far from its end, so that the rate does not fall differently
            settings = ["--set", "minutes=1e6", "--set", f"steps={steps}", "--set", "rate=1e-3"]
            expression_training.main([*options, *settings])
        return read_checkpoint(out, "gmtalker-expression")[1]

    whole, broken = weights("whole", 6), weights("broken", 3, 6)
    assert all(torch.allclose(whole[name], broken[name], atol=2e-3) for name in whole)


def test_weights_of_another_encoder_are_refused(tmp_path):
    from tests.test_gmtalker import tiny_motion

    stage = tiny_motion()
    width = stage.expression.decoder.ear.take.in_features - 2
    save_generator(stage.expression, tmp_path / "expression.safetensors", "aaa", ("one", "two"), width)
    save_generator(stage.head, tmp_path / "motion.safetensors", "bbb", ("one", "two"), width)
    with pytest.raises(WeightsError, match="different speech encoders"):
        build(load_config(), tmp_path)
    with pytest.raises(WeightsError, match="which `visema train gmtalker"):
        build(load_config(), tmp_path / "elsewhere")


def test_a_motion_loss_learns(corpus, encoder):
    """The loss on a few performances falls; adapting begins where strangers ended."""
    few, settings = takes(corpus, encoder), Settings(size="tiny", batch=4, rate=3e-3, dropout=0.0)
    size = choose_size("tiny", content=encoder.width)
    torch.manual_seed(0)
    head = motion_training.MotionGenerator(size.motion, size.content, len(SPEAKERS))
    head.deviation.copy_(few.wide.float().flatten(0, 2).std(0).clamp(min=1e-3))
    loss = motion_training.MotionLoss(head, few, settings, wide=True)
    optimizer = torch.optim.Adam(loss.parameters(), 3e-3)
    seen = []
    for step in range(60):
        total, figures = loss(step)
        assert set(figures) == {"rec", "kl", "velocity"}
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        seen.append(figures["rec"])
    assert np.mean(seen[-10:]) < 0.8 * np.mean(seen[:10])
    motion_training.introduce(head)
    assert torch.equal(head.decoder.speaker.weight[0], head.decoder.speaker.weight[-1])
    figures = motion_training.judge(head, few, True)
    assert np.isfinite(list(figures.values())).all() and "diversity" in figures


def test_the_adaptation_sees_one_performer(corpus, encoder):
    few = takes(corpus, encoder)
    name = SPEAKERS[few.performer[0, 0]]
    among = motion_training.chosen_takes(few, SPEAKERS, Settings(performer=name, adapt_voices=2))
    assert among is not None and (among[:, 0] < 2).all()
    assert (few.performer[among[:, 0], among[:, 1]] == SPEAKERS.index(name)).all()
    assert motion_training.chosen_takes(few, SPEAKERS, Settings()) is None
    with pytest.raises(ConfigError, match="performances have"):
        motion_training.chosen_takes(few, SPEAKERS, Settings(performer="nobody"))
