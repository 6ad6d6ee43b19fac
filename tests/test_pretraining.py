"""Units, masked prediction and distillation, on a few seconds of made-up sound."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.cli import main
from engine.errors import MediaError
from engine.features import SpeechConfig, SpeechEncoder, load_encoder, save_speech_encoder
from engine.features.hubert import SMALL
from engine.training import encoder as supervised
from engine.training.corpus import Clip, read_sounds
from engine.training.distill import Distillation, make_student
from engine.training.loop import precision
from engine.training.masking import SPAN, MaskedUnits, spans_of, with_units
from engine.training.speech.build import write_opus
from engine.training.units import Clusters, cepstra, cluster, give_units, purity

TINY = SpeechConfig(
    replace(SMALL, mels=16, channels=8, width=16, layers=2, heads=2, context=10, feed_forward=16, conv_frames=3)
)
PHONES = [["sil", 0.0, 0.4], ["AA", 0.4, 1.2], ["P", 1.2, 1.4], ["IY", 1.4, 2.0]]


def sound(seed: int, seconds: float = 2.0) -> np.ndarray:
    random = np.random.default_rng(seed)
    time = np.arange(round(seconds * 16_000)) / 16_000
    tone = np.sin(2 * np.pi * (120 + 40 * seed) * time) * (time % 0.5 < 0.3)
    return ((tone * 0.2 + random.standard_normal(len(time)) * 0.02) * 32767).astype(np.int16)


@pytest.fixture
def corpus(tmp_path):
    folder = tmp_path / "corpus_made"
    (folder / "audio").mkdir(parents=True)
    rows = []
    for n in range(8):
        split = "valid" if n >= 6 else "train"
        row = {"id": f"c{n}", "voice": split, "split": split, "text": str(n), "duration_s": 2.0, "phones": PHONES}
        rows.append(row)
        write_opus(folder / "audio" / f"c{n}.opus", sound(n))
    (folder / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.fixture(autouse=True)
def tiny_sizes(monkeypatch):
    monkeypatch.setitem(supervised.SIZES, "tiny", TINY)


def test_clusters_find_what_lies_together_and_are_seeded():
    random = np.random.default_rng(0)
    centres = np.array([[0, 0, 0], [9, 0, 0], [0, 9, 0], [0, 0, 900]], np.float32)
    truth = random.integers(0, 4, 2_000)
    points = centres[truth] + random.standard_normal((2_000, 3)).astype(np.float32) * [1, 1, 100]
    found = cluster(points.astype(np.float32), 4, seed=3)
    units = found.nearest(points)
    assert len({(a, b) for a, b in zip(truth, units, strict=True)}) <= 6  # a handful of strays at most
    assert np.array_equal(cluster(points.astype(np.float32), 4, seed=3).centroids, found.centroids)
    with pytest.raises(ValueError, match="too few"):
        cluster(points[:3], 4, seed=0)


def test_clusters_round_trip(tmp_path):
    made = cluster(np.random.default_rng(1).standard_normal((200, 5)).astype(np.float32), 7, seed=0)
    made.save(tmp_path / "c.npz")
    again = Clusters.load(tmp_path / "c.npz")
    assert np.array_equal(again.centroids, made.centroids) and np.array_equal(again.scale, made.scale)


def test_cepstra_know_what_moves():
    still = cepstra(torch.sin(torch.arange(16_000) * 0.3)[None] * 0.1)
    assert still.shape == (1, 50, 39)
    assert still[0, 10:40, 13:].abs().max() < 0.05 < still[0, 10:40, :13].abs().max()


def test_masks_are_spans():
    hidden = spans_of((50, 200), np.random.default_rng(0)).numpy()
    assert hidden.mean() == pytest.approx(1 - 0.92**SPAN, abs=0.05) and hidden.any(1).all()
    edges = np.flatnonzero(np.diff(hidden[0].astype(int), prepend=0, append=0))
    assert min(np.diff(edges)[::2][:-1]) >= SPAN


def test_hidden_frames_cannot_be_heard():
    """What lies behind a mask changes nothing; what lies before it does."""
    torch.manual_seed(0)
    model = MaskedUnits(SpeechEncoder(TINY), 5, causal=True, seed=0).eval()
    mel, masked = torch.randn(1, 80, 16), torch.zeros(1, 40, dtype=torch.bool)
    masked[:, 20:30] = True
    behind, before = mel.clone(), mel.clone()
    behind[:, 44:58] += 1.0  # frames 22 to 28; convolutions reach 2 frames further
    before[:, 30:34] += 1.0
    scores = [model.scores(x, masked)[0, 20:29] for x in (mel, behind, before)]
    torch.testing.assert_close(scores[0], scores[1])
    assert (scores[0] - scores[2]).abs().max() > 1e-4


def test_units_take_the_place_of_phones():
    clip = with_units(Clip("a", "v", "train", (), sound(0)), np.array([4, 4, 2]))
    assert clip.phones == ((4, 0.0, 0.02), (4, 0.02, 0.04), (2, 0.04, pytest.approx(0.06)))


def test_purity_of_perfect_and_of_useless_units():
    clip = Clip("a", "v", "train", tuple(map(tuple, PHONES)), sound(0))
    from engine.training.phones import frame_labels

    truth = frame_labels(clip.phones, 100)
    assert purity([truth], [clip], 43)["phone_purity"] == pytest.approx(1.0)
    assert purity([truth], [clip], 43)["information"] == pytest.approx(1.0)
    assert purity([np.zeros(100, int)], [clip], 43)["information"] == pytest.approx(0.0)


def test_an_encoder_gets_its_units(corpus, tmp_path):
    torch.manual_seed(0)
    save_speech_encoder(SpeechEncoder(TINY), tmp_path / "e.safetensors")
    encoder = load_encoder(tmp_path / "e.safetensors")
    clips = [Clip(f"{n}", "v", "train", (), sound(n)) for n in range(3)]
    made = give_units(encoder, clips, 12, 10_000, seed=0)
    heard = made(torch.from_numpy(sound(0)[:32_000].astype(np.float32) / 32768)[None])
    assert made.config.units == 12 and len(made.nearest_units(heard.content).unique()) > 1
    torch.testing.assert_close(heard.content, encoder(torch.from_numpy(sound(0) / 32768.0).float()[None]).content)


def test_pretraining_runs_two_rounds_and_goes_on(corpus, tmp_path):
    pieces = tmp_path / "pieces"
    pieces.mkdir()
    write_opus(pieces / "real.opus", sound(9, 5.0))
    write_opus(pieces / "judge.opus", sound(10, 5.0))
    run = tmp_path / "run"
    command = ["train", "pretrain", "--corpora", str(corpus), "--sounds", str(pieces), "--leave-out", "judge",
               "--run", str(run), "--size", "tiny", "--units", "6", "9", "--batch", "2", "--every", "2"]  # fmt: skip
    assert main([*command, "--steps", "2"]) == 0
    first = torch.load(run / "round2" / "latest.pt", weights_only=True)
    assert load_encoder(run / "round2" / "encoder.safetensors").width == 16 and (run / "round1" / "units.npz").is_file()
    assert main([*command, "--steps", "4"]) == 0
    second = torch.load(run / "round2" / "latest.pt", weights_only=True)
    assert (first["step"], second["step"]) == (2, 4)
    assert not torch.equal(first["model"]["blank"], second["model"]["blank"])
    assert [clip.name for clip in read_sounds(pieces, ["judge"])] == ["real_0"]
    with pytest.raises(MediaError, match="no recordings"):
        read_sounds(pieces, ["judge", "real"])


def test_a_student_comes_nearer_to_its_teacher():
    torch.manual_seed(0)
    teacher = SpeechEncoder(TINY).trunk
    with torch.no_grad():
        for block in teacher.blocks:
            block.attention.bias.zero_()  # it listens to all of the clip, so causality costs something
    clips = [Clip(f"{n}", "v", "train", (), sound(n)) for n in range(4)]
    loss = Distillation(make_student(teacher, context=20), teacher, clips, np.full(4, 0.25), seed=0, batch=2)
    before, figures = loss(0)
    optimizer = torch.optim.Adam(loss.student.parameters(), 1e-3)
    for _ in range(8):
        value, _ = loss(0)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    after, improved = loss(0)
    assert after < 0.9 * before and improved["end_cosine"] > figures["end_cosine"]
    assert not any(p.requires_grad for p in teacher.parameters())


def test_distilling_writes_a_student(corpus, tmp_path, capsys):
    teacher, out = SpeechEncoder(TINY), tmp_path / "student.safetensors"
    save_speech_encoder(teacher, tmp_path / "teacher.safetensors")
    command = ["train", "distill", "--teacher", str(tmp_path / "teacher.safetensors"), "--out", str(out),
               "--corpora", str(corpus), "--run", str(tmp_path / "run"), "--context", "20", "--steps", "2",
               "--batch", "2"]  # fmt: skip
    assert main(command) == 0
    said = capsys.readouterr().out
    figures = json.loads(said[said.rindex("{") :])
    assert {"before.held_out.end_cosine", "after.held_out.end_cosine"} <= figures.keys()
    student = load_encoder(out)
    assert student.config.hubert.context == 20
    torch.testing.assert_close(student.phone_head.weight, teacher.phone_head.weight, atol=1e-3, rtol=0)


def test_a_student_begins_with_its_teachers_weights():
    teacher = SpeechEncoder(TINY).trunk.eval()
    student = make_student(teacher, context=4).eval()
    assert student.blocks[0].attention.bias.shape == (2, 4)
    samples = torch.randn(1, 640 * 2) * 0.1  # no further back than either can see
    torch.testing.assert_close(student(samples), teacher(samples))


def test_round_two_may_keep_what_round_one_learned(corpus, tmp_path):
    """Without learning (rate 0) round 2 ends with round 1's weights if it keeps them, and anew if not."""
    command = ["train", "pretrain", "--corpora", str(corpus), "--size", "tiny", "--units", "6", "9", "--batch", "2",
               "--steps", "1", "--rate", "0", "--bf16"]  # fmt: skip
    for keep in (["--keep"], []):
        run = tmp_path / f"run{len(keep)}"
        assert main([*command, "--run", str(run), *keep]) == 0
        one, two = (load_encoder(run / f"round{n}" / "encoder.safetensors").state_dict() for n in (1, 2))
        same = all(torch.equal(a, b) for a, b in zip(one.values(), two.values(), strict=True))
        assert same == bool(keep)


def test_products_in_bf16_where_asked_for():
    x = torch.randn(4, 4)
    for asked, kind in ((True, torch.bfloat16), (False, torch.float32)):
        with precision("cpu", asked):
            assert (x @ x).dtype == kind and (x + x).dtype == torch.float32
