"""Performers: feeling shows, lips still speak, seeds decide, and made voices measure as they were made."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.lip_figures import MouthClip, lip_figures
from benchmarks.voices import SOUNDS, read_manifest
from engine.errors import ConfigError
from engine.features.phones import PHONES
from engine.motion import layout
from engine.render.face_model import FaceModel
from engine.render.lips import LipMeasure
from engine.training.calibration import range_and_speed, read_capture
from engine.training.performers import (
    EMOTIONS,
    PERFORMERS,
    Feeling,
    Prosody,
    join,
    perform,
    performer,
    random_performer,
    split,
)
from engine.training.performers import measure as measure_prosody
from engine.training.performers.style import as_numbers

SHARED = Path("../shared")

NAMES = "M AE P AH L IY B AA F OW V EH R M UW P IH K AX B AY S T AO M EY F IY Z".split()
TICKS = 275


def utterance(phone_s: float = 0.12) -> tuple[list, list, Prosody]:
    """Two phrases with a pause between, a level and a pitch that move with the vowels."""
    phones, stress, at = [["sil", 0.0, 0.6]], [None], 0.6
    for phrase in (NAMES, NAMES[::-1]):
        for name in phrase:
            phones.append([name, at, at + phone_s])
            stress.append(1 if name in ("AE", "AA", "OW", "AY", "EY") else 0 if name in ("AX", "IH") else None)
            at = phones[-1][2]
        phones.append(["sil", at, at + 0.6])
        stress.append(None)
        at += 0.6
    phones[-1][2] = max(at, TICKS * 0.04)
    frames = (np.arange(2 * TICKS) + 0.5) * 0.02
    loud, pitch = np.full(len(frames), -70.0), np.zeros(len(frames))
    for (name, start, end), mark in zip(phones, stress, strict=True):
        inside = (frames >= start) & (frames < end)
        if name != "sil":
            loud[inside], pitch[inside] = -24.0 + 3.0 * (mark == 1), 180.0 + 30.0 * (mark == 1)
    return phones, stress, Prosody(loud, pitch)


SAID, STRESS, PROSODY = utterance()


def played(seed: int = 0, who=PERFORMERS[0], level: int | None = None, strength: float = 1.0, **weights: float):
    return perform(SAID, PROSODY, Feeling.of(level, strength, **weights), who, seed, STRESS)


@pytest.fixture(scope="module")
def measure() -> LipMeasure:
    return LipMeasure(FaceModel.load())


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_lips_shut_bite_and_open_whatever_is_felt(measure, emotion):
    clips = []
    for seed, who in enumerate((*PERFORMERS, random_performer(5), random_performer(6))):
        motion = played(seed, who, **{emotion: 1.0}).motion
        clips.append(MouthClip(measure.aperture(motion), measure.width(motion), SAID))
    figures = lip_figures(clips)
    assert figures["closure_recall"] >= 0.95 and figures["closure_recall_absolute"] >= 0.95
    assert figures["false_closure"] <= 0.03
    assert figures["labiodental_recall"] >= 0.95
    assert figures["rounding_contrast"] >= 1.2 and figures["openness_order"] >= 0.9


@pytest.mark.skipif(not (SHARED / "corpus").is_dir() or not Path(SOUNDS).is_dir(), reason="no real prompts here")
def test_real_prompts_reach_what_animators_sign_with_every_feeling(measure):
    voices = read_manifest(SHARED / "corpus" / "real_en.jsonl", Path(SOUNDS), 60)
    heard = [measure_prosody(voice.clip.samples) for voice in voices]
    for emotion in EMOTIONS:
        clips = []
        for i, (voice, prosody) in enumerate(zip(voices, heard, strict=True)):
            phones = list(voice.clip.phones)
            done = perform(phones, prosody, Feeling.of(**{emotion: 1.0}), PERFORMERS[i % 6], i, voice.stress)
            clips.append(MouthClip(measure.aperture(done.motion), measure.width(done.motion), phones))
        figures = lip_figures(clips)
        assert figures["closure_recall"] >= 0.95 and figures["labiodental_recall"] >= 0.95, emotion
        assert figures["false_closure"] <= 0.03 and figures["rounding_contrast"] >= 1.2, emotion


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_every_number_stays_in_its_range(emotion):
    for seed in range(4):
        motion = played(seed, random_performer(seed), **{emotion: 1.0}).motion
        expression, rho = split(motion)
        assert motion.dtype == np.float32 and motion.shape == (TICKS, layout.M) and np.isfinite(motion).all()
        assert expression.min() >= 0.0 and expression.max() <= 1.0
        assert np.abs(rho[:, :3]).max() < 0.55 and np.abs(rho[:, 3:6]).max() < 0.06  # rad, m
        assert np.abs(rho[:, 6:10]).max() < 0.5 and rho[:, 10:].min() >= 0.0 and rho[:, 10:].max() <= 1.0
        assert np.abs(np.diff(rho[:, :3], axis=0)).max() < 0.16  # 4 rad / s: a head has mass


def test_the_same_seed_repeats_and_another_does_not():
    first, again, other = (played(seed, happy=1.0).motion for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    for part in (layout.POSE, layout.GAZE_LEFT, layout.BLINK, slice(0, layout.E)):
        assert np.abs(first[:, part] - other[:, part]).max() > 0.003


def test_performers_differ_in_what_they_say_of_themselves():
    def speed(who) -> float:
        return np.mean([np.abs(np.diff(played(seed, who, neutral=1.0).rho[:, :3], axis=0)) for seed in range(6)])

    assert speed(performer("jonas")) > 1.5 * speed(performer("otto"))
    numbers = np.stack([as_numbers(who) for who in PERFORMERS])
    distance = np.abs(numbers[:, None] - numbers[None]).mean(-1)
    assert (distance[~np.eye(len(PERFORMERS), dtype=bool)] > 0.1).all()
    assert random_performer(1) == performer("random:1") != performer("random:2")
    with pytest.raises(ConfigError, match="mara"):
        performer("nobody")


# The coefficients that tell an emotion, and on which side of neutral they lie.
TELLING = {
    "angry": ("browDownLeft", "browDownRight"), "disgusted": ("noseSneerLeft", "noseSneerRight"),
    "fear": ("eyeWideLeft", "browInnerUp", "mouthStretchLeft"), "happy": ("cheekSquintLeft", "mouthSmileLeft"),
    "sad": ("mouthFrownLeft", "browInnerUp"), "surprised": ("browOuterUpLeft", "eyeWideLeft"),
    "contempt": ("mouthDimpleLeft",),
}  # fmt: skip


@pytest.mark.parametrize("emotion", TELLING)
def test_an_emotion_grows_with_its_level_and_peaks_in_the_phrase(emotion):
    at = [layout.INDEX[name] for name in TELLING[emotion]]
    calm = played(1, neutral=1.0).motion[:, at].mean()
    shown = [played(1, level=level, **{emotion: 1.0}).motion[:, at].mean() for level in (1, 2, 3)]
    assert calm + 0.05 < shown[0] < shown[1] < shown[2]
    curve = np.mean([played(seed, **{emotion: 1.0}).motion[:, at].mean(1) for seed in range(8)], 0)
    assert curve[20:].max() > 1.08 * curve[-12:].mean()  # a second after all is said it has faded


def test_contempt_is_one_sided():
    motion = played(2, contempt=1.0).motion.mean(0)
    left, right = (motion[layout.INDEX["mouthDimple" + side]] for side in ("Left", "Right"))
    assert left > 3 * max(right, 0.02)
    mirrored = played(2, performer("otto"), contempt=1.0).motion.mean(0)
    assert mirrored[layout.INDEX["mouthDimpleRight"]] > 3 * mirrored[layout.INDEX["mouthDimpleLeft"]]


def test_a_mixture_lies_between_and_a_feeling_may_change_while_speaking():
    smile, frown = layout.INDEX["mouthSmileLeft"], layout.INDEX["mouthFrownLeft"]
    happy, sad, both = (played(7, **w).motion for w in ({"happy": 1.0}, {"sad": 1.0}, {"happy": 0.5, "sad": 0.5}))
    for unit in (smile, frown):
        low, high = sorted((happy[:, unit].mean(), sad[:, unit].mean()))
        assert low < both[:, unit].mean() < high
    weights = np.stack([Feeling.of(happy=1 - s, sad=s).weights for s in np.linspace(0, 1, TICKS)])
    changing = perform(SAID, PROSODY, Feeling(weights), PERFORMERS[0], 7, STRESS).motion
    assert changing[:60, smile].mean() > 2 * changing[-60:, smile].mean()
    steady = np.percentile(np.abs(np.diff(happy[:, : layout.E], axis=0)).max(1), 99)
    assert np.abs(np.diff(changing[:, : layout.E], axis=0)).max() < 2 * steady


def blink_count(rho: np.ndarray) -> int:
    shut = rho[:, 10] > 0.5
    return int((shut[1:] & ~shut[:-1]).sum())


def test_blinks_come_at_a_person_s_rate_and_close():
    def per_minute(who) -> float:
        return np.mean([blink_count(played(s, who, neutral=1.0).rho) for s in range(60)]) / (TICKS / 25 / 60)

    often, seldom = per_minute(performer("ines")), per_minute(performer("otto"))
    assert 6 < seldom < 20 and 18 < often < 45
    depth = np.concatenate([played(s, neutral=1.0).rho[:, 10] for s in range(30)])
    peaks = depth[1:-1][(depth[1:-1] > 0.3) & (depth[1:-1] >= depth[:-2]) & (depth[1:-1] > depth[2:])]
    assert np.median(peaks) > 0.97


def test_eyes_hold_what_they_look_at_while_the_head_turns():
    done = played(1, performer("jonas"), angry=1.0)  # who stares
    pose, eyes = done.rho[:, :3], done.rho[:, 6:8]
    world = np.stack((eyes[:, 0] + pose[:, 1], eyes[:, 1] - pose[:, 0]), 1)
    assert np.median(np.abs(np.diff(world, axis=0))) < 0.3 * np.median(np.abs(np.diff(eyes, axis=0)))
    assert np.array_equal(done.rho[:, 6:8], done.rho[:, 8:10])


def test_twelve_numbers_go_there_and_back():
    motion = played(1, fear=1.0).motion
    expression, rho = split(motion)
    assert rho.shape == (TICKS, 12) and np.shares_memory(rho, motion)
    assert np.array_equal(join(expression, rho), motion)
    assert layout.NAMES[layout.E :] == layout.MOTION


@pytest.mark.parametrize("wrong", [{"glad": 1.0}, {"happy": 0.8, "sad": 0.4}, {"happy": -0.1}])
def test_impossible_feelings_are_refused(wrong):
    with pytest.raises(ConfigError):
        Feeling.of(**wrong)


def test_other_impossible_input_is_refused():
    with pytest.raises(ConfigError, match="levels are 1, 2 and 3"):
        Feeling.of(4, happy=1.0)
    with pytest.raises(ConfigError, match="over 275 ticks"):
        perform(SAID, PROSODY, Feeling(np.zeros((10, 8))), PERFORMERS[0], 0)
    with pytest.raises(ConfigError, match="no tick"):
        perform(SAID, Prosody(np.zeros(0), np.zeros(0)), Feeling.of(), PERFORMERS[0], 0)


def test_any_phones_and_any_prosody_give_a_face():
    draw = np.random.default_rng(0)
    for seed in range(40):
        ticks, ends = int(draw.integers(1, 120)), np.cumsum(draw.uniform(0.0, 0.3, draw.integers(0, 30)))
        starts = np.concatenate(([0.0], ends[:-1]))
        phones = [[str(draw.choice(PHONES)), a, b] for a, b in zip(starts[: len(ends)], ends, strict=True)]
        pitch = np.where(draw.uniform(size=2 * ticks) < draw.choice([0.0, 0.5, 1.0]), 200.0, 0.0)
        feeling = Feeling(draw.dirichlet(np.ones(len(EMOTIONS))), float(draw.uniform()))
        prosody = Prosody(draw.uniform(-100, 0, 2 * ticks), pitch)
        expression, rho = split(perform(phones, prosody, feeling, random_performer(seed), seed).motion)
        assert expression.min() >= 0.0 and expression.max() <= 1.0 and np.isfinite(rho).all()


def test_silence_is_performed_too():
    quiet = Prosody(np.full(100, -100.0), np.zeros(100))
    motion = perform([["sil", 0.0, 2.0]], quiet, Feeling.of(sad=1.0), PERFORMERS[2], 0).motion
    assert motion.shape == (50, layout.M) and motion[:, layout.INDEX["mouthFrownLeft"]].min() > 0.2
    assert not motion[:, layout.INDEX["jawOpen"]].any()


@pytest.mark.skipif(not (SHARED / "capture").is_dir(), reason="the captured performance ../shared/capture is not here")
def test_speech_of_performers_keeps_the_captured_range():
    captured = list(read_capture(SHARED / "capture").values())
    spoken = [played(seed, who, neutral=1.0).expression for seed, who in enumerate(PERFORMERS)]
    for unit in ("jawOpen", "mouthFunnel", "mouthPucker"):
        ratio = range_and_speed(spoken, unit)[0] / range_and_speed(captured, unit)[0]
        assert 0.7 < ratio < 1.4, unit
