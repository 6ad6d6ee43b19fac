"""The speech encoder: everything that plugins hear."""

from dataclasses import replace

import pytest
import torch

from engine.errors import WeightsError
from engine.features import SIDE_OUTPUTS, SpeechConfig, SpeechEncoder, load_encoder, save_speech_encoder
from engine.features.checkpoint import fingerprint, save_checkpoint
from engine.features.hubert import SMALL
from engine.features.phones import PHONES, VISEME_OF_PHONE
from engine.features.pitch import Pitch
from engine.stage import fold, tree_leaves
from tests.hubert_files import TINY

TRUNK = replace(SMALL, mels=16, channels=12, width=16, layers=2, heads=2, context=6, feed_forward=24, conv_frames=3)
SPEECH = SpeechConfig(TRUNK, units=7, mixed=True)
KEEP = (*SIDE_OUTPUTS, "layer0", "layer2")


@pytest.fixture
def samples() -> torch.Tensor:
    torch.manual_seed(0)
    return 0.07 * torch.randn(2, 15 * 640)


def encoder(config: SpeechConfig = SPEECH, keep: tuple[str, ...] = KEEP) -> SpeechEncoder:
    torch.manual_seed(1)
    made = SpeechEncoder(config, keep).eval()
    made.centroids.normal_()
    if made.mix is not None:  # a fresh one changes nothing
        torch.nn.init.normal_(made.mix.weight)
        torch.nn.init.normal_(made.mix.bias)
    return made


@pytest.mark.parametrize("trunk", [SPEECH.hubert, replace(TINY, lookahead=2)], ids=["small", "base, 2 ticks ahead"])
@torch.inference_mode()
def test_streaming_equals_the_full_sequence(trunk, samples):
    """Every side output too, from the first tick."""
    made = encoder(replace(SPEECH, hubert=trunk))
    whole, streamed = made(samples), fold(made, samples.view(2, 15, 640))
    assert tuple(streamed.side) == tuple(whole.side) == KEEP
    for got, want in zip(tree_leaves(streamed), tree_leaves(whole), strict=True):
        torch.testing.assert_close(got.flatten(1, 2), want, atol=1e-5, rtol=0)


@torch.inference_mode()
def test_side_outputs_mean_what_they_say(samples):
    made = encoder()
    heard = made(samples)
    side = heard.side
    assert side["phones"].shape == (2, 30, 3, len(PHONES)) and side["gestures"].shape == (2, 30, 3, 4)
    for k, ticks in enumerate(SPEECH.delays):
        torch.testing.assert_close(side["phones"][:, :, k], made.phones(heard.content, ticks))
        torch.testing.assert_close(side["gestures"][:, :, k], made.gestures(heard.content, ticks))
    torch.testing.assert_close(side["visemes"].sum(-1), torch.ones(2, 30, 3))
    bilabial, teeth = ([i for i, v in enumerate(VISEME_OF_PHONE) if v == viseme] for viseme in (1, 2))
    shares = [side["phones"][..., some].pow(0.7).sum(-1) for some in (bilabial, teeth)]
    torch.testing.assert_close(side["visemes"][..., 1] / side["visemes"][..., 2], shares[0] / shares[1])
    gaps = torch.cdist(heard.content, made.centroids[None])
    assert torch.equal(side["units"], gaps.argmin(-1))
    assert side["layer0"].shape == side["layer2"].shape == (2, 30, 16)
    torch.testing.assert_close(made.trunk.norm(side["layer2"]), heard.content)


@torch.inference_mode()
def test_the_first_frame_of_a_tick_is_answered_with_the_second():
    """Nothing beyond the tick moves it, and the second frame stays what it says by itself."""
    made = encoder()
    content = torch.randn(1, 6, 16, generator=torch.Generator().manual_seed(2))
    changed = content.clone()
    changed[:, 3] += torch.linspace(-1, 1, 16)  # the second frame of the second tick
    before, after = made.phone_logits(content), made.phone_logits(changed)
    moved = (before - after).abs().amax((0, 2, 3)) > 1e-4
    assert moved.tolist() == [False, False, True, True, False, False]
    own = made.frame_logits(content)
    assert made.mix is not None
    assert torch.equal(before[:, 1::2], own[:, 1::2]) and not torch.allclose(before[:, ::2], own[:, ::2])
    by_hand = own[0, 2] + made.mix.weight @ torch.cat((own[0, 2], own[0, 3])) + made.mix.bias
    torch.testing.assert_close(before[0, 2], by_hand)
    with pytest.raises(ValueError, match="whole ticks"):
        made.phone_logits(content[:, :5])


