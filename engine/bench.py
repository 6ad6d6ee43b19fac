"""`visema bench render`: milliseconds per picture of the configured scene, part by part."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from engine.config import Config
from engine.device import describe_device, use_one_thread
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


def bench_render(config: Config, pictures: int = 100, threads: int | None = None) -> dict[str, Any]:
    """p50_ms, p99_ms, size, threads, quality, parts {name: {p50_ms, p99_ms}}, and what was measured on what.

    threads is what was used: what is asked or configured, at most as many as there are cores. With one, p50_ms and
    p99_ms are processor time, which a busy neighbour does not change; with more, what the clock said. Parts are always
    processor time, of all threads together, and so are cpu_p50_ms and, live, resting_cpu_p50_ms: of a head that only
    talks and blinks.
    """
    from engine.render.plugin import scene_of
    from engine.render.qualities import make_renderer

    use_one_thread()
    begun = time.perf_counter()
    renderer = make_renderer(scene_of(config), config.render.size, config.render.quality,
                             threads or config.render.threads)  # fmt: skip
    used = getattr(renderer, "threads", 1)
    state, ticks = renderer.init_state(1), talking(pictures + WARM_UP)
    renderer.step(state, ticks[:1])
    first_s = time.perf_counter() - begun
    cpu, wall = [], []
    spent: dict[str, list[float]] = {}
    with _stopwatches(renderer) as watches:
        for k in range(len(ticks)):
            for times in watches.values():
                times.clear()
            clock, seen = time.process_time_ns(), time.perf_counter_ns()
            renderer.step(state, ticks[k : k + 1])
            cpu.append((time.process_time_ns() - clock) / 1e6)
            wall.append((time.perf_counter_ns() - seen) / 1e6)
            for name, times in watches.items():
                spent.setdefault(name, []).append(sum(times) / 1e6)
    if config.render.quality == "live":
        ticks[:, layout.POSE] = 0
        resting = []
        for k in range(len(ticks)):
            clock = time.process_time_ns()
            renderer.step(state, ticks[k : k + 1])
            resting.append((time.process_time_ns() - clock) / 1e6)
        at_rest = {"resting_cpu_p50_ms": _percentiles(resting)["p50_ms"]}
    else:
        at_rest = {}  # the others draw everything anew
    spent = {name: times for name, times in spent.items() if any(times)}
    spent["the rest"] = list(np.array(cpu) - np.sum(list(spent.values()), 0))
    return {
        **_percentiles(cpu if used == 1 else wall),
        "wall_p50_ms": _percentiles(wall)["p50_ms"], "cpu_p50_ms": _percentiles(cpu)["p50_ms"],
        **at_rest,
        "size": config.render.size, "threads": used, "quality": config.render.quality,
        "parts": {name: _percentiles(times) for name, times in spent.items()},
        "pictures": pictures, "identity": config.render.identity, "first_picture_s": round(first_s, 2),
        "device": describe_device(),
    }  # fmt: skip


def _percentiles(times: list[float]) -> dict[str, float]:
    p50, p99 = np.percentile(times[WARM_UP:], [50, 99])
    return {"p50_ms": round(float(p50), 3), "p99_ms": round(float(p99), 3)}


@contextmanager
def _stopwatches(renderer: Any) -> Iterator[dict[str, list[int]]]:
    """Nanoseconds of every call of each part of the renderer, by the part's name; the caller empties the lists.

    The parts are wrapped while this lasts, so that what is measured is the renderer's own step, on all its threads.
    """
    from engine.render import layers, plain, shading, shadow, surface, visibility

    face = getattr(renderer, "face", None)
    parts = (
        ("vertices", face, "vertices"), ("normals", face, "normals"), ("projection", renderer, "project"),
        ("shadow", shadow, "cast"), ("shadow", shadow, "receive"), ("light of vertices", shading, "light_vertices"),
        ("shadow", face, "shade"), ("light of vertices", plain, "light_plainly"), ("visibility", visibility, "clear"),
        ("visibility", visibility, "fill"), ("shading", surface, "set_up"), ("shading", surface, "draw"),
        ("shading", plain, "paint"),
        ("brows and lashes", layers, "overlay"), ("strands", layers, "strands"), ("tone", surface, "develop"),
        ("tone", surface, "cut_out"),
    )  # fmt: skip
    watches: dict[str, list[int]] = {}
    kept = []

    def wrap(times: list[int], part: Any) -> Any:
        def timed(*arguments: Any, **named: Any) -> Any:
            begun = time.thread_time_ns()
            try:
                return part(*arguments, **named)
            finally:
                times.append(time.thread_time_ns() - begun)

        return timed

    for name, owner, attribute in parts:
        part = getattr(owner, attribute, None)
        if part is not None:
            kept.append((owner, attribute, vars(owner).get(attribute)))
            setattr(owner, attribute, wrap(watches.setdefault(name, []), part))
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
    threads = "1 thread" if report["threads"] == 1 else f"{report['threads']} threads"
    print(f"{size}, {report['quality']}, {report['identity']}, {threads}, {report['pictures']} pictures; "
          f"{report['device']}; first picture after {report['first_picture_s']:.1f} s")
    print(f"{'ms':20s}{'p50':>8s}{'p99':>8s}")
    for name, times in {**report["parts"], "whole picture": report}.items():
        print(f"{name:20s}{times['p50_ms']:8.2f}{times['p99_ms']:8.2f}")
    if "resting_cpu_p50_ms" in report:
        print(f"{'... head at rest':20s}{report['resting_cpu_p50_ms']:8.2f}")
