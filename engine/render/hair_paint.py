"""What hair is made of: its colour from pigment, and the picture of strands that shells and cards wear."""

import numpy as np

from engine.render.paint import linear
from engine.render.scene import Hair

TILES, TILE = 16, 32  # cards side by side in the picture, and the columns of each
ROWS = 128  # along the strand, root first
DENSE, MEDIUM, SPARSE, FUZZ = range(0, 8), range(8, 12), range(12, 15), 15  # tiles by how much they hide
LEVELS = 4  # pictures of half the detail each, for cards that are seen small or from the side
# Colour of a lit head of hair in sRGB by how much melanin it has: brown pigment alone, and red alone. Points of
# a hair chart; what lies between is mixed in the logarithm of light, as pigment does.
MELANIN = np.array([0.0, 0.12, 0.25, 0.40, 0.55, 0.75, 0.95, 1.0])
BROWN = np.array([(182, 180, 177), (186, 166, 136), (156, 131, 99), (122, 96, 71), (90, 67, 50), (57, 43, 35),
                  (27, 23, 22), (19, 17, 17)]) / 255.0  # fmt: skip
RED = np.array([(182, 180, 177), (192, 152, 117), (168, 112, 76), (144, 83, 53), (108, 58, 39), (72, 39, 31),
                (33, 23, 21), (20, 17, 17)]) / 255.0  # fmt: skip
WHITE = np.array([0.36, 0.352, 0.338])  # hair without pigment, linear
LOOK = 12  # numbers of `look`


def fibre_colour(melanin: float, red: float) -> np.ndarray:
    """Linear colour (3,) of a lit volume of hair: melanin 0 none .. 1 black, red share of pheomelanin."""
    brown, ginger = (
        np.array([np.interp(melanin, MELANIN, np.log(linear(chart[:, k]))) for k in range(3)]) for chart in (BROWN, RED)
    )
    return np.exp(brown + (ginger - brown) * red)


def root_colour(hair: Hair) -> np.ndarray | None:
    """Linear colour (3,) of what grows from the scalp; None where nothing does."""
    if hair.style == "none":
        return None
    return fibre_colour(hair.melanin, hair.red) * (1 - hair.grey) + WHITE * hair.grey


def look(hair: Hair) -> np.ndarray:
    """float32 (LOOK,) for `hair_shading`: colour (3), tint of the second lobe (3), of the first (1), grey share,
    its white (3), strength of the brows."""
    colour = fibre_colour(hair.melanin, hair.red)
    bright = float(colour @ [0.3, 0.6, 0.1])
    second = 0.55 * np.sqrt(colour) + 0.45 * colour
    first = 0.055 + 0.03 * bright
    return np.array([*colour, *second, first, hair.grey, *WHITE, hair.brows], np.float32)