@torch.inference_mode()
def test_no_mix_changes_features(samples):
    """What plugins learned from stays valid with another mix: content, voice, gestures, and the fingerprint."""
    plain, mixed = encoder(replace(SPEECH, mixed=False)), encoder()
    mixed.load_state_dict(mixed.state_dict() | plain.state_dict())
    a, b = plain(samples), mixed(samples)
    assert torch.equal(a.content, b.content) and torch.equal(a.voice, b.voice)
    assert torch.equal(a.side["gestures"], b.side["gestures"])
    assert not torch.allclose(a.side["phones"], b.side["phones"])
    assert fingerprint(plain) == fingerprint(mixed)
    assert fingerprint(plain, whole=True) != fingerprint(mixed, whole=True)
    mixed.phone_head.bias[0] += 1.0  # the voice comes from it
    assert fingerprint(plain) != fingerprint(mixed)


@torch.inference_mode()
def test_weights_from_before_there_was_a_mix(samples, tmp_path):
    made = encoder(replace(SPEECH, mixed=False), keep=())
    table = made.config.table()
    del table["mixed"]
    save_checkpoint(tmp_path / "old.safetensors", "speech-encoder", table, made.state_dict(), half=False)
    again = load_encoder(tmp_path / "old.safetensors")
    assert again.config == made.config and torch.equal(again(samples).voice, made(samples).voice)


def test_an_unknown_side_output_is_named():
    with pytest.raises(WeightsError, match=r"'layer9'.*phones.*units.*layer2"):
        encoder(keep=("layer9",))
    with pytest.raises(WeightsError, match="'units'"):
        encoder(replace(SPEECH, units=0), keep=("units",))


@torch.inference_mode()
def test_own_weight_files(samples, tmp_path):
    made = encoder(keep=())
    save_speech_encoder(made, tmp_path / "e.safetensors", half=False)
    again = load_encoder(tmp_path / "e.safetensors")
    assert again.config == SPEECH and torch.equal(again(samples).content, made(samples).content)
    assert torch.equal(again.centroids, made.centroids)
    save_checkpoint(tmp_path / "lips.safetensors", "lips", {}, {"x": torch.zeros(1)})
    with pytest.raises(WeightsError, match="made for lips"):
        load_encoder(tmp_path / "lips.safetensors")


class TestPitch:
    """Causal pitch of sounds that are known."""

    @staticmethod
    def voice(hz, seconds: float = 1.0) -> torch.Tensor:
        """A buzz with a formant-like fall of its overtones."""
        time = torch.arange(int(seconds * 16_000)) / 16_000
        phase = torch.cumsum(torch.as_tensor(hz, dtype=torch.float32).expand(len(time)) / 16_000, 0)
        return 0.1 * sum(torch.sin(2 * torch.pi * k * phase) / k for k in range(1, 9))[None]

    @pytest.mark.parametrize("hz", [75, 110, 147.3, 220, 300, 380])
    def test_a_steady_voice(self, hz):
        pitch, periodicity = Pitch()(self.voice(hz))
        torch.testing.assert_close(pitch[0, 3:], torch.full((47,), float(hz)), rtol=0.01, atol=0)
        assert periodicity[0, 3:].min() > 0.9

    def test_a_glide_is_followed_20_ms_late(self):
        rising = torch.linspace(120, 240, 16_000)
        pitch, _ = Pitch()(self.voice(rising))
        expected = rising[(torch.arange(50) + 1) * 320 - 320]
        torch.testing.assert_close(pitch[0, 3:], expected[3:], rtol=0.03, atol=0)

    def test_noise_and_silence_have_none(self):
        torch.manual_seed(0)
        assert (Pitch()(0.1 * torch.randn(1, 16_000))[0] > 0).float().mean() < 0.1
        pitch, periodicity = Pitch()(torch.zeros(1, 16_000))
        assert not pitch.any() and not periodicity.any()

    def test_loudness_does_not_matter(self):
        usual = Pitch()(self.voice(140))[0][:, 2:]
        for gain in (0.02, 5.0):
            torch.testing.assert_close(Pitch()(gain * self.voice(140))[0][:, 2:], usual, rtol=0.01, atol=0)
