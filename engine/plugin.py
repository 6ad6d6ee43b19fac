"""Plugins: found through the entry-point group `visema.plugins`, ours and anybody's alike.

An entry point names a `Plugin`. It contributes a motion stage (SpeechFeatures -> motion vectors),
a renderer stage (motion vectors -> pictures), or both; any motion drives any renderer through the
layout of `engine.motion.layout`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import entry_points

from engine.config import Config
from engine.errors import ConfigError, PluginError
from engine.motion.emotion import NEUTRAL, parse_emotion
from engine.stage import Stage

GROUP = "visema.plugins"


@dataclass(frozen=True, slots=True)
class Plugin:
    """What a plugin offers.

    summary: one line for `visema plugins`.
    motion: builds a Stage SpeechFeatures -> (S, M) float32. One that is `emotional` begins with the configuration's
        emotion and takes others through `set_emotion`; to one that is `alive` no life is added.
    renderer: builds a Stage (S, M) float32 -> (S, H, W, 3) uint8 that also has
        `set_background(state, slot, background)`. With the background "alpha" (files only) it is (S, H, W, 4).
        One that is `emotional` is told of emotions as the motion is.
    """

    summary: str
    motion: Callable[[Config], Stage] | None = None
    renderer: Callable[[Config], Stage] | None = None


def plugin_names() -> list[str]:
    """Names of all installed plugins, sorted."""
    return sorted({entry.name for entry in entry_points(group=GROUP)})


def load_plugin(name: str) -> Plugin:
    """Import one plugin; PluginError when there is none or it is broken."""
    found = [entry for entry in entry_points(group=GROUP) if entry.name == name]
    if not found:
        known = ", ".join(plugin_names()) or "none installed (run pip install -e . once)"
        raise PluginError(f"no plugin is called {name!r}; installed: {known}")
    try:
        plugin = found[0].load()
    except Exception as error:
        raise PluginError(f"plugin {name!r} ({found[0].value}) does not import: {error}") from error
    if not isinstance(plugin, Plugin):
        raise PluginError(f"plugin {name!r}: {found[0].value} is no engine.plugin.Plugin")
    return plugin


def build_motion(config: Config) -> Stage:
    """The motion stage that [motion] plugin names."""
    plugin = load_plugin(config.motion.plugin)
    if plugin.motion is None:
        raise PluginError(f"motion.plugin = {config.motion.plugin!r}: this plugin only renders")
    motion = plugin.motion(config)
    chosen = parse_emotion(config.motion.emotion)
    if not motion.emotional and chosen.weights[NEUTRAL] < 1.0:
        raise ConfigError(
            f"motion.emotion = {config.motion.emotion!r}: the plugin {config.motion.plugin!r} shows no emotions; "
            "choose one that does (see `visema plugins`), or neutral"
        )
    return motion


def build_renderer(config: Config) -> Stage:
    """The renderer stage that [render] plugin names."""
    plugin = load_plugin(config.render.plugin)
    if plugin.renderer is None:
        raise PluginError(f"render.plugin = {config.render.plugin!r}: this plugin only moves")
    return plugin.renderer(config)
