"""One scene, several ways to draw it."""

from typing import Any

from engine.errors import ConfigError
from engine.render.scene import Scene

QUALITIES = ("live", "offline", "plain")


def make_renderer(scene: Scene, size: int = 512, quality: str = "live") -> Any:
    """A Stage motion (S, M) -> uint8 (S, size, size, 3) that also has `set_background(state, slot, text)`.

    ConfigError: a quality that there is not.
    """
    from engine.render.face_model import FaceModel

    face = FaceModel.of(scene.person)
    if quality == "live":
        from engine.render.head import HeadRenderer

        return HeadRenderer(scene, size, face=face)
    if quality == "offline":
        from engine.render.offline.renderer import OfflineRenderer

        return OfflineRenderer(scene, size, face=face)
    if quality == "plain":
        from engine.render.plain import PlainRenderer

        return PlainRenderer(scene, size, face=face)
    raise ConfigError(f"render.quality = {quality!r}: there are {', '.join(QUALITIES)}")
