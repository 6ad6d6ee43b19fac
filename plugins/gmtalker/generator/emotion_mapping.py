"""The Emotion Mapping Network (section 3.4): a latent and an emotion become the style code of the generator."""

import torch
from torch import nn

SLOPE = 0.2


class EmotionMapping(nn.Module):
    """s = M_k(z): two shared layers, then a head for each emotion (after StarGAN v2, as the paper says).

    z is a number of the person's, learned with the rest: one video, one style. Mixtures of emotions mix the codes by
    their weights, as eq. 12 mixes latents, so that codes move as smoothly as the expressions do.
    """

    def __init__(self, style: int, width: int, heads: int):
        super().__init__()
        self.latent = nn.Parameter(torch.randn(width))
        self.shared = nn.Sequential(
            nn.Linear(width, width), nn.LeakyReLU(SLOPE), nn.Linear(width, width), nn.LeakyReLU(SLOPE)
        )
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Linear(width, width), nn.LeakyReLU(SLOPE), nn.Linear(width, style)) for _ in range(heads)
        )

    def codes(self) -> torch.Tensor:
        """One style code for each head, (K, D)."""
        z = self.latent * torch.rsqrt(self.latent.square().mean() + 1e-8)  # as StyleGAN normalises its latents
        shared = self.shared(z)
        return torch.stack([head(shared) for head in self.heads])

    def forward(self, shares: torch.Tensor) -> torch.Tensor:
        """shares (S, K) of the emotions, sum 1 -> style codes (S, D); with one head, its code for all."""
        codes = self.codes()
        return (shares[..., None] * codes).sum(1) if len(codes) > 1 else codes.expand(len(shares), -1)
