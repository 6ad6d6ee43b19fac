"""The pictures that the head wears: skin colour, iris. Painted by formula at start-up.

Colours are kept as the square root of linear light in 8 bits, so that a look-up is a square.
"""

import numpy as np

from engine.render.raster_numba import NumbaRasterizer
from engine.render.scene import Eyes

SKIN_SIZE = 1024
IRIS_SIZE = (64, 256)  # radius, angle
CLOTH_SIZE = 512
CLOTH_M = 0.30
CLOTH_SLOPE = 0.5  # slope that the map's full scale stands for


def linear(srgb: np.ndarray | tuple[float, ...]) -> np.ndarray:
    """sRGB 0..1 to linear light."""
    value = np.asarray(srgb, np.float64)
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def pack(colour: np.ndarray) -> np.ndarray:
    """Linear light to the 8-bit square root."""
    return np.clip(np.sqrt(np.clip(colour, 0, 1)) * 255 + 0.5, 0, 255).astype(np.uint8)


def noise(height: int, width: int, cells: tuple[int, int], seed: int) -> np.ndarray:
    """Smooth noise of mean 0 and deviation about 1, float32 (height, width), tiling both ways."""
    rows, columns = cells
    grid = np.random.default_rng(seed).standard_normal((rows, columns))
    y, x = np.arange(height) * rows / height, np.arange(width) * columns / width
    r, c = y.astype(int), x.astype(int)
    fy, fx = (y - r)[:, None], (x - c)[None]
    fy, fx = fy * fy * (3 - 2 * fy), fx * fx * (3 - 2 * fx)
    r1, c1 = (r + 1) % rows, (c + 1) % columns
    low = grid[np.ix_(r, c)] * (1 - fx) + grid[np.ix_(r, c1)] * fx
    high = grid[np.ix_(r1, c)] * (1 - fx) + grid[np.ix_(r1, c1)] * fx
    return ((low * (1 - fy) + high * fy) * 1.6).astype(np.float32)


def unwrap(uv: np.ndarray, rest: np.ndarray, triangles: np.ndarray, fields: np.ndarray) -> np.ndarray:
    """Per-vertex fields (V, K) as a picture over uv (size, size, K); the outermost layer wins."""
    import torch

    distance = np.linalg.norm(rest[:, [0, 2]] - [0.0, 0.02], axis=1)
    flat = uv[triangles]
    whole = np.ptp(flat[..., 0], axis=1) < 0.3  # not across the seam at the back
    clip = np.concatenate([uv * 2 - 1, 1 - 4 * distance[:, None], np.ones((len(uv), 1))], 1)
    kept = torch.from_numpy(np.ascontiguousarray(triangles[whole]))
    rasterizer = NumbaRasterizer()
    rast = rasterizer.rasterize(torch.from_numpy(clip.astype(np.float32)), kept, (SKIN_SIZE, SKIN_SIZE))
    return rasterizer.interpolate(torch.from_numpy(fields.astype(np.float32)), rast, kept).numpy()


def paint_iris(eyes: Eyes) -> np.ndarray:
    """Iris colour over (radius 0 pupil .. 1 rim, angle), uint8 (64, 256, 4); the fourth is unused."""
    radius = (np.arange(IRIS_SIZE[0])[:, None] + 0.5) / IRIS_SIZE[0]
    fibres = noise(*IRIS_SIZE, (3, 64), 6) + 0.7 * noise(*IRIS_SIZE, (5, 110), 7)
    ragged = radius + 0.05 * noise(*IRIS_SIZE, (1, 24), 8)
    inner = np.clip((0.62 - ragged) / 0.30, 0, 1)[..., None]
    outer = linear(eyes.outer)
    shade = outer + (linear(eyes.inner) - outer) * inner
    shade = shade * np.clip(1 + 0.30 * fibres[..., None], 0.3, 2.2)
    rim = np.clip((radius - 0.80) / 0.18, 0, 1)[..., None] ** 1.5
    shade = shade + (linear(eyes.rim) - shade) * rim
    return np.concatenate([pack(shade), np.full((*IRIS_SIZE, 1), 255, np.uint8)], -1)


def paint_cloth() -> np.ndarray:
    """Folds and weave of cloth, a tile of CLOTH_M metres, uint8 (512, 512, 4): slope along T and B, tone, none."""
    size = CLOTH_SIZE
    # Folds are long and lean; two families cross, one of them shallow.
    steep = noise(size, size, (3, 7), 20) + 0.45 * noise(size, size, (5, 13), 21)
    shallow = noise(size, size, (7, 4), 22)
    sheared = np.stack([np.roll(row, k) for k, row in enumerate(steep)])  # one turn over the tile: it still joins
    height = 0.0022 * sheared + 0.0012 * shallow
    step = 2 * CLOTH_M / size
    slope_t = (np.roll(height, -1, 1) - np.roll(height, 1, 1)) / step
    slope_b = (np.roll(height, -1, 0) - np.roll(height, 1, 0)) / step
    weave = noise(size, size, (220, 220), 23) + 0.6 * noise(size, size, (64, 200), 24)
    tone = 0.5 + 0.10 * weave + 0.10 * sheared
    maps = [slope_t / CLOTH_SLOPE * 0.5 + 128 / 255, slope_b / CLOTH_SLOPE * 0.5 + 128 / 255, tone, tone * 0]
    return np.clip(np.stack(maps, -1) * 255 + 0.5, 0, 255).astype(np.uint8)


def tone_table() -> np.ndarray:
    """Scene light 0..2 in 16384 steps to sRGB bytes: true below 0.45, then a soft shoulder to white."""
    light = np.linspace(0, 2, 16384)
    knee = 0.45
    over = np.maximum(light - knee, 0) / (1 - knee)
    shown = np.where(light < knee, light, knee + (1 - knee) * over / (1 + over**1.6) ** (1 / 1.6))
    srgb = np.where(shown <= 0.0031308, shown * 12.92, 1.055 * shown ** (1 / 2.4) - 0.055)
    return np.clip(srgb * 255 + 0.5, 0, 255).astype(np.uint8)
