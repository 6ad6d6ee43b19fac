"""nvdiffrast on CUDA behind the same interface. Imported only when it is chosen.

nvdiffrast's licence allows research and evaluation only, so it is never a dependency: whoever
chooses it installs it. The interface is nvdiffrast's own, so this is a thin layer.
"""

from typing import Any

import torch

from engine.errors import DeviceError
from engine.render.rasterizer import Rasterizer, check_mesh

_MISSING = (
    "the nvdiffrast rasterizer needs an NVIDIA GPU and the package nvdiffrast "
    "(https://github.com/NVlabs/nvdiffrast, built with nvcc and ninja; its licence allows research and "
    "evaluation only, which is why Visema does not install it). {found}. "
    "The CPU rasterizer is called \"numba\"."
)


class NvdiffrastRasterizer(Rasterizer):
    """CUDA tensors in and out; synchronises with the host once per `rasterize`."""

    name = "nvdiffrast"

    def __init__(self, device: str = "cuda"):
        if not torch.cuda.is_available():
            raise DeviceError(_MISSING.format(found="torch sees no CUDA device"))
        try:
            import nvdiffrast.torch as dr  # pyright: ignore[reportMissingImports]
        except ImportError as error:
            raise DeviceError(_MISSING.format(found=f"Importing it failed: {error}")) from error
        self.device = torch.device(device)
        self._dr: Any = dr
        self._context = dr.RasterizeCudaContext(device=self.device)

    def rasterize(self, clip: torch.Tensor, triangles: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        check_mesh(clip, triangles, 4)
        # nvdiffrast does not say what a vertex that is not finite draws: move it behind the eye.
        finite = torch.isfinite(clip).all(1, keepdim=True)
        behind = clip.new_tensor([0.0, 0.0, 0.0, -1.0])
        kept = triangles[finite[:, 0][triangles.long()].all(1)] if not bool(finite.all()) else triangles
        rast, _ = self._dr.rasterize(
            self._context, torch.where(finite, clip, behind)[None].contiguous(), kept, list(size)
        )
        if len(kept) == len(triangles):
            return rast[0]
        # Give back the numbers that the triangles had before the bad ones were left out.
        numbers = torch.nonzero(finite[:, 0][triangles.long()].all(1))[:, 0].float() + 1
        face = rast[0, ..., 3].long()
        renamed = torch.cat([numbers.new_zeros(1), numbers])[face]
        return torch.cat([rast[0, ..., :3], renamed[..., None]], -1)

    def interpolate(
        self, attributes: torch.Tensor, rast: torch.Tensor, triangles: torch.Tensor
    ) -> torch.Tensor:
        return self._dr.interpolate(attributes[None].contiguous(), rast[None].contiguous(), triangles)[0][0]

    def texture(self, image: torch.Tensor, uv: torch.Tensor) -> torch.Tensor:
        return self._dr.texture(
            image[None].contiguous(), uv[None].contiguous(), filter_mode="linear", boundary_mode="wrap"
        )[0]
