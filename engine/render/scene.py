"""What is drawn: a person, the light, the camera, the background. One description for every quality.

Colours are sRGB 0..1 unless said otherwise. Angles are degrees seen from the viewer: azimuth to the
viewer's right +, elevation up +.
"""

from dataclasses import dataclass, field

import numpy as np

from engine.render.camera import Camera

Colour = tuple[float, float, float]
PORTRAIT = Camera(centre=(0.0, 0.002, 0.03), distance_m=1.5, height_m=0.38)


@dataclass(frozen=True, slots=True)
class Skin:
    """melanin 0 very light .. 1 very dark; blood 0 pale .. 1 flushed; age 0 smooth .. 1 lined; freckles and
    stubble 0 none .. 1 strong; gloss 0 powdered .. 1 oily; lips 0 bare .. 1 made up."""

    melanin: float = 0.25
    blood: float = 0.5
    age: float = 0.15
    freckles: float = 0.0
    stubble: float = 0.0
    gloss: float = 0.4
    lips: float = 0.2


@dataclass(frozen=True, slots=True)
class Eyes:
    """Iris colours: outer ring, around the pupil, and the dark limbal ring."""

    outer: Colour = (0.30, 0.38, 0.40)
    inner: Colour = (0.47, 0.41, 0.29)
    rim: Colour = (0.07, 0.09, 0.10)


@dataclass(frozen=True, slots=True)
class Hair:
    """style: a name of the wearables ("none" is bald). Pigment as in hair itself: melanin 0 white .. 1 black,
    red 0 .. 1 (of the melanin), grey 0 .. 1 share of white hairs. beard: a style, or "none"."""

    style: str = "short"
    melanin: float = 0.75
    red: float = 0.25
    grey: float = 0.0
    brows: float = 1.0
    beard: str = "none"


@dataclass(frozen=True, slots=True)
class Dress:
    """style: a name of the wearables; colours of the cloth and of its second part (collar, cord, shirt under it)."""

    style: str = "crew"
    colour: Colour = (0.22, 0.27, 0.32)
    second: Colour = (0.85, 0.85, 0.83)


@dataclass(frozen=True)
class Person:
    """Somebody who never lived. shape float32 (I,) of the face model; rest: expression units always added."""

    name: str
    about: str = ""
    shape: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    skin: Skin = Skin()
    eyes: Eyes = Eyes()
    hair: Hair = Hair()
    dress: Dress = Dress()
    rest: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Light:
    """Strengths are factors of the built-in look, 1 each. warmth -1 cool .. 1 warm moves the key light's colour;
    softness is the key's angular radius in degrees."""

    key: float = 1.0
    fill: float = 1.0
    rim: float = 1.0
    sky: float = 1.0
    warmth: float = 0.0
    key_azimuth: float = -30.0
    key_elevation: float = 32.0
    softness: float = 12.0
    exposure: float = 1.0


@dataclass(frozen=True)
class Scene:
    """Everything that a renderer is told besides the motion. background: see `engine.render.background`."""

    person: Person
    light: Light = Light()
    camera: Camera = PORTRAIT
    background: str = "#39424e"
