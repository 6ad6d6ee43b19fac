"""A room out of focus: painted in rough shapes with true brightness, then blurred as a lens does.

Lamps stay far brighter than white until the blur has spread them, which is what makes discs of light.
"""

from functools import lru_cache

import numpy as np

from engine.render.paint import linear

CANVAS = 400  # pixels; the picture is its middle, since the blur wraps around at the rim
RIM = 50
BLUR = 0.042  # radius of the blur disc in picture widths
EXPOSURE = 0.55  # a face in front of it is the brightest thing but the lamps
Rgb = tuple[float, float, float]
# sRGB: (wall, wood, sofa), one of which a seed picks
PALETTES: tuple[tuple[Rgb, Rgb, Rgb], ...] = (
    ((0.46, 0.44, 0.42), (0.36, 0.25, 0.17), (0.22, 0.27, 0.31)),
    ((0.36, 0.42, 0.45), (0.42, 0.31, 0.21), (0.40, 0.30, 0.24)),
    ((0.47, 0.43, 0.37), (0.28, 0.20, 0.15), (0.24, 0.30, 0.25)),
    ((0.37, 0.36, 0.42), (0.33, 0.24, 0.19), (0.31, 0.25, 0.31)),
)


class _Canvas:
    """A picture in linear light over x, y in 0..1 (the part that will be seen), with a rim around it."""

    def __init__(self) -> None:
        span = (np.arange(CANVAS) - RIM + 0.5) / (CANVAS - 2 * RIM)
        self.x, self.y = span[None, :], span[:, None]
        self.light = np.zeros((CANVAS, CANVAS, 3))

    def box(self, left: float, top: float, right: float, bottom: float, colour: Rgb, bright: float = 1.0) -> None:
        inside = (self.x >= left) & (self.x < right) & (self.y >= top) & (self.y < bottom)
        self.light[inside] = bright * linear(colour)

    def disc(self, x: float, y: float, radius: float, colour: Rgb, bright: float = 1.0, tall: float = 1.0) -> None:
        inside = (self.x - x) ** 2 + ((self.y - y) / tall) ** 2 < radius**2
        self.light[inside] = bright * linear(colour)

    def glow(self, x: float, y: float, radius: float, colour: Rgb, bright: float) -> None:
        away = ((self.x - x) ** 2 + (self.y - y) ** 2) / radius**2
        self.light += bright * np.exp(-away)[..., None] * linear(colour) * (0.15 + self.light)


@lru_cache(maxsize=4)
def draw_room(seed: int, size: int) -> np.ndarray:
    """uint8 (size, size, 3); the same seed is the same room at every size."""
    from PIL import Image

    from engine.render.background import dither

    light = np.clip(_blur(_furnish(np.random.default_rng([seed, 7]))), 0, None)
    light = EXPOSURE * light[RIM:-RIM, RIM:-RIM]
    shown = light / (1 + 0.55 * light)  # lamps roll off to white instead of clipping
    srgb = np.where(shown <= 0.0031308, shown * 12.92, 1.055 * np.maximum(shown, 1e-9) ** (1 / 2.4) - 0.055)
    bands = [Image.fromarray(band.astype(np.float32)).resize((size, size), Image.Resampling.BICUBIC)
             for band in np.moveaxis(srgb * 255, 2, 0)]  # fmt: skip
    return dither(np.stack([np.asarray(band) for band in bands], -1))


def _furnish(chance: np.random.Generator) -> np.ndarray:
    """float64 (CANVAS, CANVAS, 3), in focus."""
    wall, wood, sofa = PALETTES[chance.integers(len(PALETTES))]
    room = _Canvas()
    room.box(-1, -1, 2, 2, wall)
    room.light *= (1.05 - 0.45 * np.clip(room.y, 0, 1))[..., None]
    mirrored = chance.random() < 0.5
    _window(room, chance)
    _shelves(room, chance, wood)
    room.box(-1, 0.80, 2, 2, sofa, 0.75)
    for k in range(3):
        left = -0.12 + 0.44 * k + 0.02 * chance.random()
        room.box(left, 0.72, left + 0.40, 0.9, sofa, 0.9 + 0.15 * chance.random())
    _plant(room, chance)
    _lamp(room, chance)
    light = room.light
    return light[:, ::-1] if mirrored else light


