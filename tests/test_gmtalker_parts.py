"""What GMTalker's training is made of: labels, the taught past, the judge, settings, curves; paper size learns."""

import pytest
import torch

from engine.errors import ConfigError
from engine.frames import SpeechFeatures
from engine.motion import layout
from engine.motion.emotion import K
from engine.training.run_log import RunLog
from plugins.gmtalker import motion_training
from plugins.gmtalker.data import labels
from plugins.gmtalker.expression import ExpressionGenerator, ExpressionWeights, reconstruction
from plugins.gmtalker.judge import EmotionJudge
from plugins.gmtalker.rollout import roll_out, taught_past
from plugins.gmtalker.settings import FOLDER, Settings, read_settings
from plugins.gmtalker.sizes import choose_size


def test_labels_are_shares():
    made = labels(torch.eye(K)[torch.tensor([[0, 5]])], torch.tensor([[0.45, 0.45]]))
    assert made[0, 0, 0] == pytest.approx(0.45) and made[0, 0, 5] == pytest.approx(0.55) and made[0, 1, 5] == 1.0


def test_teaching_hears_itself_and_begins_with_the_speaker():
    """Late in training most of the past is the decoder's own; the first tick is the speaker's start, and it learns."""
    size = choose_size("tiny", content=10).expression
    face, settings = ExpressionGenerator(size, 10, 2), Settings(past_noise=0.0, past_drop=0.0, passes=2)
    values, speaker = torch.ones(40, 9, size.values), torch.tensor([0, 1] * 20)

    def say(past: torch.Tensor) -> torch.Tensor:
        return torch.full_like(past, 7.0)

    random = torch.Generator().manual_seed(0)
    early = taught_past(face.decoder, say, values, speaker, settings, 0, random)
    assert torch.equal(early[:, 1:], values[:, 1:]) and torch.equal(early[:, 0], face.decoder.start(speaker))
    late = torch.stack([taught_past(face.decoder, say, values, speaker, settings, 10**6, random) for _ in range(8)])
    assert 0.4 < (late[:, :, 1:] == 7.0).float().mean() < 0.95
    late.sum().backward()
    assert face.decoder.start.weight.grad is not None
    torn = taught_past(face.decoder, say, values, speaker, Settings(past_noise=0.0, past_drop=1.0, passes=0), 0, random)
    assert 0.2 < (torn[:, 1:] == 0.0).float().mean() < 0.8


@pytest.mark.parametrize("lookahead", [0, 2])
def test_a_roll_out_feeds_itself(lookahead):
    from tests.test_gmtalker import speech, tiny_motion

    face = tiny_motion().expression
    heard, z, speaker = speech(3, 12), torch.randn(3, face.size.latent), torch.tensor([0, 1, 0])
    said = roll_out(face.decoder, z, heard, speaker, lookahead)
    past = torch.nn.functional.pad(face.decoder.shifted(said, speaker), (0, 0, 0, lookahead))
    again = face.decoder(past, z[:, None], heard, speaker, lookahead)[:, : 12 - lookahead]
    assert (said - again).abs().max() < 1e-4


def test_the_judge_reads_emotions_it_knows():
    torch.manual_seed(0)
    faces, emotion = torch.rand(K, layout.E), torch.arange(K).repeat(12)
    clips = (faces[emotion][:, None] + 0.2 * torch.randn(12 * K, 30, layout.E))[:, None]
    judge = EmotionJudge(clips[: 8 * K], torch.eye(K)[emotion[: 8 * K, None]], torch.ones(8 * K, 1))
    assert judge.accuracy(clips[8 * K :, 0], emotion[8 * K :]) > 0.9
    half = 0.5 * (clips[:1, 0] + clips[1:2, 0])
    assert judge.scores(half)[0, :2].sum() > 0.8


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.toml")), ids=lambda path: path.stem)
def test_every_configuration_is_read(path):
    settings = read_settings(path.stem)
    choose_size(settings.size, settings.prior, settings.flow)
    assert read_settings(path, ["seed=3"]).seed == 3


def test_wrong_settings_are_named(tmp_path):
    for overrides, said in ((["batches=3"], "batches"), (["batch=0"], "batch"), (["prior=cubic"], "prior")):
        with pytest.raises(ConfigError, match=said):
            read_settings(None, overrides)
    with pytest.raises(ConfigError, match="no_flow"):
        read_settings("nowhere")


def test_paper_size_trains_a_step():
    """At the paper's size, on a short excerpt: gradients are finite, and a tick of it streams."""
    torch.manual_seed(0)
    size = choose_size("paper", content=32)
    face = ExpressionGenerator(size.expression, 32)
    heard = SpeechFeatures(torch.randn(1, 6, 2, 32), torch.randn(1, 6, 2), torch.rand(1, 6, 2))
    values, speaker, label = torch.randn(1, 6, layout.E), torch.zeros(1, dtype=torch.int64), torch.eye(K)[:1]
    noise = torch.randn(1, size.expression.source + size.expression.latent)
    z, parts = face.encode(values, heard, torch.eye(K)[:1], torch.ones(1), noise, ExpressionWeights())
    said = face.decode(face.decoder.shifted(values, speaker), z, heard, speaker, 1, label)
    (reconstruction(said, values) + sum(parts.values())).mean().backward()
    assert all(torch.isfinite(p.grad).all() for p in face.parameters() if p.grad is not None)
    assert torch.isfinite(roll_out(face.eval().decoder, z.detach(), heard, speaker, 1)).all()
    head = motion_training.MotionGenerator(size.motion, 32)
    latents, divergence = head.encode(torch.randn(1, 6, 12), heard, torch.randn(1, 6, size.motion.latent))
    said = head.decode(torch.randn(1, 6, 12), latents, heard, speaker, 1, label)
    (said.square().mean() + divergence.mean()).backward()
    assert all(torch.isfinite(p.grad).all() for p in head.parameters() if p.grad is not None)


def test_curves_are_drawn(tmp_path):
    log = RunLog(tmp_path)
    for step in (0, 20, 20, 40):
        log.write(step, {"rec": 1.0 / (1 + step)})
    log.write(40, {"accuracy": 0.5}, "valid")
    assert [step for step, _ in log.rows("train")] == [0, 20, 40]
    log.draw(tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size > 1_000
