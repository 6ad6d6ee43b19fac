"""What lies in the folders of MEAD and CREMA-D: who shows which emotion how strongly, in which file.

MEAD (Wang et al. 2020): <subject>/video/<view>/<emotion>/level_<1..3>/<take>.mp4 and
<subject>/audio/<emotion>/level_<1..3>/<take>.m4a (or .wav). Neutral has level 1 only.
CREMA-D (Cao et al. 2014): VideoFlash/<actor>_<sentence>_<emotion>_<level>.flv (or .mp4) and AudioWAV/<the same>.wav.
"""

from dataclasses import dataclass
from pathlib import Path

from engine.errors import MediaError
from engine.motion.emotion import EMOTIONS

FILMS, SOUNDS = (".mp4", ".flv", ".avi", ".mov", ".mkv"), (".m4a", ".wav", ".flac", ".mp3", ".opus")
CREMA_EMOTIONS = {"ANG": "angry", "DIS": "disgusted", "FEA": "fear", "HAP": "happy", "NEU": "neutral", "SAD": "sad"}
CREMA_LEVELS = {"LO": 1, "MD": 2, "HI": 3, "XX": 2}  # XX: how strong was not said
MEAD_NAMES = {name: name for name in EMOTIONS} | {"disgust": "disgusted", "surprise": "surprised", "anger": "angry"}
HELD_OUT = 10  # every tenth take of a kind is held out for validation, and the one after it for tests


@dataclass(frozen=True, slots=True)
class Recording:
    """One utterance. film, sound: files, whichever are there. level: 1 to 3. split: train, valid or test."""

    name: str
    subject: str
    emotion: str
    level: int
    split: str
    film: Path | None
    sound: Path | None


def read_mead(folder: Path | str, view: str = "front") -> list[Recording]:
    """All recordings of a MEAD folder, films from one view. MediaError: it holds none."""
    root = Path(folder)
    films = {_mead_key(path, root, 3): path for path in _files(root.glob(f"*/video/{view}/*/level_*/*"), FILMS)}
    sounds = {_mead_key(path, root, 2): path for path in _files(root.glob("*/audio/*/level_*/*"), SOUNDS)}
    kinds: dict[tuple, int] = {}
    out = []
    for key in sorted(films.keys() | sounds.keys()):
        subject, emotion, level, _ = key
        if emotion not in MEAD_NAMES or not level.isdigit() or not 1 <= int(level) <= 3:
            raise MediaError(f"{films.get(key) or sounds.get(key)}: no emotion and level of MEAD")
        split = _split(kinds, key[:3])
        out.append(Recording("_".join(key), subject, MEAD_NAMES[emotion], int(level), split, films.get(key),
                             sounds.get(key)))  # fmt: skip
    if not out:
        raise MediaError(f"{root}: no <subject>/video/{view}/<emotion>/level_<n>/<take>.mp4 here, nor such audio")
    return out


def read_crema_d(folder: Path | str) -> list[Recording]:
    """All recordings of a CREMA-D folder. Actors are apart: every tenth validates, the one after it tests.

    MediaError: it holds none, or a file of another name.
    """
    root = Path(folder)
    films = {path.stem: path for path in _files(root.glob("Video*/*"), FILMS)}
    sounds = {path.stem: path for path in _files(root.glob("Audio*/*"), SOUNDS)}
    names = sorted(films.keys() | sounds.keys())
    if not names:
        raise MediaError(f"{root}: no VideoFlash/<actor>_<sentence>_<emotion>_<level>.flv here, nor AudioWAV")
    actors: dict[str, str] = {}
    out, kinds = [], {}
    for name in names:
        parts = name.split("_")
        if len(parts) != 4 or parts[2] not in CREMA_EMOTIONS or parts[3] not in CREMA_LEVELS:
            raise MediaError(f"{films.get(name) or sounds.get(name)}: no <actor>_<sentence>_<emotion>_<level>")
        actor, _, emotion, level = parts
        split = actors.setdefault(actor, _split(kinds, ()) if actor not in actors else "")
        out.append(Recording(name, actor, CREMA_EMOTIONS[emotion], CREMA_LEVELS[level], split, films.get(name),
                             sounds.get(name)))  # fmt: skip
    return out


def _split(kinds: dict, kind: tuple) -> str:
    """The split of the next one of a kind."""
    count = kinds[kind] = kinds.get(kind, -1) + 1
    return {HELD_OUT - 2: "valid", HELD_OUT - 1: "test"}.get(count % HELD_OUT, "train")


def _files(paths, kinds: tuple[str, ...]) -> list[Path]:
    return [path for path in paths if path.is_file() and path.suffix.lower() in kinds]


def _mead_key(path: Path, root: Path, emotion_at: int) -> tuple[str, str, str, str]:
    parts = path.relative_to(root).parts
    return parts[0], parts[emotion_at].lower(), parts[emotion_at + 1].removeprefix("level_"), path.stem
