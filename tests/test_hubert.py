"""HuBERT: equal to the published implementations; streaming equal to the full sequence."""

import warnings
from dataclasses import replace

import pytest
import torch

from engine.errors import ConfigError
from engine.features.hubert import BASE, LARGE, SMALL, SOFT, Hubert, HubertConfig
from engine.features.hubert.checkpoint import load_hubert
from engine.features.hubert.layouts import TORCHAUDIO
from engine.stage import fold
from tests.hubert_files import TINY, TINY_LARGE, TINY_SOFT, stored, tiny

TINY_SMALL = replace(SMALL, mels=16, channels=12, width=16, layers=2, heads=2, feed_forward=24, context=9)


def theirs(large: bool):
    """transformers' HubertModel, small and random."""
    transformers = pytest.importorskip("transformers", reason="pip install 'visema[test]'")
    torch.manual_seed(3)
    model = transformers.HubertModel(
        transformers.HubertConfig(
            hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48, conv_dim=(16,) * 7,
            num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=4, conv_bias=large,
            feat_extract_norm="layer" if large else "group", do_stable_layer_norm=large, attn_implementation="eager",
        )
    ).eval()  # fmt: skip
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter += (0.1 if "norm" in name or name.endswith("bias") else 0.02) * torch.randn_like(parameter)
    return model


@pytest.mark.parametrize("large", [False, True], ids=["base", "large"])
@torch.inference_mode()
def test_stock_form_equals_transformers(large, tmp_path):
    """Every hidden state and the output, with the same weights, read from the file that transformers writes."""
    oracle = theirs(large)
    oracle.save_pretrained(tmp_path)
    ours = load_hubert(tmp_path)
    assert ours.config.pre_norm == large and ours.config.heads == 2
    samples = torch.randn(2, 16_123)
    expected = oracle(samples, output_hidden_states=True)
    torch.testing.assert_close(ours.stock(samples), expected.last_hidden_state, atol=1e-5, rtol=0)
    layers = list(ours.stock_layers(samples))
    for got, want in zip(layers[: 2 if large else 3], expected.hidden_states, strict=False):
        torch.testing.assert_close(got, want, atol=1e-5, rtol=0)


@pytest.mark.parametrize("config", [TINY, TINY_LARGE], ids=["base", "large"])
@torch.inference_mode()
def test_stock_form_equals_torchaudio(config, tmp_path):
    """Where torchaudio imports (CUDA builds); its CPU wheels want a CUDA library."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from torchaudio.models import wav2vec2_model
    except (ImportError, OSError) as error:
        pytest.skip(f"torchaudio imports beside an NVIDIA GPU's build only ({type(error).__name__})")
    large = config.pre_norm
    oracle = wav2vec2_model(
        "layer_norm" if large else "group_norm",
        [(16, k, s) for k, s in zip(config.kernels, config.strides, strict=True)],
        large, 32, 0.0, 16, 4, 2, 2, 0.0, 48, 0.0, 0.0, large, 0.0, None,
    ).eval()  # fmt: skip
    ours = tiny(config)
    oracle.load_state_dict(stored(ours, TORCHAUDIO, "parametrizations"))
    samples = torch.randn(2, 16_123)
    torch.testing.assert_close(ours.stock(samples), oracle(samples)[0], atol=1e-5, rtol=0)


def test_published_sizes():
    """Parameters of the papers' models, without their pre-training heads."""
    with torch.device("meta"):
        millions = {name: sum(p.numel() for p in Hubert(c).parameters()) / 1e6
                    for name, c in {"base": BASE, "large": LARGE, "soft": SOFT, "small": SMALL}.items()}  # fmt: skip
    assert round(millions["base"], 1) == 94.4 and round(millions["large"], 1) == 315.4
    assert round(millions["soft"], 1) == 94.6 and millions["small"] < 8.4


def test_sizes_that_cannot_be_are_named():
    for wrong, text in (
        ({"lookahead": 3}, "0, 1, 2"), ({"heads": 5}, "heads 5"), ({"strides": (5, 2, 2, 2, 2, 2, 1)}, "160 samples"),
        ({"position_kernel": 0, "lookahead": 1}, "positional convolution"),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match=text):
            HubertConfig(**wrong)


CONFIGS = {
    "base": TINY, "large": TINY_LARGE, "soft": TINY_SOFT, "small": TINY_SMALL,
    "base, 1 tick ahead": replace(TINY, lookahead=1), "large, 2 ticks ahead": replace(TINY_LARGE, lookahead=2),
}  # fmt: skip


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())
@torch.inference_mode()
def test_streaming_equals_the_full_sequence(config):
    """From the first tick to the last, past three caches, odd number of ticks, with pauses in it."""
    model = tiny(config)
    samples = 0.07 * torch.randn(2, 21 * 640)
    samples[0, 7 * 640 : 10 * 640] = 0.0
    streamed = fold(model, samples.view(2, 21, 640)).flatten(1, 2)
    torch.testing.assert_close(streamed, model(samples), atol=1e-5, rtol=0)


@pytest.mark.parametrize("chunk", [37, 640, 1_000, 5_000])
@torch.inference_mode()
def test_any_chunking_of_the_source_gives_the_same(chunk):
    """Through the engine's own rechunker, as a microphone would feed it."""
    from engine.audio.block import AudioBlock
    from engine.audio.rechunk import Rechunker

    model = tiny()
    samples = 0.07 * torch.randn(1, 14 * 640)
    source, rechunker = samples[0].numpy(), Rechunker()
    ticks = [
        tick
        for at in range(0, len(source), chunk)
        for tick in rechunker.push(AudioBlock(source[at : at + chunk, None], 16_000, 0))
    ]
    ticks += rechunker.flush()
    heard = torch.stack([torch.from_numpy(tick.samples) for tick in ticks[:14]])
    torch.testing.assert_close(fold(model, heard[None]).flatten(1, 2), model(samples), atol=1e-4, rtol=0)


