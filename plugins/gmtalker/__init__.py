"""GMTalker (Xia et al. 2025): speech and a mixture of eight emotions -> expression, head, eyes and lids."""

from engine.config import Config
from engine.plugin import Plugin
from engine.stage import Stage


def _motion(config: Config) -> Stage:
    from plugins.gmtalker.motion import build

    return build(config)


def _renderer(config: Config) -> Stage:
    from plugins.gmtalker.generator.renderer import build

    return build(config)


plugin = Plugin(
    "any mixture of eight emotions, head and eyes that move; GMTalker's three generators", _motion, _renderer
)
