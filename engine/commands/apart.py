"""Commands whose modules read their options: trainings, evaluations, corpora, weights, benchmarks."""

from collections.abc import Callable
from importlib import import_module

from engine.errors import DeviceError

TRAININGS = {
    "pretrain": ("engine.training.pretrain", "a speech encoder by masked prediction of clustered units"),
    "encoder": ("engine.training.encoder", "the causal speech encoder, on aligned phones"),
    "distill": ("engine.training.distill", "a causal student of a non-causal teacher"),
    "mix": ("engine.training.mix", "an encoder's answers for the first frame of a tick from both frames"),
    "units": ("engine.training.units", "the encoder's discrete content units (k-means)"),
    "viseme": ("plugins.viseme.training", "the viseme plugin, on reference curves and captured motion"),
    "gmtalker.expression": ("plugins.gmtalker.expression_training", "GMTalker's faces, on performances"),
    "gmtalker.motion": ("plugins.gmtalker.motion_training", "GMTalker's heads, eyes and lids, on performances"),
    "gmtalker.pairs": ("plugins.gmtalker.generator.pairs", "pictures for the next one: plain, masks, offline"),
    "gmtalker.generator": ("plugins.gmtalker.generator.training", "GMTalker's head generator, on such pictures"),
}
EVALUATIONS = {
    "gmtalker": ("plugins.gmtalker.evidence.command", "emotions, interpolation, heads, lips, portraits, ablations"),
}


def find_apart(arguments: list[str]) -> Callable[[], int | None] | None:
    """What answers these arguments, if it is one of these commands."""
    first, second = (*arguments, "", "")[:2]
    if first == "train":
        return lambda: _part("train PART", "training", TRAININGS, arguments[1:])
    if first == "eval":
        return lambda: _part("eval PLUGIN", "judging", EVALUATIONS, arguments[1:])
    if first == "corpus":
        return lambda: import_module("engine.training.speech.command").main(arguments[1:])
    if first == "weights":
        return lambda: import_module("engine.weights").main(arguments[1:])
    if first == "bench" and second == "encoder":
        return lambda: import_module("engine.bench_encoder").main(arguments[2:])
    if first == "bench" and second == "quality":
        return lambda: _main("benchmarks.quality", "judging lips", arguments[2:])
    if first == "bench" and second not in ("", "render", "-h", "--help"):
        return lambda: import_module("benchmarks.harness.command").main(arguments[1:])
    return None


def add_apart(commands) -> None:
    """Their lines in the help."""
    commands.add_parser("train", help="train the shipped weights again: `visema train --help`")
    commands.add_parser("eval", help="a plugin's figures on held-out voices: `visema eval --help`")
    commands.add_parser("corpus", help="make, check or import aligned speech: `visema corpus --help`")
    commands.add_parser("weights", help="list, verify or fetch weight files: `visema weights --help`")


def _part(usage: str, doing: str, parts: dict[str, tuple[str, str]], arguments: list[str]) -> int:
    """The main of the module that the first argument names, with the others; or a list of the names."""
    if not arguments or arguments[0] not in parts:
        print(f"usage: visema {usage} [options]; `visema {usage} --help` lists its options\n")
        for name, (_, text) in parts.items():
            print(f"  {name:<22}{text}")
        return 0 if arguments[:1] in ([], ["-h"], ["--help"]) else 2
    return _main(parts[arguments[0]][0], doing, arguments[1:]) or 0


def _main(module: str, doing: str, arguments: list[str]) -> int | None:
    """The main of a module that needs more than a session does. DeviceError: what it needs is not installed."""
    try:
        found = import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] in ("engine", "plugins", "benchmarks"):
            raise
        raise DeviceError(f"{doing} needs {error.name}: pip install 'visema[train]'") from None
    return found.main(arguments)
