"""What takes seconds to make and is the same next time, kept in the user's cache folder.

Everything is named after a hash of all that it was made from, so nothing here is ever out of date; what is damaged,
or cannot be written, is made anew. The environment variable VISEMA_CACHE names another folder, or none when it is
empty. The least recently used entries go when there are more than MOST.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

MOST = 40  # entries, of up to 20 MB each
Arrays = dict[str, np.ndarray]


def folder() -> Path | None:
    """Where things are kept, or None when nothing shall be."""
    named = os.environ.get("VISEMA_CACHE")
    if named is not None:
        return Path(named) if named else None
    from platformdirs import user_cache_path

    return user_cache_path("visema", appauthor=False)


def name_of(kind: str, *parts: str | bytes | np.ndarray) -> str:
    """The name of an entry made from these parts."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            part = f"{part.dtype}{part.shape}".encode() + np.ascontiguousarray(part).tobytes()
        plain = part.encode() if isinstance(part, str) else part
        digest.update(len(plain).to_bytes(8, "little") + plain)
    return f"{kind}-{digest.hexdigest()[:32]}"


def kept_files(name: str, write: Callable[[Path], None]) -> Path | None:
    """The folder of an entry, filled by `write` when there is none yet; None when nothing can be kept."""
    place = folder()
    if place is None:
        return None
    entry = place / name
    try:
        if entry.is_dir():
            os.utime(entry)
            return entry
        place.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=".making-", dir=place))
        try:
            write(partial)
            partial.rename(entry)
        finally:
            shutil.rmtree(partial, ignore_errors=True)  # also when another process was first
        _forget_oldest(place)
    except OSError:
        return entry if entry.is_dir() else None
    return entry


def kept_arrays(name: str, make: Callable[[], Arrays]) -> Arrays:
    """The arrays that `make` returned when they were first asked for."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file, save_file

    made: Arrays = {}

    def write(entry: Path) -> None:
        made.update(make())
        save_file({key: np.ascontiguousarray(value) for key, value in made.items()}, entry / "arrays.safetensors")

    entry = kept_files(name, write)
    if made or entry is None:
        return made or make()
    try:
        return load_file(entry / "arrays.safetensors")
    except (OSError, SafetensorError):
        forget(entry)
        return make()


def forget(entry: Path) -> None:
    """Drop an entry that turned out to be damaged."""
    shutil.rmtree(entry, ignore_errors=True)


def _forget_oldest(place: Path) -> None:
    entries = sorted((path for path in place.iterdir() if path.is_dir()), key=lambda path: path.stat().st_mtime)
    for path in entries[:-MOST]:
        forget(path)
