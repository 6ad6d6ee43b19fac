"""Haar wavelets of pictures: a quarter of the pixels, four times the channels, nothing lost.

StyleUNet says pictures as wavelets (after SWAGAN, Gal et al. 2021): networks work at half resolution, and fine
detail is a number of its own. More levels make wavelet packets: all bands are split again.
"""

from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F

# rows: mean, left to right, top to bottom, diagonal; of the pixels top left, top right, bottom left, bottom right
BUTTERFLY = ((1.0, 1.0, 1.0, 1.0), (1.0, -1.0, 1.0, -1.0), (1.0, 1.0, -1.0, -1.0), (1.0, -1.0, -1.0, 1.0))


@lru_cache(maxsize=16)
def _matrix(channels: int, levels: int) -> np.ndarray:
    """The orthonormal map (channels * 4^levels squared) behind `levels` halvings; numbers, so a trace keeps them."""
    one = np.array(BUTTERFLY, np.float32) / 2
    block = np.ones((1, 1), np.float32)
    for _ in range(levels):
        block = np.kron(block, one)
    return np.kron(np.eye(channels, dtype=np.float32), block)


def _split(x: torch.Tensor, levels: int) -> torch.Tensor:
    for _ in range(levels):
        x = F.pixel_unshuffle(x, 2)
    return x


def to_bands(picture: torch.Tensor, levels: int) -> torch.Tensor:
    """(S, C, H, W) -> (S, C 4^levels, H / 2^levels, W / 2^levels)."""
    if levels == 0:
        return picture
    matrix = torch.from_numpy(_matrix(picture.shape[1], levels)).to(picture)
    return F.conv2d(_split(picture, levels), matrix[..., None, None])


def to_picture(bands: torch.Tensor, levels: int) -> torch.Tensor:
    """The inverse of `to_bands`."""
    if levels == 0:
        return bands
    matrix = torch.from_numpy(_matrix(bands.shape[1] // 4**levels, levels)).to(bands)
    out = F.conv2d(bands, matrix.T[..., None, None].contiguous())
    for _ in range(levels):
        out = F.pixel_shuffle(out, 2)
    return out
