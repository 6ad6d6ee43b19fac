"""Reads speech with phone timings: the corpus folder, extra folders of its form, and real prompts.

Audio is decoded once into a cache of 16-bit samples, beside a second copy that went through a
random telephone or network codec, because that is how real voices arrive.
"""

import io
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.errors import MediaError
from engine.frames import SAMPLE_RATE_HZ

# container, codec, bit rate in bit/s, sample rate in Hz, share of clips
CODECS = (
    ("g722", "g722", 64_000, 16_000, 0.45),
    ("ogg", "libopus", 12_000, 16_000, 0.15),
    ("ogg", "libopus", 20_000, 48_000, 0.10),
    ("wav", "pcm_mulaw", 64_000, 8_000, 0.20),
    ("wav", "adpcm_ima_wav", 64_000, 16_000, 0.10),
)

# where Debian's asterisk-core-sounds-en-g722 lays its prompts
SOUNDS_EN = "/usr/share/asterisk/sounds/en_US_f_Allison"


@dataclass(frozen=True)
class Clip:
    """One utterance.

    phones: (symbol, start s, end s), gapless. samples: int16 (N,), 16 kHz.
    coded: the same speech after a codec, int16 (N,), or None.
    """

    name: str
    voice: str
    split: str
    phones: tuple[tuple[str, float, float], ...]
    samples: np.ndarray
    coded: np.ndarray | None = None

    def __deepcopy__(self, memo: dict) -> "Clip":
        return self  # never changes: a copied loss shares the sound


def decode(source: str | io.BytesIO, container: str | None = None) -> np.ndarray:
    """Any sound to int16 (N,), 16 kHz mono. `container` names a format that PyAV cannot guess."""
    import av

    with av.open(source, "r", format=container) as file:
        resampler = av.AudioResampler("s16", "mono", SAMPLE_RATE_HZ)
        blocks = [out.to_ndarray()[0] for frame in file.decode(audio=0) for out in resampler.resample(frame)]
        blocks += [out.to_ndarray()[0] for out in resampler.resample(None)]
    return np.concatenate(blocks) if blocks else np.zeros(0, np.int16)


def through_codec(samples: np.ndarray, container: str, codec: str, bit_rate: int, rate_hz: int) -> np.ndarray:
    """What is left of int16 speech after a codec; same length, its delay taken out by the container."""
    import av

    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as file:
        stream = file.add_stream(codec, rate=rate_hz)
        assert isinstance(stream, av.AudioStream)
        stream.bit_rate = bit_rate
        context = stream.codec_context
        context.layout = "mono"
        resampler = av.AudioResampler(context.format, "mono", rate_hz, context.frame_size)
        frame = av.AudioFrame.from_ndarray(samples[None], "s16", "mono")
        frame.rate = SAMPLE_RATE_HZ
        for out in (*resampler.resample(frame), *resampler.resample(None)):
            file.mux(stream.encode(out))
        file.mux(stream.encode(None))
    buffer.seek(0)
    coded = decode(buffer, container)[: len(samples)]
    return np.pad(coded, (0, len(samples) - len(coded)))


def read_corpus(
    folder: Path, cache: Path, seed: int = 0, report: Callable[[int, int], None] | None = None
) -> list[Clip]:
    """Every clip of a corpus folder (manifest.jsonl and audio/), decoded once into `cache`.

    report: called with (clips done, clips in all) while decoding.
    Raises MediaError when the folder is no corpus.
    """
    manifest = folder / "manifest.jsonl"
    if not manifest.is_file():
        raise MediaError(f"{folder}: no manifest.jsonl here; name a corpus folder with --corpus")
    rows = read_rows(manifest)
    lengths = [round(row["duration_s"] * SAMPLE_RATE_HZ) for row in rows]
    starts = np.concatenate(([0], np.cumsum(lengths)))
    path = cache / f"{folder.resolve().name}-{len(rows)}-{starts[-1]}-{seed}.i16"
    if not path.is_file():
        _fill(path, folder, rows, lengths, starts, seed, report)
    store = np.memmap(path, np.int16, "r").reshape(2, -1)
    return [
        Clip(
            row["id"], row["voice"], row["split"], _phones(row),
            store[0, a : a + n], store[1, a : a + n],
        )
        for row, a, n in zip(rows, starts, lengths, strict=False)
    ]  # fmt: skip


