"""A virtual camera: other programs (video calls, OBS) see the face as a webcam."""

from typing import Any

import numpy as np

from engine.errors import DeviceError
from engine.frames import FPS

SET_UP = (
    "Linux: apt-get install v4l2loopback-dkms, then "
    "modprobe v4l2loopback devices=1 exclusive_caps=1 card_label=Visema. "
    "Windows and macOS: install OBS and start its virtual camera once."
)


class VirtualCamera:
    """A webcam of size x size pixels. DeviceError: pyvirtualcam or the system's loopback camera is missing."""

    def __init__(self, size: int, fps: int = FPS, device: str | None = None):
        self.size = size
        pyvirtualcam = _load_pyvirtualcam()
        try:
            self._camera = pyvirtualcam.Camera(width=size, height=size, fps=fps, device=device)
        except (RuntimeError, OSError) as error:
            raise DeviceError(f"there is no virtual camera to write to ({error}). {SET_UP}") from None
        self.name: str = self._camera.device

    def show(self, rgb: np.ndarray) -> bool:
        """Send a picture, uint8 (size, size, 3), at once; the engine keeps the pace. True while it is open."""
        if self._camera is None:
            return False
        self._camera.send(np.ascontiguousarray(rgb))
        return True

    def close(self) -> None:
        """Give the camera back. Closing twice does nothing."""
        if self._camera is not None:
            self._camera.close()
        self._camera = None


def _load_pyvirtualcam() -> Any:
    try:
        import pyvirtualcam
    except ImportError:
        raise DeviceError('the virtual camera needs pyvirtualcam: pip install "visema[camera]"') from None
    return pyvirtualcam
