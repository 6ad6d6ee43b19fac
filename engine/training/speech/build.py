"""Makes an aligned corpus: `visema corpus build --out DIR`. Stopped, it goes on where it was.

Every utterance is synthesized, labelled, checked against its own sound and only then written; the manifest grows
line by line, refused utterances are logged with their reason beside it. Made again with the same seed and packages,
it is the same corpus.
"""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from engine.errors import MediaError
from engine.frames import SAMPLE_RATE_HZ
from engine.training.corpus import read_rows
from engine.training.speech.edges import agreement, refine, snap
from engine.training.speech.labels import segments_of, words_of
from engine.training.speech.packages import fetch
from engine.training.speech.synthesizer import UNIT_S, Said, Synthesizer
from engine.training.speech.texts import Job, leaks, make_jobs, spoken_in

SECONDS = (2.0, 12.0)
MOST_LAG_S, LEAST_CORRELATION = 0.04, 0.50
BIT_RATE = 26_000


def build(
    out: Path,
    work: Path,
    utterances: int | None = None,
    minutes: float | None = None,
    seed: int = 0,
    mixed: float = 0.0,
    avoid: Path | None = None,
) -> dict[str, float]:
    """Make as many utterances, or as many minutes of speech, as asked; returns how many there are now.

    work: where packages are kept. mixed: share of training utterances by mixtures of two voices. avoid: a corpus whose
    validation and test texts are not said, so that both may train together.
    """  # fmt: skip
    from rich.progress import Progress

    (out / "audio").mkdir(parents=True, exist_ok=True)
    manifest, refused = out / "manifest.jsonl", out / "dropped.jsonl"
    rows = _whole_rows(manifest)
    done = {row["id"] for row in (*rows, *_whole_rows(refused))}
    jobs = make_jobs(seed, mixed)
    if avoid:
        leak = leaks(spoken_in(read_rows(avoid / "manifest.jsonl")))
        jobs = [job for job in jobs if not leak(job.text)]
    jobs = jobs[:utterances]
    made_s, goal_s = sum(row["duration_s"] for row in rows), (minutes or np.inf) * 60
    if not all(job.id in done for job in jobs) and made_s < goal_s:
        synthesizer = Synthesizer(fetch(work))
        with Progress() as progress:
            bar = progress.add_task("utterances", total=len(jobs), completed=len(done))
            for job in jobs:
                if made_s >= goal_s:
                    break
                if job.id in done:
                    continue
                try:
                    row = make_utterance(synthesizer, job, out / "audio")
                    _append(manifest, row)
                    made_s += row["duration_s"]
                except MediaError as reason:
                    _append(refused, {"id": job.id, "text": job.text, "reason": str(reason)})
                progress.advance(bar)
    rows = sorted(_whole_rows(manifest), key=lambda row: row["id"])
    _rewrite(manifest, rows)
    return {"utterances": len(rows), "minutes": round(sum(row["duration_s"] for row in rows) / 60, 2)}


def make_utterance(synthesizer: Synthesizer, job: Job, folder: Path) -> dict:
    """Speak, label and write one utterance; its manifest row. Raises MediaError when it is no good."""
    said = synthesizer.say(job.text, job.voice, job.speed)
    row = label_utterance(said, job)
    write_opus(folder / f"{job.id}.opus", said.samples)
    return row


def label_utterance(said: Said, job: Job) -> dict:
    """The manifest row of an utterance. Raises MediaError when sound and labels do not agree."""
    duration_s = len(said.samples) / SAMPLE_RATE_HZ
    if abs(float(said.durations.sum()) * UNIT_S - duration_s) > 1e-3:
        raise MediaError(f"durations and sound differ: {float(said.durations.sum()) * UNIT_S:.3f}, {duration_s:.3f} s")
    if not SECONDS[0] <= duration_s <= SECONDS[1]:
        raise MediaError(f"length {duration_s:.2f} s")
    british = job.voice[0] == "b"
    sound = said.samples.astype(np.float32) / 32768
    segments = snap(refine(segments_of(said.tokens, said.durations, british), sound), sound)
    lag_s, fit = agreement(segments, sound)
    if abs(lag_s) > MOST_LAG_S or fit < LEAST_CORRELATION:
        raise MediaError(f"labels do not follow the sound: lag {lag_s:.3f} s, correlation {fit:.2f}")
    job_part = {key: value for key, value in asdict(job).items() if key != "id"}
    return {
        "id": job.id,
        **job_part,
        "gender": {"f": "female", "m": "male"}[job.voice[1]],
        "accent": "gb" if british else "us",
        "duration_s": _ms(duration_s),
        "phones": [[s.name, _ms(s.start), _ms(s.end)] for s in segments],
        "stress": [s.stress for s in segments],
        "words": [[word, _ms(start), _ms(end)] for word, start, end in words_of(job.text, segments)],
        "check": {"lag_s": _ms(lag_s), "corr": _ms(fit)},
    }


def write_opus(path: Path, samples: np.ndarray) -> None:
    """int16 (N,) at 16 kHz as Ogg Opus; the name appears only when the file is complete."""
    import av

    partial = path.with_suffix(".partial")
    with av.open(str(partial), "w", format="ogg") as file:
        stream = file.add_stream("libopus", rate=SAMPLE_RATE_HZ, layout="mono", options={"application": "audio"})
        stream.bit_rate = BIT_RATE
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[None]), "s16", "mono")
        frame.sample_rate, frame.pts = SAMPLE_RATE_HZ, 0
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    partial.rename(path)


def _whole_rows(path: Path) -> list[dict]:
    """The rows of a manifest that may have been cut off in the middle of its last line, mended in place."""
    if not path.is_file():
        return []
    text = path.read_text(encoding="utf-8")
    if text and not text.endswith("\n"):
        path.write_text(text[: text.rfind("\n") + 1], encoding="utf-8")
    return read_rows(path)


def _append(path: Path, row: dict) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _rewrite(path: Path, rows: list[dict]) -> None:
    partial = path.with_suffix(".partial")
    partial.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    partial.rename(path)


def _ms(value: float) -> float:
    return round(float(value), 3)