def _fill(
    path: Path,
    folder: Path,
    rows: list,
    lengths: list[int],
    starts: np.ndarray,
    seed: int,
    report: Callable[[int, int], None] | None,
) -> None:
    """Decode and re-code all clips into `path`; the name appears only when the file is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    store = np.memmap(partial, np.int16, "w+", shape=(2, int(starts[-1])))
    random = np.random.default_rng(seed)
    shares = np.array([codec[-1] for codec in CODECS])
    for i, (row, a, n) in enumerate(zip(rows, starts, lengths, strict=False)):
        samples = decode(str(sound_of(row, folder)))[:n]
        samples = np.pad(samples, (0, n - len(samples)))
        store[0, a : a + n] = samples
        store[1, a : a + n] = through_codec(samples, *CODECS[random.choice(len(CODECS), p=shares)][:4])
        if report:
            report(i + 1, len(rows))
    store.flush()
    partial.rename(path)


def sound_of(row: dict, folder: Path) -> Path:
    """Where the sound of a manifest row lies: its `audio`, or audio/<id>.* below the folder."""
    if row.get("audio"):
        return folder / row["audio"]
    found = next((folder / "audio").glob(f"{row['id']}.*"), None)
    if found is None:
        raise MediaError(f"{folder}: no sound for {row['id']}")
    return found


def read_rows(path: Path) -> list[dict]:
    """The objects of a file with one JSON object per line."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def read_real(labels: Path, sounds: Path, limit: int | None = None) -> list[Clip]:
    """Recorded prompts with aligned phones: `real_en.jsonl` and the folder of the .g722 files."""
    if not sounds.is_dir():
        raise MediaError(f"{sounds}: no prompts here; install the Debian package asterisk-core-sounds-en-g722")
    rows = read_rows(labels)[:limit]
    return [
        Clip(row["name"], "real", "real", _phones(row), decode(str(sounds / f"{row['name']}.g722"), "g722"))
        for row in rows
    ]


SOUND_ENDINGS = (".g722", ".wav", ".flac", ".opus", ".ogg", ".mp3")
PIECE_S, LEAST_S = 12.0, 1.0


def read_sounds(folder: Path, leave_out: Sequence[str] = ()) -> list[Clip]:
    """Recordings below a folder, in name order and in pieces of 12 s, without labels. leave_out: stems of names.

    Raises MediaError when there is none.
    """
    paths = sorted(p for p in folder.rglob("*") if p.suffix in SOUND_ENDINGS and p.stem not in leave_out)
    clips, size = [], round(PIECE_S * SAMPLE_RATE_HZ)
    for path in paths:
        samples = decode(str(path), "g722" if path.suffix == ".g722" else None)
        pieces = [samples[at : at + size] for at in range(0, len(samples), size)]
        clips += [
            Clip(f"{path.stem}_{k}", folder.name, "train", (), piece)
            for k, piece in enumerate(pieces)
            if len(piece) >= LEAST_S * SAMPLE_RATE_HZ
        ]
    if not clips:
        raise MediaError(f"{folder}: no recordings here")
    return clips


def split_of(clips: Iterable[Clip], split: str) -> list[Clip]:
    """The clips of one split."""
    return [clip for clip in clips if clip.split == split]


def _phones(row: dict) -> tuple[tuple[str, float, float], ...]:
    return tuple((symbol, float(start), float(end)) for symbol, start, end in row["phones"])
