"""The small speech encoder: contract, silence, weight files."""

import pytest
import torch

from engine.errors import WeightsError
from engine.features.checkpoint import save_checkpoint
from engine.features.encoder import EncoderConfig, SmallEncoder, load_encoder, save_encoder
from engine.features.log_mel import LogMel
from engine.features.phones import PHONES
from engine.stage import fold

TINY = EncoderConfig(mels=16, stem=12, width=16, layers=2, heads=2, context=6, feed_forward=24, conv_frames=3)


@pytest.fixture
def encoder():
    torch.manual_seed(1)
    return SmallEncoder(TINY).eval()


@torch.inference_mode()
def test_parallel_equals_streaming(encoder):
    """From the first tick, past three rings, an odd number of ticks."""
    samples = torch.randn(2, 13 * 640) * 0.1
    at_once, streamed = encoder(samples), fold(encoder, samples.view(2, 13, 640))
    for name in ("content", "loudness_db", "voice"):
        expected, got = getattr(at_once, name), getattr(streamed, name).flatten(1, 2)
        torch.testing.assert_close(got, expected, atol=1e-4, rtol=0)


@torch.inference_mode()
def test_a_slot_is_alone(encoder):
    samples = torch.randn(5, 9, 640) * 0.1
    together, alone = fold(encoder, samples), fold(encoder, samples[3:4])
    torch.testing.assert_close(together.content[3:4], alone.content, atol=1e-5, rtol=0)


@torch.inference_mode()
def test_unwritten_caches_are_never_read_and_pointers_stay(encoder):
    state, clean = encoder.init_state(1), encoder.init_state(1)
    for block in state.blocks:
        block.ring.keys.fill_(float("nan"))
        block.ring.values.fill_(float("nan"))
    pointers = [t.data_ptr() for _, t in state.tensors()]
    for _ in range(8):
        x = torch.randn(1, 640) * 0.1
        torch.testing.assert_close(encoder.step(state, x).content, encoder.step(clean, x).content)
    assert pointers == [t.data_ptr() for _, t in state.tensors()]


@torch.inference_mode()
def test_reset_is_fresh(encoder):
    x = torch.randn(3, 2, 640) * 0.1
    state = encoder.init_state(2)
    for t in range(2):
        encoder.step(state, x[:2, t])
    encoder.reset(state, 1)
    got = encoder.step(state, x[1:, 0]).content[1]
    torch.testing.assert_close(got, encoder.step(encoder.init_state(1), x[2:, 0]).content[0])


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


def test_weights_round_trip_and_wrong_files(encoder, tmp_path):
    path = tmp_path / "e.safetensors"
    save_encoder(encoder, path, half=False)
    again = load_encoder(path)
    assert again.config == TINY
    samples = torch.randn(1, 1280)
    assert torch.equal(again(samples).content, encoder(samples).content)
    with pytest.raises(WeightsError, match="no such weight file"):
        load_encoder(tmp_path / "none.safetensors")
    (tmp_path / "text.safetensors").write_text("not weights")
    with pytest.raises(WeightsError, match="not a safetensors file"):
        load_encoder(tmp_path / "text.safetensors")
    save_checkpoint(path, "lips", {}, {"x": torch.zeros(1)})
    with pytest.raises(WeightsError, match=r"made for lips.*small-encoder was asked"):
        load_encoder(path)
    save_checkpoint(path, "small-encoder", {"width": 16, "delays": [0]}, {"x": torch.zeros(1)})
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
