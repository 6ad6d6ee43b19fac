"""Corpus reader, codecs, labels, augmentation and the training loop, on speech-like noise made here."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import engine
from engine.errors import MediaError, WeightsError
from engine.features import SpeechConfig, SpeechEncoder, load_encoder, save_speech_encoder
from engine.features.hubert import SMALL
from engine.features.phones import PHONE_INDEX, PHONES, VISEME_OF_PHONE
from engine.features.tick_mix import TickMix
from engine.training.augment import Augmentation
from engine.training.corpus import CODECS, decode, read_corpus, split_of, through_codec
from engine.training.encoder import PhoneLoss, balance, begin
from engine.training.extra_speech import italian_phones
from engine.training.loop import Schedule, train_model
from engine.training.mix import MixLoss, answers_of_batches, with_mix
from engine.training.phone_batches import PhoneBatches
from engine.training.phone_figures import phone_figures
from engine.training.phones import frame_labels

PHRASE = (("sil", 0.0, 0.2), ("AA", 0.2, 0.5), ("P", 0.5, 0.6), ("IY", 0.6, 0.9), ("M", 0.9, 1.0), ("sil", 1.0, 1.4))


def speak(seed: int) -> np.ndarray:
    """A buzz with a gap for each P: int16, 1.4 s."""
    random = np.random.default_rng(seed)
    time = np.arange(22_400) / 16_000
    x = sum(np.sin(2 * np.pi * 120 * k * time) / k for k in range(1, 20)) * 2_000
    for name, a, b in PHRASE:
        if name in ("sil", "P"):
            x[int(a * 16_000) : int(b * 16_000)] = 0.0
    return (x + random.normal(0, 3, len(x))).astype(np.int16)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    import av

    folder = tmp_path_factory.mktemp("speech")
    (folder / "audio").mkdir()
    with (folder / "manifest.jsonl").open("w") as manifest:
        for n, split in enumerate(("train", "train", "valid")):
            row = {"id": f"a{n}", "voice": f"v{n}", "split": split, "duration_s": 1.4, "phones": PHRASE}
            manifest.write(json.dumps(row) + "\n")
            with av.open(str(folder / "audio" / f"a{n}.wav"), "w") as file:
                stream = file.add_stream("pcm_s16le", rate=16_000, layout="mono")
                frame = av.AudioFrame.from_ndarray(speak(n)[None], "s16", "mono")
                frame.rate = 16_000
                file.mux(stream.encode(frame))
                file.mux(stream.encode(None))
    return folder


@pytest.fixture(scope="module")
def clips(folder, tmp_path_factory):
    return read_corpus(folder, tmp_path_factory.mktemp("cache"))


def test_reads_and_splits(clips, folder, tmp_path):
    assert [clip.split for clip in clips] == ["train", "train", "valid"]
    assert len(split_of(clips, "train")) == 2
    assert np.array_equal(clips[1].samples, speak(1))
    assert clips[1].coded.shape == (22_400,) and clips[1].coded.std() > 500
    with pytest.raises(MediaError, match=r"no manifest\.jsonl"):
        read_corpus(tmp_path, tmp_path)


@pytest.mark.parametrize("codec", CODECS, ids=lambda c: f"{c[1]}-{c[2]}")
def test_codecs_keep_time_and_level(codec):
    samples = speak(0)
    coded = through_codec(samples, *codec[:4])
    assert coded.shape == samples.shape and coded.dtype == np.int16
    lags = range(-80, 81, 2)
    fits = [np.corrcoef(samples[200:-200], np.roll(coded, -lag)[200:-200])[0, 1] for lag in lags]
    assert max(fits) > 0.8 and abs(list(lags)[int(np.argmax(fits))]) <= 40


def test_decode_refuses_what_is_no_sound(tmp_path):
    (tmp_path / "x.wav").write_text("no sound")
    with pytest.raises(Exception, match="Invalid data"):
        decode(str(tmp_path / "x.wav"))


def test_frame_labels():
    labels = frame_labels(PHRASE, 80)
    assert labels[:10].tolist() == [0] * 10 and labels[10] == PHONE_INDEX["AA"]
    assert labels[25] == PHONE_INDEX["P"] and labels[29] == PHONE_INDEX["P"] and labels[75] == 0
    assert frame_labels(PHRASE, 4, start_s=-0.04).tolist() == [0] * 4
    assert len(PHONES) == 43 and len(set(VISEME_OF_PHONE)) == 12


def test_augmentation_is_seeded_finite_and_keeps_labels(clips):
    first, again = Augmentation(clips, 1.0, 3), Augmentation(clips, 1.0, 3)
    for clip in clips * 10:
        a, b = first(clip), again(clip)
        assert np.array_equal(a.samples, b.samples) and a.phones == b.phones
        assert a.samples.shape == (16_000,) and np.isfinite(a.samples).all() and np.abs(a.samples).max() <= 1.0
        assert all(x[2] == pytest.approx(y[1]) for x, y in zip(a.phones, a.phones[1:], strict=False))


def test_a_recording_keeps_its_time_and_length(clips):
    """Other rooms and microphones; the sound itself stays where it was (now and then an echo is louder)."""
    vary, noise = Augmentation(clips, 1.0, 5), np.random.default_rng(5)
    for n in (3_200, 20_011, 48_000):
        x = np.zeros(n, np.float32)
        x[n // 2 :] = 0.3 * noise.standard_normal(n - n // 2)
        late = []
        for _ in range(13):
            heard = vary.record(x)
            assert heard.shape == (n,) and heard.dtype == np.float32 and np.abs(heard).max() <= 1.0
            likeness = np.correlate(np.pad(heard, 80), x, "valid")
            late.append(int(np.abs(likeness).argmax()) - 80)
        assert sorted(map(abs, late))[8] <= 8, late  # half a millisecond: the band limits' ringing


def test_italian_spelling():
    assert italian_phones("chiamata") == "K Y AA M AA T AA"
    assert italian_phones("cancelletto") == "K AA N CH EH L EH T AO"
    assert italian_phones("già") == "JH AA"


def test_trains_and_resumes_to_the_same_weights(clips, tmp_path):
    """Two runs of a few steps: unbroken, and stopped in the middle."""
    sizes = {"mels": 16, "channels": 8, "width": 16, "layers": 1, "heads": 2, "context": 10, "feed_forward": 16}
    tiny = SpeechConfig(replace(SMALL, conv_frames=3, **sizes))

    def run(folder, steps):
        torch.manual_seed(0)
        loss = PhoneLoss(SpeechEncoder(tiny))
        batches = PhoneBatches(*balance([clips], [1.0]), 16, tiny.delays, seed=0, rows=4)
        schedule = Schedule(steps, 60.0, warmup=1, decay_from=0.999, evaluate_every=3)
        return train_model(
            loss, lambda step: loss(*batches(step)), lambda model, step: {"step": float(step)}, folder, schedule
        )

    unbroken = run(tmp_path / "a", 6)
    run(tmp_path / "b", 3)
    resumed = run(tmp_path / "b", 6)
    for (name, p), q in zip(unbroken.named_parameters(), resumed.parameters(), strict=True):
        torch.testing.assert_close(p, q, atol=1e-6, rtol=0, msg=name)
    figures = phone_figures(resumed.encoder, clips)
    assert set(figures) == {0, 1, 2} and 0.0 <= figures[1]["closure"] <= 1.0
    assert all(own["phone"] <= own["phone39"] <= 1.0 for own in figures.values())


WORKERS = """
import numpy as np, torch
from engine.training.corpus import Clip
from engine.training.phone_batches import PhoneBatches
from engine.training.prefetch import Prefetch

