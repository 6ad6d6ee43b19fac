"""Look-ups in painted pictures. Plain functions of numbers, compiled by numba."""

import numpy as np

from engine.render.kernel import inlined

_F = np.float32
TEXEL_PAD = 8  # unused columns of a texel map: rows of a power of two bytes share a cache set


@inlined
def sample4(image, u, v):
    """Bilinear, clamped look-up in uint8 (h, w, 4): four numbers 0..1."""
    height, width = image.shape[0], image.shape[1]
    x = min(max(u * _F(width) - _F(0.5), _F(0.0)), _F(width - 1.001))
    y = min(max(v * _F(height) - _F(0.5), _F(0.0)), _F(height - 1.001))
    c, r = np.int64(x), np.int64(y)
    fx, fy = x - _F(c), y - _F(r)
    a, b = (_F(1.0) - fx) * (_F(1.0) - fy), fx * (_F(1.0) - fy)
    d, e = (_F(1.0) - fx) * fy, fx * fy
    k, r0, r1 = _F(1.0 / 255.0), np.uintp(r), np.uintp(r + 1)
    c0, c1 = np.uintp(c), np.uintp(c + 1)
    p0 = (_F(image[r0, c0, 0]) * a + _F(image[r0, c1, 0]) * b + _F(image[r1, c0, 0]) * d
          + _F(image[r1, c1, 0]) * e) * k
    p1 = (_F(image[r0, c0, 1]) * a + _F(image[r0, c1, 1]) * b + _F(image[r1, c0, 1]) * d
          + _F(image[r1, c1, 1]) * e) * k
    p2 = (_F(image[r0, c0, 2]) * a + _F(image[r0, c1, 2]) * b + _F(image[r1, c0, 2]) * d
          + _F(image[r1, c1, 2]) * e) * k
    p3 = (_F(image[r0, c0, 3]) * a + _F(image[r0, c1, 3]) * b + _F(image[r1, c0, 3]) * d
          + _F(image[r1, c1, 3]) * e) * k
    return p0, p1, p2, p3


@inlined
def sample8(image, u, v):
    """Bilinear, clamped look-up of eight bytes at once: image uint64 (h, w) -> bytes 0, 2, 4, 6 and 1, 3, 5, 7.

    Each of the two numbers holds four lanes of 16 bits, a byte and eight bits behind its point: weights are whole
    numbers that sum to 256, so lanes never run over and one multiplication serves four of them.
    """
    height, width = image.shape[0], image.shape[1] - TEXEL_PAD
    x = np.int64(min(max(u * _F(width * 256) - _F(128.0), _F(0.0)), _F(width * 256 - 258)))
    y = np.int64(min(max(v * _F(height * 256) - _F(128.0), _F(0.0)), _F(height * 256 - 258)))
    c, r, fx, fy = np.uintp(x >> 8), np.uintp(y >> 8), x & 255, y & 255
    one, mask, eight = np.uintp(1), np.uint64(0x00FF00FF00FF00FF), np.uint64(8)
    w3 = (fx * fy) >> 8
    w1, w2 = fx - w3, fy - w3
    a, b, d, e = np.uint64(256 - fx - w2), np.uint64(w1), np.uint64(w2), np.uint64(w3)
    p, q, s, t = image[r, c], image[r, c + one], image[r + one, c], image[r + one, c + one]
    even = (p & mask) * a + (q & mask) * b + (s & mask) * d + (t & mask) * e
    odd = ((p >> eight) & mask) * a + ((q >> eight) & mask) * b + ((s >> eight) & mask) * d + ((t >> eight) & mask) * e
    return even, odd


@inlined
def lane(lanes, k):
    """Lane k of `sample8` as a number 0..1."""
    return _F(np.int64((lanes >> np.uint64(16 * k)) & np.uint64(0xFFFF))) * _F(1.0 / 65280.0)
