"""The Transformer flow: exact inverse, exact log-determinant, equal to its oracle, streaming equal to parallel."""

import pytest
import torch

from engine.torchkit import spline
from engine.torchkit.coupling import BINS, EDGE, Coupling, TransformerFlow


def flow(features: int = 4, steps: int = 3, context: int = 5, bent: float = 0.2) -> TransformerFlow:
    torch.manual_seed(0)
    made = TransformerFlow(features, steps, 16, 2, 2, context).double().eval()
    for name, parameter in made.named_parameters():
        parameter.data += (bent if "curve" in name else 0.2) * torch.randn_like(parameter)
    return made.requires_grad_(False)


@pytest.mark.parametrize("features", [4, 5])
def test_inverse_is_exact(features):
    made, noise = flow(features), torch.randn(2, 17, features, dtype=torch.float64)
    latents, forth = made(noise)
    again, back = made.inverse(latents)
    assert (latents - noise).abs().max() > 0.5
    assert (again - noise).abs().max() < 1e-10 and (forth + back).abs().max() < 1e-10


@pytest.mark.parametrize("features", [4, 5])
def test_log_determinant_is_that_of_the_jacobian(features):
    """Of all ticks together: a tick's latents depend on the other ticks too."""
    made, noise = flow(features), torch.randn(1, 6, features, dtype=torch.float64)
    count = noise.numel()

    def flat(x: torch.Tensor) -> torch.Tensor:
        return made(x.view_as(noise))[0].flatten()

    jacobian = torch.autograd.functional.jacobian(flat, noise.flatten())
    by_tick = jacobian.view(6, features, 6, features)
    assert by_tick[4, :, 2].abs().max() > 1e-6 and by_tick[2, :, 4].abs().max() == 0.0
    sign, log_det = torch.linalg.slogdet(jacobian.view(count, count))
    assert sign != 0 and log_det.item() == pytest.approx(made(noise)[1].sum().item(), abs=1e-9)


def test_density_integrates_to_one():
    made = flow(2, 2, bent=0.02)  # gently, so that the grid sees every peak
    at = torch.linspace(-15.0, 15.0, 501, dtype=torch.float64)
    grid = torch.stack(torch.meshgrid(at, at, indexing="ij"), -1).view(-1, 1, 2)
    mass = made.log_prob(grid).exp().sum() * (at[1] - at[0]) ** 2
    assert mass.item() == pytest.approx(1.0, abs=1e-3)


def zuko_spline(zuko, curve: torch.Tensor):
    """zuko's rational-quadratic spline through the knots that `curve` stands for; zuko turns numbers to knots its own
    way."""
    made = zuko.transforms.MonotonicRQSTransform(*curve.split([BINS, BINS, BINS - 1], -1), bound=EDGE)
    for name, part in (("horizontal", curve[..., :BINS]), ("vertical", curve[..., BINS : 2 * BINS])):
        sizes, begins = spline._knots(part, EDGE)
        setattr(made, name, torch.cat((begins, (begins + sizes)[..., -1:]), -1))
    slopes = torch.nn.functional.softplus(curve[..., 2 * BINS :] + spline._SLOPE_ONE) + spline.LEAST_SLOPE
    made.derivatives = torch.nn.functional.pad(slopes, (1, 1), value=1.0)
    return made


def test_a_spline_makes_two_humps_of_one():
    """A value that rests near 0 and is 5 in one of twenty: maximum likelihood finds it, and samples show it."""
    torch.manual_seed(0)
    raw = torch.zeros(spline.parameters_of(BINS), requires_grad=True)
    seen = 0.1 * torch.randn(1_000)
    seen[:50] += 3.0
    optimizer = torch.optim.Adam([raw], 0.05)
    for _ in range(600):
        noise, log_slope = spline.bend(seen, raw.expand(len(seen), -1), EDGE, inverse=True)
        loss = (0.5 * noise.square() - log_slope).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        drawn, _ = spline.bend(torch.randn(20_000), raw.expand(20_000, -1), EDGE)
    assert 0.03 < (drawn > 2.5).float().mean() < 0.07
    assert ((drawn > 0.8) & (drawn < 2.5)).float().mean() < 0.02


