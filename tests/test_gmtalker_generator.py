"""GMTalker's head generator: networks, losses, 8 bits."""

from dataclasses import replace

import pytest
import torch

from engine.errors import ConfigError, WeightsError
from engine.motion.emotion import K
from plugins.gmtalker.generator.convolution import StyledConvolution, calibrate, use_bytes
from plugins.gmtalker.generator.discriminator import Discriminator
from plugins.gmtalker.generator.emotion_mapping import EmotionMapping
from plugins.gmtalker.generator.haar import to_bands, to_picture
from plugins.gmtalker.generator.losses import DetailLoss, VggLoss, gradient_penalty
from plugins.gmtalker.generator.sizes import choose_size
from plugins.gmtalker.generator.style_unet import StyleUNet, macs
from tests.heads import TINY, tiny_batch, tiny_net


@pytest.mark.parametrize("levels", (0, 1, 2))
def test_wavelets_lose_nothing(levels):
    picture = torch.randn(2, 3, 32, 16)
    bands = to_bands(picture, levels)
    assert bands.shape == (2, 3 * 4**levels, 32 >> levels, 16 >> levels)
    assert bands.square().sum().item() == pytest.approx(picture.square().sum().item(), rel=1e-5)
    torch.testing.assert_close(to_picture(bands, levels), picture)
    flat = to_bands(torch.ones(1, 1, 8, 8), levels)
    assert flat[:, 1:].abs().max() < 1e-6 if levels else True


def test_modulation_is_styles_on_weights():
    """Scaling inputs and outputs is StyleGAN2's scaling and normalising of weights (eq. 1 and 3)."""
    layer = StyledConvolution(5, 7, style=4, act=False)
    x, style = torch.randn(2, 5, 9, 8), torch.randn(2, 4)
    for one, code, answer in zip(x, style, layer(x, style), strict=True):
        weight = layer.weight * layer.scale(code)[None, :, None, None]
        weight = weight * torch.rsqrt(weight.square().sum((1, 2, 3), keepdim=True) + 1e-8)
        expected = torch.nn.functional.conv2d(one[None], weight, layer.bias, padding=1)[0]
        torch.testing.assert_close(answer, expected, atol=1e-5, rtol=1e-5)


def test_emotion_mapping_mixes_codes():
    mapping = EmotionMapping(style=6, width=10, heads=K)
    linear = [part for part in mapping.shared if isinstance(part, torch.nn.Linear)]
    assert len(linear) == 2 and len(mapping.heads) == K  # two shared layers, K unshared heads
    codes = mapping(torch.eye(K))
    assert torch.pdist(codes).min() > 1e-3
    mixed = mapping(torch.tensor([[0.3, 0, 0, 0, 0.7, 0, 0, 0]]))
    torch.testing.assert_close(mixed[0], 0.3 * codes[0] + 0.7 * codes[4])
    alone = EmotionMapping(style=6, width=10, heads=1)
    assert torch.equal(alone(torch.eye(K))[0], alone(torch.eye(K))[5])


def test_sizes():
    """The paper's network is StyleUNet's at 512; the small one fits the milliseconds of two cores."""
    paper, small = choose_size("paper"), choose_size("small")
    assert paper.square == paper.picture == 512 and paper.heads == K
    assert 100e9 < macs(paper) < 200e9
    assert macs(small) < 1.3e9 and small.square == 256
    assert choose_size("small", emotions=False).heads == 1
    with pytest.raises(ConfigError, match="small"):
        choose_size("huge")


def test_discriminator_sees_portrait_rendering_and_likeness():
    critic = Discriminator(TINY)
    x, rendering = torch.rand(4, 3, 64, 64), torch.rand(4, 3, 64, 64)
    judged = critic(x, rendering)
    assert judged.shape == (4,)
    assert not torch.equal(judged, critic(x, rendering.flip(0)))  # the same portraits of other renderings
    same = critic(x[:1].expand(4, -1, -1, -1), rendering[:1].expand(4, -1, -1, -1))
    assert not torch.allclose(same[0], judged[0])  # four times the same is another thing than four portraits
    portrait = x.clone().requires_grad_()
    penalty = gradient_penalty(critic(portrait, rendering), portrait)
    slope = torch.autograd.grad(critic(portrait, rendering).sum(), portrait)[0]
    torch.testing.assert_close(penalty, slope.square().sum((1, 2, 3)).mean())


