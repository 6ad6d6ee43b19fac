"""The Gaussian mixture of GMEG: its mapper (eq. 5), responsibilities (eq. 9) and the three divergences (eq. 8 to 11).

Where the emotion label enters, the paper leaves open: eq. 8 and 9 alone would find clusters, but nobody could say
which is happy. Here a labelled example's responsibilities are its label's (what the posterior of e is once e is seen),
and a fourth term, the cross-entropy of the label under eq. 9, keeps the components apart. An emotion at intensity i is
what eq. 12 makes of i parts of it and 1 - i parts of neutral; weak and mixed examples are held against the Gaussian of
their shares, and the fourth term leaves them alone: it would push them outwards, and half a smile when speaking would
be less than half a smile.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from engine.torchkit.coupling import log_normal
from plugins.gmtalker.posterior import encoder_layers

MOST_LOG_VARIANCE = 4.0  # either way, of what a network says of a variance; 0 at the start


class Gaussian(NamedTuple):
    """A diagonal Gaussian: mean and log of the variance, (..., Z)."""

    mean: torch.Tensor
    log_variance: torch.Tensor

    def sample(self, noise: torch.Tensor) -> torch.Tensor:
        """The sample that standard normal `noise` stands for (Kingma and Welling 2014)."""
        return self.mean + torch.exp(0.5 * self.log_variance) * noise

    def log_prob(self, x: torch.Tensor) -> torch.Tensor:
        """(...)"""
        return log_normal(x, self.mean, self.log_variance)


def split_gaussian(x: torch.Tensor) -> Gaussian:
    """(..., 2 Z) -> mean and bounded log-variance."""
    mean, raw = x.chunk(2, -1)
    return Gaussian(mean, MOST_LOG_VARIANCE * torch.tanh(raw / MOST_LOG_VARIANCE))


class MixtureMapper(nn.Module):
    """w (B, W) -> K Gaussians of z, (B, K, Z): a token per component, Transformer layers, no positions (eq. 5)."""

    def __init__(self, source: int, latent: int, components: int, width: int, layers: int, heads: int = 4):
        super().__init__()
        self.take = nn.Linear(source, width)
        self.component = nn.Parameter(torch.randn(components, width))
        self.layers = encoder_layers(width, heads, 2 * width, layers)
        self.answer = nn.Linear(width, 2 * latent)

    def forward(self, w: torch.Tensor) -> Gaussian:
        return split_gaussian(self.answer(self.layers(self.take(w)[:, None] + self.component)))


def log_likelihoods(z: torch.Tensor, mixture: Gaussian) -> torch.Tensor:
    """log N(z; mu_k, Sigma_k) (B, K)."""
    return mixture.log_prob(z[:, None])


def responsibilities(z: torch.Tensor, mixture: Gaussian) -> torch.Tensor:
    """pi~ (B, K): the posterior of the emotion given z and w (eq. 9), all emotions being as likely before."""
    return log_likelihoods(z, mixture).softmax(-1)


def conditional_term(z: torch.Tensor, posterior: Gaussian, prior: Gaussian) -> torch.Tensor:
    """Eq. 8 by one sample (B,), once the label is known: log q(z) - log p(z | w, label); prior: see `mixed`."""
    return posterior.log_prob(z) - prior.log_prob(z)


def source_term(posterior: Gaussian) -> torch.Tensor:
    """Eq. 10 (B,): KL(q(w) || N(0, I))."""
    mean, log_variance = posterior
    return -0.5 * (log_variance - mean.square() - log_variance.exp() + 1.0).sum(-1)


def emotion_term(pi: torch.Tensor) -> torch.Tensor:
    """Eq. 11 (B,): KL(pi~ || uniform) = sum_k pi~_k (log pi~_k + log K)."""
    return (pi * (torch.log(pi.clamp(min=1e-12)) + torch.log(torch.tensor(float(pi.shape[-1]))))).sum(-1)


def label_term(z: torch.Tensor, mixture: Gaussian, label: torch.Tensor) -> torch.Tensor:
    """Cross-entropy (B,) of labels (B, K) under eq. 9; ours."""
    return -(label * F.log_softmax(log_likelihoods(z, mixture), -1)).sum(-1)


def mix(components: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Eq. 12 for any number of emotions: samples (S, K, Z) of the components, weights (S, K) -> z (S, Z)."""
    return (weights[..., None] * components).sum(1)


def mixed(components: Gaussian, shares: torch.Tensor) -> Gaussian:
    """The Gaussian (B, Z) of what `mix` makes of components (B, K, Z) that share their noise; shares (B, K)."""
    deviation = (shares[..., None] * torch.exp(0.5 * components.log_variance)).sum(1)
    return Gaussian((shares[..., None] * components.mean).sum(1), 2.0 * torch.log(deviation))


def component_weights(weights: torch.Tensor, intensity: torch.Tensor, neutral: int) -> torch.Tensor:
    """Shares (..., K) of the components for a mixture (..., K) at an intensity (...): the rest is neutral."""
    rest = F.one_hot(torch.tensor(neutral, device=weights.device), weights.shape[-1]).to(weights)
    return intensity[..., None] * weights + (1.0 - intensity[..., None]) * rest
