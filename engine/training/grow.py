"""A wider encoder that says exactly what a smaller one says: training goes on instead of starting again.

Every channel is doubled. Where a layer reads doubled channels its weights are split into two unequal halves
whose sum is the old weight, so that the function stays and the twins part at the first step (the idea of
Net2Net, Chen, Goodfellow and Shlens 2016). Hidden units beyond the old ones begin with outgoing weights of zero.
"""

import torch
from torch import nn

from engine.features.encoder import Block, EncoderConfig, SmallEncoder

PARTING = 0.7  # how far the halves of a weight lie apart, in deviations of the weight


def widen(small: SmallEncoder, config: EncoderConfig, seed: int = 0, dropout: float = 0.0) -> SmallEncoder:
    """The same function in an encoder of twice the width, twice the heads and at least the feed-forward width.

    Raises ValueError when `config` asks for anything else.
    """
    old = small.config
    same = ("mels", "stem", "layers", "context", "conv_frames", "delays")
    if config.width != 2 * old.width or config.heads != 2 * old.heads or config.feed_forward < old.feed_forward:
        raise ValueError(f"{config} is not twice as wide as {old}")
    if any(getattr(config, name) != getattr(old, name) for name in same):
        raise ValueError(f"{config} and {old} differ in one of {', '.join(same)}")
    torch.manual_seed(seed)
    wide = SmallEncoder(config, dropout)
    with torch.no_grad():
        _copy(wide.stem_in.conv, small.stem_in.conv)
        wide.stem_out.conv.weight.copy_(_rows(small.stem_out.conv.weight))
        _set(wide.stem_out.conv.bias, _rows(small.stem_out.conv.bias))
        for new, given in zip(wide.blocks, small.blocks, strict=True):
            assert isinstance(new, Block) and isinstance(given, Block)
            _widen_block(new, given)
        _norm(wide.norm, small.norm)
        for head, given in ((wide.phone_head, small.phone_head), (wide.gesture_head, small.gesture_head)):
            head.weight.copy_(_columns(given.weight))
            head.bias.copy_(given.bias)
    return wide


def _widen_block(new: Block, old: Block) -> None:
    """One block: heads, gates and filters in twins; feed-forward units as they were, and fresh ones."""
    for norm in ("attention_norm", "conv_norm", "ff_norm"):
        _norm(getattr(new, norm), getattr(old, norm))
    # queries, keys, values: within each third the heads are doubled as a whole
    new.attention.qkv.weight.copy_(_columns(_parts(old.attention.qkv.weight, 3)))
    _set(new.attention.qkv.bias, _parts(old.attention.qkv.bias, 3))
    new.attention.bias.copy_(_rows(old.attention.bias))
    _twin(new.attention.out, old.attention.out)
    new.conv_in.weight.copy_(_columns(_parts(old.conv_in.weight, 2)))  # value and gate
    _set(new.conv_in.bias, _parts(old.conv_in.bias, 2))
    new.conv.weight.copy_(torch.cat((old.conv.weight, old.conv.weight), 1))
    new.conv.bias.copy_(_rows(old.conv.bias))
    _twin(new.conv_out, old.conv_out)
    hidden = old.ff_in.out_features
    new.ff_in.weight[:hidden].copy_(_columns(old.ff_in.weight))
    new.ff_in.bias[:hidden].copy_(old.ff_in.bias)
    new.ff_out.weight.zero_()
    new.ff_out.weight[:, :hidden].copy_(_rows(old.ff_out.weight))
    _set(new.ff_out.bias, _rows(old.ff_out.bias))


def _twin(new: nn.Linear, old: nn.Linear) -> None:
    """Doubled inputs and doubled outputs."""
    new.weight.copy_(_columns(_rows(old.weight)))
    _set(new.bias, _rows(old.bias))


def _rows(x: torch.Tensor | None) -> torch.Tensor:
    """Outputs in twins: (N, ...) -> (2 N, ...)."""
    assert x is not None
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


def _copy(new: nn.Module, old: nn.Module) -> None:
    new.load_state_dict(old.state_dict())


def _set(target: torch.Tensor | None, value: torch.Tensor) -> None:
    assert target is not None
    target.copy_(value)
