"""GMTalker's equations: responsibilities, divergences, mixtures, losses; and its sizes."""

import pytest
import torch

from engine.errors import ConfigError
from engine.frames import SpeechFeatures
from engine.motion.emotion import EMOTIONS, NEUTRAL, K, make_emotion
from plugins.gmtalker import mixture as gm
from plugins.gmtalker.expression import ExpressionGenerator, ExpressionWeights
from plugins.gmtalker.mixture import Gaussian, MixtureMapper
from plugins.gmtalker.sizes import choose_size

HAPPY = EMOTIONS.index("happy")
SAD = EMOTIONS.index("sad")


def test_responsibilities_are_bayes():
    torch.manual_seed(1)
    z, mixture = torch.randn(5, 3), Gaussian(torch.randn(5, 4, 3), torch.randn(5, 4, 3))
    likelihood = torch.distributions.Independent(
        torch.distributions.Normal(mixture.mean, (0.5 * mixture.log_variance).exp()), 1
    ).log_prob(z[:, None])
    expected = likelihood.exp() / likelihood.exp().sum(-1, keepdim=True)
    assert torch.allclose(gm.responsibilities(z, mixture), expected, atol=1e-5)


def test_divergences_against_torch_distributions():
    torch.manual_seed(2)
    posterior = Gaussian(torch.randn(4, 3), 0.3 * torch.randn(4, 3))
    normal_q = torch.distributions.Normal(posterior.mean, (0.5 * posterior.log_variance).exp())
    standard = torch.distributions.Normal(torch.zeros(3), torch.ones(3))
    assert torch.allclose(
        gm.source_term(posterior), torch.distributions.kl_divergence(normal_q, standard).sum(-1), atol=1e-5
    )
    pi = torch.randn(4, K).softmax(-1)
    categorical = torch.distributions.Categorical(pi)
    uniform_k = torch.distributions.Categorical(torch.full((4, K), 1.0 / K))
    assert torch.allclose(gm.emotion_term(pi), torch.distributions.kl_divergence(categorical, uniform_k), atol=1e-5)
    # eq. 8 with all weight on one component is a one-sample estimate of an ordinary divergence
    mixture = Gaussian(torch.randn(1, K, 3), torch.zeros(1, K, 3))
    one = Gaussian(posterior.mean[:1], posterior.log_variance[:1])
    z = one.sample(torch.randn(40_000, 3))
    label = torch.nn.functional.one_hot(torch.tensor([HAPPY]), K).float()
    estimate = gm.conditional_term(z, one, gm.mixed(mixture, label)).mean()
    exact = torch.distributions.kl_divergence(
        torch.distributions.Normal(one.mean, (0.5 * one.log_variance).exp()),
        torch.distributions.Normal(mixture.mean[:, HAPPY], 1.0),
    ).sum()
    assert estimate.item() == pytest.approx(exact.item(), rel=0.02)


def test_mixtures_lie_between():
    mapper = MixtureMapper(4, 6, K, 16, 1)
    means = mapper(torch.randn(3, 4)).mean
    shares = gm.component_weights(torch.tensor([make_emotion({"happy": 1, "sad": 1}).weights]), torch.tensor([1.0]), 5)
    middle = gm.mix(means, shares.expand(3, -1))
    assert torch.allclose(middle, 0.5 * (means[:, HAPPY] + means[:, SAD]), atol=1e-6)
    # what sampling and mixing with shared noise gives is what `mixed` says
    few = mapper(torch.randn(1, 4))
    drawn = gm.mix(few.sample(torch.randn(20_000, 1, 6)), shares.expand(20_000, -1))
    said = gm.mixed(few, shares)
    assert (drawn.mean(0) - said.mean[0]).abs().max() < 0.05
    assert (drawn.std(0) - (0.5 * said.log_variance[0]).exp()).abs().max() < 0.05
    none = gm.component_weights(torch.tensor([[1.0] + [0.0] * 7]), torch.tensor([0.0]), NEUTRAL)
    assert none[0, NEUTRAL] == 1.0 and none.sum() == 1.0


def test_the_four_losses_reach_every_part():
    """One training step's gradients arrive in encoder, mapper and decoder, each through its own term."""
    torch.manual_seed(0)
    size = choose_size("tiny", content=10).expression
    generator = ExpressionGenerator(size, 10)
    heard = SpeechFeatures(torch.randn(3, 9, 2, 10), torch.randn(3, 9, 2), torch.rand(3, 9, 2))
    values, label = torch.randn(3, 9, size.values), torch.eye(K)[:3]
    noise, felt = torch.randn(3, size.source + size.latent), (label, torch.tensor([0.45, 0.72, 1.0]))
    z, parts = generator.encode(values, heard, *felt, noise, ExpressionWeights())
    assert set(parts) == {"cond", "w", "emo", "label"} and all(part.shape == (3,) for part in parts.values())
    assert (parts["label"][:2] == 0.0).all() and parts["label"][2] > 0.0  # weak ones are not pushed outwards
    past = generator.decoder.shifted(values, torch.zeros(3, dtype=torch.int64))
    said = generator.decode(past, z, heard, torch.zeros(3, dtype=torch.int64), 1, label)
    (said.square().mean() + sum(parts.values()).mean()).backward()
    for part in (generator.posterior, generator.mapper, generator.decoder.layers):
        gradients = [p.grad for p in part.parameters()]
        assert all(g is not None and torch.isfinite(g).all() for g in gradients)
        assert max(g.abs().max() for g in gradients if g is not None) > 0


def test_sizes_are_named():
    with pytest.raises(ConfigError, match="small, paper, tiny"):
        choose_size("huge")
    paper = choose_size("paper")
    face = paper.expression
    assert (face.decoder.layers, face.encoder_layers, face.mapper_layers) == (8, 8, 8)
    assert paper.motion.flow_layers == 4 and choose_size("paper", flow=False).motion.steps == 0
    assert choose_size("small", "gaussian").expression.components == 1
