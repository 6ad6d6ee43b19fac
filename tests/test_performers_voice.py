"""Made emotional voices: what was asked for is measured back, phones move along; and the data set that uses them."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from engine.errors import ConfigError, MediaError
from engine.training.corpus import decode, read_rows
from engine.training.performers import EMOTIONS, PERFORMERS, Feeling, Performances, measure
from engine.training.performers.voice import TONES, feel

CORPUS = Path("../shared/corpus")
needs_corpus = pytest.mark.skipif(not CORPUS.is_dir(), reason="the speech corpus ../shared/corpus is not here")


def described(samples: np.ndarray, phones: list) -> np.ndarray:
    """Median pitch and its range in semitones, level in dB, phones per second, dB of 2-5 kHz over 0.2-1 kHz."""
    prosody = measure(samples)
    semitones = 12 * np.log2(prosody.pitch_hz[prosody.pitch_hz > 0])
    low, middle, high = np.percentile(semitones, (10, 50, 90))
    spoken = [end - start for name, start, end in phones if name != "sil"]
    power, hz = np.square(np.abs(np.fft.rfft(samples))), np.fft.rfftfreq(len(samples), 1 / 16_000)
    tilt = power[(hz > 2000) & (hz < 5000)].sum() / power[(hz > 200) & (hz < 1000)].sum()
    level = np.median(prosody.loudness_db[prosody.loudness_db > -45])
    return np.array([middle, high - low, level, len(spoken) / sum(spoken), 10 * np.log10(tilt)])


@pytest.fixture(scope="module")
def speech() -> list[tuple[np.ndarray, list]]:
    rows = [row for row in read_rows(CORPUS / "manifest.jsonl") if row["split"] == "test"][:10]
    return [(decode(str(CORPUS / "audio" / f"{row['id']}.opus")) / np.float32(32768), row["phones"]) for row in rows]


@needs_corpus
@pytest.mark.parametrize("emotion", [name for name in EMOTIONS if name != "neutral"])
def test_prosody_is_measured_back(speech, emotion):
    tone, changes, ratios = TONES[emotion], [], []
    for seed, (samples, phones) in enumerate(speech):
        said = feel(samples, phones, Feeling.of(**{emotion: 1.0}), seed)
        before, after = described(samples, phones), described(said.samples, said.phones)
        changes.append(after - before)
        ratios.append(after / before)
        assert len(said.samples) / 16_000 == pytest.approx(said.phones[-1][2], abs=0.01)
        assert [name for name, *_ in said.phones] == [name for name, *_ in phones]
    pitch, _, level, _, tilt = np.median(changes, 0)
    _, spread, _, rate, _ = np.median(ratios, 0)
    assert pitch == pytest.approx(tone.pitch, abs=1.0)
    assert level == pytest.approx(tone.loudness, abs=1.7)
    assert rate == pytest.approx(tone.rate, abs=0.04)
    if abs(tone.tilt) >= 2:
        assert 0.4 < tilt / tone.tilt < 1.4
    if abs(np.log(tone.pitch_range)) > 0.3:
        assert (spread > 1.15) == (tone.pitch_range > 1) or (spread < 1.0 and tone.pitch_range < 1)


@needs_corpus
def test_nothing_felt_changes_nothing_and_seeds_repeat(speech):
    samples, phones = speech[0]
    assert np.array_equal(feel(samples, phones, Feeling.of(neutral=1.0), 0).samples, samples)
    one, again, other = (feel(samples, phones, Feeling.of(sad=1.0), seed) for seed in (1, 1, 2))
    assert np.array_equal(one.samples, again.samples) and one.phones == again.phones
    assert len(one.samples) != len(other.samples)
    assert np.abs(one.samples).max() < 1.0


@needs_corpus
def test_level_follows_strength(speech):
    samples, phones = speech[1]
    lengths = [len(feel(samples, phones, Feeling.of(level, sad=1.0), 3).samples) for level in (1, 2, 3)]
    assert len(samples) < lengths[0] < lengths[1] < lengths[2]


@needs_corpus
def test_plans_are_even_and_keep_splits_apart(tmp_path):
    data = Performances(CORPUS)
    plan = data.plan("train", 480, seed=2)
    assert plan[:100] == data.plan("train", 100, seed=2) != data.plan("train", 100, seed=3)
    counts = Counter(recipe.emotion for recipe in plan)
    assert set(counts) == set(EMOTIONS) and len(set(counts.values())) == 1
    assert len(set(Counter(recipe.performer for recipe in plan).values())) == 1
    utterances = {split: {r.utterance for r in data.plan(split, 200)} for split in ("train", "valid", "test")}
    voices = {split: {data.rows[name]["voice"] for name in names} for split, names in utterances.items()}
    assert not voices["train"] & voices["test"] and not voices["valid"] & voices["test"]
    wide = data.plan("train", 60, random_performers=True)
    assert len({recipe.performer for recipe in wide}) == 60
    takes = data.plan("train", 12, takes=4)
    assert len({(recipe.utterance, recipe.emotion) for recipe in takes}) == 3
    assert len({recipe.performer for recipe in takes}) == len(PERFORMERS)


@needs_corpus
def test_examples_repeat_with_and_without_the_cache(tmp_path):
    plain, kept = Performances(CORPUS), Performances(CORPUS, tmp_path)
    for recipe in plain.plan("valid", 4, seed=1):
        examples = [plain.make(recipe), kept.make(recipe), kept.make(recipe)]
        for other in examples[1:]:
            assert np.array_equal(examples[0].motion, other.motion)
            assert np.array_equal(examples[0].voice.samples, other.voice.samples)
        assert len(other.voice.samples) == 640 * len(other.motion) and other.motion.dtype == np.float32
        assert EMOTIONS[other.emotion] == recipe.emotion and PERFORMERS[other.performer].name == recipe.performer
    assert len(list(tmp_path.glob("*.npz"))) == 4 and not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize("samples", [1, 319, 5_000])
@pytest.mark.parametrize("level", [0.0, 0.1])
def test_short_and_voiceless_sounds_pass(samples, level):
    noise = (level * np.random.default_rng(0).standard_normal(samples)).astype(np.float32)
    said = feel(noise, [["sil", 0.0, samples / 16_000]], Feeling.of(surprised=1.0), 0)
    assert np.isfinite(said.samples).all() and np.abs(said.samples).max(initial=0.0) <= 1.0


def test_nothing_said_is_refused():
    with pytest.raises(MediaError, match="nothing to say"):
        feel(np.zeros(0, np.float32), [], Feeling.of(sad=1.0), 0)


def test_what_is_not_there_is_said(tmp_path):
    with pytest.raises(MediaError, match="corpus"):
        Performances(tmp_path)


@needs_corpus
def test_unknown_names_are_refused():
    data = Performances(CORPUS)
    with pytest.raises(ConfigError, match="train, valid, test"):
        data.plan("dev", 3)
    with pytest.raises(ConfigError, match="no utterance"):
        data.voice("nobody_said", "happy", 1)
