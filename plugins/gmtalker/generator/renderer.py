"""The renderer of GMTalker: the live picture, and in its middle a face that the generator drew.

    motion -> live picture --------------------------------------.
           `-> plain rendering of the face -> generator -> blend -> picture
    emotion -> style code ----------------------^

The paper's generator draws the whole picture; so does the paper size here. The small one draws the face alone, and
hair, neck, shoulders and whatever is behind are the live renderer's. Both ways go on at the same time where there are
two threads. The shoulder mask is one reference for all ticks, as in the paper (appendix A.1.1).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engine.config import Config, shows_alpha
from engine.errors import ConfigError, WeightsError
from engine.motion import layout
from engine.motion.emotion import NEUTRAL, Emotion, make_emotion, parse_emotion
from engine.render.buffers import SHOULDERS, BufferReader
from engine.render.crew import cores, crew
from engine.render.head import HeadRenderer, HeadState
from engine.render.kernel import kernel
from engine.render.plugin import scene_of
from engine.render.scene import Light, Scene
from engine.render.warm import warm_up
from engine.stage import Stage, State
from plugins.gmtalker.generator.given import FaceGiven, GivenState
from plugins.gmtalker.generator.painter import Given, make_painter
from plugins.gmtalker.generator.place import rim
from plugins.gmtalker.generator.style_unet import StyleUNet
from plugins.gmtalker.generator.training import WEIGHTS, load_generator
from plugins.gmtalker.mixture import component_weights
from plugins.gmtalker.motion import RAMP

_F = np.float32
NEAR = 2  # pixels


@dataclass(slots=True)
class GeneratedState(State):
    """live: of the renderer around the face; given: of the plain one; painted float32 (S, Q, Q, 3): scratch;
    goal, near, mix: (S, K) shares of the emotions: where to, the first and the second average on the way;
    picture uint8 (S, H, W, 3 or 4), which `step` returns and overwrites."""

    live: HeadState
    given: GivenState
    painted: torch.Tensor
    goal: torch.Tensor
    near: torch.Tensor
    mix: torch.Tensor
    picture: torch.Tensor


@kernel
def blend(painted, fade, rim, top, left, picture):
    """Lay painted float32 (Q, Q, 3), 0 to 1, over picture uint8 (H, W, 3 or 4) from its row top and column left on.

    fade uint8 (H, W, 4): see `given.GivenState`; rim float32 (Q, Q). Nothing shows on the head's outline and beyond:
    the mean coverage of the NEAR pixels around decides, none below a half, all of it at 1. So outlines and whatever
    is behind stay those of the picture.
    """
    rows, columns = fade.shape[0], fade.shape[1]
    for row in range(painted.shape[0]):
        for column in range(painted.shape[1]):
            r, c = top + row, left + column
            share = _F(fade[r, c, 0]) * rim[row, column]
            if share <= _F(0.0):
                continue
            share *= _F(1 / 255)
            y0, y1, x0, x1 = max(r - NEAR, 0), min(r + NEAR, rows - 1), max(c - NEAR, 0), min(c + NEAR, columns - 1)
            if min(fade[y0, x0, 3], fade[y0, x1, 3], fade[y1, x0, 3], fade[y1, x1, 3]) < 255:
                covered = 0  # elsewhere no outline is near
                for y in range(y0, y1 + 1):
                    for x in range(x0, x1 + 1):
                        covered += fade[y, x, 3]
                covered *= 2
                share *= max(_F(covered) / _F(255 * (y1 + 1 - y0) * (x1 + 1 - x0)) - _F(1.0), _F(0.0))
            for k in range(3):
                under, over = _F(picture[r, c, k]), painted[row, column, k] * _F(255.0)
                picture[r, c, k] = np.uint8(under + (over - under) * share + _F(0.5))


class GeneratedHead(Stage):
    """Motion float32 (S, M) -> RGB uint8 (S, H, W, 3), row 0 on top, or with alpha RGBA (S, H, W, 4).

    Emotions glide as those of the motion do: by the same ramp, from the same tick on.
    """

    emotional = True

    def __init__(self, net: StyleUNet, scene: Scene, executor: str = "auto", threads: int = 1, alpha: bool = False,
                 emotion: Emotion | None = None):  # fmt: skip
        size, square = net.size.picture, net.size.square
        self.scene, self.size, self.square = scene, size, square
        self.emotion = emotion or make_emotion({})
        self._live = HeadRenderer(scene, size, alpha=alpha)
        self._given = FaceGiven(scene, size, square)
        self._painter, self._rim = make_painter(net, executor), rim(square, size).numpy()
        self._crew = crew(min(threads, cores(), 2))
        self._shoulders = torch.from_numpy(BufferReader(scene, size).read(layout.vector()).masks[..., SHOULDERS].copy())

    def init_state(self, slots: int) -> GeneratedState:
        live = self._live.init_state(slots)
        share = self._shares(self.emotion.weights, self.emotion.intensity).repeat(slots, 1)
        return GeneratedState(
            live=live,
            given=self._given.init_state(slots),
            painted=torch.zeros(slots, self.square, self.square, 3),
            goal=share.clone(),
            near=share.clone(),
            mix=share.clone(),
            picture=torch.zeros_like(live.picture),
        )

    def set_background(self, state: GeneratedState, slot: int, background: str) -> None:
        """Change one session's background from its next picture on; ConfigError if it is none."""
        self._live.set_background(state.live, slot, background)

    @torch.inference_mode()
    def set_emotion(self, state: GeneratedState, slot: int, weights: Sequence[float], intensity: float) -> None:
        chosen = make_emotion(weights, intensity)
        state.goal[slot].copy_(self._shares(chosen.weights, chosen.intensity)[0])

    def step(self, state: GeneratedState, x: torch.Tensor) -> torch.Tensor:
        state.near.lerp_(state.goal, RAMP)
        state.mix.lerp_(state.near, RAMP)
        self._crew.run([lambda: self._live.step(state.live, x), lambda: self._paint(state, x)])
        state.picture.copy_(state.live.picture)
        for slot in range(len(x)):
            top, left = state.given.corner[slot].tolist()
            fade = state.given.fade[slot].numpy()
            blend(state.painted[slot].numpy(), fade, self._rim, top, left, state.picture[slot].numpy())
        return state.picture

    def _paint(self, state: GeneratedState, x: torch.Tensor) -> None:
        """The generated faces of all slots into `painted`."""
        given, square = state.given, self.square
        self._given.step(given, x)
        with torch.inference_mode():  # of the thread that this is
            for slot in range(len(x)):
                top, left = given.corner[slot].tolist()
                rows, columns = slice(top, top + square), slice(left, left + square)
                around = Given(
                    given.picture[slot : slot + 1, rows, columns],
                    self._shoulders[None, None, rows, columns],
                    state.mix[slot : slot + 1],
                )
                state.painted[slot].copy_(self._painter.step(self._painter.init_state(1), around)[0])

    def _shares(self, weights: Sequence[float], intensity: float) -> torch.Tensor:
        return component_weights(torch.tensor([weights]), torch.tensor([intensity]), NEUTRAL)


