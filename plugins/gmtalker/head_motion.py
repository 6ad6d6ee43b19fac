"""NFMG, the normalizing-flow motion generator (section 3.3): head, eyes and lids from speech, another way each time.

A VAE with a latent for every tick, whose prior is a Transformer flow of Gaussian noise. While speaking, noise is drawn
tick by tick, the flow makes latents of it, and the autoregressive decoder makes motion of them and the speech.
"""

import torch
from torch import nn

from engine.frames import SpeechFeatures
from engine.motion.emotion import K
from engine.torchkit.coupling import TransformerFlow
from plugins.gmtalker.decoder import AutoregressiveDecoder
from plugins.gmtalker.mixture import split_gaussian
from plugins.gmtalker.posterior import PosteriorTrunk
from plugins.gmtalker.sizes import MotionSize


class MotionPosterior(nn.Module):
    """The encoder: motion and speech -> q(z') of every tick, by one linear layer behind the trunk."""

    def __init__(self, size: MotionSize, content: int, dropout: float = 0.0):
        super().__init__()
        self.trunk = PosteriorTrunk(size.decoder, size.encoder_layers, size.values, content, dropout)
        self.answer = nn.Linear(size.decoder.width, 2 * size.latent)

    def forward(self, values: torch.Tensor, speech: SpeechFeatures):
        return split_gaussian(self.answer(self.trunk(values, speech)))


class MotionGenerator(nn.Module):
    """Flow and decoder speak; the posterior teaches them. The emotion's shares are an input of every tick (ours).

    mean, deviation: (V,) of the motion numbers, so that the decoder says numbers of about the same size.
    """

    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(self, size: MotionSize, content: int, speakers: int = 1, dropout: float = 0.0):
        super().__init__()
        self.size = size
        self.flow = TransformerFlow(
            size.latent, size.steps, size.flow_width, size.flow_layers, size.flow_heads, size.flow_context
        )
        self.decoder = AutoregressiveDecoder(
            size.decoder, size.values, size.latent, content, speakers, K, dropout
        )
        self.posterior = MotionPosterior(size, content, dropout)
        self.register_buffer("mean", torch.zeros(size.values))
        self.register_buffer("deviation", torch.ones(size.values))

    def scaled(self, values: torch.Tensor) -> torch.Tensor:
        """Motion numbers as the decoder says them."""
        return (values - self.mean) / self.deviation

    def numbers(self, scaled: torch.Tensor) -> torch.Tensor:
        """The other way round."""
        return scaled * self.deviation + self.mean

    def encode(
        self, scaled: torch.Tensor, speech: SpeechFeatures, noise: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Latents z' (B, T, Z) of a performance, and their divergence from the prior (B, T), by one sample (eq. 15)."""
        posterior = self.posterior(scaled, speech)
        latents = posterior.sample(noise)
        return latents, posterior.log_prob(latents) - self.flow.log_prob(latents)

    def decode(
        self, past: torch.Tensor, latents: torch.Tensor, speech: SpeechFeatures, speaker: torch.Tensor,
        lookahead: int, label: torch.Tensor,
    ) -> torch.Tensor:  # fmt: skip
        """Scaled values (B, T, V), given what is before each tick (B, T, V)."""
        return self.decoder(past, latents, speech, speaker, lookahead, label[:, None])


def velocity_loss(said: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """The velocity term (B,): squared error of the steps between ticks, summed over values, mean over time."""
    return (said.diff(dim=1) - wanted.diff(dim=1)).square().sum(-1).mean(-1)
