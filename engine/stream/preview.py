"""A window that shows the face on this machine's screen."""

import os
from typing import Any

import numpy as np

from engine.errors import DeviceError


class PreviewWindow:
    """A window of size x size pixels. All calls must come from the thread that made it.

    DeviceError: pygame is not installed, or there is no screen.
    """

    def __init__(self, size: int, title: str = "Visema"):
        self.size = size
        self._pygame = _load_pygame()
        try:
            self._pygame.display.init()
            self._screen = self._pygame.display.set_mode((size, size))
        except self._pygame.error as error:
            raise DeviceError(
                f"cannot open a window ({error}). On a machine without a screen use `visema serve` or `visema render`."
            ) from None
        self._pygame.display.set_caption(title)
        self._open = True

    def show(self, rgb: np.ndarray) -> bool:
        """Show a picture, uint8 (size, size, 3). False once the user has closed the window or pressed Escape."""
        if self._open:
            self._open = not any(self._ends(event) for event in self._pygame.event.get())
        if not self._open:
            self.close()
            return False
        picture = np.ascontiguousarray(rgb)
        surface = self._pygame.image.frombuffer(picture, (picture.shape[1], picture.shape[0]), "RGB")
        self._screen.blit(surface, (0, 0))
        self._pygame.display.flip()
        return True

    def close(self) -> None:
        """Take the window away. Closing twice does nothing."""
        self._open = False
        self._pygame.display.quit()

    def _ends(self, event: Any) -> bool:
        escape = event.type == self._pygame.KEYDOWN and event.key == self._pygame.K_ESCAPE
        return escape or event.type == self._pygame.QUIT


def _load_pygame() -> Any:
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    try:
        import pygame
    except ImportError:
        raise DeviceError('the preview window needs pygame: pip install "visema[live]"') from None
    return pygame
