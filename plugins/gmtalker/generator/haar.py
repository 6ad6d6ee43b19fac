"""Haar wavelets of pictures: a quarter of the pixels, four times the channels, nothing lost.

StyleUNet says pictures as wavelets (after SWAGAN, Gal et al. 2021): networks work at half resolution, and fine
detail is a number of its own. More levels make wavelet packets: all bands are split again.
"""

from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F

# mean, left to right, top to bottom, diagonal; of the pixels of a square of 2 x 2
WAVES = np.array([[[1, 1], [1, 1]], [[1, -1], [1, -1]], [[1, 1], [-1, -1]], [[1, -1], [-1, 1]]], np.float32) / 2


@lru_cache(maxsize=16)
def _kernel(channels: int, levels: int) -> np.ndarray:
    """Bands as a convolution, float32 (channels 4^levels, channels, 2^levels, 2^levels): orthonormal, so that its
    transpose is its inverse. Numbers, so that a trace keeps them."""
    waves = [np.ones((1, 1), np.float32)]
    for _ in range(levels):
        waves = [np.kron(coarse, fine) for fine in waves for coarse in WAVES]
    out = np.zeros((channels, len(waves), channels, *waves[0].shape), np.float32)
    for c in range(channels):
        out[c, :, c] = np.stack(waves)
    return out.reshape(-1, *out.shape[2:])


def to_bands(picture: torch.Tensor, levels: int) -> torch.Tensor:
    """(S, C, H, W) -> (S, C 4^levels, H / 2^levels, W / 2^levels)."""
    if levels == 0:
        return picture
    return F.conv2d(picture, torch.from_numpy(_kernel(picture.shape[1], levels)).to(picture), stride=2**levels)


def to_picture(bands: torch.Tensor, levels: int) -> torch.Tensor:
    """The inverse of `to_bands`."""
    if levels == 0:
        return bands
    kernel = torch.from_numpy(_kernel(bands.shape[1] // 4**levels, levels)).to(bands)
    return F.conv_transpose2d(bands, kernel, stride=2**levels)
