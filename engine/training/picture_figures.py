"""How near a picture comes to another, and how sharp it is: PSNR, SSIM, CPBD.

Pictures are (S, 3, H, W), 0 to 1. PSNR and SSIM are functions of torch, so SSIM also serves as a loss.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F

SIGMA, REACH = 1.5, 5  # of SSIM's window: a Gaussian, 11 x 11
K1, K2 = 0.01, 0.03
BLOCK, EDGES = 64, 0.002  # CPBD: side of a block, least share of its pixels that are edges
BETA, JUST_NOTICED = 3.6, 0.63  # ... and Narvekar and Karam's psychometric curve


def psnr(shown: torch.Tensor, wanted: torch.Tensor, weight: torch.Tensor | None = None) -> torch.Tensor:
    """Peak signal-to-noise ratio (S,) in dB; weight (S, H, W): which pixels count."""
    error = (shown - wanted).square().mean(1)
    counts = torch.ones_like(error) if weight is None else weight
    mean = (error * counts).sum((1, 2)) / counts.sum((1, 2)).clamp(min=1e-8)
    return -10.0 * torch.log10(mean.clamp(min=1e-10))


def ssim_map(shown: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Structural similarity of every pixel's surroundings, mean over colours (S, H, W) (Wang et al. 2004)."""
    mean_x, mean_y = _smooth(shown), _smooth(wanted)
    var_x = _smooth(shown * shown) - mean_x * mean_x
    var_y = _smooth(wanted * wanted) - mean_y * mean_y
    both = _smooth(shown * wanted) - mean_x * mean_y
    c1, c2 = K1**2, K2**2
    alike = (2 * mean_x * mean_y + c1) * (2 * both + c2)
    return (alike / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))).mean(1)


def ssim(shown: torch.Tensor, wanted: torch.Tensor, weight: torch.Tensor | None = None) -> torch.Tensor:
    """Mean of `ssim_map` (S,), without a rim of the window's reach; weight (S, H, W): which pixels count."""
    inner = slice(REACH, -REACH)
    found = ssim_map(shown, wanted)[:, inner, inner]
    counts = torch.ones_like(found) if weight is None else weight[:, inner, inner]
    return (found * counts).sum((1, 2)) / counts.sum((1, 2)).clamp(min=1e-8)


def _smooth(x: torch.Tensor) -> torch.Tensor:
    at = torch.arange(-REACH, REACH + 1, dtype=x.dtype, device=x.device)
    taps = torch.exp(-0.5 * (at / SIGMA) ** 2)
    taps = (taps / taps.sum()).expand(x.shape[1], 1, 1, -1)
    x = F.pad(x, (REACH,) * 4, "reflect")
    return F.conv2d(F.conv2d(x, taps, groups=x.shape[1]), taps.transpose(2, 3), groups=x.shape[1])


def cpbd(picture: np.ndarray) -> float:
    """Cumulative probability of blur detection of uint8 (H, W, 3), 0 blurred .. 1 sharp (Narvekar and Karam 2011).

    The share of upright edges too narrow for their blur to be noticed. A picture without edges has 0.
    """
    grey = picture.astype(np.float64) @ (0.299, 0.587, 0.114)
    edges = _edges(grey)
    few = wide = 0
    for top in range(0, grey.shape[0] - BLOCK + 1, BLOCK):
        for left in range(0, grey.shape[1] - BLOCK + 1, BLOCK):
            at = np.argwhere(edges[top : top + BLOCK, left : left + BLOCK])
            if len(at) <= EDGES * BLOCK * BLOCK:
                continue
            block = grey[top : top + BLOCK, left : left + BLOCK]
            noticed = 5.0 if block.max() - block.min() <= 50 else 3.0
            for row, column in at:
                width = _edge_width(grey[top + row], left + column)
                seen = 1 - math.exp(-((width / noticed) ** BETA))
                few, wide = few + (seen <= JUST_NOTICED), wide + 1
    return few / wide if wide else 0.0


def _edges(grey: np.ndarray) -> np.ndarray:
    """Upright edges, bool (H, W): where the slope along the row is greatest and clear."""
    padded = np.pad(grey, 1, "edge")
    rows = padded[:-2] + 2 * padded[1:-1] + padded[2:]  # Sobel's operator
    slope = np.abs(rows[:, 2:] - rows[:, :-2])
    beside = np.pad(slope, ((0, 0), (1, 1)))
    peak = (slope >= beside[:, :-2]) & (slope > beside[:, 2:])
    return peak & (slope > 2 * math.sqrt((slope**2).mean()))


def _edge_width(row: np.ndarray, column: int) -> int:
    """Pixels between the extremes on both sides of an edge (Marziliano et al. 2002)."""
    up = row[min(column + 1, len(row) - 1)] > row[max(column - 1, 0)]
    sign = 1.0 if up else -1.0
    left = right = column
    while left > 0 and sign * (row[left] - row[left - 1]) > 0:
        left -= 1
    while right < len(row) - 1 and sign * (row[right + 1] - row[right]) > 0:
        right += 1
    return right - left
