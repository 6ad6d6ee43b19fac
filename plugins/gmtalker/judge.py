"""Reads the emotion off a clip of expression coefficients: a linear discriminant on means and deviations over time.

For figures while training. The classifier that the plugin's evidence rests on is another one.
"""

import torch

from engine.motion import layout
from engine.motion.emotion import NEUTRAL, K

RIDGE = 0.1  # share of the mean variance added to every variance


def plain_to_see(emotion: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    """Which performances (...) show one emotion, and not weakly: weights (..., K), strengths (...)."""
    return (emotion.amax(-1) == 1.0) & ((strength > 0.6) | (emotion[..., NEUTRAL] == 1.0))


class EmotionJudge:
    """Learned from performances (N, R, T, E), their emotions (N, R, K) and strengths (N, R), as far as these are
    `plain_to_see`."""

    def __init__(self, values: torch.Tensor, emotion: torch.Tensor, strength: torch.Tensor):
        strong = plain_to_see(emotion, strength)
        x, y = self.summary(values.flatten(0, 1)[strong.flatten()].float()), emotion[strong].argmax(-1)
        self.mean, self.deviation = x.mean(0), x.std(0).clamp(min=1e-3)
        x = (x - self.mean) / self.deviation
        means = torch.stack([x[y == k].mean(0) if (y == k).any() else torch.zeros(x.shape[1]) for k in range(K)])
        rest = x - means[y]
        spread = rest.T @ rest / len(rest)
        spread += RIDGE * spread.diagonal().mean() * torch.eye(len(spread))
        self.weights = torch.linalg.solve(spread, means.T)
        self.offset = -0.5 * (means.T * self.weights).sum(0)

    def summary(self, values: torch.Tensor) -> torch.Tensor:
        """Clips (N, T, E) -> (N, 2 E)."""
        values = values[..., : layout.E]
        return torch.cat((values.mean(1), values.std(1)), -1)

    def scores(self, values: torch.Tensor) -> torch.Tensor:
        """Probabilities (N, K) of clips (N, T, E)."""
        x = (self.summary(values) - self.mean) / self.deviation
        return (x @ self.weights + self.offset).softmax(-1)

    def accuracy(self, values: torch.Tensor, emotion: torch.Tensor) -> float:
        """Share of clips (N, T, E) whose emotion (N,) is read right."""
        return (self.scores(values).argmax(-1) == emotion).float().mean().item()
