"""Whether a folder is a sound corpus: `visema corpus check DIR`."""

import itertools
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from engine.errors import MediaError
from engine.features.phones import PHONE_INDEX
from engine.frames import SAMPLE_RATE_HZ
from engine.training.corpus import decode, read_rows, sound_of
from engine.training.speech.edges import agreement
from engine.training.speech.labels import Segment

GAP_S, END_S, LENGTH_S = 0.0015, 0.002, 0.03
MOST_LAG_S, LEAST_CORRELATION = 0.06, 0.45
LEAST_PHONES = 8  # to judge whether labels follow the sound


@dataclass
class Report:
    """What was found. faults: "row: what is wrong"; figures: utterances, minutes, voices and so on."""

    faults: list[str] = field(default_factory=list)
    figures: dict = field(default_factory=dict)


def check(folder: Path, listen: int | None = None, seed: int = 0) -> Report:
    """Every row's fields and phone times; the sound of `listen` rows drawn by seed (all of them: None).

    Raises MediaError when the folder holds no manifest.
    """
    manifest = folder / "manifest.jsonl"
    if not manifest.is_file():
        raise MediaError(f"{folder}: no manifest.jsonl here")
    rows, report = read_rows(manifest), Report()
    for row in rows:
        report.faults += [f"{row.get('id', '?')}: {fault}" for fault in row_faults(row)]
    report.faults += between_splits(rows)
    repeated = [name for name, count in Counter(row.get("id") for row in rows).items() if count > 1]
    report.faults += [f"{name}: more than one row" for name in repeated]
    order = np.random.default_rng(seed).permutation(len(rows))[:listen]
    fits = []
    for i in order:
        faults, fit = sound_faults(rows[i], folder)
        report.faults += [f"{rows[i].get('id', '?')}: {fault}" for fault in faults]
        fits += [fit] if fit is not None else []
    minutes: dict[str, float] = defaultdict(float)
    for row in rows:
        minutes[row.get("split", "?")] += row.get("duration_s", 0.0) / 60
    report.figures = {
        "utterances": len(rows), "listened_to": len(order), "voices": len({row.get("voice") for row in rows}),
        "minutes": {split: round(total, 2) for split, total in sorted(minutes.items())},
        "median_fit": round(float(np.median(fits)), 3) if fits else None,
    }  # fmt: skip
    return report


def row_faults(row: dict) -> list[str]:
    """What is wrong with the fields of one row."""
    missing = [name for name in ("id", "voice", "split", "text", "duration_s", "phones") if name not in row]
    if missing:
        return [f"no {name}" for name in missing]
    phones, faults = row["phones"], []
    if not phones:
        return []  # speech without labels: fit for self-supervised training
    unknown = sorted({name for name, _, _ in phones} - PHONE_INDEX.keys())
    if unknown:
        faults.append(f"unknown phones {', '.join(unknown)}")
    if abs(phones[0][1]) > GAP_S or abs(phones[-1][2] - row["duration_s"]) > END_S:
        faults.append(f"phones run from {phones[0][1]} to {phones[-1][2]} s, the sound from 0 to {row['duration_s']} s")
    for (a, _, end), (b, start, _) in itertools.pairwise(phones):
        if abs(start - end) > GAP_S:
            faults.append(f"gap of {start - end:.3f} s between {a} and {b}")
    if any(end <= start for _, start, end in phones):
        faults.append("a phone that ends before it begins")
    if "stress" in row and len(row["stress"]) != len(phones):
        faults.append(f"{len(row['stress'])} stress marks for {len(phones)} phones")
    return faults


def between_splits(rows: list[dict]) -> list[str]:
    """Voices and texts that stand in more than one split."""
    faults = []
    for name in ("voice", "text"):
        where: dict[str, set] = defaultdict(set)
        for row in rows:
            for value in str(row.get(name, "")).lower().split("+" if name == "voice" else "\n"):
                where[value].add(row.get("split"))
        faults += [f"{name} {value!r} is in splits {sorted(map(str, s))}" for value, s in where.items() if len(s) > 1]
    return faults


def sound_faults(row: dict, folder: Path) -> tuple[list[str], float | None]:
    """What is wrong with the sound of one row, and how well its labels follow it (None: cannot be told)."""
    try:
        samples = decode(str(sound_of(row, folder)))
    except Exception as error:  # whatever a decoder throws at a broken file
        return [f"sound cannot be read: {error}"], None
    faults, seconds = [], len(samples) / SAMPLE_RATE_HZ
    if abs(seconds - row.get("duration_s", 0.0)) > LENGTH_S:
        faults.append(f"{seconds:.3f} s of sound, the manifest says {row.get('duration_s')} s")
    if not samples.any():
        faults.append("nothing but silence")
    phones = row.get("phones") or []
    if faults or row_faults(row) or sum(name != "sil" for name, _, _ in phones) < LEAST_PHONES:
        return faults, None
    lag_s, fit = agreement([Segment(*phone) for phone in phones], samples.astype(np.float32) / 32768)
    if abs(lag_s) > MOST_LAG_S or fit < LEAST_CORRELATION:
        faults.append(f"labels do not follow the sound: lag {lag_s:.3f} s, correlation {fit:.2f}")
    return faults, fit
