"""Ring caches, attention and causal convolutions: streaming equals parallel, NaN never leaks."""

import pytest
import torch

from engine.torchkit.attention import CausalAttention
from engine.torchkit.causal_conv import CausalConv, DepthwiseConv
from engine.torchkit.ring_cache import advance, init_clock


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.mark.parametrize("frames", [1, 2, 3])
@pytest.mark.parametrize("context", [1, 5, 8])
@torch.inference_mode()
def test_attention_streams_past_three_rings(frames, context):
    attention = CausalAttention(12, 3, context)
    attention.bias.copy_(torch.randn_like(attention.bias))
    steps = 4 * context + 5
    x = torch.randn(2, steps * frames, 12)
    clock, cache = init_clock(2, context, frames), attention.init_state(2, frames)
    cache.keys.fill_(float("nan"))
    cache.values.fill_(1e4)  # weighs exactly nothing, but must be finite
    out = []
    for t in range(steps):
        window = advance(clock, frames)
        out.append(attention.step(cache, x[:, t * frames : (t + 1) * frames], window))
    torch.testing.assert_close(torch.cat(out, 1), attention(x), atol=1e-5, rtol=0)


@torch.inference_mode()
def test_attention_sees_exactly_its_context():
    attention = CausalAttention(8, 2, 6)
    x = torch.randn(1, 20, 8)
    seen = attention(x)[0, 15]
    for at, same in ((9, True), (10, False), (15, False), (16, True)):
        changed = x.clone()
        changed[0, at] += 1.0
        assert torch.allclose(attention(changed)[0, 15], seen, atol=1e-6) == same, at


def test_ring_clock_never_grows():
    clock = init_clock(2, 7, 2)
    for _ in range(1000):
        window = advance(clock, 2)
    assert int(clock.head.max()) < 8 and int(clock.filled.max()) == 8
    assert window.readable.sum(-1).tolist() == [[7, 7], [7, 7]]


@torch.inference_mode()
def test_convolutions_stream():
    x = torch.randn(2, 6, 22)
    for conv in (CausalConv(6, 4, 5), CausalConv(6, 4, 4, stride=2)):
        state = conv.init_state(2)
        out = [conv.step(state, x[..., t : t + 2]) for t in range(0, 22, 2)]
        torch.testing.assert_close(torch.cat(out, -1), conv(x), atol=1e-5, rtol=0)
    depthwise = DepthwiseConv(6, 9)
    state, y = depthwise.init_state(2), x.transpose(1, 2)
    out = [depthwise.step(state, y[:, t : t + 2]) for t in range(0, 22, 2)]
    torch.testing.assert_close(torch.cat(out, 1), depthwise(y), atol=1e-5, rtol=0)


def test_depthwise_equals_grouped_convolution():
    depthwise = DepthwiseConv(5, 4)
    x = torch.randn(2, 11, 5)
    padded = torch.nn.functional.pad(x.transpose(1, 2), (3, 0))
    expected = torch.nn.functional.conv1d(padded, depthwise.weight.T[:, None], depthwise.bias, groups=5)
    torch.testing.assert_close(depthwise(x), expected.transpose(1, 2), atol=1e-5, rtol=0)


def test_width_must_fit_heads():
    with pytest.raises(ValueError, match="multiple of heads"):
        CausalAttention(10, 3, 4)
