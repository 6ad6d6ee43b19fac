"""`visema bench render`: milliseconds per picture of the configured scene, part by part."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from engine.config import Config
from engine.device import describe_device
from engine.motion import layout
from engine.render.poses import pose

WARM_UP = 3  # pictures: the first ones compile and fill caches


def talking(count: int) -> torch.Tensor:
    """A mouth that opens and shuts, a head that sways, blinks: float32 (count, M)."""
    t = np.arange(count) / 25
    ticks = np.stack([pose("AA") * max(0.0, np.sin(7 * s)) for s in t])
    ticks[:, layout.INDEX["headYaw"]] = 0.2 * np.sin(2 * t)
    ticks[:, layout.INDEX["blinkLeft"]] = ticks[:, layout.INDEX["blinkRight"]] = np.sin(3 * t) > 0.9
    return torch.from_numpy(ticks.astype(np.float32))


def bench_render(config: Config, pictures: int = 100, threads: int = 1) -> dict[str, Any]:
    """p50_ms, p99_ms, size, threads, quality, parts {name: {p50_ms, p99_ms}}, and what was measured on what.

    Times are processor time of the drawing thread: a busy neighbour does not count; wall_p50_ms beside them is
    what the clock said. threads is what was used: the live renderer draws on one, whatever is asked.
    """
    from engine.render.plugin import scene_of
    from engine.render.qualities import make_renderer

    torch.set_num_threads(threads)
    begun = time.perf_counter()
    renderer = make_renderer(scene_of(config), config.render.size, config.render.quality)
    state, ticks = renderer.init_state(1), talking(pictures + WARM_UP)
    renderer.step(state, ticks[:1])
    first_s = time.perf_counter() - begun
    whole, wall = [], []
    spent: dict[str, list[float]] = {}
    with _stopwatches(renderer) as watches:
        for k in range(len(ticks)):
            for name in watches:
                watches[name] = 0
            clock, seen = time.thread_time_ns(), time.perf_counter_ns()
            renderer.step(state, ticks[k : k + 1])
            whole.append((time.thread_time_ns() - clock) / 1e6)
            wall.append((time.perf_counter_ns() - seen) / 1e6)
            for name, spent_ns in watches.items():
                spent.setdefault(name, []).append(spent_ns / 1e6)
    spent = {name: times for name, times in spent.items() if any(times)}
    spent["the rest"] = list(np.array(whole) - np.sum(list(spent.values()), 0))
    return {
        **_percentiles(whole), "wall_p50_ms": round(float(np.median(wall[WARM_UP:])), 3),
        "size": config.render.size, "threads": getattr(renderer, "threads", 1), "quality": config.render.quality,
        "parts": {name: _percentiles(times) for name, times in spent.items()},
        "pictures": pictures, "identity": config.render.identity, "first_picture_s": round(first_s, 2),
        "device": describe_device(),
    }  # fmt: skip


def _percentiles(times: list[float]) -> dict[str, float]:
    p50, p99 = np.percentile(times[WARM_UP:], [50, 99])
    return {"p50_ms": round(float(p50), 3), "p99_ms": round(float(p99), 3)}


@contextmanager
def _stopwatches(renderer: Any) -> Iterator[dict[str, int]]:
    """Nanoseconds spent in each part of the live renderer, by its name; the caller sets them back to 0.

    The parts are wrapped while this lasts, so that what is measured is the renderer's own step.
    """
    from engine.render import layers, surface

    face = getattr(renderer, "face", None)
    parts = {
        "vertices": (face, "vertices"), "normals": (face, "normals"), "shadow": (renderer, "shade"),
        "light of vertices": (renderer, "vertex_fields"), "projection": (renderer, "project"),
        "visibility": (renderer, "see"), "shading": (surface, "draw"), "brows and lashes": (layers, "overlay"),
        "strands": (layers, "strands"), "tone": (surface, "develop"),
    }  # fmt: skip
    watches: dict[str, int] = {}
    kept = []

    def wrap(name: str, part: Any) -> Any:
        def timed(*arguments: Any, **named: Any) -> Any:
            begun = time.thread_time_ns()
            try:
                return part(*arguments, **named)
            finally:
                watches[name] += time.thread_time_ns() - begun

        return timed

    for name, (owner, attribute) in parts.items():
        part = getattr(owner, attribute, None)
        if part is not None:
            watches[name] = 0
            kept.append((owner, attribute, vars(owner).get(attribute)))
            setattr(owner, attribute, wrap(name, part))
    try:
        yield watches
    finally:
        for owner, attribute, own in kept:
            if own is None:
                delattr(owner, attribute)  # the class's own method shows again
            else:
                setattr(owner, attribute, own)


def print_bench(report: dict[str, Any]) -> None:
    """The report as a table."""
    size = f"{report['size']} x {report['size']}"
    print(f"{size}, {report['quality']}, {report['identity']}, {report['threads']} thread, "
          f"{report['pictures']} pictures; {report['device']}; first picture after {report['first_picture_s']:.1f} s")
    print(f"{'ms':20s}{'p50':>8s}{'p99':>8s}")
    for name, times in {**report["parts"], "whole picture": report}.items():
        print(f"{name:20s}{times['p50_ms']:8.2f}{times['p99_ms']:8.2f}")
