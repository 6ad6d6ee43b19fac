"""Fitted coefficients: what a tracker found in a recording, in a form that any tracker can write.

A folder holds `index.jsonl`, one JSON object per line:

    {"id": "M003_happy_3_001", "audio": "audio/M003_happy_3_001.wav", "coefficients": "M003_happy_3_001.npz",
     "performer": "M003", "emotion": "happy", "level": 3, "split": "train"}

audio and coefficients are paths from the folder (or absolute ones); emotion is one of `engine.motion.emotion.EMOTIONS`,
level 1 to 3, split train, valid or test. A coefficients file is .npz or .safetensors with

    expression  float32 (T, X)   one column for every name
    rho         float32 (T, 12)  `engine.motion.layout.MOTION`: head rotation 3 and translation 3, gaze 2 + 2, blink 2
    names       X names of `engine.motion.layout.EXPRESSION`; in safetensors as metadata "names", comma-separated
    fps         of the recording; in safetensors as metadata "fps"

in the layout's units (0 to 1, radians, metres). Frame t is what is seen while t / fps .. (t + 1) / fps is heard. Units
that a tracker does not know may be missing: they stay 0.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.errors import MediaError
from engine.frames import FPS
from engine.motion import layout
from engine.motion.emotion import EMOTIONS

SPLITS = ("train", "valid", "test")
RHO = layout.M - layout.E


@dataclass(frozen=True, slots=True)
class Fitted:
    """One line of an index. audio, coefficients: files."""

    name: str
    audio: Path
    coefficients: Path
    performer: str
    emotion: str
    level: int
    split: str


def write_index(folder: Path, rows: Sequence[Fitted]) -> None:
    """Write `index.jsonl`; paths below the folder become relative."""
    folder.mkdir(parents=True, exist_ok=True)

    def told(path: Path) -> str:
        return str(path.relative_to(folder) if path.is_relative_to(folder) else path.resolve())

    lines = [
        json.dumps({"id": row.name, "audio": told(row.audio), "coefficients": told(row.coefficients),
                    "performer": row.performer, "emotion": row.emotion, "level": row.level, "split": row.split})
        for row in rows
    ]  # fmt: skip
    (folder / "index.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_index(folder: Path | str) -> list[Fitted]:
    """The lines of a folder's index. MediaError names the line and what is wrong with it."""
    path = Path(folder) / "index.jsonl"
    if not path.is_file():
        raise MediaError(f"{folder}: no index.jsonl here; a folder of fitted coefficients has one")
    out = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            row = json.loads(line)
            fitted = Fitted(row["id"], path.parent / row["audio"], path.parent / row["coefficients"],
                            str(row["performer"]), row["emotion"], int(row["level"]), row["split"])  # fmt: skip
        except (json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            raise MediaError(f"{path}, line {number}: {error!r}") from None
        if fitted.emotion not in EMOTIONS or fitted.level not in (1, 2, 3) or fitted.split not in SPLITS:
            raise MediaError(
                f"{path}, line {number}: emotion is one of {', '.join(EMOTIONS)}, level 1 to 3, split {SPLITS}"
            )
        for file in (fitted.audio, fitted.coefficients):
            if not file.is_file():
                raise MediaError(f"{path}, line {number}: there is no {file}")
        out.append(fitted)
    return out


def write_fitted(path: Path, expression: np.ndarray, rho: np.ndarray, names: Sequence[str], fps: float) -> None:
    """Write a coefficients file, .npz or .safetensors by its ending."""
    if path.suffix == ".safetensors":
        from safetensors.numpy import save_file

        tensors = {"expression": expression.astype(np.float32), "rho": rho.astype(np.float32)}
        save_file(tensors, str(path), {"names": ",".join(names), "fps": f"{fps:g}"})
        return
    with path.open("wb") as file:
        np.savez_compressed(file, expression=expression.astype(np.float32), rho=rho.astype(np.float32),
                            names=np.array(names), fps=np.float32(fps))  # fmt: skip


def read_fitted(path: Path | str) -> np.ndarray:
    """Motion vectors float32 (T, M) at 25 fps of a coefficients file. MediaError says what does not fit."""
    path = Path(path)
    expression, rho, names, fps = _read(path)
    if expression.ndim != 2 or expression.shape[1] != len(names) or not len(expression):
        raise MediaError(f"{path}: expression is {expression.shape}, but there are {len(names)} names")
    if rho.shape != (len(expression), RHO):
        raise MediaError(f"{path}: rho is {rho.shape}; ({len(expression)}, {RHO}) is expected")
    strange = [name for name in names if name not in layout.EXPRESSION]
    if strange or len(set(names)) != len(names):
        raise MediaError(f"{path}: unknown or repeated coefficient {strange[0] if strange else 'names'!r}")
    if not 1.0 <= fps <= 1000.0:
        raise MediaError(f"{path}: fps = {fps:g}")
    if not (np.isfinite(expression).all() and np.isfinite(rho).all()):
        raise MediaError(f"{path}: holds numbers that are not finite")
    motion = np.zeros((len(expression), layout.M), np.float32)
    motion[:, [layout.INDEX[name] for name in names]] = expression
    motion[:, layout.E :] = rho
    return _at_ticks(motion, fps)


def _read(path: Path) -> tuple[np.ndarray, np.ndarray, list[str], float]:
    try:
        if path.suffix == ".safetensors":
            from safetensors import safe_open

            with safe_open(str(path), framework="numpy") as file:
                told = file.metadata() or {}
                tensors = file.get_tensor("expression"), file.get_tensor("rho")
                return *tensors, told["names"].split(","), float(told["fps"])
        with np.load(path, allow_pickle=False) as file:
            return file["expression"], file["rho"], [str(name) for name in file["names"]], float(file["fps"])
    except Exception as error:
        raise MediaError(f"{path}: no file of fitted coefficients ({error})") from None


def _at_ticks(motion: np.ndarray, fps: float) -> np.ndarray:
    """Frames at another rate -> ticks, by straight lines between the middles of frames."""
    if fps == FPS:
        return motion
    ticks = max(round(len(motion) / fps * FPS), 1)
    at = (np.arange(ticks) + 0.5) / FPS
    middles = (np.arange(len(motion)) + 0.5) / fps
    return np.stack([np.interp(at, middles, column) for column in motion.T], 1).astype(np.float32)
