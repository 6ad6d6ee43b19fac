"""Recipes of the ready people's heads: MakeHuman's macro and detail sliders, mixed by hand and by eye."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from engine.assets.head_build import identity
from engine.assets.head_build.source import read_target


@dataclass(frozen=True, slots=True)
class Recipe:
    """male 0..1; age in years; origin: shares of caucasian, asian, african; weight and muscle -1..1;
    details: slider to amount, "l-" sliders move both sides."""

    male: float
    age: float
    origin: tuple[float, float, float]
    weight: float = 0.0
    muscle: float = 0.0
    details: dict[str, float] = field(default_factory=dict)


RECIPES: dict[str, Recipe] = {
    "anna": Recipe(0.0, 25, (0.75, 0.2, 0.05), details={
        "eyes/l-eye-scale-incr": 0.35, "nose/nose-scale-horiz-decr": 0.25, "mouth/mouth-upperlip-volume-incr": 0.3,
        "chin/chin-width-decr": 0.2, "cheek/l-cheek-bones-incr": 0.3, "head/head-oval": 0.25,
    }),
    "ben": Recipe(0.95, 34, (0.95, 0.05, 0.0), muscle=0.3, details={
        "chin/chin-width-incr": 0.3, "chin/chin-bones-incr": 0.3, "nose/nose-hump-incr": 0.2,
        "eyebrows/eyebrows-trans-down": 0.15, "head/head-rectangular": 0.3, "eyes/l-eye-scale-incr": 0.15,
    }),
    "zuri": Recipe(0.05, 30, (0.05, 0.05, 0.9), details={
        "mouth/mouth-lowerlip-volume-incr": 0.35, "mouth/mouth-upperlip-volume-incr": 0.35,
        "cheek/l-cheek-bones-incr": 0.5, "eyes/l-eye-scale-incr": 0.3, "head/head-oval": 0.3,
        "nose/nose-point-width-incr": 0.2,
    }),
    "kenji": Recipe(0.75, 23, (0.05, 0.95, 0.0), weight=-0.2, details={
        "eyes/l-eye-epicanthus-in": 0.4, "nose/nose-volume-decr": 0.15, "head/head-diamond": 0.2,
        "eyes/l-eye-scale-incr": 0.2, "chin/chin-width-decr": 0.15,
    }),
    "ruth": Recipe(0.05, 68, (0.9, 0.1, 0.0), weight=0.1, details={
        "mouth/mouth-laugh-lines-in": 0.3, "eyes/l-eye-bag-incr": 0.25, "mouth/mouth-angles-up": 0.3,
        "eyes/l-eye-scale-incr": 0.2, "head/head-oval": 0.2, "mouth/mouth-upperlip-volume-incr": 0.25,
    }),
    "omar": Recipe(1.0, 54, (0.7, 0.0, 0.3), weight=0.5, muscle=0.2, details={
        "nose/nose-scale-horiz-incr": 0.3, "nose/nose-hump-incr": 0.35, "head/head-square": 0.25,
        "cheek/l-cheek-volume-incr": 0.3, "eyes/l-eye-bag-incr": 0.2, "chin/chin-width-incr": 0.2,
        "eyes/l-eye-scale-incr": 0.2,
    }),
    "freya": Recipe(0.0, 28, (1.0, 0.0, 0.0), weight=-0.2, details={
        "nose/nose-point-up": 0.25, "nose/nose-scale-horiz-decr": 0.3, "chin/chin-prominent-incr": 0.2,
        "eyes/l-eye-scale-incr": 0.3, "head/head-diamond": 0.3, "forehead/forehead-scale-vert-incr": 0.2,
        "mouth/mouth-scale-horiz-incr": 0.2,
    }),
    "arjun": Recipe(0.9, 27, (0.65, 0.15, 0.2), details={
        "nose/nose-scale-vert-incr": 0.25, "nose/nose-point-down": 0.15, "eyes/l-eye-scale-incr": 0.35,
        "eyebrows/eyebrows-trans-down": 0.1, "mouth/mouth-lowerlip-volume-incr": 0.25, "head/head-oval": 0.3,
    }),
}  # fmt: skip


def build_shape(data: Path, base: np.ndarray, recipe: Recipe) -> np.ndarray:
    """Vertices (N, 3) dm of a recipe's whole body, before any repair."""
    old = np.clip((recipe.age - 25) / 55, 0, 1)
    out = base.copy()
    for gender, g in (("female", 1 - recipe.male), ("male", recipe.male)):
        for age, a in (("young", 1 - old), ("old", old)):
            if g * a == 0:
                continue
            out += g * a * _build(data, f"universal-{gender}-{age}", recipe)
            for people, share in zip(("caucasian", "asian", "african"), recipe.origin, strict=True):
                out += g * a * share * identity.load_macro(data, f"{people}-{gender}-{age}")
    for name, amount in {**identity.TASTE, **recipe.details}.items():
        out += amount * read_target(data / "mpfb2/targets" / f"{name}.target.gz")
        if "/l-" in name and name not in identity.TASTE:
            out += amount * read_target(data / "mpfb2/targets" / f"{name.replace('/l-', '/r-')}.target.gz")
    return out


def _build(data: Path, stem: str, recipe: Recipe) -> np.ndarray:
    """A universal target between its muscles and weights, bilinear around the average."""
    def pull(value: float, word: str) -> list[tuple[str, float]]:
        far = ("max" if value > 0 else "min") + word
        return [(f"average{word}", 1 - abs(value)), (far, abs(value))]

    total = np.zeros((19158, 3))
    for muscle, m in pull(recipe.muscle, "muscle"):
        for weight, w in pull(recipe.weight, "weight"):
            if m * w > 0:
                total += m * w * identity.load_macro(data, f"{stem}-{muscle}-{weight}")
    return total