def check_fit(about: dict[str, Any], scene: Scene, size: int, path: Path) -> None:
    """ConfigError where the weights learned another person, camera, size or light than the configuration shows."""
    person = scene.person.name
    if about["person"] != person:
        raise ConfigError(
            f"render.identity = {person!r}: {path.name} draws {about['person']}; choose that, train a generator of "
            f"{person} (plugins/gmtalker/README.md), or render.plugin = 'head'"
        )
    if about["size"] != size:
        raise ConfigError(f"render.size = {size}: {path.name} draws pictures of {about['size']}")
    camera = {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(scene.camera).items()}
    if about["camera"] != camera:
        raise ConfigError(f"[camera]: {path.name} learned the person from {about['camera']}")
    if scene.light != Light():
        raise ConfigError(f"[light]: {path.name} learned the person in the built-in light; leave [light] as it is")


def build(config: Config, path: Path | None = None) -> GeneratedHead:
    """The renderer stage that a configuration asks for, with the weights of a file (none: the shipped ones).

    Raises ConfigError, WeightsError.
    """
    path = path or WEIGHTS
    if not path.is_file():
        raise WeightsError(
            f"render.plugin = 'gmtalker' needs {path}, which `visema train gmtalker.generator` writes "
            "(plugins/gmtalker/README.md); until then render.plugin = 'head'"
        )
    net, about = load_generator(path)
    scene = scene_of(config)
    check_fit(about, scene, config.render.size, path)
    if shows_alpha(config):
        scene = replace(scene, background="black")  # whatever there is behind the head is left out
    emotion = parse_emotion(config.motion.emotion, config.motion.intensity)
    stage = GeneratedHead(net, scene, config.engine.executor, config.render.threads, shows_alpha(config), emotion)
    warm_up(stage)
    return stage