def paint_strands(seed: int = 9) -> np.ndarray:
    """Strands over (along, across), uint8 (LEVELS, 128, 512, 4): light, which strand, shift of the shine, density.

    Across lie 16 tiles, one for a card each; a card's density falls to nothing at its sides and ragged tips. The
    last tile is fuzz without sides. The shell uses the first three numbers, which go on across tiles.
    """
    rng = np.random.default_rng(seed)
    width = TILES * TILE
    v = (np.arange(ROWS) + 0.5) / ROWS
    # Single hairs, bundles and locks; each comes to light, dives and comes up again along its way.
    hairs, bundles, locks = (_streaks(rng, width, cells, ups) for cells, ups in ((width, 14), (150, 7), (48, 4)))
    light = 0.5 + 0.62 * (hairs - 0.5) + 0.42 * (bundles - 0.5) + 0.42 * (locks - 0.5)
    shift = 0.5 + 0.55 * (hairs - 0.5) + 0.45 * (bundles - 0.5) + 0.40 * (locks - 0.5)
    density = np.concatenate([_tile(rng, v, number) for number in range(TILES)], 1)
    own = rng.random(width)
    broad = np.interp(np.arange(width), np.arange(0, width, 8), own[::8])
    smooth = 0.25 * np.roll(own, 1) + 0.5 * own + 0.25 * np.roll(own, -1)
    strand = np.broadcast_to(0.5 + 1.1 * (smooth - 0.5) + 0.2 * (broad - 0.5), light.shape)
    whole = np.stack([light, strand, shift, density], -1)
    grain = whole[:, FUZZ * TILE : (FUZZ + 1) * TILE]
    grain[..., 0] = 0.5 + 0.5 * (rng.random((ROWS // 4, TILE)).repeat(4, 0) - 0.5)
    grain[..., 1] = 0.5
    levels = [whole]
    for level in range(1, LEVELS):
        levels.append(_blurred(levels[-1], 1 << (level - 1)))
    return np.clip(np.stack(levels) * 255 + 0.5, 0, 255).astype(np.uint8)


def _streaks(rng: np.random.Generator, width: int, cells: int, ups: int) -> np.ndarray:
    """Noise 0..1 (ROWS, width): cells across, `ups` along, smooth and without a seam across."""
    coarse = rng.random((ups + 1, cells)) * 0.6 + rng.random((1, cells)) * 0.4
    at = np.arange(width) * cells / width
    left, f = at.astype(int), at % 1
    f = f * f * (3 - 2 * f)
    wide = coarse[:, left] * (1 - f) + coarse[:, (left + 1) % cells] * f
    rows = np.linspace(0, ups, ROWS)
    low = np.minimum(rows.astype(int), ups - 1)
    g = (rows - low)[:, None]
    return wide[low] * (1 - g) + wide[low + 1] * g


def _blurred(picture: np.ndarray, step: int) -> np.ndarray:
    """Mean of neighbours `step` columns apart, tile by tile."""
    tiles = picture.reshape(ROWS, TILES, TILE, -1)
    wide = np.pad(tiles, ((0, 0), (0, 0), (step, step), (0, 0)), "edge")
    wide[..., 3] = np.pad(tiles[..., 3], ((0, 0), (0, 0), (step, step)))
    wide[:, FUZZ] = np.pad(tiles[:, FUZZ], ((0, 0), (step, step), (0, 0)), "wrap")
    out = 0.25 * wide[:, :, : -2 * step] + 0.5 * tiles + 0.25 * wide[:, :, 2 * step :]
    return out.reshape(picture.shape)


def _tile(rng: np.random.Generator, v: np.ndarray, number: int) -> np.ndarray:
    """Density (ROWS, TILE) of one card: hairs of their own width, place, bend and length."""
    x = (np.arange(TILE) + 0.5) / TILE
    if number == FUZZ:
        short = rng.random((ROWS // 8, TILE)).repeat(8, 0)
        return np.clip(0.52 + 0.75 * short * (0.3 + 0.7 * rng.random(TILE)[None]), 0, 1)
    count = 16 if number in DENSE else 8 if number in MEDIUM else 3
    body = 0.60 if number in DENSE else 0.16 if number in MEDIUM else 0.0
    out = np.zeros((len(v), TILE))
    for _ in range(count):
        place, bend = rng.uniform(0.14, 0.86), rng.normal(0, 0.10)
        at = place + bend * (v - 0.4) ** 2 + (0.5 - place) * 0.35 * v**3  # hairs of a lock meet at its tip
        wide = rng.uniform(0.024, 0.048) * np.clip((1.05 - v) / 0.5, 0.4, 1)
        end = rng.uniform(0.62, 1.0)
        alive = np.clip((end - v) / 0.30, 0, 1) * np.clip(v / 0.03, 0, 1)
        out += rng.uniform(0.4, 1.0) * alive[:, None] * np.exp(-(((x[None] - at[:, None]) / wide[:, None]) ** 2))
    side = np.clip(np.minimum(x, 1 - x) / 0.35, 0, 1) ** 1.5
    inside = body * side[None] * np.clip((0.90 - v) / 0.45, 0, 1)[:, None]
    edge = np.clip(np.minimum(x, 1 - x) / 0.10, 0, 1)
    return np.minimum(0.62 * out + inside * (0.45 + 0.55 * np.minimum(out, 1)), 1) * edge[None]