@pytest.mark.parametrize("config", [TINY_LARGE, TINY], ids=["layer norm", "group norm"])
@torch.inference_mode()
def test_the_causal_front_end_is_the_published_one_on_sound_after_silence(config):
    model = tiny(config)
    samples = 0.07 * torch.randn(1, 6 * 640)
    if config.conv_norm == "group":  # compare the filters; the norm differs on purpose
        norm = model.convolutions.layers[0].norm
        norm.forward = lambda y: norm.at_start(y, model.convolutions.layers[0].conv)
        norm.parallel = norm.at_start
    padded = torch.nn.functional.pad(samples, (80, 0))[:, None]
    ours = model.convolutions(samples[:, None], torch.zeros(1, 1))
    torch.testing.assert_close(ours, model.convolutions.stock(padded), atol=1e-5, rtol=0)


@torch.inference_mode()
def test_causal_attention_equals_a_mask_on_the_published_form():
    """An independent way to the same numbers: torch's own attention with a band mask."""
    model = tiny()
    x = torch.randn(1, 30, 32)
    attention = model.blocks[0].attention
    oracle = torch.nn.MultiheadAttention(32, 2, batch_first=True)
    oracle.in_proj_weight.copy_(attention.qkv.weight)
    oracle.in_proj_bias.copy_(attention.qkv.bias)
    oracle.out_proj.load_state_dict(attention.out.state_dict())
    back = torch.arange(30)[:, None] - torch.arange(30)
    expected, _ = oracle(x, x, x, attn_mask=(back < 0) | (back >= TINY.context), need_weights=False)
    torch.testing.assert_close(attention(x), expected, atol=1e-5, rtol=0)


@torch.inference_mode()
def test_lookahead_hears_exactly_as_far_as_it_says():
    for ticks in (0, 1, 2):
        model = tiny(replace(TINY, lookahead=ticks))
        samples = 0.07 * torch.randn(1, 12 * 640)
        before = model(samples)
        for at, heard in ((6 + ticks, True), (7 + ticks, False)):
            changed = samples.clone()
            changed[0, at * 640 : at * 640 + 640] *= -1.0
            assert torch.equal(model(changed)[:, 12:14], before[:, 12:14]) != heard


@torch.inference_mode()
def test_unwritten_caches_are_never_read():
    for config in (TINY, replace(TINY, lookahead=2)):
        model = tiny(config)
        clean, spoilt = model.init_state(1), model.init_state(1)
        for block in spoilt.blocks:
            block.ring.keys.fill_(1e4)
            block.ring.values.fill_(1e4)
        for _ in range(20):
            x = 0.07 * torch.randn(1, 640)
            assert torch.equal(model.step(clean, x), model.step(spoilt, x))


class TestGroupNorm:
    """The causal statistics of the first layer."""

    @staticmethod
    def run(ticks: torch.Tensor, horizon_s: float = 10.0):
        """Statistics after ticks (T, 640)."""
        model = tiny(replace(TINY, horizon_s=horizon_s))
        layer = model.convolutions.layers[0]
        state = layer.norm.init_state(1, layer.conv)
        for tick in ticks:
            layer.norm.step(state, layer.conv(tick[None, None]))
        return state, layer

    def test_settles_on_what_the_utterance_gives(self):
        """After a minute of steady sound it is the stock norm of that sound."""
        torch.manual_seed(0)
        ticks = 0.2 * torch.randn(1500, 640)
        state, layer = self.run(ticks)
        y = layer.conv(ticks[:, None])
        torch.testing.assert_close(state.square[0], y.square().mean((0, 2)), rtol=0.02, atol=0)

    def test_pauses_are_not_counted(self):
        torch.manual_seed(0)
        speech = 0.1 * torch.randn(300, 640)
        before, _ = self.run(speech)
        after, _ = self.run(torch.cat((speech, torch.zeros(5_000, 640), 1e-4 * torch.randn(5_000, 640))))
        torch.testing.assert_close(after.square, before.square, rtol=0.03, atol=0)

    def test_hours_leave_no_trace(self):
        """Simulated hour 8: whatever went before, the same last minute gives the same statistics."""
        torch.manual_seed(0)
        last = 0.1 * torch.randn(1500, 640)
        _, layer = self.run(last[:1], 2.0)
        state = layer.norm.init_state(1, layer.conv)
        state.count.fill_(layer.norm.horizon)
        state.square.fill_(9.0)
        state.mean.fill_(-1.0)
        for tick in last:
            layer.norm.step(state, layer.conv(tick[None, None]))
        fresh, _ = self.run(last, 2.0)
        torch.testing.assert_close(state.square, fresh.square, rtol=1e-4, atol=0)
        assert float(state.count) == layer.norm.horizon

    def test_the_start_is_what_speech_gives(self):
        """The prior variance is near that of speech at engine level."""
        from engine.training.corpus import decode

        samples = torch.from_numpy(decode("engine/assets/sample.opus").astype("float32") / 32768)
        samples = samples[: len(samples) // 640 * 640]
        samples = samples * (10**-2.3 / samples.square().mean()) ** 0.5
        model = tiny()
        layer = model.convolutions.layers[0]
        measured = layer.conv(samples[None, None])[0].var(-1)
        prior = layer.norm.init_state(1, layer.conv).square[0]
        assert (measured / prior).log2().abs().median() < 1.0
