"""What training is made of: growing, tempo and tract, alignment."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks.label_limits import commonest, kinds_of_errors
from engine.features import SpeechConfig, SpeechEncoder
from engine.features.hubert import SMALL
from engine.features.log_mel import LogMel
from engine.features.phones import PHONE39_OF_PHONE, PHONE_INDEX, PHONES, PHONES39
from engine.training.align import aligned_phones, aligner, viterbi
from engine.training.grow import widen
from engine.training.spectra import stretch_time, tempos, warp_tract

TINY = SpeechConfig(
    replace(SMALL, mels=16, channels=12, width=16, layers=2, heads=2, context=6, feed_forward=24, conv_frames=3)
)


def test_a_wider_encoder_says_the_same_and_its_twins_part():
    torch.manual_seed(0)
    small, sizes = SpeechEncoder(TINY).eval(), TINY.hubert
    wide = widen(small, replace(TINY, hubert=replace(sizes, width=32, heads=4, feed_forward=40))).eval()
    samples = torch.randn(2, 640 * 9) * 0.1
    a, b = small(samples).content, wide(samples).content
    torch.testing.assert_close(wide.phone_logits(b), small.phone_logits(a), atol=1e-4, rtol=0)
    torch.testing.assert_close(wide.gesture_logits(b), small.gesture_logits(a), atol=1e-4, rtol=0)
    wide.phone_logits(wide(samples).content).square().mean().backward()
    twins = wide.trunk.blocks[0].ff_in.weight.grad[:24].chunk(2, 1)  # the same inputs, so the same slopes
    torch.testing.assert_close(*twins, atol=1e-6, rtol=1e-3)
    outputs = wide.trunk.convolutions.layers[-1].conv.weight.grad.chunk(2)  # but what comes of them differs
    assert (outputs[0] - outputs[1]).abs().max() > 1e-5
    with pytest.raises(ValueError, match="not twice as wide"):
        widen(small, replace(TINY, hubert=replace(sizes, width=24)))


def test_tempo_moves_sound_and_nothing_else():
    mel, samples = LogMel(16), torch.zeros(3, 64_000)
    samples[:, 32_000:35_200] = 0.1 * torch.randn(3, 3_200, generator=torch.Generator().manual_seed(0))
    factors = np.array([0.8, 1.0, 1.25])
    pictures = stretch_time(mel(samples), factors, 300)
    assert pictures.shape == (3, 300, 16)
    torch.testing.assert_close(pictures[1], mel(samples)[1, :300])
    for picture, factor in zip(pictures.mean(-1), factors, strict=True):
        heard = torch.nonzero(picture > -1.0).ravel()
        assert heard[0].item() / 100 == pytest.approx(2.0 / factor, abs=0.03)
    assert (tempos(np.random.default_rng(0), 100) == 1.0).mean() == pytest.approx(0.3, abs=0.15)


def test_a_longer_tract_moves_bands():
    mel = torch.zeros(2, 5, 32)
    mel[:, :, 16] = 4.0
    warped = warp_tract(mel.clone(), np.random.default_rng(1), share=1.0)
    assert warped.shape == mel.shape and not torch.equal(warped, mel)
    assert (warped.argmax(-1) - 16).abs().max() <= 4
    torch.testing.assert_close(warp_tract(mel.clone(), np.random.default_rng(1), share=0.0), mel)


def test_viterbi_keeps_the_order_of_phones():
    labels = np.array([0, 0, 5, 5, 5, 7, 7, 0])
    scores = np.full((8, 9), -5.0)
    for t, phone in enumerate([0, 5, 5, 7, 7, 7, 7, 0]):
        scores[t, phone] = 0.0
    assert viterbi(scores, labels).tolist() == [0, 5, 5, 7, 7, 7, 7, 0]
    scores[:, 7] = -50.0  # unlikely, but the sequence says it was spoken
    assert viterbi(scores, labels).tolist().count(7) == 1


def test_pocketsphinx_keeps_our_names():
    pytest.importorskip("pocketsphinx", reason="needs visema[train]")
    names = ["HH", "AX", "L", "OW"]
    found = aligned_phones(aligner(), names, np.zeros(16_000, np.int16))
    assert found is None or [name for name, _, _ in found if name != "sil"] == names
    if found:
        assert all(a[2] == pytest.approx(b[1]) for a, b in itertools.pairwise(found))
        assert all(name in PHONE_INDEX for name, _, _ in found)


def test_phones_fold_into_the_39_classes_of_the_field():
    """Lee and Hon 1989, of the symbols that we have: only these stand together."""
    groups: dict[int, set[str]] = {}
    for name, number in zip(PHONES, PHONE39_OF_PHONE, strict=True):
        groups.setdefault(number, set()).add(name)
    assert len(PHONES39) == len(groups) == 39
    assert all(name in groups[number] for number, name in enumerate(PHONES39))
    assert {frozenset(g) for g in groups.values() if len(g) > 1} == {
        frozenset(("AH", "AX")), frozenset(("AA", "AO", "OH")), frozenset(("SH", "ZH"))
    }  # fmt: skip


def test_commonest_errors_are_shares_of_the_errors_in_either_order():
    truth, guess = np.array([0, 1, 1, 2, 2, 2, 3, 3]), np.array([1, 0, 0, 2, 2, 3, 3, 3])
    assert commonest(truth, guess, ("a", "b", "c", "d")) == {"a / b": 0.75, "c / d": 0.25}
    assert commonest(truth, guess, ("a", "b", "c", "d"), 1) == {"a / b": 0.75}
    assert commonest(truth, truth, ("a", "b", "c", "d")) == {}


def test_every_error_is_of_one_kind():
    pairs = ("AX AH", "S Z", "S Z", "AA IY", "sil T", "M N", "M M")
    truth, guess = np.array([[PHONE_INDEX[name] for name in pair.split()] for pair in pairs]).T
    beside = np.array([False, True, False, False, False, False, True])
    found = kinds_of_errors(truth, guess, beside)
    assert list(found) == [
        "one_class_of_39", "right_one_frame_away", "vowel_as_vowel", "voicing", "silence", "other"
    ]  # fmt: skip
    assert list(found.values()) == [pytest.approx(1 / 6)] * 6
