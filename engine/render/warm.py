"""The first picture compiles the renderer, half a minute once for a machine: it is drawn early, and said.

`python -m engine.prepare` does it beforehand; `make run` calls it when it installs.
"""

import sys
import threading

import torch

from engine.motion import layout
from engine.stage import Stage

NOTICE = "visema: compiling the renderer for this processor, only this once; about half a minute"
PATIENCE_S = 2.5  # a compiled renderer's first picture takes far less


def warm_up(renderer: Stage) -> None:
    """Draw a picture that nobody sees; where that takes long, a line on stderr says why."""
    notice = threading.Timer(PATIENCE_S, lambda: print(NOTICE, file=sys.stderr, flush=True))
    notice.daemon = True
    notice.start()
    try:
        renderer.step(renderer.init_state(1), torch.zeros(1, layout.M))
    finally:
        notice.cancel()
