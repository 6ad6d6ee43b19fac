"""PSNR and SSIM against scikit-image, and CPBD on pictures whose blur is known."""

import numpy as np
import pytest
import torch

from engine.training.picture_figures import cpbd, psnr, ssim, ssim_map


def _pair(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    draw = np.random.default_rng(seed)
    coarse = draw.random((2, 3, 12, 10))
    a = np.kron(coarse, np.ones((1, 1, 6, 6))) + 0.1 * draw.standard_normal((2, 3, 72, 60))
    b = a + 0.15 * draw.standard_normal(a.shape) * np.linspace(0, 1, 60)
    return torch.from_numpy(a.clip(0, 1)), torch.from_numpy(b.clip(0, 1))


def test_as_scikit_image():
    metrics = pytest.importorskip("skimage.metrics", reason="pip install 'visema[test]'")
    a, b = _pair()
    for k in range(2):
        x, y = (v[k].permute(1, 2, 0).numpy() for v in (a, b))
        theirs, whole = metrics.structural_similarity(
            x, y, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1.0, channel_axis=2,
            full=True,
        )  # fmt: skip
        assert ssim(a, b)[k].item() == pytest.approx(theirs, abs=1e-6)
        inner = ssim_map(a, b)[k, 5:-5, 5:-5].numpy()
        np.testing.assert_allclose(inner, whole[5:-5, 5:-5].mean(-1), atol=1e-6)
        assert psnr(a, b)[k].item() == pytest.approx(metrics.peak_signal_noise_ratio(x, y, data_range=1.0), abs=1e-5)


def test_of_a_part():
    """Weights choose what counts: an error outside of them changes nothing."""
    a, b = _pair()
    left = torch.zeros(2, 72, 60, dtype=a.dtype)
    left[..., :20] = 1
    spoilt = b.clone()
    spoilt[..., 40:] = 0
    assert torch.equal(psnr(a, b, left), psnr(a, spoilt, left))
    assert torch.equal(ssim(a, b, left), ssim(a, spoilt, left))
    assert (psnr(a, spoilt) < psnr(a, b)).all() and (psnr(a, b, left) > psnr(a, b)).all()
    assert ssim(a, a).min() > 1 - 1e-9


def test_sharpness():
    """Bars with ramps of growing width are less and less sharp; a grey picture has no edge at all."""
    found = []
    for ramp in (1, 4, 8, 16):
        row = np.interp(np.arange(256) % 64, (0, ramp, 32, 32 + ramp, 64), (0, 200, 200, 0, 0))
        found.append(cpbd(np.repeat(np.tile(row, (128, 1))[..., None], 3, 2).astype(np.uint8)))
    assert found[0] > 0.95 and found == sorted(found, reverse=True) and found[-1] < 0.05
    assert cpbd(np.full((128, 128, 3), 90, np.uint8)) == 0.0
