"""Making, checking and importing corpora, without a network: the synthesizer is a stand-in."""

import itertools
import json

import numpy as np
import pytest

from engine.cli import main
from engine.errors import MediaError
from engine.training.corpus import read_corpus, read_rows
from engine.training.speech import build as building
from engine.training.speech.check import between_splits, check, row_faults
from engine.training.speech.edges import SONORITY, agreement, refine, snap
from engine.training.speech.labels import CONSONANTS, VOWELS, segments_of, words_of
from engine.training.speech.layouts import read_common_voice, read_librispeech
from engine.training.speech.packages import extra_output
from engine.training.speech.synthesizer import UNIT_S, Said
from engine.training.speech.texts import leaks, make_jobs, split_of_voice

RATE = 16_000
TOKENS = "mˈA mˈɑm"  # may, mom
UNITS = np.array([10.0, 3, 1, 8, 2, 3, 1, 8, 3, 12])


def sound_of_segments(segments, seed=0) -> np.ndarray:
    """Noise as loud as each phone's sonority: float (N,)."""
    random, parts = np.random.default_rng(seed), []
    for segment in segments:
        n = round(segment.end * RATE) - round(segment.start * RATE)
        parts.append(random.standard_normal(n) * 0.1 * SONORITY[segment.name] ** 2)
    return np.concatenate(parts)


def test_durations_become_gapless_phones():
    segments = segments_of(TOKENS, UNITS, british=False)
    assert [s.name for s in segments] == ["sil", "M", "EY", "M", "AA", "M", "sil"]
    assert all(a.end == b.start for a, b in itertools.pairwise(segments))
    assert segments[0].start == 0.0 and segments[-1].end == pytest.approx(UNITS.sum() * UNIT_S)
    # the first token begins after the pad, 62.5 ms early; the space's time is halved between its neighbours
    assert segments[1].start == pytest.approx(10 * UNIT_S - 0.0625)
    assert segments[2].end == pytest.approx((10 + 3 + 1 + 8 + 1) * UNIT_S - 0.0625)
    assert [s.stress for s in segments] == [None, None, 1, None, 1, None, None]
    words = words_of("May, mom!", segments)
    assert [word for word, _, _ in words] == ["May", "mom"] and words_of("one two three", segments) == []
    with pytest.raises(ValueError, match="two pads"):
        segments_of(TOKENS, UNITS[:-1], british=False)


def test_american_vowels_take_their_r():
    tokens, units = "wˈɜɹd", np.full(7, 4.0)
    assert [s.name for s in segments_of(tokens, units, british=False)] == ["sil", "W", "ER", "D", "sil"]
    assert [s.name for s in segments_of(tokens, units, british=True)] == ["sil", "W", "ER", "R", "D", "sil"]


def test_edges_move_onto_what_is_heard():
    segments = segments_of("mˈɑp", np.array([12.0, 3, 1, 10, 4, 14]), british=False)
    sound = sound_of_segments(segments)
    lag_s, fit = agreement(segments, sound)
    assert abs(lag_s) <= 0.02 and fit > 0.8
    wrong = segments_of("mˈɑp", np.array([12.0, 3, 1, 11, 3, 14]), british=False)  # the closure a unit late
    vowel = [s.name for s in wrong].index("AA")
    assert wrong[vowel].end - segments[vowel].end == pytest.approx(UNIT_S)
    moved = snap(wrong, sound)
    assert moved[vowel].end == pytest.approx(segments[vowel].end, abs=0.006) == moved[vowel + 1].start
    late = segments_of("mˈɑ", np.array([12.0, 3, 1, 24, 6]), british=False)  # a vowel said to be far too long
    late = refine(late, np.where(np.arange(len(sound_of_segments(late))) < 0.6 * RATE, sound_of_segments(late), 0.0))
    assert late[-1].name == "sil" and late[-1].start == pytest.approx(0.6, abs=0.06)


