"""Figures of the performances that networks learn from: lips, head, eyes and made voices, emotion by emotion.

    python -m benchmarks.performers [--json F] [--corpus DIR] [--seeds N] [--recogniser]

Lips: of 263 prompts of a real person, every emotion at full strength, by the code of `visema bench quality`. The rest:
test utterances of the corpus with made emotional voices; Div and PCM over seeds, BA beside chance (as many beats at
random). Voice: the change of what was measured, beside what was asked for. --recogniser: how well the shipped encoder
names phones in the made voices, which tells whether they are still speech and their phone times still right.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.lip_figures import MouthClip, lip_figures
from benchmarks.motion_figures import angles, beat_alignment, correct_motion, diversity, prosodic_beats
from benchmarks.voices import SOUNDS, Spoken, read_manifest
from engine.frames import FPS, SAMPLE_RATE_HZ
from engine.motion import layout
from engine.render.face_model import FaceModel
from engine.render.lips import LipMeasure
from engine.training.performers import EMOTIONS, PERFORMERS, Feeling, Performances, Prosody, Voice, measure, perform
from engine.training.performers.voice import TONES

LIPS = ("closure_recall", "closure_recall_absolute", "false_closure", "labiodental_recall", "rounding_contrast",
        "openness_order", "bilabials", "labiodentals")  # fmt: skip
EVERY = 8  # of the test utterances


def lips_of(emotion: str, voices: list[Spoken], heard: list[Prosody], measure_lips: LipMeasure) -> dict[str, float]:
    """Lip figures with an emotion at full strength, performers in turn."""
    clips = []
    for i, (voice, prosody) in enumerate(zip(voices, heard, strict=True)):
        phones, who = list(voice.clip.phones), PERFORMERS[i % len(PERFORMERS)]
        motion = perform(phones, prosody, Feeling.of(3, **{emotion: 1.0}), who, i, voice.stress).motion
        clips.append(MouthClip(measure_lips.aperture(motion), measure_lips.width(motion), phones))
    figures = lip_figures(clips)
    return {name: round(figures[name], 4) for name in LIPS}


def movement_of(emotion: str, voices: list[Voice], seeds: int) -> dict[str, float]:
    """Head and eyes with an emotion at full strength: means over voices and seeds."""
    draw = np.random.default_rng(0)
    rows, blinks, minutes = [], 0, 0.0
    for i, voice in enumerate(voices):
        who, beats = PERFORMERS[i % len(PERFORMERS)], prosodic_beats(voice.prosody)
        feeling = Feeling.of(3, **{emotion: 1.0})
        takes = [perform(voice.phones, voice.prosody, feeling, who, seed, voice.stress).motion for seed in range(seeds)]
        chance = [draw.uniform(beats.min(), beats.max(), len(beats)) for _ in takes]
        shut = np.stack([take[:, layout.BLINK].max(1) > 0.5 for take in takes])
        blinks += int((shut[:, 1:] & ~shut[:, :-1]).sum())
        minutes += shut.size / FPS / 60
        turns = [np.linalg.norm(np.diff(angles(take), axis=0), axis=1).mean() * FPS for take in takes]
        rows.append({
            "div": diversity(takes),
            "ba": np.nanmean([beat_alignment(take, beats) for take in takes]),
            "ba_chance": np.nanmean([beat_alignment(take, other) for take, other in zip(takes, chance, strict=True)]),
            "pcm": correct_motion(takes[0], takes[1]),
            "head_deviation_degrees": np.mean([angles(take).std(0) for take in takes]),
            "head_speed_degrees_s": np.mean(turns),
        })  # fmt: skip
    figures = {name: round(float(np.mean([row[name] for row in rows])), 3) for name in rows[0]}
    return figures | {"blinks_per_minute": round(blinks / minutes, 1)}


def describe(voice: Voice) -> np.ndarray:
    """Median pitch and its range in semitones, level in dB, phones per second, dB of 2-5 kHz over 0.2-1 kHz."""
    pitch, level = voice.prosody.pitch_hz, voice.prosody.loudness_db
    low, middle, high = np.percentile(12 * np.log2(pitch[pitch > 0]), (10, 50, 90))
    spoken = [end - start for name, start, end in voice.phones if name != "sil"]
    samples = voice.samples / 32768
    power, hz = np.square(np.abs(np.fft.rfft(samples))), np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE_HZ)
    bright, dark = (power[(hz > a) & (hz < b)].sum() for a, b in ((2000, 5000), (200, 1000)))
    return np.array([middle, high - low, np.median(level[level > -45]), len(spoken) / sum(spoken),
                     10 * np.log10(bright / dark)])  # fmt: skip


def voice_of(emotion: str, felt: list[Voice], neutral: list[Voice]) -> dict[str, list[float]]:
    """What was measured and what was asked for, as [measured, asked]: median changes against the neutral voice."""
    before, after, tone = np.array([*map(describe, neutral)]), np.array([*map(describe, felt)]), TONES[emotion]
    change, ratio = np.median(after - before, 0), np.median(after / before, 0)
    table = {
        "pitch_semitones": (change[0], tone.pitch), "pitch_range": (ratio[1], tone.pitch_range),
        "loudness_db": (change[2], tone.loudness), "rate": (ratio[3], tone.rate), "tilt_db": (change[4], tone.tilt),
    }  # fmt: skip
    return {name: [round(float(value), 2) for value in pair] for name, pair in table.items()}


def recognised(voices: list[Voice]) -> dict[str, float]:
    """Share of frames whose phone and viseme the shipped encoder names, 40 ms of look-ahead."""
    from benchmarks.judges import judge_phones
    from engine.features import load_encoder
    from engine.training.corpus import Clip

    clips = [
        Clip(str(i), "made", "test", tuple((name, start, end) for name, start, end in voice.phones), voice.samples)
        for i, voice in enumerate(voices)
    ]
    return {name: round(value, 3) for name, value in judge_phones(load_encoder(), clips)["lookahead_40_ms"].items()}


def main(argv: Sequence[str] | None = None) -> None:
    """Command line: see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="F")
    parser.add_argument("--corpus", type=Path, default=Path("../shared/corpus"))
    parser.add_argument("--seeds", type=int, default=4, metavar="N", help="performances of each voice, 2 or more")
    parser.add_argument("--recogniser", action="store_true", help="also what the encoder hears (minutes)")
    args = parser.parse_args(argv)
    data, lips = Performances(args.corpus), LipMeasure(FaceModel.load())
    real = read_manifest(args.corpus / "real_en.jsonl", Path(SOUNDS)) if Path(SOUNDS).is_dir() else []
    heard = [measure(voice.clip.samples) for voice in real]
    names = data.utterances("test")[::EVERY]
    neutral = [data.voice(name, "neutral", 1) for name in names]
    report: dict = {"utterances": len(names), "real_prompts": len(real), "seeds": args.seeds, "emotions": {}}
    for emotion in EMOTIONS:
        felt = [data.voice(name, emotion, 3) for name in names]
        row: dict = {"lips": lips_of(emotion, real, heard, lips)} if real else {}
        row |= {"movement": movement_of(emotion, felt, args.seeds), "voice": voice_of(emotion, felt, neutral)}
        if args.recogniser:
            row["recogniser"] = recognised(felt)
        report["emotions"][emotion] = row
        print(emotion, json.dumps(row), flush=True)
    if args.json:
        args.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
