"""Options that several commands have, and the settings that come out of them."""

import argparse
import json

from engine.config import Config, load_config


def add(commands, name: str, text: str, run, parents) -> argparse.ArgumentParser:
    """A command that is helped with `text` and answered by `run(options)`."""
    parser = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".", parents=parents)
    parser.set_defaults(run=run)
    return parser


def make_common() -> list[argparse.ArgumentParser]:
    """Settings, plugin, seed, emotion."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--config", metavar="FILE", help="settings (default: config.toml here, if any)")
    common.add_argument(
        "--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="override a setting; repeatable"
    )
    common.add_argument("--plugin", metavar="NAME", help="motion plugin (see `visema plugins`)")
    common.add_argument("--seed", type=int, metavar="N", help="same seed, same blinks and glances")
    common.add_argument("--emotion", metavar="MIX", help="happy, or happy=0.7,sad=0.3 (gmtalker)")
    common.add_argument("--intensity", type=float, metavar="X", help="of the emotion, 0 to 1")
    return [common]


def make_picture() -> list[argparse.ArgumentParser]:
    """The common options, and what is shown and how."""
    picture = argparse.ArgumentParser(add_help=False)
    picture.add_argument("--size", type=int, metavar="N", help="width and height in pixels")
    picture.add_argument("--background", metavar="WHAT",
                         help="#rrggbb, green (can be keyed), gradient, room, a picture file; in files alpha")
    picture.add_argument("--identity", metavar="NAME", help="who is shown: see `visema identities`, or random:NUMBER")
    picture.add_argument("--quality", metavar="Q", help="live, offline or plain")
    return [*make_common(), picture]


def read_config(options: argparse.Namespace) -> Config:
    """config.toml, then --set, then the named options."""
    named = {
        "motion.plugin": "plugin",
        "engine.seed": "seed",
        "motion.emotion": "emotion",
        "motion.intensity": "intensity",
        "render.size": "size",
        "render.background": "background",
        "render.identity": "identity",
        "render.quality": "quality",
        "serve.host": "host",
        "serve.port": "port",
    }
    overrides = list(options.set)
    for key, option in named.items():
        value = getattr(options, option, None)
        if value is not None:
            overrides.append(f"{key}={json.dumps(value, ensure_ascii=False)}")  # TOML writes both the same
    return load_config(options.config, overrides)
