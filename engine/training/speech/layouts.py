"""Real recordings in the folders that public sets come in, as a corpus: `visema corpus read`.

Phones are those of `spoken.Transcriber`; what does not align is left out, or kept without phones for
self-supervised training. Sound stays where it is: the manifest points to it.
"""

import csv
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from engine.errors import MediaError
from engine.frames import SAMPLE_RATE_HZ
from engine.training.corpus import decode
from engine.training.speech.spoken import Transcriber
from engine.training.speech.spoken_orders import read_orders
from engine.training.speech.texts import split_by


class Recording(NamedTuple):
    """One recording of a layout, before it is aligned."""

    id: str
    voice: str
    text: str
    path: Path
    split: str


def read_librispeech(folder: Path) -> Iterator[Recording]:
    """SPEAKER/CHAPTER/SPEAKER-CHAPTER-NNNN.flac beside SPEAKER-CHAPTER.trans.txt, at any depth below `folder`."""
    for transcript in sorted(folder.rglob("*.trans.txt")):
        part = next((p.name for p in transcript.parents if re.match(r"(train|dev|test)-", p.name)), "train")
        split = {"dev": "valid", "test": "test"}.get(part.split("-")[0], "train")
        for line in transcript.read_text(encoding="utf-8").splitlines():
            name, _, text = line.partition(" ")
            path = transcript.with_name(f"{name}.flac")
            if path.is_file():
                yield Recording(f"ls_{name}", f"ls_{name.split('-')[0]}", text.capitalize(), path, split)


def read_common_voice(folder: Path) -> Iterator[Recording]:
    """train.tsv, dev.tsv and test.tsv (or validated.tsv, split by speaker), sound in clips/."""
    tables = {split: folder / f"{name}.tsv" for split, name in (("train", "train"), ("valid", "dev"), ("test", "test"))}
    found = {split: path for split, path in tables.items() if path.is_file()}
    if not found and (folder / "validated.tsv").is_file():
        found = {"": folder / "validated.tsv"}
    speakers: dict[str, str] = {}
    for split, path in found.items():
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
                sound = folder / "clips" / row["path"]
                if sound.is_file():
                    speaker = row["client_id"]
                    own = split or speakers.setdefault(speaker, split_by(len(speakers)))
                    yield Recording(f"cv_{sound.stem}", f"cv_{speaker[:12]}", row["sentence"], sound, own)


def read_speech_to_intent(folder: Path) -> Iterator[Recording]:
    """Picovoice's speech-to-intent benchmark; who speaks is not said, so all of it is for training."""
    for name, text, path in read_orders(folder):
        yield Recording(name, "order", text.capitalize(), path, "train")


LAYOUTS: dict[str, Callable[[Path], Iterator[Recording]]] = {
    "librispeech": read_librispeech, "common-voice": read_common_voice, "speech-to-intent": read_speech_to_intent,
}  # fmt: skip


def import_layout(layout: str, folder: Path, out: Path, limit: int | None = None, unaligned: bool = False) -> dict:
    """Write out/manifest.jsonl for the recordings of a layout; returns how many were taken and left out.

    Raises MediaError when the folder holds none. unaligned: keep what does not align, without phones.
    """
    from rich.progress import track

    recordings = list(LAYOUTS[layout](folder))[:limit]
    if not recordings:
        raise MediaError(f"{folder}: no recordings in the layout of {layout}")
    transcribe, counts = Transcriber(), {"taken": 0, "without_phones": 0, "left_out": 0}
    out.mkdir(parents=True, exist_ok=True)
    with (out / "manifest.jsonl").open("w", encoding="utf-8") as file:
        for recording in track(recordings, "recordings"):
            samples = decode(str(recording.path))
            phones = transcribe(recording.text, samples)
            if not phones and not unaligned:
                counts["left_out"] += 1
                continue
            counts["taken" if phones else "without_phones"] += 1
            row = {
                "id": recording.id, "voice": recording.voice, "split": recording.split, "source": layout,
                "text": recording.text, "duration_s": round(len(samples) / SAMPLE_RATE_HZ, 3),
                "phones": [[name, round(start, 3), round(end, 3)] for name, start, end in phones],
                "audio": str(recording.path.resolve()),
            }  # fmt: skip
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return counts