def test_an_output_is_added_by_appending():
    piece = extra_output("/x")
    assert piece[0] == 7 << 3 | 2 and piece[1] == len(piece) - 2  # model.graph
    assert piece[2] == 12 << 3 | 2 and b"\x0a\x02/x" in piece  # graph.output with its name
    assert piece.endswith(b"\x12\x04\x0a\x02\x08\x01")  # type: tensor of float32


def test_jobs_are_seeded_and_share_nothing_between_splits():
    jobs = make_jobs(seed=1, mixed=0.4)
    assert jobs == make_jobs(seed=1, mixed=0.4) != make_jobs(seed=2, mixed=0.4)
    assert len(jobs) > 1_000 and len({job.id for job in jobs}) == len(jobs)
    assert not between_splits([{"voice": job.voice, "text": job.text, "split": job.split} for job in jobs])
    assert all(split_of_voice(job.voice) == job.split for job in jobs)
    mixed = [job for job in jobs if "+" in job.voice]
    train = [job for job in jobs if job.split == "train"]
    assert len(mixed) / len(train) == pytest.approx(0.4, abs=0.05)
    assert len({job.voice.split("+")[0] for job in jobs[:28]}) == 28  # any beginning holds all voices


def test_what_another_corpus_tests_with_stays_unsaid():
    other = make_jobs(seed=5)
    held = [job for job in other if job.split != "train"]
    leak = leaks(job.text.lower() for job in held)
    assert all(leak(job.text) for job in held)
    mine = [job for job in make_jobs(seed=6) if not leak(job.text)]
    assert len(mine) > 300 and not {job.text for job in mine} & {job.text for job in held}
    template = next(job for job in held if job.source == "template")
    refilled = [job.text for job in make_jobs(seed=7) if job.source == "template" and leak(job.text)]
    assert any(text != template.text for text in refilled)  # other words in the same frame are caught too


class FakeSynthesizer:
    """Says noise that follows its own labels."""

    def __init__(self, sources):
        pass

    def say(self, text, voice, speed):
        tokens = "".join(c for c in text.lower() if c in VOWELS or c in CONSONANTS or c == " ")[:40]
        if "z" in tokens:
            raise MediaError("a z")
        units = np.concatenate(([14.0], np.full(len(tokens), 5.0), [14.0]))
        segments = segments_of(tokens, units, voice[0] == "b")
        samples = (np.clip(sound_of_segments(segments), -1, 1) * 32767).astype(np.int16)
        return Said(samples, tokens, units)


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    monkeypatch.setattr(building, "fetch", lambda work: None)
    monkeypatch.setattr(building, "Synthesizer", FakeSynthesizer)
    building.build(tmp_path / "corpus", tmp_path, utterances=12)
    return tmp_path / "corpus"


def test_building_goes_on_where_it_stopped(corpus, tmp_path):
    again = tmp_path / "again"
    building.build(again, tmp_path, utterances=5)
    with (again / "manifest.jsonl").open("a") as file:
        file.write('{"id": "k000')  # cut off in the middle of a line
    made = building.build(again, tmp_path, utterances=12)
    assert read_rows(again / "manifest.jsonl") == read_rows(corpus / "manifest.jsonl")
    assert made["utterances"] == len(read_rows(corpus / "manifest.jsonl")) >= 6
    stopped = building.build(tmp_path / "short", tmp_path, utterances=12, minutes=0.05)
    assert 0.05 <= stopped["minutes"] < made["minutes"]


def test_a_built_corpus_is_sound_and_readable(corpus, tmp_path, capsys):
    report = check(corpus)
    assert not report.faults and report.figures["listened_to"] == report.figures["utterances"]
    assert report.figures["median_fit"] > 0.6
    clips = read_corpus(corpus, tmp_path / "cache")
    assert len(clips) == report.figures["utterances"] and clips[0].samples.std() > 100
    assert main(["corpus", "check", str(corpus), "--listen", "2"]) == 0
    assert '"listened_to": 2' in capsys.readouterr().out


