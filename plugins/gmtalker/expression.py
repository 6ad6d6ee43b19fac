"""GMEG, the Gaussian mixture expression generator (section 3.2): a VAE whose prior is a mixture, one part an emotion.

Training encodes a performance into q(w) and q(z), and decodes z again; speaking draws w from N(0, I), lets the mapper
make one z of every emotion, and mixes them by weights (eq. 12).
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from engine.frames import SpeechFeatures
from engine.motion.emotion import NEUTRAL, K
from plugins.gmtalker import mixture as gm
from plugins.gmtalker.decoder import AutoregressiveDecoder
from plugins.gmtalker.mixture import Gaussian, MixtureMapper, split_gaussian
from plugins.gmtalker.posterior import PosteriorTrunk
from plugins.gmtalker.sizes import ExpressionSize


@dataclass(frozen=True)
class ExpressionWeights:
    """Weights of the losses (appendix A.2); label: ours, see `mixture`."""

    rec: float = 1.0
    cond: float = 0.5
    source: float = 0.5
    emotion: float = 0.5
    label: float = 4.0


class ExpressionPosterior(nn.Module):
    """The encoder (eq. 4): values and speech -> q(w), q(z), each from an average over time."""

    def __init__(self, size: ExpressionSize, content: int, dropout: float = 0.0):
        super().__init__()
        self.trunk = PosteriorTrunk(size.decoder, size.encoder_layers, size.values, content, dropout)
        self.to_source = nn.Linear(size.decoder.width, 2 * size.source)
        self.to_latent = nn.Linear(size.decoder.width, 2 * size.latent)

    def forward(self, values: torch.Tensor, speech: SpeechFeatures) -> tuple[Gaussian, Gaussian]:
        h = self.trunk(values, speech).mean(1)
        return split_gaussian(self.to_source(h)), split_gaussian(self.to_latent(h))


class ExpressionGenerator(nn.Module):
    """Mapper and decoder speak; the posterior, where there is one, teaches them.

    mean, deviation: (V,) of the coefficients, so that the decoder says numbers of about the same size.
    """

    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(self, size: ExpressionSize, content: int, speakers: int = 1, dropout: float = 0.0):
        super().__init__()
        self.size = size
        latent = 0 if size.prior == "onehot" else size.latent
        condition = K if size.prior in ("labelled", "onehot") else 0
        self.decoder = AutoregressiveDecoder(
            size.decoder, size.values, latent, content, speakers, condition, dropout
        )
        self.mapper, self.posterior = None, None
        if latent:
            self.mapper = MixtureMapper(
                size.source, latent, size.components, size.mapper_width, size.mapper_layers
            )
            self.posterior = ExpressionPosterior(size, content, dropout)
        self.register_buffer("mean", torch.zeros(size.values))
        self.register_buffer("deviation", torch.ones(size.values))

    def scaled(self, values: torch.Tensor) -> torch.Tensor:
        """Coefficients as the decoder says them."""
        return (values - self.mean) / self.deviation

    def coefficients(self, scaled: torch.Tensor) -> torch.Tensor:
        """The other way round."""
        return scaled * self.deviation + self.mean

    def encode(
        self, scaled: torch.Tensor, speech: SpeechFeatures, weights: torch.Tensor, intensity: torch.Tensor,
        noise: torch.Tensor, losses: ExpressionWeights,
    ) -> tuple[torch.Tensor | None, dict[str, torch.Tensor]]:  # fmt: skip
        """z (B, Z) of a performance as the decoder hears it, and what it costs, each (B,): eq. 8, 10, 11 and the label.

        weights: of the emotions (B, K), at an intensity (B,). noise: standard normal (B, W + Z), the one sample.
        """
        if self.posterior is None or self.mapper is None:
            return None, {}
        q_w, q_z = self.posterior(scaled, speech)
        w = q_w.sample(noise[:, : self.size.source])
        z = q_z.sample(noise[:, self.size.source :])
        mixture, shares = self.mapper(w), gm.component_weights(weights, intensity, NEUTRAL)
        if self.size.components == 1:
            shares = torch.ones_like(intensity)[:, None]
        heard = q_z.mean + self.size.noise * (z - q_z.mean)
        pi, pure = gm.responsibilities(z, mixture), (shares.amax(-1) == 1.0).float()
        return heard, {
            "cond": losses.cond * gm.conditional_term(z, q_z, gm.mixed(mixture, shares)),
            "w": losses.source * gm.source_term(q_w),
            "emo": losses.emotion * gm.emotion_term(pi),
            "label": losses.label * pure * gm.label_term(z, mixture, shares),
        }

    @torch.no_grad()
    def components(self, w: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """One z of every emotion as the decoder hears it, (S, K, Z): w (S, W) and noise (S, Z) are standard normal.

        All share the noise: then a mixture of them is as far from its middle as each of them is from its own.
        """
        assert self.mapper is not None, "the one-hot decoder has no latent"
        return self.mapper(w).sample(self.size.noise * noise[:, None])

    def decode(
        self, past: torch.Tensor, z: torch.Tensor | None, speech: SpeechFeatures, speaker: torch.Tensor,
        lookahead: int, label: torch.Tensor,
    ) -> torch.Tensor:  # fmt: skip
        """Scaled values (B, T, V), given what is before each tick (B, T, V); z, label: of the clip or of every tick."""
        latent = z[:, None] if z is not None and z.ndim == 2 else z
        condition = None
        if self.decoder.take_condition is not None:
            condition = label[:, None] if label.ndim == 2 else label
        return self.decoder(past, latent, speech, speaker, lookahead, condition)


def reconstruction(said: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Squared error (B,) of scaled values (B, T, V), summed over values, mean over time."""
    return F.mse_loss(said, wanted, reduction="none").sum(-1).mean(-1)
