"""HuBERT checkpoints of transformers, torchaudio, fairseq and HuBERT-soft, read into our structure.

The sizes are read off the tensors, so any published size loads. What a file lacks, and what it has too much of,
is named in the file's own words.
"""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from engine.errors import WeightsError
from engine.features.checkpoint import MODEL, fit, read_checkpoint, read_metadata, save_checkpoint
from engine.features.hubert.config import BASE, LARGE, HubertConfig
from engine.features.hubert.layouts import LAYOUTS, Layout
from engine.features.hubert.model import Hubert
from engine.features.weight_files import read_tensors

Tensors = dict[str, torch.Tensor]
NAME = "hubert"  # in the metadata of our own files


def load_hubert(path: Path | str, allow_pickle: bool = False, heads: int | None = None, **streaming: Any) -> Hubert:
    """A published checkpoint, ready to run. Raises WeightsError naming what was expected and what was found.

    path: a .safetensors file, a folder with model.safetensors (and config.json), or, only with allow_pickle,
    a file of torch.save. heads: of the attention; default: config.json beside the file, or one per 64 channels as
    in base and large. streaming: context, lookahead, gain, horizon_s of HubertConfig.
    """
    found = Path(path)
    if found.is_dir():
        found = next((f for name in ("model.safetensors", "pytorch_model.bin") if (f := found / name).is_file()), found)
    if found.is_file() and read_metadata(found).get(MODEL) == NAME:
        return _load_own(found, streaming)
    theirs = read_tensors(found, "a HuBERT checkpoint (transformers, torchaudio, fairseq or HuBERT-soft)", allow_pickle)
    layout, tensors = _layout_of(theirs, found)
    config, names = _sizes(layout, tensors, found, heads or _told_heads(found))
    ours = {name: _take(layout, tensors, source, found) for name, source in names.items()}
    _refuse_strangers(layout, tensors, names, found)
    model = Hubert(replace(config, **streaming))
    fit(model, _join_qkv(ours), found)
    return model.eval().requires_grad_(False)


def save_hubert(model: Hubert, path: Path) -> None:
    """Write weights (fp32) and sizes as safetensors, which `load_hubert` reads as it reads published files."""
    save_checkpoint(path, NAME, asdict(model.config), model.state_dict(), half=False)


def _load_own(path: Path, streaming: dict[str, Any]) -> Hubert:
    table, tensors = read_checkpoint(path, NAME)
    lists: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in table.items()}
    model = Hubert(replace(HubertConfig(**lists), **streaming))
    fit(model, tensors, path)
    return model.eval().requires_grad_(False)


def _layout_of(tensors: Tensors, path: Path) -> tuple[Layout, Tensors]:
    """The layout whose mark the file bears, and the tensors without a wrapper's prefix."""
    for layout in LAYOUTS:
        for outer in layout.outer:
            if outer + layout.mark in tensors:
                kept = {name.removeprefix(outer): t for name, t in tensors.items() if name.startswith(outer)}
                return layout, kept if outer else tensors
    marks = ", ".join(f"{layout.mark} ({layout.name})" for layout in LAYOUTS)
    some = ", ".join(sorted(tensors)[:3]) or "nothing"
    raise WeightsError(f"{path}: not a HuBERT checkpoint; expected one of the tensors {marks}; found {some} ...")


