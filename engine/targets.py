"""Where files are to go."""

import os
from pathlib import Path

from engine.errors import EngineError


def names_folder(path: str | os.PathLike[str]) -> bool:
    """Whether OUT is a folder: one that is there, or a name ending in a slash, which is then made."""
    return os.fspath(path).endswith(("/", os.sep)) or Path(path).is_dir()


def missing_folder(path: str | os.PathLike[str]) -> str:
    """Words for why no file can be written there: the folder that is missing, by name. Empty if it is there."""
    folder = Path(path).parent
    if folder.is_dir():
        return ""
    if folder.exists():
        return f"{folder} is no folder"
    return f"there is no folder {folder}; make it first"


def check_folder(path: str | os.PathLike[str]) -> None:
    """EngineError if the folder of a file to be written is missing: told before anything slow."""
    if why := missing_folder(path):
        raise EngineError(f"cannot write {path}: {why}")
