"""Monotonic rational-quadratic splines (Durkan et al. 2019, Neural Spline Flows), in closed form both ways.

An affine coupling moves and stretches a Gaussian; a value that mostly rests and sometimes jumps (a lid that blinks) is
two humps, which only a bent line can make of one.
"""

import math

import torch
import torch.nn.functional as F

LEAST_BIN, LEAST_SLOPE = 1e-3, 1e-3  # of the interval's width; of the curve
_SLOPE_ONE = math.log(math.exp(1.0 - LEAST_SLOPE) - 1.0)  # what softplus makes a slope of 1 of


def parameters_of(bins: int) -> int:
    """Numbers that describe one spline: widths, heights, and slopes between the bins."""
    return 3 * bins - 1


def bend(x: torch.Tensor, raw: torch.Tensor, edge: float, inverse: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    """Bends x (...) within [-edge, edge] by splines raw (..., 3 bins - 1); outside it stays x.

    Returns y (...) and log dy/dx (...) of this direction. All zeros in `raw` leave x as it is.
    """
    bins = (raw.shape[-1] + 1) // 3
    widths, left = _knots(raw[..., :bins], edge)
    heights, low = _knots(raw[..., bins : 2 * bins], edge)
    slopes = F.pad(F.softplus(raw[..., 2 * bins :] + _SLOPE_ONE) + LEAST_SLOPE, (1, 1), value=1.0)
    inside = x.abs() < edge
    at = x.clamp(-edge, edge)[..., None]
    begins = low if inverse else left
    # the bin as a mask: no gather, which compilers of static graphs like less than products
    reached = (at >= begins).to(x)
    chosen = reached - F.pad(reached[..., 1:], (0, 1))
    parts = (widths, left, heights, low, slopes[..., :-1], slopes[..., 1:])
    width, x0, height, y0, d0, d1 = ((chosen * part).sum(-1) for part in parts)
    slope = height / width
    if inverse:
        rise = at[..., 0] - y0
        spread = rise * (d0 + d1 - 2.0 * slope)
        a, b, c = height * (slope - d0) + spread, height * d0 - spread, -slope * rise
        share = 2.0 * c / (-b - torch.sqrt((b.square() - 4.0 * a * c).clamp(min=0.0)))
    else:
        share = (at[..., 0] - x0) / width
    within = share * (1.0 - share)
    below = slope + (d0 + d1 - 2.0 * slope) * within
    steep = slope.square() * (d1 * share.square() + 2.0 * slope * within + d0 * (1.0 - share).square())
    log_slope = torch.log(steep) - 2.0 * torch.log(below)
    if inverse:
        y, log_slope = share * width + x0, -log_slope
    else:
        y = y0 + height * (slope * share.square() + d0 * within) / below
    return torch.where(inside, y, x), torch.where(inside, log_slope, 0.0)


def _knots(raw: torch.Tensor, edge: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Sizes of the bins (..., bins), which fill [-edge, edge], and where each begins."""
    bins = raw.shape[-1]
    sizes = 2.0 * edge * (LEAST_BIN + (1.0 - LEAST_BIN * bins) * raw.softmax(-1))
    return sizes, F.pad(sizes.cumsum(-1)[..., :-1], (1, 0)) - edge
