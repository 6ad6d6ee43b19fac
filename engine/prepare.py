"""What the first start on a machine would else do while somebody waits: `python -m engine.prepare`.

Compiles the renderer's kernels for this processor, converts the default networks and paints the default face;
`make run` calls it when it installs.
"""

import time

from engine.config import Config
from engine.pipeline import Pipeline
from engine.render.people import person
from engine.render.qualities import make_renderer
from engine.render.scene import Scene
from engine.render.warm import warm_up


def main() -> None:
    """All that pictures, films with alpha and the plain quality need."""
    begun_s = time.monotonic()
    Pipeline(Config(), sessions=Config().serve.max_sessions)
    scene = Scene(person(), background="black")
    for quality in ("live", "plain"):
        for alpha in (False, True):
            warm_up(make_renderer(scene, 64, quality, alpha=alpha))
    print(f"the engine is ready, after {time.monotonic() - begun_s:.0f} s")


if __name__ == "__main__":
    main()
