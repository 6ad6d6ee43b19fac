"""The command `visema` (the same as `python -m engine`)."""

import argparse
import json
import os
import sys
from collections.abc import Sequence

from engine.config import Config, describe_config, load_config
from engine.errors import ConfigError, DeviceError, EngineError

EXAMPLES = """\
examples:
  visema serve                                   the page: speak, and a face answers
  visema render speech.wav face.mp4              a film of the face speaking a file
  visema render speech.wav face.mp4 --size 720 --background green --stats stats.json
  visema render speech.wav face.webm --identity ruth --background alpha
  visema render speech.wav plain/ --quality plain --buffers buffers/
  visema say speech.wav --url ws://127.0.0.1:8080  through the face of an open page
  visema live --window                           microphone to a preview window
  visema motion speech.wav motion.npz            coefficients only
  visema doctor                                  what is installed and what is missing
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; errors that a user can mend are one clear text and exit code 2."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["train"]:  # trainings have options of their own
        return _guarded(lambda: _train(arguments[1:]))
    if arguments[:1] == ["eval"]:
        return _guarded(lambda: _eval(arguments[1:]))
    if arguments[:1] == ["corpus"]:
        return _guarded(lambda: _corpus(arguments[1:]))
    if arguments[:1] == ["weights"]:
        return _guarded(lambda: _weights(arguments[1:]))
    if arguments[:2] == ["bench", "encoder"]:
        return _guarded(lambda: _bench_encoder(arguments[2:]))
    if arguments[:2] == ["bench", "quality"]:
        return _guarded(lambda: _bench_quality(arguments[2:]))
    if arguments[:1] == ["bench"] and arguments[1:2] not in ([], ["render"], ["-h"], ["--help"]):
        return _guarded(lambda: _bench_harness(arguments[1:]))
    parser = make_parser()
    options = parser.parse_args(arguments)
    if not hasattr(options, "run"):
        parser.print_help()
        return 0
    return _guarded(lambda: options.run(options))


def _guarded(run) -> int:
    try:
        return run() or 0
    except EngineError as error:
        print(f"visema: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def make_parser() -> argparse.ArgumentParser:
    """All commands and options."""
    parser = argparse.ArgumentParser(
        prog="visema",
        description="A real-time streaming avatar engine: 40 ms of speech in, one picture of a face out.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--config", metavar="FILE", help="settings (default: config.toml here, if any)")
    common.add_argument(
        "--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="override a setting; repeatable"
    )
    common.add_argument("--plugin", metavar="NAME", help="motion plugin (see `visema plugins`)")
    common.add_argument("--seed", type=int, metavar="N", help="same seed, same blinks and glances")
    common.add_argument("--emotion", metavar="MIX", help="happy, or happy=0.7,sad=0.3 (gmtalker)")
    common.add_argument("--intensity", type=float, metavar="X", help="of the emotion, 0 to 1")
    picture = argparse.ArgumentParser(add_help=False)
    picture.add_argument("--size", type=int, metavar="N", help="width and height in pixels")
    picture.add_argument("--background", metavar="WHAT",
                         help="#rrggbb, green (can be keyed), gradient, room, a picture file; in files alpha")
    picture.add_argument("--identity", metavar="NAME", help="who is shown: see `visema identities`, or random:NUMBER")
    picture.add_argument("--quality", metavar="Q", help="live, offline or plain")

    serve = _add(commands, "serve", "open the page for browsers", _serve, [common, picture])
    serve.add_argument("--host", help="address to listen on (default: loopback only)")
    serve.add_argument("--port", type=int, help="port; 0 picks a free one")

    say = _add(commands, "say", "speak a recording through a running server, as a program would", _say, [])
    say.add_argument("source", metavar="FILE", help="WAV, FLAC, MP3, Opus, or a film with sound")
    say.add_argument("--url", default="ws://127.0.0.1:8080", help="of the server (default: ws://127.0.0.1:8080)")
    say.add_argument("--session", metavar="ID", help="whose face (needed where several are open)")
    say.add_argument("--token", help="that the server wants (default: $VISEMA_TOKEN)")
    say.add_argument("--speed", type=float, default=4.0, metavar="X", help="of sending; the voice stays natural")
    say.add_argument("--emotion", metavar="MIX", help="happy, or happy=0.7,sad=0.3")

    render = _add(commands, "render", "a sound file to a film of the face", _render, [common, picture])
    render.add_argument("source", metavar="IN", help="WAV, FLAC, MP3, Opus, or a film with sound")
    render.add_argument("target", metavar="OUT",
                        help="a film (.mp4, .mkv, .webm), or PNG pictures and a WAV: OUT_%%05d.png or a folder")
    render.add_argument("--stats", metavar="FILE.json", help="write speed and settings")
    render.add_argument("--buffers", metavar="DIR",
                        help="also masks, normals, uv and depth of every picture (npz), explained in the README")
    render.add_argument("--quiet", action="store_true", help="no progress bar")

    motion = _add(commands, "motion", "a sound file to coefficients (npz)", _motion, [common])
    motion.add_argument("source", metavar="IN")
    motion.add_argument("target", metavar="OUT.npz")
    motion.add_argument("--quiet", action="store_true", help="no progress bar")

    live = _add(commands, "live", "microphone to a window or a virtual camera", _live, [common, picture])
    live.add_argument("--device", metavar="NAME", help="microphone (name or number; see --list)")
    live.add_argument("--list", action="store_true", help="list microphones and end")
    live.add_argument("--window", action="store_true", help="preview window (the default)")
    live.add_argument("--camera", action="store_true", help="virtual camera for video calls and OBS")

    sheet = _add(commands, "sheet", "contact sheets: visemes, emotions, angles, close-ups", _sheet, [common, picture])
    sheet.add_argument("target", metavar="OUT_DIR", help="a folder; --identity all draws everybody")
    sheet.add_argument("--clips", action="store_true", help="also a film of 10 s of each person speaking the sample")

    identities = _add(commands, "identities", "the persons that are ready", _identities, [common, picture])
    identities.add_argument("--picture", metavar="OUT.png", help="draw them")

    bench = _add(commands, "bench", "latency, interrupts, drift, speed, lips, measured here", _bench, [common, picture])
    bench.add_argument("what", metavar="WHAT", choices=("render",),
                       help="render; with options of their own: encoder, quality, latency, interrupt, drift, "
                            "throughput, soak, network, baselines, all (`visema bench latency --help`)")
    bench.add_argument("--json", metavar="FILE.json", help="write the figures")
    bench.add_argument("--pictures", type=int, default=100, metavar="N", help="how many are drawn (default 100)")
    bench.add_argument("--threads", type=int, metavar="N", help="that draw (default: render.threads)")

    _add(commands, "plugins", "list installed plugins", _plugins, [])
    _add(commands, "doctor", "what is installed, what is missing, what each gives", _doctor, [])
    _add(commands, "config", "all settings with their defaults", _config, [])
    commands.add_parser("train", help="train the shipped weights again: `visema train --help`")
    commands.add_parser("eval", help="a plugin's figures on held-out voices: `visema eval --help`")
    commands.add_parser("corpus", help="make, check or import aligned speech: `visema corpus --help`")
    commands.add_parser("weights", help="list, verify or fetch weight files: `visema weights --help`")
    return parser


def _add(commands, name: str, text: str, run, parents) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".", parents=parents)
    parser.set_defaults(run=run)
    return parser


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


def _serve(options: argparse.Namespace) -> None:
    from engine.stream.server import serve

    serve(read_config(options))


def _say(options: argparse.Namespace) -> None:
    from engine.motion.emotion import EMOTIONS, parse_emotion
    from engine.say import say_file

    if not 0.1 <= options.speed <= 100:
        raise ConfigError("--speed is 0.1 to 100")
    mix = parse_emotion(options.emotion).weights if options.emotion else ()
    emotion = {name: weight for name, weight in zip(EMOTIONS, mix, strict=False) if weight}
    token = options.token or os.environ.get("VISEMA_TOKEN", "")
    say_file(options.source, options.url, options.session, token, options.speed, emotion)


def _render(options: argparse.Namespace) -> None:
    from engine.offline import render_file

    render_file(read_config(options), options.source, options.target, options.stats, options.quiet, options.buffers)


def _motion(options: argparse.Namespace) -> None:
    from engine.offline import write_motion

    write_motion(read_config(options), options.source, options.target, options.quiet)


def _live(options: argparse.Namespace) -> None:
    from engine.live import list_inputs, perform_live

    if options.list:
        print("\n".join(list_inputs()))
        return
    perform_live(read_config(options), options.device, window=options.window or not options.camera,
                 camera=options.camera)  # fmt: skip


def _sheet(options: argparse.Namespace) -> None:
    from engine.offline import write_sheet

    write_sheet(read_config(options), options.target, options.clips)


def _identities(options: argparse.Namespace) -> None:
    from engine.offline import write_people

    write_people(read_config(options), options.picture)


def _bench(options: argparse.Namespace) -> None:
    from engine.bench import bench_render, print_bench
    from engine.offline import write_text

    if options.pictures < 1 or (options.threads is not None and options.threads < 1):
        raise ConfigError("--pictures and --threads are 1 or more")
    report = bench_render(read_config(options), options.pictures, options.threads)
    print_bench(report)
    if options.json:
        write_text(options.json, json.dumps(report, indent=1) + "\n")


def _weights(arguments: list[str]) -> int:
    from engine.weights import main

    return main(arguments)


def _bench_encoder(arguments: list[str]) -> None:
    from engine.bench_encoder import main

    main(arguments)


def _bench_harness(arguments: list[str]) -> None:
    from benchmarks.harness.command import main

    main(arguments)


def _bench_quality(arguments: list[str]) -> None:
    try:
        from benchmarks.quality import main
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] in ("engine", "plugins", "benchmarks"):
            raise
        raise DeviceError(f"judging lips needs {error.name}: pip install 'visema[train]'") from None
    main(arguments)


def _corpus(arguments: list[str]) -> None:
    from engine.training.speech.command import main

    main(arguments)


def _plugins(options: argparse.Namespace) -> None:
    from engine.doctor import print_plugins

    print_plugins()


def _doctor(options: argparse.Namespace) -> int:
    from engine.doctor import print_report

    return print_report()


def _config(options: argparse.Namespace) -> None:
    for key, default, meaning in describe_config():
        print(f"{key:<28}{default:<18}{meaning}")


def _train(arguments: list[str]) -> int:
    parts = {
        "pretrain": ("engine.training.pretrain", "a speech encoder by masked prediction of clustered units"),
        "encoder": ("engine.training.encoder", "the causal speech encoder, on aligned phones"),
        "distill": ("engine.training.distill", "a causal student of a non-causal teacher"),
        "units": ("engine.training.units", "the encoder's discrete content units (k-means)"),
        "viseme": ("plugins.viseme.training", "the viseme plugin, on reference curves and captured motion"),
        "gmtalker.expression": ("plugins.gmtalker.expression_training", "GMTalker's faces, on performances"),
        "gmtalker.motion": ("plugins.gmtalker.motion_training", "GMTalker's heads, eyes and lids, on performances"),
        "gmtalker.pairs": ("plugins.gmtalker.generator.pairs", "pictures for the next one: plain, masks, offline"),
        "gmtalker.generator": ("plugins.gmtalker.generator.training", "GMTalker's head generator, on such pictures"),
    }
    return _run_part("train PART", "training", parts, arguments)


def _eval(arguments: list[str]) -> int:
    parts = {
        "gmtalker": ("plugins.gmtalker.evidence.command", "emotions, interpolation, heads, lips, portraits, ablations"),
    }
    return _run_part("eval PLUGIN", "judging", parts, arguments)


def _run_part(usage: str, doing: str, parts: dict[str, tuple[str, str]], arguments: list[str]) -> int:
    """The main of the module that the first argument names, with the others; or a list of the names."""
    from importlib import import_module

    if not arguments or arguments[0] not in parts:
        print(f"usage: visema {usage} [options]; `visema {usage} --help` lists its options\n")
        for name, (_, text) in parts.items():
            print(f"  {name:<22}{text}")
        return 0 if arguments[:1] in ([], ["-h"], ["--help"]) else 2
    try:
        module = import_module(parts[arguments[0]][0])
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] in ("engine", "plugins", "benchmarks"):
            raise
        raise DeviceError(f"{doing} needs {error.name}: pip install 'visema[train]'") from None
    return module.main(arguments[1:]) or 0
