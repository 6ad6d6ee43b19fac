"""Tensors from weight files that may come from anywhere: nothing in them is ever executed."""

import warnings
from pathlib import Path
from typing import Any

import torch

from engine.errors import WeightsError

# Wrappers around the tensors in files of torch.save: fairseq's, trainers', HuBERT-soft's.
WRAPPERS = ("model", "state_dict", "model_state_dict", "hubert")


class Inert:
    """Stands for any class that a pickled file names: keeps what it is given, does nothing."""

    def __init__(self, *parts: Any, **named: Any):
        self.parts = (parts, named)

    def __setstate__(self, state: Any) -> None:
        self.parts = state


def read_tensors(path: Path, expected: str, allow_pickle: bool = False) -> dict[str, torch.Tensor]:
    """Every tensor of a safetensors file or, only with allow_pickle, of a file of torch.save.

    Raises WeightsError: no such file, truncated, another format, or a pickle without permission.
    """
    if not path.is_file():
        raise WeightsError(f"{path}: no such weight file; expected {expected}")
    with path.open("rb") as file:
        head = file.read(9)
    if head[8:9] == b"{":
        return _read_safetensors(path, expected)
    if head[:2] in (b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"):
        if not allow_pickle:
            raise WeightsError(
                f"{path}: a pickled file, which can hold programs: expected safetensors. If you trust where it comes "
                "from, allow it (allow_pickle, --allow-pickle); even then only tensors are read"
            )
        return _read_pickle(path, expected)
    raise WeightsError(f"{path}: neither safetensors nor a file of torch.save; expected {expected}")


def _read_safetensors(path: Path, expected: str) -> dict[str, torch.Tensor]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: truncated or damaged safetensors ({error}); expected {expected}") from error


def _read_pickle(path: Path, expected: str) -> dict[str, torch.Tensor]:
    """Only tensors and plain containers are made (weights_only); classes that the file names become inert."""
    import pickle

    warnings.warn(f"{path}: reading a pickled file; tensors only, nothing in it is run", stacklevel=4)
    try:
        names = torch.serialization.get_unsafe_globals_in_checkpoint(str(path))
        inert: list[Any] = [(type("Inert", (Inert,), {}), name) for name in names]
        with torch.serialization.safe_globals(inert):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError, OSError, AttributeError, KeyError) as error:
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        raise WeightsError(f"{path}: truncated, damaged or not tensors ({reason}); expected {expected}") from error
    for _ in range(2):
        for wrapper in WRAPPERS:
            if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
                content = content[wrapper]
    found = {k: v for k, v in content.items() if isinstance(v, torch.Tensor)} if isinstance(content, dict) else {}
    if not found:
        raise WeightsError(f"{path}: holds no table of tensors; expected {expected}")
    return found