def _window(room: _Canvas, chance: np.random.Generator) -> None:
    """Daylight on the left, with bars, a curtain, and its light on the wall."""
    room.glow(0.05, 0.30, 0.62, (0.86, 0.94, 1.0), 1.0)
    right, bottom = 0.08 + 0.05 * chance.random(), 0.62
    room.box(-0.25, -0.2, right + 0.02, bottom + 0.02, (0.85, 0.84, 0.82), 0.75)
    room.box(-0.25, -0.2, right, bottom, (0.86, 0.93, 1.0), 1.9)
    room.box(-0.25, bottom - 0.20, right, bottom, (0.62, 0.72, 0.60), 1.1)  # what is green outside
    for at in (0.03, 0.20):
        room.box(-0.25, at, right, at + 0.018, (0.80, 0.79, 0.77), 0.8)
    room.box(right - 0.075, -0.2, right - 0.06, bottom, (0.80, 0.79, 0.77), 0.8)
    folds = 0.72 + 0.28 * np.sin(room.x * 130.0 + 2.0 * np.sin(room.y * 3))
    curtain = (room.x > right - 0.03) & (room.x < right + 0.07) & (room.y < 0.74)
    room.light[curtain] = (np.broadcast_to(folds, curtain.shape)[..., None] * linear((0.74, 0.70, 0.64)) * 0.8)[curtain]


def _shelves(room: _Canvas, chance: np.random.Generator, wood: Rgb) -> None:
    """Boards with books and pots on the right."""
    left = 0.63 + 0.05 * chance.random()
    for top in (0.06, 0.27, 0.48, 0.69):
        room.box(left, top, 1.3, top + 0.022, wood, 1.2)
        room.box(left, top + 0.022, 1.3, top + 0.045, wood, 0.35)
        at = left + 0.02
        while at < 1.2:
            width = 0.016 + 0.026 * chance.random()
            height = 0.09 + 0.07 * chance.random()
            kind = chance.random()
            shade = 0.25 + 0.5 * chance.random()
            hue = np.array([(0.75, 0.42, 0.30), (0.30, 0.44, 0.58), (0.78, 0.72, 0.60), (0.34, 0.48, 0.38),
                            (0.70, 0.55, 0.30), (0.55, 0.55, 0.56)][chance.integers(6)])  # fmt: skip
            colour = (float(hue[0] * shade + 0.1), float(hue[1] * shade + 0.1), float(hue[2] * shade + 0.1))
            if kind < 0.78:
                room.box(at, top - height, at + width, top, colour)
            elif kind < 0.90:
                room.disc(at + 0.03, top - 0.03, 0.03, colour, 1.1)
                width = 0.06
            else:
                width = 0.07  # an empty place
            at += width + 0.003
    for _ in range(7):  # a string of small lamps along the boards
        x, top = left + 0.02 + 0.35 * chance.random(), (0.06, 0.27, 0.48)[chance.integers(3)]
        room.disc(x, top + 0.012, 0.0045, (1.0, 0.82, 0.55), 30 + 50 * chance.random())


def _plant(room: _Canvas, chance: np.random.Generator) -> None:
    """Leaves in a pot before the shelves."""
    at = 0.83 + 0.06 * chance.random()
    room.box(at - 0.04, 0.66, at + 0.04, 0.76, (0.62, 0.50, 0.42), 0.9)
    for _ in range(46):
        x, y = at + 0.055 * chance.standard_normal(), 0.53 + 0.065 * chance.standard_normal()
        green = 0.6 + 0.8 * chance.random()
        room.disc(float(x), float(y), 0.014 + 0.012 * chance.random(), (0.25, 0.38, 0.20), green, 1.7)


def _lamp(room: _Canvas, chance: np.random.Generator) -> None:
    """A warm lamp on a stand, and its light on the wall."""
    x = 0.25 + 0.05 * chance.random()
    y = 0.16 + 0.10 * chance.random()
    room.glow(x, y + 0.02, 0.34, (1.0, 0.70, 0.42), 2.2)
    room.box(x - 0.006, y, x + 0.006, 0.9, (0.12, 0.11, 0.10))
    width = (0.045 + 0.030 * np.clip((room.y - y) / 0.11, 0, 1))
    shade = (np.abs(room.x - x) < width) & (room.y > y) & (room.y < y + 0.11)
    room.light[shade] = 2.6 * linear((1.0, 0.80, 0.55))


def _blur(light: np.ndarray) -> np.ndarray:
    """The picture seen through a round opening, out of focus."""
    radius = BLUR * (CANVAS - 2 * RIM)
    reach = np.minimum(np.arange(CANVAS), CANVAS - np.arange(CANVAS))
    away = np.hypot(reach[:, None], reach[None, :])
    # Real lenses draw discs a little brighter at the rim.
    disc = np.clip(radius + 0.5 - away, 0, 1) * (0.85 + 0.3 * np.clip(away / radius, 0, 1) ** 4)
    spread = np.fft.rfft2(disc / disc.sum())[..., None]
    return np.fft.irfft2(np.fft.rfft2(light, axes=(0, 1)) * spread, light.shape[:2], axes=(0, 1))
