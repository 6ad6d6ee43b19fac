"""Milliseconds per picture of the head renderer, part by part.

python -m benchmarks.render [--sizes 256 512 720] [--pictures 100]
"""

import argparse
import time

import numpy as np
import torch

from engine.motion import layout
from engine.render import surface
from engine.render.face_model import FaceModel
from engine.render.head import HeadRenderer
from engine.render.poses import pose

PARTS = ("vertices", "shadow", "light", "project", "visibility", "shading", "tone", "whole step")


def talking(count: int) -> torch.Tensor:
    """A mouth that opens and shuts and a head that sways, float32 (count, M)."""
    t = np.arange(count) / 25
    ticks = np.stack([pose("AA") * max(0.0, np.sin(7 * s)) for s in t])
    ticks[:, layout.INDEX["headYaw"]] = 0.2 * np.sin(2 * t)
    ticks[:, layout.INDEX["blinkLeft"]] = ticks[:, layout.INDEX["blinkRight"]] = np.sin(3 * t) > 0.9
    return torch.from_numpy(ticks.astype(np.float32))


def measure(renderer: HeadRenderer, ticks: torch.Tensor) -> np.ndarray:
    """Milliseconds (pictures, parts)."""
    state, looks, face = renderer.init_state(1), renderer.looks, renderer.face
    samples, box = state.samples[0].numpy(), state.box[0].numpy()
    light, picture, backdrop = state.light[0].numpy(), state.picture[0].numpy(), state.background[0].numpy()
    out = []
    for tick in ticks:
        clock = [time.thread_time_ns()]
        points = face.vertices(tick.numpy())
        clock.append(time.thread_time_ns())
        normals = face.normals(points)
        renderer.shade(state, 0, points, normals)
        clock.append(time.thread_time_ns())
        vertex = renderer.vertex_fields(points, normals, tick.numpy(), state.seen[0].numpy())
        clock.append(time.thread_time_ns())
        screen = renderer.project(points)
        clock.append(time.thread_time_ns())
        renderer.see(screen, samples, box)
        clock.append(time.thread_time_ns())
        renderer.light(samples, box, screen, vertex, state.veil[0].numpy(), light)
        clock.append(time.thread_time_ns())
        surface.develop(light, box, samples, state.veil[0].numpy(), backdrop, looks.tones, picture)
        clock.append(time.thread_time_ns())
        renderer.step(state, tick[None])
        clock.append(time.thread_time_ns())
        out.append(np.diff(clock) / 1e6)
    return np.array(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512, 720])
    parser.add_argument("--pictures", type=int, default=100)
    args = parser.parse_args()
    torch.set_num_threads(1)
    face = FaceModel.load()
    print(f"device: {cpu_name()}, 1 thread; {len(face.triangles)} triangles; numba backend")
    for size in args.sizes:
        started = time.perf_counter()
        renderer = HeadRenderer(face, size)
        renderer.step(renderer.init_state(1), talking(1))
        first_s = time.perf_counter() - started
        figures = measure(renderer, talking(args.pictures))
        print(
            f"\n{size}x{size}, {args.pictures} pictures; set-up and first picture {first_s:.1f} s "
            "(compiling only if the cache was empty)"
        )
        print(f"{'ms':18s}{'p50':>8s}{'p95':>8s}{'p99':>8s}")
        for part, column in zip(PARTS, figures.T, strict=True):
            p50, p95, p99 = np.percentile(column, [50, 95, 99])
            print(f"{part:18s}{p50:8.2f}{p95:8.2f}{p99:8.2f}")


def cpu_name() -> str:
    """The processor's name as Linux gives it, else the machine's."""
    import platform

    try:
        with open("/proc/cpuinfo") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
