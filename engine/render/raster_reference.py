"""The slow, exact rasterizer that tests hold the others to: every pixel against every triangle.

Plain float64 linear algebra. A pixel's ray (X, Y, 1) is written as a combination of a triangle's
three (x, y, w) columns; the triangle covers the pixel where no weight is negative.
"""

import numpy as np
import torch

from engine.render.rasterizer import Rasterizer, check_mesh


class ReferenceRasterizer(Rasterizer):
    """Numpy float64, O(H W F). Nothing is approximated, nothing is fast."""

    name = "reference"
    device = torch.device("cpu")

    def rasterize(self, clip: torch.Tensor, triangles: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        check_mesh(clip, triangles, 4)
        height, width = size
        points = clip.numpy().astype(np.float64)
        ys, xs = np.mgrid[0:height, 0:width]
        rays = np.stack([(2 * xs + 1) / width - 1, (2 * ys + 1) / height - 1, np.ones(xs.shape)])
        rays = rays.reshape(3, -1)
        rast = np.zeros((height * width, 4), np.float64)
        nearest = np.full(height * width, np.inf)
        for face, corners in enumerate(triangles.numpy()):
            corner = points[corners]  # (3 vertices, xyzw)
            if not np.isfinite(corner).all():
                continue
            columns = corner[:, [0, 1, 3]].T
            if np.linalg.det(columns) == 0:
                continue
            weights = np.linalg.solve(columns, rays)  # (3, pixels), each weight is barycentric / w
            depth = corner[:, 2] @ weights
            inside = (weights >= 0).all(0) & (weights.sum(0) > 0) & (np.abs(depth) <= 1)
            win = inside & (depth < nearest)
            nearest[win] = depth[win]
            barycentric = weights[:, win] / weights[:, win].sum(0)
            rast[win] = np.stack(
                [barycentric[0], barycentric[1], depth[win], np.full(win.sum(), face + 1.0)], axis=1
            )
        return torch.from_numpy(rast.reshape(height, width, 4).astype(np.float32))

    def interpolate(
        self, attributes: torch.Tensor, rast: torch.Tensor, triangles: torch.Tensor
    ) -> torch.Tensor:
        check_mesh(attributes, triangles, None)
        picture = rast.numpy().astype(np.float64)
        face = picture[..., 3].astype(np.int64)
        weights = np.stack([picture[..., 0], picture[..., 1], 1 - picture[..., 0] - picture[..., 1]], -1)
        if len(triangles) == 0:
            return torch.zeros(*rast.shape[:2], attributes.shape[1])
        corners = attributes.numpy().astype(np.float64)[triangles.numpy()[np.maximum(face - 1, 0)]]
        out = (weights[..., None] * corners).sum(-2) * (face > 0)[..., None]
        return torch.from_numpy(out.astype(np.float32))

    def texture(self, image: torch.Tensor, uv: torch.Tensor) -> torch.Tensor:
        texels = image.numpy().astype(np.float64)
        height, width = texels.shape[:2]
        x = uv[..., 0].numpy().astype(np.float64) * width - 0.5
        y = uv[..., 1].numpy().astype(np.float64) * height - 0.5
        column, row = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
        fx, fy = (x - column)[..., None], (y - row)[..., None]

        def texel(r: np.ndarray, c: np.ndarray) -> np.ndarray:
            return texels[r % height, c % width]

        low = texel(row, column) * (1 - fx) + texel(row, column + 1) * fx
        high = texel(row + 1, column) * (1 - fx) + texel(row + 1, column + 1) * fx
        return torch.from_numpy((low * (1 - fy) + high * fy).astype(np.float32))