torch.set_num_threads(1)
noise = (np.random.default_rng(0).standard_normal(48_000) * 3_000).astype(np.int16)
clip = Clip("a", "v", "train", (("sil", 0.0, 0.5), ("AA", 0.5, 3.0)), noise)
made = PhoneBatches([clip], np.ones(1), 16, (0, 1, 2), 0, 2)
own, others = Prefetch(made), Prefetch(made, 2)
for step in range(5):
    assert all(torch.equal(a, b) for a, b in zip(own(step), others(step), strict=True))
others.close()
"""


def test_batches_are_the_same_whoever_makes_them():
    """In a process of its own: workers are forks, and threads that earlier tests left behind may hold locks."""
    done = subprocess.run([sys.executable, "-c", WORKERS], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def test_a_mix_is_fitted_to_frozen_answers_and_resumes(clips, tmp_path):
    """`visema train mix`: answers for first frames improve, and a broken run ends where an unbroken one does."""
    torch.manual_seed(0)
    sizes = {"mels": 16, "channels": 8, "width": 16, "layers": 1, "heads": 2, "context": 10, "feed_forward": 16}
    given = with_mix(SpeechEncoder(SpeechConfig(replace(SMALL, conv_frames=3, **sizes))))
    made = PhoneBatches(*balance([clips], [1.0]), 16, (0, 1, 2), seed=0, rows=4)
    logits, labels = answers_of_batches(given, made, 2, tmp_path / "answers")
    assert logits.shape == (8, 200, 3, 43) and labels.shape == (8, 3, 200) and labels.min() == -100

    def run(folder, steps):
        loss = MixLoss(TickMix(3))
        schedule = Schedule(steps, 60.0, 1e-2, warmup=1, decay_from=0.999, evaluate_every=20)
        return train_model(loss, lambda s: loss(logits.float(), labels.long()), lambda m, s: {}, folder, schedule)

    unbroken = run(tmp_path / "a", 40)
    run(tmp_path / "b", 20)
    resumed = run(tmp_path / "b", 40)
    for (name, p), q in zip(unbroken.named_parameters(), resumed.named_parameters(), strict=True):
        torch.testing.assert_close(p, q[1], atol=1e-6, rtol=0, msg=name)
    before, after = (loss(logits.float(), labels.long())[0] for loss in (MixLoss(TickMix(3)), unbroken))
    assert after < before - 0.05
    again, _ = answers_of_batches(SpeechEncoder(given.config), made, 2, tmp_path / "answers")
    assert torch.equal(again, logits)  # kept, not made again


def test_an_encoder_that_is_trained_on_drops_its_mix(tmp_path):
    sizes = {"mels": 16, "channels": 8, "width": 16, "layers": 1, "heads": 2, "context": 10, "feed_forward": 16}
    config = SpeechConfig(replace(SMALL, conv_frames=3, **sizes))
    save_speech_encoder(with_mix(SpeechEncoder(config)), tmp_path / "e.safetensors", half=False)
    assert begin(config, tmp_path / "e.safetensors", 0).mix is None


def test_a_run_goes_on_with_a_part_that_it_did_not_have(clips, tmp_path):
    """Old parameters keep their values and their optimizer state, a new one begins fresh, a strange file is refused."""

    def run(model, steps):
        schedule = Schedule(steps, 60.0, rate=1e-2, warmup=1, evaluate_every=3)
        return train_model(model, lambda step: (model(torch.ones(1, 2)).sum(), {}), lambda m, s: {}, tmp_path, schedule)

    torch.manual_seed(0)
    small = torch.nn.Sequential(torch.nn.Linear(2, 3))
    run(small, 3)
    grown = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(3, 1))
    fresh = grown[1].weight.clone()
    run(grown, 3)  # it has ended: nothing moves
    assert torch.equal(grown[0].weight, small[0].weight) and torch.equal(grown[1].weight, fresh)
    run(grown, 6)
    names = torch.load(tmp_path / "latest.pt", weights_only=True)["names"]
    assert names == ["0.weight", "1.weight", "0.bias", "1.bias"]
    with pytest.raises(WeightsError, match=r"1\.weight, which is no part"):
        run(torch.nn.Sequential(torch.nn.Linear(2, 3)), 9)


def test_batches_show_the_mouth_that_belongs_to_their_phones(clips):
    mel, labels, mouths = PhoneBatches(*balance([clips], [1.0]), 16, (0, 1), seed=0, rows=6)(0)
    assert mel.shape == (6, 400, 16) and labels.shape == (6, 2, 200) and mouths.shape == (6, 200, 17)
    shut, vowel, silence = (labels[:, 0] == PHONE_INDEX[name] for name in ("P", "AA", "sil"))
    assert mouths[..., 15][shut].mean() > 0.6 > 0.2 > mouths[..., 15][vowel].mean()
    assert mouths[..., 0][vowel].mean() > 2 * mouths[..., 0][silence].mean()
    assert torch.equal(labels[:, 1, 2:], labels[:, 0, :-2]) and (labels[:, 1, :2] < 0).all()


def test_shipped_encoder_hears_silence_and_speech():
    encoder = load_encoder()
    assert encoder.width == encoder(torch.zeros(1, 640)).content.shape[-1]
    assert encoder(torch.zeros(1, 250 * 640)).voice.max() < 0.3
    sample = decode(str(Path(engine.__file__).parent / "assets" / "sample.opus"))
    heard = encoder(torch.from_numpy(sample[: 250 * 640].astype(np.float32) / 32768)[None])
    assert heard.voice[heard.loudness_db > -30].median() > 0.9
