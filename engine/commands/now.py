"""Commands that answer while somebody speaks: serve, say, live."""

import argparse
import os

from engine.commands.options import add, make_picture, read_config
from engine.errors import ConfigError


def add_serve(commands) -> None:
    """`visema serve`"""
    serve = add(commands, "serve", "open the page for browsers", _serve, make_picture())
    serve.add_argument("--host", help="address to listen on (default: loopback only)")
    serve.add_argument("--port", type=int, help="port; 0 picks a free one")


def add_say(commands) -> None:
    """`visema say`"""
    say = add(commands, "say", "speak a recording through a running server, as a program would", _say, [])
    say.add_argument("source", metavar="FILE", help="WAV, FLAC, MP3, Opus, or a film with sound")
    say.add_argument("--url", default="ws://127.0.0.1:8080", help="of the server (default: ws://127.0.0.1:8080)")
    say.add_argument("--open", action="store_true", help="open a session first, print its address, wait for a viewer")
    say.add_argument("--session", metavar="ID", help="whose face (needed where several are open)")
    say.add_argument("--token", help="that the server wants (default: $VISEMA_TOKEN)")
    say.add_argument("--speed", type=float, default=4.0, metavar="X", help="of sending; the voice stays natural")
    say.add_argument("--emotion", metavar="MIX", help="happy, or happy=0.7,sad=0.3")


def add_live(commands) -> None:
    """`visema live`"""
    live = add(commands, "live", "microphone to a window or a virtual camera", _live, make_picture())
    live.add_argument("--device", metavar="NAME", help="microphone (name or number; see --list)")
    live.add_argument("--list", action="store_true", help="list microphones and end")
    live.add_argument("--window", action="store_true", help="preview window (the default)")
    live.add_argument("--camera", action="store_true", help="virtual camera for video calls and OBS")


def _serve(options: argparse.Namespace) -> None:
    from engine.stream.server import serve

    serve(read_config(options))


def _say(options: argparse.Namespace) -> None:
    from engine.motion.emotion import EMOTIONS, parse_emotion
    from engine.say import say_file

    if not 0.1 <= options.speed <= 100:
        raise ConfigError("--speed is 0.1 to 100")
    if options.open and options.session:
        raise ConfigError("a session is opened or named, not both: leave out --open or --session")
    mix = parse_emotion(options.emotion).weights if options.emotion else ()
    emotion = {name: weight for name, weight in zip(EMOTIONS, mix, strict=False) if weight}
    token = options.token or os.environ.get("VISEMA_TOKEN", "")
    say_file(options.source, options.url, options.session, token, options.speed, emotion, options.open)


def _live(options: argparse.Namespace) -> None:
    from engine.live import list_inputs, perform_live

    if options.list:
        print("\n".join(list_inputs()))
        return
    perform_live(read_config(options), options.device, window=options.window or not options.camera,
                 camera=options.camera)  # fmt: skip
