"""The built-in head as a renderer plugin, and the scene that a configuration describes."""

from dataclasses import replace

from engine.config import Config, shows_alpha
from engine.plugin import Plugin
from engine.render.camera import Camera
from engine.render.scene import Light, Scene
from engine.stage import Stage


def scene_of(config: Config) -> Scene:
    """[render], [light] and [camera] as a scene. ConfigError: an identity that there is not."""
    from engine.render.people import person

    return Scene(
        person=person(config.render.identity),
        light=Light(**config.light.model_dump()),
        camera=Camera(**config.camera.model_dump()),
        background=config.render.background,
    )


def _build(config: Config) -> Stage:
    from engine.render.qualities import make_renderer
    from engine.render.warm import warm_up

    scene, wanted, alpha = scene_of(config), config.render, shows_alpha(config)
    if alpha:
        scene = replace(scene, background="black")  # whatever there is behind the head is left out
    renderer = make_renderer(scene, wanted.size, wanted.quality, wanted.threads, alpha)
    if wanted.quality != "offline":  # whose first picture is worth its time
        warm_up(renderer)
    return renderer


plugin = Plugin(summary="the built-in CC0 head, drawn on the CPU", renderer=_build)
