"""A wider encoder that says exactly what a smaller one says: training goes on instead of starting again.

Every channel is doubled. Where a layer reads doubled channels its weights are split into two unequal halves
whose sum is the old weight, so that the function stays and the twins part at the first step (the idea of
Net2Net, Chen, Goodfellow and Shlens 2016). Hidden units beyond the old ones begin with outgoing weights of zero.
"""

from dataclasses import replace

import torch
from torch import nn

from engine.features.hubert.block import Block
from engine.features.speech_encoder import SpeechConfig, SpeechEncoder

PARTING = 0.7  # how far the halves of a weight lie apart, in deviations of the weight


def widen(small: SpeechEncoder, config: SpeechConfig, seed: int = 0, dropout: float = 0.0) -> SpeechEncoder:
    """The same function in an encoder of twice the width, twice the heads and at least the feed-forward width.

    For trunks on log-mels without projection or positional convolution. Raises ValueError when `config` asks for
    anything else.
    """
    old, new = small.config.hubert, config.hubert
    alike = replace(new, width=old.width, heads=old.heads, feed_forward=old.feed_forward)
    if alike != old or config.delays != small.config.delays:
        raise ValueError(f"{config} and {small.config} differ in more than width, heads and feed_forward")
    if new.width != 2 * old.width or new.heads != 2 * old.heads or new.feed_forward < old.feed_forward:
        raise ValueError(f"{new} is not twice as wide as {old}")
    if old.projection or old.position_kernel or not old.conv_frames:
        raise ValueError("only trunks on log-mels with a convolution in every block can be widened")
    torch.manual_seed(seed)
    wide = SpeechEncoder(replace(config, units=0), dropout=dropout)
    with torch.no_grad():
        first, last = (list(encoder.trunk.convolutions.layers) for encoder in (wide, small))
        for ours, theirs in zip(first[:-1], last[:-1], strict=True):
            ours.load_state_dict(theirs.state_dict())
        for ours, theirs in zip(first[-1].parameters(), last[-1].parameters(), strict=True):
            ours.copy_(_rows(theirs))
        for ours, theirs in zip(wide.trunk.blocks, small.trunk.blocks, strict=True):
            assert isinstance(ours, Block) and isinstance(theirs, Block)
            _widen_block(ours, theirs)
        _norm(wide.trunk.norm, small.trunk.norm)
        for ours, theirs in ((wide.phone_head, small.phone_head), (wide.gesture_head, small.gesture_head)):
            ours.weight.copy_(_columns(theirs.weight))
            ours.bias.copy_(theirs.bias)
    return wide


def _widen_block(new: Block, old: Block) -> None:
    """One block: heads, gates and filters in twins; feed-forward units as they were, and fresh ones."""
    assert new.conv is not None and old.conv is not None
    for ours, theirs in (
        (new.attention_norm, old.attention_norm), (new.conv.norm, old.conv.norm), (new.ff_norm, old.ff_norm),
    ):  # fmt: skip
        _norm(ours, theirs)
    # queries, keys, values: within each third the heads are doubled as a whole
    _linear(new.attention.qkv, _columns(_parts(old.attention.qkv.weight, 3)), _parts(old.attention.qkv.bias, 3))
    if old.attention.bias is not None and new.attention.bias is not None:
        new.attention.bias.copy_(_rows(old.attention.bias))
    _twin(new.attention.out, old.attention.out)
    _linear(new.conv.gate, _columns(_parts(old.conv.gate.weight, 2)), _parts(old.conv.gate.bias, 2))  # value, gate
    new.conv.filter.weight.copy_(torch.cat((old.conv.filter.weight, old.conv.filter.weight), 1))
    new.conv.filter.bias.copy_(_rows(old.conv.filter.bias))
    _twin(new.conv.out, old.conv.out)
    hidden = old.ff_in.out_features
    new.ff_in.weight[:hidden].copy_(_columns(old.ff_in.weight))
    new.ff_in.bias[:hidden].copy_(old.ff_in.bias)
    new.ff_out.weight.zero_()
    new.ff_out.weight[:, :hidden].copy_(_rows(old.ff_out.weight))
    new.ff_out.bias.copy_(_rows(old.ff_out.bias))


def _linear(layer: nn.Linear, weight: torch.Tensor, bias: torch.Tensor) -> None:
    layer.weight.copy_(weight)
    layer.bias.copy_(bias)


def _twin(new: nn.Linear, old: nn.Linear) -> None:
    """Doubled inputs and doubled outputs."""
    _linear(new, _columns(_rows(old.weight)), _rows(old.bias))


def _rows(x: torch.Tensor) -> torch.Tensor:
    """Outputs in twins: (N, ...) -> (2 N, ...)."""
    return torch.cat((x, x))


def _parts(x: torch.Tensor, parts: int) -> torch.Tensor:
    """Outputs in twins within each of `parts` equal parts."""
    return torch.cat([_rows(part) for part in x.chunk(parts)])


def _columns(weight: torch.Tensor) -> torch.Tensor:
    """Inputs in twins: (N, M) -> (N, 2 M), two halves whose sum is the weight."""
    apart = torch.randn_like(weight) * weight.std() * PARTING * 0.5
    return torch.cat((weight * 0.5 + apart, weight * 0.5 - apart), 1)


def _norm(new: nn.LayerNorm, old: nn.LayerNorm) -> None:
    new.weight.copy_(_rows(old.weight))
    new.bias.copy_(_rows(old.bias))
