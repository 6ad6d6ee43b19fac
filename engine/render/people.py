"""Eight people who never lived, and others by seed: `person("anna")`, `person("random:7")`.

Shapes are mixed by the build script (`head_build/people.py`) and lie in the face asset; looks stand here.
"""

from functools import lru_cache

import numpy as np

from engine.errors import ConfigError
from engine.render.face_model import ready_shapes
from engine.render.scene import Dress, Eyes, Hair, Person, Skin

DEFAULT = "anna"
FRIENDLY = {
    "mouthSmileLeft": 0.12, "mouthSmileRight": 0.12, "cheekSquintLeft": 0.10, "cheekSquintRight": 0.10,
    "browInnerUp": 0.08, "eyeSquintLeft": 0.10, "eyeSquintRight": 0.10, "eyeBlinkLeft": 0.04, "eyeBlinkRight": 0.04,
}  # fmt: skip
BLUE = Eyes((0.24, 0.36, 0.48), (0.46, 0.50, 0.47), (0.05, 0.09, 0.14))
GREEN = Eyes((0.28, 0.36, 0.29), (0.47, 0.42, 0.25), (0.07, 0.10, 0.08))
GREY = Eyes((0.36, 0.41, 0.44), (0.50, 0.47, 0.40), (0.08, 0.10, 0.12))
HAZEL = Eyes((0.33, 0.27, 0.15), (0.48, 0.35, 0.17), (0.08, 0.06, 0.04))
BROWN = Eyes((0.20, 0.11, 0.055), (0.33, 0.19, 0.09), (0.05, 0.03, 0.02))
DARK = Eyes((0.105, 0.060, 0.035), (0.18, 0.105, 0.06), (0.03, 0.02, 0.015))

LOOKS: dict[str, tuple[str, Skin, Eyes, Hair, Dress, dict[str, float]]] = {
    "anna": (
        "a young woman with brown hair",
        Skin(melanin=0.22, blood=0.5, age=0.08, gloss=0.40, lips=0.35), GREEN,
        Hair("tied", melanin=0.72, red=0.30), Dress("crew", (0.16, 0.33, 0.36), (0.13, 0.28, 0.31)), {},
    ),
    "ben": (
        "a man in his thirties with stubble",
        Skin(melanin=0.26, blood=0.55, age=0.28, stubble=0.65, gloss=0.40, lips=0.05), BLUE,
        Hair("short", melanin=0.66, red=0.25), Dress("shirt", (0.36, 0.46, 0.58), (0.80, 0.80, 0.78)), {},
    ),
    "zuri": (
        "a dark-skinned woman with curls",
        Skin(melanin=0.78, blood=0.45, age=0.10, gloss=0.44, lips=0.60), DARK,
        Hair("curly", melanin=0.97, red=0.10), Dress("crew", (0.58, 0.36, 0.17), (0.52, 0.31, 0.14)), {},
    ),
    "kenji": (
        "a young man from East Asia",
        Skin(melanin=0.27, blood=0.42, age=0.06, stubble=0.05, gloss=0.42, lips=0.10), DARK,
        Hair("short", melanin=0.97, red=0.05), Dress("crew", (0.68, 0.70, 0.72), (0.24, 0.27, 0.32)), {},
    ),
    "ruth": (
        "an older woman with grey hair",
        Skin(melanin=0.18, blood=0.50, age=0.85, gloss=0.30, lips=0.30), GREY,
        Hair("tied", melanin=0.45, red=0.20, grey=0.85, brows=0.7),
        Dress("shirt", (0.42, 0.24, 0.35), (0.85, 0.82, 0.78)),
        {"mouthSmileLeft": 0.02, "mouthSmileRight": 0.02},
    ),
    "omar": (
        "a bald, bearded man in his fifties",
        Skin(melanin=0.46, blood=0.50, age=0.55, stubble=0.9, gloss=0.45, lips=0.05), BROWN,
        Hair("none", melanin=0.90, red=0.15, grey=0.12, beard="short"),
        Dress("shirt", (0.24, 0.29, 0.26), (0.60, 0.58, 0.52)), {},
    ),
    "freya": (
        "a fair woman with long hair",
        Skin(melanin=0.08, blood=0.55, age=0.10, freckles=0.25, gloss=0.38, lips=0.30), BLUE,
        Hair("long", melanin=0.28, red=0.35), Dress("crew", (0.52, 0.57, 0.63), (0.46, 0.51, 0.57)), {},
    ),
    "arjun": (
        "a young man from South Asia",
        Skin(melanin=0.52, blood=0.48, age=0.12, stubble=0.45, gloss=0.42, lips=0.08), BROWN,
        Hair("short", melanin=0.96, red=0.10), Dress("hoodie", (0.33, 0.36, 0.30), (0.86, 0.84, 0.80)), {},
    ),
}  # fmt: skip
NAMES = tuple(LOOKS)