def _sizes(layout: Layout, tensors: Tensors, path: Path, heads: int | None) -> tuple[HubertConfig, dict[str, str]]:
    """Configuration read off the tensors, and the table from our names to the file's."""

    def count(template: str) -> int:
        n = 0
        while template.format(i=n, p="weight") in tensors:
            n += 1
        return n

    def shape(name: str) -> tuple[int, ...]:
        return tuple(_take(layout, tensors, name, path).shape)

    stock_layers = len(BASE.kernels)
    convs = [shape(layout.conv.format(i=i, p="weight")) for i in range(stock_layers)]
    kernels = tuple(s[2] for s in convs)
    if kernels != BASE.kernels:
        raise WeightsError(f"{path}: convolutions with kernels {kernels}; HuBERT has {BASE.kernels}")
    grouped = layout.conv_norm.format(i=1, p="weight") not in tensors
    some_block = next(iter(layout.block.values()))
    # a gap in the row of blocks is a truncated file, not a smaller model
    numbers = {int(part) for name in tensors if name.startswith(_start(some_block))
               for part in [name.removeprefix(_start(some_block)).partition(".")[0]] if part.isdigit()}  # fmt: skip
    layers = max(numbers, default=-1) + 1
    if not layers:
        raise WeightsError(f"{path}: {layout.name} layout, but no Transformer block "
                           f"(expected {some_block.format(i=0, p='weight')})")  # fmt: skip
    width, channels = shape(layout.projection.format(p="weight"))
    positional = shape(layout.position.format(p="weight"))
    config = replace(
        BASE if grouped else LARGE,
        channels=channels, conv_bias=layout.conv.format(i=0, p="bias") in tensors,
        projection_norm=layout.projection_norm.format(p="weight") in tensors,
        width=width, layers=layers, heads=heads or max(1, width // 64),
        feed_forward=shape(layout.block["ff_in"].format(i=0, p="weight"))[0],
        position_kernel=positional[2], position_groups=width // positional[1],
        units=shape(layout.units.format(p="weight"))[0] if layout.units.format(p="weight") in tensors else 0,
    )  # fmt: skip
    return config, _names(layout, config)


def _start(template: str) -> str:
    return template.partition("{i}")[0]


def _names(layout: Layout, config: HubertConfig) -> dict[str, str]:
    """Our tensor names -> the file's, for a model of these sizes."""
    table: dict[str, str] = {}

    def add(ours: str, theirs: str, parts: tuple[str, ...] = ("weight", "bias"), i: int = 0) -> None:
        table.update({f"{ours}.{p}": theirs.format(i=i, p=p) for p in parts})

    for i in range(len(config.kernels)):
        add(f"convolutions.layers.{i}.conv", layout.conv, ("weight", "bias") if config.conv_bias else ("weight",), i)
        if config.conv_norm == "layer":
            add(f"convolutions.layers.{i}.norm", layout.conv_norm, i=i)
        elif i == 0:
            add("convolutions.layers.0.norm", layout.group_norm)
    if config.projection_norm:
        add("projection_norm", layout.projection_norm)
    add("projection", layout.projection)
    add("position.conv", layout.position)
    add("norm", layout.norm)
    for i in range(config.layers):
        for ours, theirs in layout.block.items():
            add(f"blocks.{i}.{ours}", theirs, i=i)
    if config.units:
        add("units", layout.units)
    return table


def _weight_norm(name: str) -> tuple[tuple[str, str], ...]:
    """The two tensors, scale and direction, by which a normalised weight may be stored."""
    stem = name.removesuffix("weight")
    return (f"{stem}weight_g", f"{stem}weight_v"), tuple(f"{stem}parametrizations.weight.original{k}" for k in "01")  # type: ignore[return-value]


def _take(layout: Layout, tensors: Tensors, name: str, path: Path) -> torch.Tensor:
    """A tensor of the file in fp32; weight normalisation (over the last axis) is multiplied out."""
    if name in tensors:
        return tensors[name].float()
    for scale, direction in _weight_norm(name):
        if scale in tensors and direction in tensors:
            v = tensors[direction].float()
            return v * (tensors[scale].float() / v.norm(dim=(0, 1), keepdim=True))
    raise WeightsError(f"{path}: {layout.name} layout, tensor {name} is missing (truncated, or not HuBERT)")


def _refuse_strangers(layout: Layout, tensors: Tensors, names: dict[str, str], path: Path) -> None:
    known = set(names.values())
    known |= {part for name in known if name.endswith("weight") for pair in _weight_norm(name) for part in pair}
    strangers = sorted(n for n in tensors if n not in known and not n.startswith(layout.unused))
    if strangers:
        raise WeightsError(
            f"{path}: {layout.name} layout, but {strangers[0]} belongs to no HuBERT of these sizes"
            + (f" ({len(strangers)} such tensors)" if len(strangers) > 1 else "")
        )


def _join_qkv(tensors: Tensors) -> Tensors:
    """Query, key and value as the one matrix that our attention has."""
    joined = dict(tensors)
    for name in tensors:
        if ".attention.q." in name:
            parts = [joined.pop(name.replace(".attention.q.", f".attention.{part}.")) for part in "qkv"]
            joined[name.replace(".attention.q.", ".attention.qkv.")] = torch.cat(parts)
    return joined


def _told_heads(path: Path) -> int | None:
    """Number of heads in transformers' config.json beside the file."""
    beside = path.with_name("config.json")
    try:
        return int(json.loads(beside.read_text())["num_attention_heads"]) if beside.is_file() else None
    except (ValueError, KeyError, TypeError, OSError):
        return None