def test_detail_loss_minds_detail():
    """A blurred picture costs more than a slightly darker one of the same L1; the right one costs nothing."""
    draw = torch.Generator().manual_seed(0)
    wanted = torch.rand(1, 3, 64, 64, generator=draw) - 0.5
    weight = torch.ones(1, 1, 64, 64)
    blurred = torch.nn.functional.avg_pool2d(wanted, 5, 1, 2)
    darker = wanted - (wanted - blurred).abs().mean()
    loss = DetailLoss()
    assert loss(wanted, wanted, weight).item() == pytest.approx(0, abs=1e-5)
    assert loss(blurred, wanted, weight) > 2 * loss(darker, wanted, weight)
    half = weight.clone()
    half[..., 32:] = 0
    spoilt = wanted.clone()
    spoilt[..., 48:] = 1
    assert loss(spoilt, wanted, half) < 0.1 * loss(spoilt, wanted, weight)


def test_vgg_from_a_file(tmp_path):
    """Weights as torchvision names them, two formats; layers and poolings follow from the numbers."""
    from safetensors.torch import save_file

    tensors, channels = {}, 3
    for number, width in ((0, 4), (2, 4), (5, 6), (7, 6), (10, 8)):  # 2 + pool + 2 + pool + 1
        tensors[f"features.{number}.weight"] = torch.randn(width, channels, 3, 3)
        tensors[f"features.{number}.bias"] = torch.zeros(width)
        channels = width
    tensors["classifier.0.weight"] = torch.zeros(2, 2)
    save_file(tensors, tmp_path / "vgg.safetensors")
    torch.save(tensors, tmp_path / "vgg.pth")
    wanted, weight = torch.rand(1, 3, 32, 32), torch.ones(1, 1, 32, 32)
    losses = [VggLoss(tmp_path / name) for name in ("vgg.safetensors", "vgg.pth")]
    assert losses[0].begins == [False, False, True, False, True]
    values = [loss(wanted * 0.5, wanted, weight) for loss in losses]
    assert values[0] == values[1] > 0 and losses[0](wanted, wanted, weight) == 0
    with pytest.raises(WeightsError, match=r"none\.pth"):
        VggLoss(tmp_path / "none.pth")
    torch.save({"layer.weight": torch.zeros(2)}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match="features"):
        VggLoss(tmp_path / "other.pth")


def test_eight_bits_change_the_picture_little():
    """Rounded convolutions, with ranges found on examples: 35 dB or more of what fp32 draws, and not the same."""
    torch.manual_seed(0)
    net = StyleUNet(replace(choose_size("small"), picture=128, square=128)).eval().requires_grad_(False)
    net.outlets[0].raw.normal_(std=0.1)
    batch = tiny_batch(128, 4)
    calibrate(net, lambda: net(batch.given, batch.shares))
    with torch.inference_mode():
        exact = net(batch.given, batch.shares)
        use_bytes(net)
        rounded = net(batch.given, batch.shares)
    error = (exact - rounded).square().mean() / 4  # of colours -1 to 1, as a share of their span
    assert 1e-9 < error < 10 ** (-35 / 10)


def test_eight_bits_run_as_they_are_simulated():
    """What OpenVINO makes of the rounded graph is the picture that eager torch shows."""
    pytest.importorskip("openvino", reason="pip install 'visema[cpu]'")
    from plugins.gmtalker.generator.painter import Painter, make_painter

    net = tiny_net()
    example = Painter(net).example()
    draw = torch.Generator().manual_seed(1)
    x = example._replace(plain=torch.randint(0, 256, example.plain.shape, dtype=torch.uint8, generator=draw))
    with torch.inference_mode():
        eager = Painter(net)
        calibrate(net, lambda: eager.step(eager.init_state(1), x))
        exact = eager.step(eager.init_state(1), x)
        compiled = make_painter(net, "openvino-int8")
        got = compiled.step(compiled.init_state(1), x)
        simulated = eager.step(eager.init_state(1), x)  # make_painter switched rounding on
    assert (got - simulated).abs().mean() < 0.5 / 255  # a rounding may fall on the other side
    assert (got - exact).abs().mean() > (got - simulated).abs().mean()