def person(name: str = DEFAULT) -> Person:
    """A ready person by name, or "random:SEED" (SEED an integer). Raises ConfigError naming what there is."""
    if name in LOOKS:
        about, skin, eyes, hair, dress, rest = LOOKS[name]
        return Person(name, about, ready_shapes()[name], skin, eyes, hair, dress, {**FRIENDLY, **rest})
    word, _, seed = name.partition(":")
    if word == "random" and seed.isdecimal():
        return _random_person(int(seed))
    raise ConfigError(f"render.identity = {name!r}: there are {', '.join(NAMES)} and random:SEED, such as random:7")


def _draw_style(draw: np.random.Generator, man: bool, age: float) -> str:
    if man:
        return "none" if draw.random() < 0.1 + 0.4 * age else str(draw.choice(["short", "short", "curly"]))
    return str(draw.choice(["short", "long", "tied", "curly"]))


@lru_cache(maxsize=16)
def _random_person(seed: int) -> Person:
    """A plausible stranger: between two ready people of one sex and near in colour, and 0.5 N(0, 1) of their own.

    Colours go together: hair and eyes are seldom lighter than the skin allows, age greys.
    """
    draw = np.random.default_rng(seed)
    women, men = ("anna", "zuri", "ruth", "freya"), ("ben", "kenji", "omar", "arjun")
    sex = women if draw.random() < 0.5 else men
    first, second = draw.choice(sex, 2, replace=False)
    share = draw.uniform(0.35, 0.85)
    shapes = ready_shapes()
    shape = 0.85 * (share * shapes[first] + (1 - share) * shapes[second])
    shape = (shape + 0.5 * draw.standard_normal(len(shape))).astype(np.float32)
    looks = [LOOKS[first], LOOKS[second]]

    def mix(part: int, name: str) -> float:
        a, b = (getattr(look[part], name) for look in looks)
        return float(np.clip(share * a + (1 - share) * b + draw.normal(0, 0.05), 0, 1))

    skin = Skin(*(mix(1, name) for name in ("melanin", "blood", "age", "freckles", "stubble", "gloss", "lips")))
    light = max(0.0, 1 - skin.melanin / 0.45)  # how far light hair and eyes may occur
    pale = draw.random() < 0.7 * light
    eyes = (BLUE, GREEN, GREY, HAZEL)[draw.integers(4)] if pale else (BROWN, DARK)[draw.integers(2)]
    grey = mix(3, "grey") if skin.age > 0.4 else 0.0
    hair = Hair(
        style=_draw_style(draw, sex is men, skin.age),
        melanin=float(np.clip(draw.uniform(1 - 0.75 * light, 1), 0, 1)) * (1 - 0.5 * grey),
        red=float(draw.uniform(0.05, 0.15 + 0.35 * light)), grey=grey, brows=mix(3, "brows"),
        beard=str(draw.choice(["none", "none", "short", "full"])) if sex is men else "none",
    )  # fmt: skip
    dress = looks[int(draw.integers(2))][4]
    return Person(f"random:{seed}", "a stranger", shape, skin, eyes, hair, dress, dict(FRIENDLY))
