"""Rasterizer backends by name; each is imported only when it is chosen."""

from engine.errors import ConfigError
from engine.render.rasterizer import Rasterizer

RASTERIZERS = ("numba", "nvdiffrast", "reference")


def make_rasterizer(name: str = "numba") -> Rasterizer:
    """The backend of that name; DeviceError when it cannot run here, ConfigError when there is none."""
    if name == "numba":
        from engine.render.raster_numba import NumbaRasterizer

        return NumbaRasterizer()
    if name == "nvdiffrast":
        from engine.render.raster_nvdiffrast import NvdiffrastRasterizer

        return NvdiffrastRasterizer()
    if name == "reference":
        from engine.render.raster_reference import ReferenceRasterizer

        return ReferenceRasterizer()
    raise ConfigError(f"no rasterizer called {name!r}; there are {', '.join(RASTERIZERS)}")
