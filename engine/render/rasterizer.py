"""The rasterizer interface of three backends: numba (CPU), nvdiffrast (CUDA), an exact reference.

The meaning and the layout are nvdiffrast's, so that code written for one runs on the others:

- clip space is OpenGL's: a vertex is (x, y, z, w), visible where -w <= x, y, z <= w and w > 0;
- pixel (row r, column c) is sampled at its centre, x/w = (2c + 1) / W - 1, y/w = (2r + 1) / H - 1,
  so **row 0 is the bottom of the picture**. A picture for the screen is flipped once, by who draws it;
- a picture of triangles is float32 (H, W, 4) = (u, v, z/w, triangle id + 1), all zero where nothing is.
  u and v are the perspective-correct weights of the triangle's first and second vertex, the third
  has 1 - u - v. Both sides of a triangle are drawn; the nearest z/w wins;
- a sample on an edge belongs to a triangle that touches it: shared edges leave no crack. Which of two
  triangles gets it is each backend's choice (the CPU ones: the lower id), and nvdiffrast snaps
  vertices to 1/16 pixel, so ids may differ there;
- triangles behind the eye (w <= 0) are cut off exactly; degenerate ones and those with a vertex that
  is not finite are not drawn.
"""

from abc import ABC, abstractmethod

import torch


class Rasterizer(ABC):
    """Triangles to pixels, attributes and texels. All tensors live on `device`."""

    name: str
    device: torch.device

    @abstractmethod
    def rasterize(self, clip: torch.Tensor, triangles: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        """Clip positions float32 (V, 4), triangles int32 (F, 3), size (H, W) -> rast float32 (H, W, 4)."""

    @abstractmethod
    def interpolate(
        self, attributes: torch.Tensor, rast: torch.Tensor, triangles: torch.Tensor
    ) -> torch.Tensor:
        """Vertex attributes float32 (V, A) -> float32 (H, W, A), zero where nothing was drawn."""

    @abstractmethod
    def texture(self, image: torch.Tensor, uv: torch.Tensor) -> torch.Tensor:
        """Bilinear look-up: image float32 (h, w, C), uv float32 (H, W, 2) -> float32 (H, W, C).

        uv (0, 0) is the outer corner of texel (0, 0), so texel centres lie at (i + 0.5) / size;
        u runs along the row, v along the column; both wrap around.
        """


def check_mesh(vertices: torch.Tensor, triangles: torch.Tensor, width: int | None) -> None:
    """Raise ValueError for shapes or vertex numbers that no backend could draw."""
    if vertices.ndim != 2 or (width is not None and vertices.shape[1] != width):
        raise ValueError(f"vertices must be (V, {width or 'A'}), not {tuple(vertices.shape)}")
    if triangles.ndim != 2 or triangles.shape[1] != 3 or triangles.dtype != torch.int32:
        raise ValueError(f"triangles must be int32 (F, 3), not {triangles.dtype} {tuple(triangles.shape)}")
    if triangles.numel() and not 0 <= int(triangles.min()) <= int(triangles.max()) < len(vertices):
        raise ValueError(f"triangles name vertices outside 0 to {len(vertices) - 1}")
