"""The built-in head as a renderer plugin."""

from engine.config import Config
from engine.plugin import Plugin
from engine.stage import Stage


def _build(config: Config) -> Stage:
    from engine.render.face_model import FaceModel
    from engine.render.head import HeadRenderer

    return HeadRenderer(FaceModel.load(), size=config.render.size, background=config.render.background)


plugin = Plugin(summary="the built-in CC0 head, rasterised on the CPU", renderer=_build)
