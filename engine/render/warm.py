"""The first picture compiles the renderer, half a minute once for a machine: it is drawn early, and said.

`python -m engine.render.warm` does it beforehand; `make run` calls it when it installs.
"""

import sys
import threading
import time

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


def main() -> None:
    """Compile what pictures, films with alpha and the plain quality need."""
    from engine.render.people import person
    from engine.render.qualities import make_renderer
    from engine.render.scene import Scene

    begun_s = time.monotonic()
    scene = Scene(person(), background="black")
    for quality in ("live", "plain"):
        for alpha in (False, True):
            warm_up(make_renderer(scene, 64, quality, alpha=alpha))
    print(f"the renderer is ready, after {time.monotonic() - begun_s:.0f} s")


if __name__ == "__main__":
    main()
