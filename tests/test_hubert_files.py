"""Checkpoints in every published layout; wrong, truncated and hostile files."""

import warnings

import pytest
import torch
from safetensors.torch import save_file

from engine.errors import WeightsError
from engine.features.hubert.checkpoint import load_hubert
from engine.features.hubert.layouts import FAIRSEQ, SOFT, TORCHAUDIO, TRANSFORMERS
from tests.hubert_files import TINY, TINY_LARGE, TINY_SOFT, stored, tiny

CASES = {
    "transformers base": (TRANSFORMERS, TINY, "parametrizations", ""),
    "transformers large, in a wrapper": (TRANSFORMERS, TINY_LARGE, "parametrizations", "hubert."),
    "transformers, older names of weight norm": (TRANSFORMERS, TINY, "weight_g", ""),
    "torchaudio base": (TORCHAUDIO, TINY, "weight_g", ""),
    "torchaudio large": (TORCHAUDIO, TINY_LARGE, "parametrizations", ""),
    "fairseq base": (FAIRSEQ, TINY, "weight_g", ""),
    "fairseq large, fine-tuned": (FAIRSEQ, TINY_LARGE, "weight_g", "w2v_encoder.w2v_model."),
    "HuBERT-soft": (SOFT, TINY_SOFT, "weight_g", ""),
    "HuBERT-soft from a parallel training": (SOFT, TINY_SOFT, "weight_g", "module."),
}


class Dictionary:
    """Stands for the classes of other projects that such files hold beside the tensors."""

    def __init__(self):
        self.symbols = ["a"]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
@torch.inference_mode()
def test_every_layout_gives_the_same_model(case, tmp_path):
    layout, config, weight_norm, prefix = case
    model = tiny(config)
    tensors = {prefix + name: t for name, t in stored(model, layout, weight_norm).items()}
    samples = torch.randn(1, 8_000)
    save_file(tensors, tmp_path / "h.safetensors")
    ours = load_hubert(tmp_path / "h.safetensors", heads=2, context=9)
    assert ours.config == config
    torch.testing.assert_close(ours.stock(samples), model.stock(samples), atol=1e-5, rtol=0)
    content = {"cfg": {"a": 1}, "model": tensors, "task_state": {"dictionaries": [Dictionary()]}}
    torch.save(content, tmp_path / "h.pt")
    with pytest.warns(UserWarning, match="tensors only"):
        again = load_hubert(tmp_path / "h.pt", allow_pickle=True, heads=2, context=9)
    assert torch.equal(again.stock(samples), ours.stock(samples))


def test_pickles_need_permission(tmp_path):
    torch.save(stored(tiny(), FAIRSEQ), tmp_path / "h.pt")
    with pytest.raises(WeightsError, match=r"can hold programs.*--allow-pickle"):
        load_hubert(tmp_path / "h.pt")


class Evil:
    """Pickles to a call of os.system."""

    def __init__(self, command: str):
        self.command = command

    def __reduce__(self):
        import os

        return os.system, (self.command,)


class Sly(Evil):
    """Pickles to a call of a function outside the modules that torch blocks."""

    def __reduce__(self):
        import subprocess

        return subprocess.check_call, (["touch", self.command],)


def test_nothing_in_a_pickle_is_run(tmp_path):
    """Even with permission: a call hidden in the file does nothing."""
    trace = tmp_path / "trace"
    tensors = stored(tiny(), FAIRSEQ)
    for evil in (Evil(f"touch {trace}"), Sly(str(trace))):
        torch.save({"model": tensors, "args": evil}, tmp_path / "h.pt")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                load_hubert(tmp_path / "h.pt", allow_pickle=True, heads=2)
            except WeightsError as error:
                assert "expected a HuBERT checkpoint" in str(error)
        assert not trace.exists()


def _without(tensors: dict, part: str) -> dict:
    return {name: t for name, t in tensors.items() if part not in name}


@pytest.mark.parametrize("change, text", [
    (lambda t: {"x": torch.zeros(2)}, "not a HuBERT checkpoint; expected one of the tensors.*transformers.*found x"),
    (lambda t: _without(t, "encoder.layers.0.attention.k_proj.weight"),
     "transformers layout, tensor encoder.layers.0.attention.k_proj.weight is missing"),
    (lambda t: _without(t, "encoder.layers."), "no Transformer block"),
    (lambda t: _without(t, "conv_layers.4."), "feature_extractor.conv_layers.4.conv.weight is missing"),
    (lambda t: _without(t, "original0"), "pos_conv_embed.conv.weight is missing"),
    (lambda t: t | {"encoder.layers.0.adapter.weight": torch.zeros(2)}, "adapter.weight belongs to no HuBERT"),
    (lambda t: t | {"encoder.layer_norm.weight": torch.zeros(5)}, r"norm.weight is \(5,\), this model needs \(32,\)"),
    (lambda t: t | {"feature_extractor.conv_layers.1.conv.weight": torch.zeros(16, 16, 5)}, "kernels.*5.*HuBERT has"),
])  # fmt: skip
def test_a_wrong_file_names_what_was_expected(change, text, tmp_path):
    save_file(change(stored(tiny(), TRANSFORMERS, "parametrizations")), tmp_path / "h.safetensors")
    with pytest.raises(WeightsError, match=text):
        load_hubert(tmp_path / "h.safetensors", heads=2)


def test_truncated_and_foreign_files(tmp_path):
    tensors = stored(tiny(), FAIRSEQ)
    save_file(tensors, tmp_path / "h.safetensors")
    torch.save({"model": tensors}, tmp_path / "h.pt")
    torch.save([1, 2], tmp_path / "list.pt")
    (tmp_path / "text").write_text("not weights at all")
    for name, text in (("h.safetensors", "truncated or damaged safetensors"), ("h.pt", "truncated, damaged")):
        whole = (tmp_path / name).read_bytes()
        for share in (0.3, 0.9):
            (tmp_path / name).write_bytes(whole[: int(len(whole) * share)])
            with pytest.raises(WeightsError, match=f"{text}.*expected a HuBERT checkpoint"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                load_hubert(tmp_path / name, allow_pickle=True)
    for name, text in (
        ("text", "neither safetensors nor"), ("absent", "no such weight file"), (".", "no such weight file"),
    ):  # fmt: skip
        with pytest.raises(WeightsError, match=text):
            load_hubert(tmp_path / name)
    with pytest.raises(WeightsError, match="no table of tensors"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        load_hubert(tmp_path / "list.pt", allow_pickle=True)
