"""How published HuBERT files name their tensors: one table per layout, from our names to theirs.

{i} is the number of a layer, {p} stands for weight or bias.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Layout:
    """name: what it is called in messages. mark: a tensor that only files of this layout have.

    outer: prefixes that wrappers put in front of every name. unused: what pre-training or other heads leave in
    the files and features do not need (beginnings of names). units: the soft-unit head.
    """

    name: str
    mark: str
    conv: str
    group_norm: str
    conv_norm: str
    projection_norm: str
    projection: str
    position: str
    norm: str
    block: Mapping[str, str]
    units: str
    unused: tuple[str, ...]
    outer: tuple[str, ...] = ("",)


def _block(start: str) -> dict[str, str]:
    names = {f"attention.{part}": f"attention.{part}_proj" for part in "qkv"} | {
        "attention.out": "attention.out_proj", "attention_norm": "layer_norm",
        "ff_in": "feed_forward.intermediate_dense", "ff_out": "feed_forward.output_dense",
        "ff_norm": "final_layer_norm",
    }  # fmt: skip
    return {ours: f"{start}.{theirs}.{{p}}" for ours, theirs in names.items()}


TRANSFORMERS = Layout(
    name="transformers",
    mark="feature_projection.projection.weight",
    conv="feature_extractor.conv_layers.{i}.conv.{p}",
    group_norm="feature_extractor.conv_layers.{i}.layer_norm.{p}",
    conv_norm="feature_extractor.conv_layers.{i}.layer_norm.{p}",
    projection_norm="feature_projection.layer_norm.{p}",
    projection="feature_projection.projection.{p}",
    position="encoder.pos_conv_embed.conv.{p}",
    norm="encoder.layer_norm.{p}",
    block=_block("encoder.layers.{i}"),
    units="soft_units.{p}",
    unused=("masked_spec_embed", "lm_head.", "projector.", "classifier.", "layer_weights"),
    outer=("", "hubert."),
)
TORCHAUDIO = Layout(
    name="torchaudio",
    mark="encoder.feature_projection.projection.weight",
    conv="feature_extractor.conv_layers.{i}.conv.{p}",
    group_norm="feature_extractor.conv_layers.{i}.layer_norm.{p}",
    conv_norm="feature_extractor.conv_layers.{i}.layer_norm.{p}",
    projection_norm="encoder.feature_projection.layer_norm.{p}",
    projection="encoder.feature_projection.projection.{p}",
    position="encoder.transformer.pos_conv_embed.conv.{p}",
    norm="encoder.transformer.layer_norm.{p}",
    block=_block("encoder.transformer.layers.{i}"),
    units="units.{p}",
    unused=("aux.", "mask_generator.", "logit_generator."),
    outer=("", "wav2vec2.", "model."),
)
FAIRSEQ = Layout(
    name="fairseq",
    mark="post_extract_proj.weight",
    conv="feature_extractor.conv_layers.{i}.0.{p}",
    group_norm="feature_extractor.conv_layers.{i}.2.{p}",
    conv_norm="feature_extractor.conv_layers.{i}.2.1.{p}",
    projection_norm="layer_norm.{p}",
    projection="post_extract_proj.{p}",
    position="encoder.pos_conv.0.{p}",
    norm="encoder.layer_norm.{p}",
    block={
        ours: f"encoder.layers.{{i}}.{theirs}.{{p}}"
        for ours, theirs in {
            "attention.q": "self_attn.q_proj", "attention.k": "self_attn.k_proj", "attention.v": "self_attn.v_proj",
            "attention.out": "self_attn.out_proj", "attention_norm": "self_attn_layer_norm", "ff_in": "fc1",
            "ff_out": "fc2", "ff_norm": "final_layer_norm",
        }.items()
    },
    units="soft_units.{p}",
    unused=("mask_emb", "final_proj.", "label_embs_concat", "proj."),
    outer=("", "w2v_encoder.w2v_model."),
)  # fmt: skip
SOFT = Layout(
    name="HuBERT-soft",
    mark="positional_embedding.conv.bias",
    conv="feature_extractor.conv{i}.{p}",
    group_norm="feature_extractor.norm{i}.{p}",
    conv_norm="feature_extractor.norm{i}.{p}",
    projection_norm="feature_projection.norm.{p}",
    projection="feature_projection.projection.{p}",
    position="positional_embedding.conv.{p}",
    norm="norm.{p}",
    block={
        ours: f"encoder.layers.{{i}}.{theirs}{{p}}"
        for ours, theirs in {
            "attention.qkv": "self_attn.in_proj_", "attention.out": "self_attn.out_proj.",
            "attention_norm": "norm1.", "ff_in": "linear1.", "ff_out": "linear2.", "ff_norm": "norm2.",
        }.items()
    },
    units="proj.{p}",
    unused=("masked_spec_embed", "label_embedding."),
    outer=("", "module."),
)  # fmt: skip
# HuBERT-soft shares a name with transformers: its own mark is asked for first
LAYOUTS = (SOFT, TORCHAUDIO, TRANSFORMERS, FAIRSEQ)
