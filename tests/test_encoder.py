"""The small default of the speech encoder: causality, silence, weight files, export."""

import pytest
import torch

from engine.errors import WeightsError
from engine.features import SpeechConfig, SpeechEncoder, load_encoder
from engine.features.checkpoint import save_checkpoint
from engine.features.log_mel import LogMel
from engine.features.phones import PHONES
from tests.test_speech_encoder import TRUNK

TINY = SpeechConfig(TRUNK)


@pytest.fixture
def encoder():
    torch.manual_seed(1)
    return SpeechEncoder(TINY).eval()


@torch.inference_mode()
def test_unwritten_caches_are_never_read_and_pointers_stay(encoder):
    state, clean = encoder.init_state(1), encoder.init_state(1)
    for block in state.trunk.blocks:
        block.ring.keys.fill_(1e4)
        block.ring.values.fill_(1e4)
    pointers = [t.data_ptr() for _, t in state.tensors()]
    for _ in range(8):
        x = torch.randn(1, 640) * 0.1
        torch.testing.assert_close(encoder.step(state, x).content, encoder.step(clean, x).content)
    assert pointers == [t.data_ptr() for _, t in state.tensors()]


@torch.inference_mode()
def test_causal_to_the_sample(encoder):
    samples = torch.randn(1, 10 * 640) * 0.1
    changed = samples.clone()
    changed[0, 5 * 640 :] += 0.3
    before, after = encoder(samples), encoder(changed)
    assert torch.equal(before.content[:, :10], after.content[:, :10])
    assert not torch.allclose(before.content[:, 10:], after.content[:, 10:])


@torch.inference_mode()
def test_digital_silence_is_finite_and_settles(encoder):
    features = encoder(torch.zeros(1, 60 * 640))
    assert torch.isfinite(features.content).all()
    assert torch.allclose(features.loudness_db, torch.full((1, 120), -100.0), atol=1e-3)
    assert (features.content[:, 60:] - features.content[:, -1:]).abs().max() < 1e-4


def test_log_mel_level():
    """A full-scale sine stands in its own band at about 0 dBFS, silence at the floor."""
    time = torch.arange(16_000) / 16_000
    mel = LogMel(40)(torch.sin(2 * torch.pi * 1_000 * time)[None])[0, -1]
    silent = LogMel(40)(torch.zeros(1, 1600))[0, -1]
    assert mel.max() > 2.5 and mel.argmax() in range(12, 18)
    assert silent.max() < -1.5


def test_phones_at_each_lookahead(encoder):
    content = encoder(torch.zeros(1, 1280)).content
    for ticks in TINY.delays:
        p = encoder.phones(content, ticks)
        assert p.shape == (1, 4, len(PHONES)) and torch.allclose(p.sum(-1), torch.ones(1, 4))
    with pytest.raises(ValueError, match="trained for"):
        encoder.phones(content, 3)


def test_wrong_weight_files(tmp_path):
    path = tmp_path / "e.safetensors"
    with pytest.raises(WeightsError, match="no such weight file"):
        load_encoder(tmp_path / "none.safetensors")
    (tmp_path / "text.safetensors").write_text("not weights")
    with pytest.raises(WeightsError, match="not a safetensors file"):
        load_encoder(tmp_path / "text.safetensors")
    save_checkpoint(path, "lips", {}, {"x": torch.zeros(1)})
    with pytest.raises(WeightsError, match=r"made for lips.*speech-encoder was asked"):
        load_encoder(path)
    save_checkpoint(path, "speech-encoder", TINY.table(), {"x": torch.zeros(1)})
    with pytest.raises(WeightsError, match="this model needs"):
        load_encoder(path)


@torch.no_grad()
def test_exports_without_losing_state(encoder):
    """torch.export keeps the step's answer when state goes in and out explicitly."""

    class Pure(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = encoder

        def forward(self, x, *tensors):
            state = encoder.init_state(1)
            for (_, own), given in zip(state.tensors(), tensors, strict=True):
                own.copy_(given)
            y = encoder.step(state, x)
            return y.content, *(t for _, t in state.tensors())

    state = encoder.init_state(1)
    x = torch.randn(1, 640) * 0.1
    given = tuple(t.clone() for _, t in state.tensors())
    program = torch.export.export(Pure(), (x, *given)).module()
    for _ in range(9):
        expected = encoder.step(state, x).content
        content, *given = program(x, *[t.clone() for t in given])
        torch.testing.assert_close(content, expected, atol=1e-5, rtol=0)
