"""Random numbers of a session: spread evenly, normal where they should be, and apart from each other."""

import torch

from engine.torchkit.noise import draw, init_streams, normal, seed_streams


def _drawn(seed: int, ticks: int, channels: int = 8) -> torch.Tensor:
    streams = init_streams(1, channels)
    seed_streams(streams, 0, seed)
    return torch.stack([draw(streams)[0] for _ in range(ticks)])


def test_streams_are_uniform_and_apart():
    drawn = _drawn(7, 4000)
    assert drawn.min() > 0.0 and drawn.max() < 1.0
    counts = torch.histc(drawn, 20, 0.0, 1.0) / drawn.numel()
    assert (counts - 0.05).abs().max() < 0.005
    together = torch.corrcoef(torch.cat((drawn[:-1].T, drawn[1:].T)))  # channels, and each with its next number
    assert (together - torch.eye(16)).abs().max() < 0.08


def test_normal_numbers_are_normal():
    x = normal(*_drawn(1, 4000).chunk(2, -1)).flatten()
    assert abs(x.mean()) < 0.03 and abs(x.std() - 1.0) < 0.03
    assert abs((x**4).mean() - 3.0) < 0.25 and x.abs().max() > 3.0


def test_seeds_differ_and_repeat():
    a, b, c = (_drawn(seed, 300) for seed in (3, 4, 2**62 + 3))
    assert torch.equal(a, _drawn(3, 300))
    for one, other in ((a, b), (a, c), (b, c)):
        assert abs(torch.corrcoef(torch.stack((one.flatten(), other.flatten())))[0, 1]) < 0.08
