"""The small baseline: speech features -> mouth coefficients, with look-ahead 0, 1 or 2 ticks."""

from engine.config import Config
from engine.plugin import Plugin
from engine.stage import Stage


def _motion(config: Config) -> Stage:
    from plugins.viseme.motion import build

    return build(config.motion.lookahead_ticks)


plugin = Plugin(summary="mouth from speech by a small recurrent network; learned from phonetics", motion=_motion)
