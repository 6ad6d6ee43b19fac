"""One scene, several ways to draw it."""

from typing import Any

from engine.errors import ConfigError
from engine.render.scene import Scene

QUALITIES = ("live", "offline", "plain")


def make_renderer(scene: Scene, size: int = 512, quality: str = "live", threads: int = 1, alpha: bool = False) -> Any:
    """A Stage motion (S, M) -> uint8 (S, size, size, 3) that also has `set_background(state, slot, text)`.

    threads: of the live and plain ones; at most as many as there are cores. alpha: pictures are (S, size, size, 4),
    without background. ConfigError: a quality that there is not.
    """
    from engine.render.crew import cores
    from engine.render.face_model import FaceModel

    face = FaceModel.of(scene.person)
    if quality == "live":
        from engine.render.head import HeadRenderer

        return HeadRenderer(scene, size, face=face, threads=min(threads, cores()), alpha=alpha)
    if quality == "offline":
        from engine.render.cutout import Cutout
        from engine.render.offline.renderer import OfflineRenderer

        renderer = OfflineRenderer(scene, size, face=face)
        return Cutout(renderer, size) if alpha else renderer
    if quality == "plain":
        from engine.render.plain import PlainRenderer

        return PlainRenderer(scene, size, face=face, threads=min(threads, cores()), alpha=alpha)
    raise ConfigError(f"render.quality = {quality!r}: there are {', '.join(QUALITIES)}")
