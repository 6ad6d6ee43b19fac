"""The picture that brows wear: single hairs with soft skin between them, painted by formula."""

import numpy as np

BROW_SIZE = (96, 512)  # across from below, along from the nose outwards
BROW_M = 0.046  # length of a brow
_HAIRS = 420


def paint_brow(step: int = 1, seed: int = 4) -> np.ndarray:
    """Hairs over (across, along), uint8 (96 / step, 512 / step, 4): tone of the hair, opacity, none, none.

    Near the nose hairs stand up, further out they lie down towards the temple and meet along a line. step: how many
    columns become one, for pictures that cannot show single hairs.
    """
    rng = np.random.default_rng(seed)
    height, width = BROW_SIZE
    cover, tone = np.zeros(BROW_SIZE), np.zeros(BROW_SIZE)
    rows, columns = np.mgrid[0:height, 0:width]
    flow = np.linspace(0, 1, 28)
    for _ in range(_HAIRS):
        a, b = rng.beta(1.15, 1.1), rng.uniform(0.10, 0.80)
        b = 0.5 + (b - 0.5) * np.interp(a, (0.0, 0.1, 0.7, 1.0), (0.65, 0.9, 1.0, 0.7))
        # How far a hair leans from upright, in radians: rows that grow from above lean over earlier.
        lean = np.interp(a, (0.0, 0.12, 0.4, 1.0), (-0.15, 0.35, 1.05, 1.45)) + 0.75 * (b - 0.35) + rng.normal(0, 0.10)
        length = rng.uniform(0.7, 1.15) * np.interp(a, (0.0, 0.2, 0.7, 1.0), (46, 66, 72, 48))
        bent = lean + rng.uniform(0.15, 0.45) * flow
        x = a * (width - 40) + 12 + np.cumsum(np.sin(bent)) * length / len(flow)
        y = b * height + np.cumsum(np.cos(bent)) * length * 0.62 / len(flow)
        thick, strong, light = rng.uniform(1.1, 1.7), rng.uniform(0.55, 1.0), rng.uniform(0.65, 1.25)
        low, high, left, right = int(y.min()) - 4, int(y.max()) + 5, int(x.min()) - 4, int(x.max()) + 5
        part = (slice(max(low, 0), max(high, 0)), slice(max(left, 0), max(right, 0)))
        gap = (rows[part][..., None] - y) ** 2 + (columns[part][..., None] - x) ** 2
        slim = thick * (1.05 - 0.75 * flow)
        hair = (np.exp(-gap / (2 * slim**2)) * (1 - 0.6 * flow)).max(-1) if gap.size else np.zeros(gap.shape[:2])
        cover[part] += 1.5 * strong * hair
        tone[part] += 1.5 * strong * light * hair
    tone = tone / np.maximum(cover, 1e-6)
    edge = np.clip(np.minimum(rows, height - 1 - rows) / 7, 0, 1)
    edge *= np.clip(np.minimum(columns / 10, (width - 1 - columns) / 30), 0, 1)
    opacity = (1 - np.exp(-1.15 * cover - 0.30 * np.clip(cover * 2, 0, 1))) * edge
    picture = np.stack([0.5 * np.where(cover > 1e-3, tone, 1.0), opacity, 0 * tone, 0 * tone], -1)
    picture[..., 0] *= np.maximum(opacity, 1e-3)  # so that hairs, not gaps, decide the mean tone
    small = picture.reshape(height // step, step, width // step, step, 4).mean((1, 3))
    small[..., 0] /= np.maximum(small[..., 1], 1e-3)
    return np.clip(small * 255 + 0.5, 0, 255).astype(np.uint8)
