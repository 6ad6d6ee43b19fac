"""The Transformer flow: exact inverse, exact log-determinant, equal to its oracle, streaming equal to parallel."""

import pytest
import torch

from engine.torchkit.coupling import AffineCoupling, TransformerFlow


def flow(features: int = 4, steps: int = 3, context: int = 5) -> TransformerFlow:
    torch.manual_seed(0)
    made = TransformerFlow(features, steps, 16, 2, 2, context).double().eval()
    for parameter in made.parameters():
        parameter.data += 0.2 * torch.randn_like(parameter)
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
    made = flow(2, 2)
    at = torch.linspace(-40.0, 40.0, 1001, dtype=torch.float64)
    grid = torch.stack(torch.meshgrid(at, at, indexing="ij"), -1).view(-1, 1, 2)
    mass = made.log_prob(grid).exp().sum() * (at[1] - at[0]) ** 2
    assert mass.item() == pytest.approx(1.0, abs=1e-3)


def test_against_zuko():
    """A coupling of one tick is zuko's coupling transform, given the same scales and shifts."""
    zuko = pytest.importorskip("zuko", reason="pip install 'visema[test]'")
    torch.manual_seed(0)
    ours = AffineCoupling(6, 16, 1, 2, 4).double().eval().requires_grad_(False)
    ours.answer.weight.data.normal_()

    past = torch.randn(8, 1, 6, dtype=torch.float64)

    def meta(kept: torch.Tensor):
        h = ours.take(torch.cat((kept[:, None], past), -1))
        for layer in ours.layers:
            h = layer(h)
        raw, shift = ours.answer(ours.norm(h))[:, 0].chunk(2, -1)
        scale = torch.exp(2.0 * torch.tanh(raw / 2.0))
        return zuko.transforms.DependentTransform(zuko.transforms.AffineTransform(shift, scale), 1)

    mask = torch.tensor([False] * 3 + [True] * 3)
    theirs = zuko.transforms.CouplingTransform(meta, mask)
    x = torch.randn(8, 6, dtype=torch.float64)
    y, log_det = ours(x[:, None], past)
    expected, ladj = theirs.call_and_ladj(x)
    assert (y[:, 0] - expected).abs().max() < 1e-12 and (log_det[:, 0] - ladj).abs().max() < 1e-12
    back = ours(y, past, inverse=True)[0][:, 0]
    assert (back - theirs.inv(expected)).abs().max() < 1e-12


@pytest.mark.parametrize("early", [0, 2])
def test_streaming_is_parallel(early):
    """Past three caches, and with ticks from before the start, which nobody reads: `forward` says the same, and the
    parallel pass of training takes the latents back to their noise."""
    made = flow(4, 3, 5).float()
    noise = torch.randn(2, 21, 4)
    state = made.init_state(2, early)
    for coupling in state.caches:
        for cache in coupling:
            cache.keys.fill_(float("nan"))
            cache.values.fill_(float("nan"))
    steps = torch.cat([made.step(state, noise[:, t : t + 1]) for t in range(21)], 1)[:, early:]
    assert (steps - made(noise[:, early:])[0]).abs().max() < 1e-4
    assert (made.inverse(steps)[0] - noise[:, early:]).abs().max() < 1e-4
    if not early:
        assert torch.equal(made.sample(noise), steps)


def test_without_steps_it_is_the_identity():
    made, noise = TransformerFlow(4, 0, 16, 1, 2, 5), torch.randn(2, 3, 4)
    state = made.init_state(2)
    assert torch.equal(made(noise)[0], noise) and torch.equal(made.step(state, noise[:, :1]), noise[:, :1])