def test_faults_are_found(corpus, capsys):
    rows = read_rows(corpus / "manifest.jsonl")
    rows[0]["phones"][2][1] += 0.05
    rows[1]["phones"][1][0] = "QQ"
    rows[2]["duration_s"] += 1.0
    rows[3]["split"], rows[4]["split"] = "test", "train"
    rows[4]["voice"] = rows[3]["voice"]
    (corpus / "audio" / f"{rows[5]['id']}.opus").write_bytes(b"no sound")
    (corpus / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = "\n".join(check(corpus).faults)
    for words in ("gap of 0.050 s", "unknown phones QQ", "the manifest says", "is in splits", "sound cannot be read"):
        assert words in found
    assert main(["corpus", "check", str(corpus)]) == 2 and "faults" in capsys.readouterr().err
    assert row_faults({"id": "x"}) == [f"no {n}" for n in ("voice", "split", "text", "duration_s", "phones")]
    with pytest.raises(MediaError, match="no manifest"):
        check(corpus / "audio")


def write_sound(path, container):
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    noise = (np.random.default_rng(0).standard_normal(RATE) * 3_000).astype(np.int16)
    with av.open(str(path), "w") as file:
        stream = file.add_stream(container, rate=RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(noise[None], "s16", "mono")
        frame.rate = RATE
        resampler = av.AudioResampler(stream.codec_context.format, "mono", RATE, stream.codec_context.frame_size)
        for out in (*resampler.resample(frame), *resampler.resample(None)):
            file.mux(stream.encode(out))
        file.mux(stream.encode(None))


@pytest.fixture
def librispeech(tmp_path):
    folder = tmp_path / "LibriSpeech" / "dev-clean" / "84" / "121123"
    write_sound(folder / "84-121123-0000.flac", "flac")
    (folder / "84-121123.trans.txt").write_text("84-121123-0000 GO ON\n84-121123-0001 NOT THERE\n")
    return tmp_path / "LibriSpeech"


@pytest.fixture
def common_voice(tmp_path):
    folder = tmp_path / "cv" / "en"
    write_sound(folder / "clips" / "common_voice_en_1.mp3", "mp3")
    header = "client_id\tpath\tsentence\n"
    (folder / "train.tsv").parent.mkdir(parents=True, exist_ok=True)
    (folder / "train.tsv").write_text(header + 'abc\tcommon_voice_en_1.mp3\tSay "hello.\n')
    (folder / "dev.tsv").write_text(header + "abd\tmissing.mp3\tGone.\n")
    return folder


def test_layouts_are_read(librispeech, common_voice):
    one = list(read_librispeech(librispeech))
    assert [(r.id, r.voice, r.text, r.split) for r in one] == [("ls_84-121123-0000", "ls_84", "Go on", "valid")]
    two = list(read_common_voice(common_voice))
    assert [(r.id, r.voice, r.text, r.split) for r in two] == [
        ("cv_common_voice_en_1", "cv_abc", 'Say "hello.', "train")
    ]


@pytest.mark.parametrize("layout", ["librispeech", "common-voice"])
def test_layouts_become_corpora(layout, librispeech, common_voice, tmp_path):
    pytest.importorskip("pocketsphinx", reason="needs visema[train]")
    folder, out = librispeech if layout == "librispeech" else common_voice, tmp_path / "out"
    assert main(["corpus", "read", layout, str(folder), "--out", str(out), "--unaligned"]) == 0
    rows = read_rows(out / "manifest.jsonl")
    assert len(rows) == 1 and rows[0]["duration_s"] == pytest.approx(1.0, abs=0.08)
    assert not check(out).faults
    assert len(read_corpus(out, tmp_path / "cache")) == 1
    assert main(["corpus", "read", layout, str(tmp_path / "cv" / "en" / "clips"), "--out", str(out)]) == 2
