"""t-SNE (van der Maaten and Hinton 2008), exact, for some hundreds of points: a picture of a latent space."""

import numpy as np

EXAGGERATION, EARLY, STEPS, RATE = 12.0, 150, 600, 100.0
TRIES, CLOSE = 60, 1e-5


def neighbours(points: np.ndarray, perplexity: float) -> np.ndarray:
    """Conditional probabilities p(j | i) (N, N), each row with the entropy log(perplexity)."""
    apart = np.square(points[:, None] - points[None]).sum(-1)
    out = np.zeros_like(apart)
    for i, row in enumerate(apart):
        others = np.delete(row, i)
        others = others - others.min()
        low, high, sharpness = 0.0, np.inf, 1.0 / max(others.mean(), 1e-12)
        for _ in range(TRIES):
            weights = np.exp(-others * sharpness)
            share = weights / weights.sum()
            excess = -(share * np.log(np.maximum(share, 1e-300))).sum() - np.log(perplexity)
            if abs(excess) < CLOSE:
                break
            low, high = (sharpness, high) if excess > 0 else (low, sharpness)
            sharpness = 2.0 * sharpness if np.isinf(high) else 0.5 * (low + high)
        out[i, np.arange(len(row)) != i] = share
    return out


def tsne(points: np.ndarray, perplexity: float = 30.0, seed: int = 0) -> np.ndarray:
    """Places (N, 2) on a plane for points (N, D), near ones together. Seeded."""
    points = np.asarray(points, np.float64)
    count = len(points)
    wanted = neighbours(points, min(perplexity, max((count - 1) / 3.0, 1.0)))
    wanted = np.maximum((wanted + wanted.T) / (2.0 * count), 1e-12)
    draw = np.random.default_rng(seed)
    at, speed, gain = 1e-4 * draw.standard_normal((count, 2)), np.zeros((count, 2)), np.ones((count, 2))
    for step in range(STEPS):
        near = 1.0 / (1.0 + np.square(at[:, None] - at[None]).sum(-1))
        np.fill_diagonal(near, 0.0)
        pull = (wanted * (EXAGGERATION if step < EARLY else 1.0) - near / near.sum()) * near
        slope = 4.0 * (pull.sum(1)[:, None] * at - pull @ at)
        gain = np.maximum(np.where(np.sign(slope) == np.sign(speed), 0.8 * gain, gain + 0.2), 0.01)
        speed = (0.5 if step < EARLY else 0.8) * speed - RATE * gain * slope
        at = at + speed
        at = at - at.mean(0)
    return at
