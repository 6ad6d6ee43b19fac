"""Small HuBERT checkpoints with random weights, in every layout that is published."""

from dataclasses import replace

import torch

from engine.features.hubert import BASE, LARGE, Hubert, HubertConfig
from engine.features.hubert.layouts import Layout

TINY, TINY_LARGE = (
    replace(published, channels=16, width=32, layers=2, heads=2, feed_forward=48, position_kernel=16, position_groups=4,
            context=9)
    for published in (BASE, LARGE)
)  # fmt: skip
TINY_SOFT = replace(TINY, units=12)


def tiny(config: HubertConfig = TINY, seed: int = 0) -> Hubert:
    """A model whose norms and biases are random too, so that none can be mixed up unseen."""
    torch.manual_seed(seed)
    model = Hubert(config).eval().requires_grad_(False)
    for name, parameter in model.named_parameters():
        if "norm" in name or name.endswith("bias"):
            parameter += 0.3 * torch.randn_like(parameter)
    return model


def stored(model: Hubert, layout: Layout, weight_norm: str = "weight_g") -> dict[str, torch.Tensor]:
    """The model's tensors as files of that layout hold them."""
    ours = model.state_dict()
    out = {}

    def put(name: str, theirs: str, i: int = 0) -> None:
        for p in ("weight", "bias"):
            if f"{name}.{p}" in ours:
                out[theirs.format(i=i, p=p)] = ours[f"{name}.{p}"].clone()

    for i in range(len(model.config.kernels)):
        put(f"convolutions.layers.{i}.conv", layout.conv, i)
        norm = layout.group_norm if model.config.conv_norm == "group" else layout.conv_norm
        put(f"convolutions.layers.{i}.norm", norm, i)
    for name in ("projection_norm", "projection", "norm", "units", "position.conv"):
        put(name, getattr(layout, name.partition(".")[0]))
    for i in range(model.config.layers):
        for name, theirs in layout.block.items():
            if name in ("attention.q", "attention.k", "attention.v"):
                for p in ("weight", "bias"):
                    part = ours[f"blocks.{i}.attention.qkv.{p}"].chunk(3)["qkv".index(name[-1])]
                    out[theirs.format(i=i, p=p)] = part.clone()
            else:
                put(f"blocks.{i}.{name}", theirs, i)
    position = layout.position.format(p="weight")
    weight = out.pop(position)
    g = torch.linspace(0.5, 2.0, weight.shape[2])[None, None]
    scale, direction = ("weight_g", "weight_v") if weight_norm == "weight_g" else (
        "parametrizations.weight.original0", "parametrizations.weight.original1")  # fmt: skip
    out[position.removesuffix("weight") + scale] = weight.norm(dim=(0, 1), keepdim=True)
    out[position.removesuffix("weight") + direction] = weight * g
    return out
