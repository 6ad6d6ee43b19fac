"""What stands behind the head: a colour, a gradient, a blurred room, a picture file, or nothing (alpha).

    "#39424e", "green"        one colour; green and blue can be keyed
    "gradient"                a studio backdrop, lit behind the head
    "gradient:#a9b4c0,#2b3038"  the same from the first colour (behind the head) to the second (corners)
    "room", "room:7"          a room out of focus, drawn here; the number chooses which
    "beach.jpg"               any picture file, fitted and cropped to the middle
    "alpha"                   nothing: files carry real transparency (see `engine.render.cutout`)
"""

from functools import lru_cache
from pathlib import Path

import numpy as np

from engine.errors import ConfigError
from engine.render.colour import NAMES, parse_colour

ALPHA = "alpha"
GRADIENT = ("#77828f", "#262b32")
ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
MOST_BYTES = 64 * 2**20
MOST_PIXELS = 64 * 10**6
MOST_SEED = 2**31


def paint_background(text: str, size: int) -> np.ndarray:
    """uint8 (size, size, 3), row 0 on top, the same for the same text. ConfigError: not one of the above."""
    word = text.strip()
    if word == ALPHA:
        raise ConfigError(
            'the background "alpha" needs a file that carries transparency: visema render IN OUT.webm, or a folder '
            "of PNG pictures; anywhere else choose a key colour such as green"
        )
    kind, _, rest = word.partition(":")
    if kind == "gradient":
        return _gradient(rest, size)
    if kind == "room":
        from engine.render.room import draw_room

        return draw_room(_seed(text, rest), size)
    if Path(word).suffix.lower() in ENDINGS:
        return _picture(Path(word), size)
    try:
        return np.broadcast_to(parse_colour(word), (size, size, 3)).copy()
    except ConfigError:
        raise ConfigError(
            f"{text!r} is no background; write #rrggbb, a colour ({', '.join(NAMES)}), gradient, gradient:#rrggbb,"
            f"#rrggbb, room, room:NUMBER, alpha, or a picture file ({', '.join(ENDINGS)})"
        ) from None


def page_colour(text: str) -> str:
    """A colour that a page can show around the picture: the background itself, or the mean of it."""
    try:
        parse_colour(text)
        return text
    except ConfigError:
        red, green, blue = paint_background(text, 64).reshape(-1, 3).mean(0).astype(int)
        return f"#{red:02x}{green:02x}{blue:02x}"


def dither(picture: np.ndarray) -> np.ndarray:
    """Bytes of a float picture 0..255, rounded by seeded noise so that slow slopes show no bands."""
    noise = np.random.default_rng(0).random(picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def _gradient(rest: str, size: int) -> np.ndarray:
    ends = rest.split(",") if rest else list(GRADIENT)
    if len(ends) != 2:
        raise ConfigError(f"a gradient goes between two colours, gradient:#rrggbb,#rrggbb, not {rest!r}")
    inner, outer = (parse_colour(end).astype(np.float64) for end in ends)
    y, x = np.mgrid[:size, :size] / (size - 1)
    # A lamp behind the shoulders: brightest a little over the middle, falling off to the corners.
    away = np.sqrt(((x - 0.5) / 0.78) ** 2 + ((y - 0.42) / 0.84) ** 2)
    blend = (0.5 - 0.5 * np.cos(np.pi * np.clip(away, 0, 1)))[..., None]
    return dither(inner + (outer - inner) * blend)


def _seed(text: str, rest: str) -> int:
    if rest and not (rest.isdecimal() and int(rest) < MOST_SEED):
        raise ConfigError(f"{text!r}: a room is chosen by a whole number, for example room:7")
    return int(rest or 0)


def _picture(path: Path, size: int) -> np.ndarray:
    try:
        stat = path.stat()
    except OSError as error:
        raise ConfigError(f"cannot read the background {path}: {error.strerror}") from None
    if stat.st_size > MOST_BYTES:
        raise ConfigError(f"the background {path} has {stat.st_size >> 20} MiB; {MOST_BYTES >> 20} are allowed")
    return _read_picture(path, size, stat.st_mtime_ns)


@lru_cache(maxsize=8)
def _read_picture(path: Path, size: int, _changed_ns: int) -> np.ndarray:
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as file:
            if file.width * file.height > MOST_PIXELS:
                raise ConfigError(f"the background {path} has {file.width} x {file.height} pixels; make it smaller")
            upright = ImageOps.exif_transpose(file).convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ConfigError(f"the background {path} is no picture that can be read: {error}") from None
    return np.array(ImageOps.fit(upright, (size, size), Image.Resampling.LANCZOS))
