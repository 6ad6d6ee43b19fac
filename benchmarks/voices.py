"""Voices to judge a mouth by: manifests of aligned speech, and copies of it with noise or through a telephone."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from engine.errors import MediaError
from engine.training.corpus import Clip, decode, read_rows, through_codec

SOUNDS = "/usr/share/asterisk/sounds/en_US_f_Allison"
AUDIO_FIELDS = ("audio", "path", "file")
ENDINGS = (".g722", ".wav", ".flac", ".opus", ".ogg", ".mp3")
TALKERS, CAFE_SNR_DB = 5, 10.0
TELEPHONE = ("wav", "pcm_mulaw", 64_000, 8_000)


@dataclass(frozen=True)
class Spoken:
    """One recording of a manifest: its sound and phones, and the stress marks of its phones, if any."""

    clip: Clip
    stress: list | None


def read_manifest(manifest: Path, audio_root: Path, limit: int | None = None) -> list[Spoken]:
    """Recordings of a manifest with one JSON object per line: `name` (or `id`) and `phones` [[symbol, start, end]].

    The sound lies below `audio_root` where the row's `audio` says, or under the row's name with a usual ending.
    Raises MediaError: no such folder, a row without sound or without phones.
    """
    if not manifest.is_file():
        raise MediaError(f"{manifest}: no such manifest")
    if not audio_root.is_dir():
        raise MediaError(f"{audio_root}: no recordings here; name their folder with --audio-root")
    out = []
    for row in read_rows(manifest)[:limit]:
        name = str(row.get("name") or row.get("id") or "")
        path = _sound_of(row, name, audio_root)
        samples = decode(str(path), "g722" if path.suffix == ".g722" else None)
        if not row.get("phones"):
            raise MediaError(f"{manifest}: {name} has no phones")
        phones = tuple((symbol, float(start), float(end)) for symbol, start, end in row["phones"])
        out.append(Spoken(Clip(name, "real", "real", phones, samples), row.get("stress")))
    if not out:
        raise MediaError(f"{manifest}: an empty manifest")
    return out


def _sound_of(row: dict, name: str, root: Path) -> Path:
    given = [root / row[field] for field in AUDIO_FIELDS if row.get(field)]
    for path in given or [root / f"{name}{ending}" for ending in ENDINGS]:
        if path.is_file():
            return path
    raise MediaError(f"{name}: no sound at {given[0] if given else root / name}")


def in_cafe(voices: list[Spoken], snr_db: float = CAFE_SNR_DB, seed: int = 0) -> list[Spoken]:
    """Every recording among murmuring talkers (the other recordings) and a rumbling room, at one ratio of levels."""
    random = np.random.default_rng(seed)
    lengths = np.cumsum([len(voice.clip.samples) for voice in voices])
    crowd = np.concatenate([voice.clip.samples.astype(np.float32) for voice in voices])
    out = []
    for voice in voices:
        x = voice.clip.samples.astype(np.float32)
        starts = random.integers(0, lengths[-1], TALKERS)
        murmur = [np.take(crowd, np.arange(start, start + len(x)), mode="wrap") for start in starts]
        noise = np.sum(murmur, 0)
        rumble = np.cumsum(random.standard_normal(len(x))).astype(np.float32)
        rumble -= np.convolve(rumble, np.ones(801) / 801, "same")[: len(x)]
        noise = noise + rumble * (0.3 * _level(noise) / max(_level(rumble), 1e-6))
        noise = noise * (_level(x[np.abs(x) > 100]) / max(_level(noise), 1e-6) * 10 ** (-snr_db / 20))
        mixed = np.clip(x + noise, -32768, 32767).astype(np.int16)
        out.append(replace(voice, clip=replace(voice.clip, samples=mixed)))
    return out


def on_telephone(voices: list[Spoken]) -> list[Spoken]:
    """Every recording through 8 kHz mu-law."""
    return [
        replace(voice, clip=replace(voice.clip, samples=through_codec(voice.clip.samples, *TELEPHONE)))
        for voice in voices
    ]


def _level(x: np.ndarray) -> float:
    return float(np.sqrt(np.square(x, dtype=np.float64).mean())) if len(x) else 0.0
