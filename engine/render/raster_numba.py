"""The CPU rasterizer: one pass over the triangles with a z-buffer, compiled by numba, one thread.

Edges are homogeneous (Olano and Greer 1997, "Triangle scan conversion using 2D homogeneous
coordinates"): edge functions come from (x, y, w) directly, so a triangle that crosses the plane of
the eye needs no clipping. They are computed in float64 without fused operations, which makes an edge
and its reverse exact negatives of each other: meshes are watertight.
"""

import math

import numba
import numpy as np
import torch

from engine.render.rasterizer import Rasterizer, check_mesh


@numba.njit(cache=True, nogil=True)
def _corner(clip, i):
    return np.float64(clip[i, 0]), np.float64(clip[i, 1]), np.float64(clip[i, 2]), np.float64(clip[i, 3])


@numba.njit(cache=True, nogil=True)
def _rasterize(clip, triangles, rast):
    height, width = rast.shape[:2]
    rast[:] = 0.0
    nearest = np.full((height, width), np.inf)
    for f in range(triangles.shape[0]):
        i0, i1, i2 = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        x0, y0, z0, w0 = _corner(clip, i0)
        x1, y1, z1, w1 = _corner(clip, i1)
        x2, y2, z2, w2 = _corner(clip, i2)
        if not math.isfinite(x0 + y0 + z0 + w0 + x1 + y1 + z1 + w1 + x2 + y2 + z2 + w2):
            continue
        if w0 <= 0.0 and w1 <= 0.0 and w2 <= 0.0:
            continue
        a0, b0, c0 = y1 * w2 - y2 * w1, x2 * w1 - x1 * w2, x1 * y2 - x2 * y1
        a1, b1, c1 = y2 * w0 - y0 * w2, x0 * w2 - x2 * w0, x2 * y0 - x0 * y2
        a2, b2, c2 = y0 * w1 - y1 * w0, x1 * w0 - x0 * w1, x0 * y1 - x1 * y0
        det = x0 * a0 + y0 * b0 + w0 * c0
        if det == 0.0 or not math.isfinite(det):
            continue
        if det < 0.0:
            a0, b0, c0, a1, b1, c1 = -a0, -b0, -c0, -a1, -b1, -c1
            a2, b2, c2, det = -a2, -b2, -c2, -det
        left, right, low, high = 0, width - 1, 0, height - 1
        if w0 > 0.0 and w1 > 0.0 and w2 > 0.0:
            # All in front of the eye: the projected corners bound it. One pixel of slack for rounding.
            half_w, half_h = 0.5 * width, 0.5 * height
            sx0, sx1, sx2 = (x0 / w0 + 1) * half_w, (x1 / w1 + 1) * half_w, (x2 / w2 + 1) * half_w
            sy0, sy1, sy2 = (y0 / w0 + 1) * half_h, (y1 / w1 + 1) * half_h, (y2 / w2 + 1) * half_h
            min_x, max_x = min(sx0, sx1, sx2), max(sx0, sx1, sx2)
            min_y, max_y = min(sy0, sy1, sy2), max(sy0, sy1, sy2)
            if max_x < 0.0 or max_y < 0.0 or min_x > width or min_y > height:
                continue
            left, right = int(max(min_x - 1.0, 0.0)), int(min(max_x + 1.0, width - 1.0))
            low, high = int(max(min_y - 1.0, 0.0)), int(min(max_y + 1.0, height - 1.0))
        scale = 1.0 / det
        for row in range(low, high + 1):
            y = (2 * row + 1) / height - 1.0
            r0, r1, r2 = b0 * y + c0, b1 * y + c1, b2 * y + c2
            for col in range(left, right + 1):
                x = (2 * col + 1) / width - 1.0
                e0, e1, e2 = a0 * x + r0, a1 * x + r1, a2 * x + r2
                if e0 >= 0.0 and e1 >= 0.0 and e2 >= 0.0:
                    depth = (e0 * z0 + e1 * z1 + e2 * z2) * scale
                    total = e0 + e1 + e2
                    if total > 0.0 and -1.0 <= depth <= 1.0 and depth < nearest[row, col]:
                        nearest[row, col] = depth
                        rast[row, col, 0] = e0 / total
                        rast[row, col, 1] = e1 / total
                        rast[row, col, 2] = depth
                        rast[row, col, 3] = f + 1


@numba.njit(cache=True, nogil=True, fastmath=True)
def _interpolate(attributes, rast, triangles, out):
    for row in range(out.shape[0]):
        for col in range(out.shape[1]):
            face = int(rast[row, col, 3]) - 1
            if face < 0:
                out[row, col] = 0.0
                continue
            u, v = rast[row, col, 0], rast[row, col, 1]
            i0, i1, i2 = triangles[face, 0], triangles[face, 1], triangles[face, 2]
            rest = np.float32(1.0) - u - v
            for k in range(out.shape[2]):
                out[row, col, k] = u * attributes[i0, k] + v * attributes[i1, k] + rest * attributes[i2, k]


@numba.njit(cache=True, nogil=True, fastmath=True)
def _texture(image, uv, out):
    height, width, channels = image.shape
    for row in range(out.shape[0]):
        for col in range(out.shape[1]):
            x, y = uv[row, col, 0] * width - 0.5, uv[row, col, 1] * height - 0.5
            left, top = math.floor(x), math.floor(y)
            fx, fy = x - left, y - top
            c0, c1 = left % width, (left + 1) % width
            r0, r1 = top % height, (top + 1) % height
            for k in range(channels):
                low = image[r0, c0, k] * (1 - fx) + image[r0, c1, k] * fx
                high = image[r1, c0, k] * (1 - fx) + image[r1, c1, k] * fx
                out[row, col, k] = low * (1 - fy) + high * fy


class NumbaRasterizer(Rasterizer):
    """CPU, one thread, releases the interpreter lock while it draws."""

    name = "numba"
    device = torch.device("cpu")

    def rasterize(self, clip: torch.Tensor, triangles: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        check_mesh(clip, triangles, 4)
        rast = torch.empty(*size, 4)
        _rasterize(clip.contiguous().numpy(), triangles.contiguous().numpy(), rast.numpy())
        return rast

    def interpolate(
        self, attributes: torch.Tensor, rast: torch.Tensor, triangles: torch.Tensor
    ) -> torch.Tensor:
        check_mesh(attributes, triangles, None)
        out = torch.empty(*rast.shape[:2], attributes.shape[1])
        _interpolate(attributes.contiguous().numpy(), rast.contiguous().numpy(),
                     triangles.contiguous().numpy(), out.numpy())  # fmt: skip
        return out

    def texture(self, image: torch.Tensor, uv: torch.Tensor) -> torch.Tensor:
        out = torch.empty(*uv.shape[:2], image.shape[2])
        _texture(image.contiguous().numpy(), uv.contiguous().numpy(), out.numpy())
        return out