def test_a_spline_of_zeros_and_the_outside_stay():
    x = torch.linspace(-9.0, 9.0, 101, dtype=torch.float64)
    flat, none = spline.bend(x, torch.zeros(101, 23, dtype=torch.float64), EDGE)
    assert torch.allclose(flat, x, atol=1e-12) and none.abs().max() < 1e-12
    raw = torch.randn(23, dtype=torch.float64).expand(101, -1)
    bent, slope = spline.bend(x, raw, EDGE)
    assert torch.equal(bent[x.abs() >= EDGE], x[x.abs() >= EDGE]) and (bent - x).abs().max() > 0.05
    back, slope_back = spline.bend(bent, raw, EDGE, inverse=True)
    assert (bent.diff() > 0).all() and torch.allclose(back, x) and torch.allclose(slope_back, -slope)


def test_against_zuko():
    """A coupling of one tick is zuko's coupling transform, given the same curves, scales and shifts."""
    zuko = pytest.importorskip("zuko", reason="pip install 'visema[test]'")
    torch.manual_seed(0)
    ours = Coupling(6, 16, 1, 2, 4).double().eval().requires_grad_(False)
    ours.answer.weight.data.normal_()
    ours.curve.weight.data.normal_()

    past = torch.randn(8, 1, 6, dtype=torch.float64)

    def meta(kept: torch.Tensor):
        h = ours.take(torch.cat((kept[:, None], past), -1))
        for layer in ours.layers:
            h = layer(h)
        raw, shift = ours.answer(ours.norm(h))[:, 0].chunk(2, -1)
        scale = torch.exp(2.0 * torch.tanh(raw / 2.0))
        curve = ours.curve(ours.norm(h))[:, 0].unflatten(-1, (3, -1))
        parts = (zuko_spline(zuko, curve), zuko.transforms.AffineTransform(shift, scale))
        return zuko.transforms.DependentTransform(zuko.transforms.ComposedTransform(*parts), 1)

    mask = torch.tensor([False] * 3 + [True] * 3)
    theirs = zuko.transforms.CouplingTransform(meta, mask)
    x = torch.randn(8, 6, dtype=torch.float64)
    y, log_det = ours(x[:, None], past)
    expected, ladj = theirs.call_and_ladj(x)
    assert (y[:, 0] - expected).abs().max() < 1e-12 and (log_det[:, 0] - ladj).abs().max() < 1e-12
    back = ours(y, past, inverse=True)[0][:, 0]
    assert (back - theirs.inv(expected)).abs().max() < 1e-8


@pytest.mark.parametrize("early", [0, 2])
def test_streaming_is_parallel(early):
    """Past three caches, and with ticks from before the start, which nobody reads: `forward` says the same, and the
    parallel pass of training takes the latents back to their noise."""
    made = flow(4, 3, 5, bent=0.05).float()  # a steep curve magnifies what single precision rounds
    noise = torch.randn(2, 21, 4)
    state = made.init_state(2, early)
    for coupling in state.caches:
        for cache in coupling:
            cache.keys.fill_(1e4)
            cache.values.fill_(1e4)
    steps = torch.cat([made.step(state, noise[:, t : t + 1]) for t in range(21)], 1)[:, early:]
    assert (steps - made(noise[:, early:])[0]).abs().max() < 1e-4
    assert (made.inverse(steps)[0] - noise[:, early:]).abs().max() < 1e-4
    if not early:
        assert torch.equal(made.sample(noise), steps)


def test_without_steps_it_is_the_identity():
    made, noise = TransformerFlow(4, 0, 16, 1, 2, 5), torch.randn(2, 3, 4)
    state = made.init_state(2)
    assert torch.equal(made(noise)[0], noise) and torch.equal(made.step(state, noise[:, :1]), noise[:, :1])
