"""The engine's own networks, driven in different ways by the real clock: what a way of driving costs by itself."""

import time
from dataclasses import dataclass

import numpy as np
import torch

from benchmarks.harness.layouts import Flow, paced
from engine.audio import AudioBlock, Rechunker
from engine.frames import TICK_MS, VOICE_RATE_HZ, AudioTick
from engine.pipeline import Pipeline
from engine.stream.sample import load_sample

TICK_NS = TICK_MS * 1_000_000


@dataclass(frozen=True, slots=True)
class Way:
    """batch: ticks that are computed together, once the last of them is there. window: ticks that are recomputed from
    nothing for every picture; 0: state is kept."""

    name: str
    batch: int = 1
    window: int = 0


WAYS = (
    Way("every tick, with state (Visema)"),
    Way("windows of 1 s, recomputed every tick", window=25),
    Way("batches of 16 pictures", batch=16),
    Way("slices of 1 s", batch=25),
)


def sample_ticks() -> list[AudioTick]:
    """The built-in sample as ticks."""
    return Rechunker().push(AudioBlock(load_sample()[:, None], VOICE_RATE_HZ, 0))


class Driver:
    """One session's states, without a session."""

    def __init__(self, pipeline: Pipeline):
        self.pipeline = pipeline
        self._ears, self._motion = pipeline.ears.init_state(1), pipeline.motion.init_state(1)
        renderer = pipeline.renderer
        if renderer is None:
            raise ValueError("a pipeline without pictures has no latency to a picture")
        self._renderer, self._drawn = renderer, renderer.init_state(1)

    @torch.inference_mode()
    def hear(self, tick: AudioTick) -> torch.Tensor:
        samples = torch.from_numpy(np.ascontiguousarray(tick.samples))[None]
        return self.pipeline.motion.step(self._motion, self.pipeline.ears.step(self._ears, samples))

    @torch.inference_mode()
    def draw(self, motion: torch.Tensor) -> None:
        self._renderer.step(self._drawn, motion)

    def forget(self) -> None:
        self.pipeline.ears.reset(self._ears, 0)
        self.pipeline.motion.reset(self._motion, 0)


def drive(pipeline: Pipeline, way: Way, seconds: float) -> tuple[Flow, int]:
    """(when pictures were ready and left, ms since the beginning; pictures left out because time ran out).

    Waits for each tick's sound as it would be spoken. A way that falls behind leaves pictures out, never sound.
    """
    driver, voice, flow, dropped = Driver(pipeline), sample_ticks(), Flow(), 0
    for tick in voice[:3]:
        driver.draw(driver.hear(tick))  # what only the first ones cost
    driver.forget()
    count, lookahead = int(seconds * 1000 / TICK_MS), pipeline.lookahead
    begun_ns = time.monotonic_ns()
    for last in range(way.batch - 1, count, way.batch):
        due_ns = begun_ns + (last + 1) * TICK_NS
        time.sleep(max(0, due_ns - time.monotonic_ns()) / 1e9)
        late = time.monotonic_ns() - due_ns > max(2, way.batch) * TICK_NS
        if late and way.window:
            dropped += 1
            continue
        drawn = []
        for tick in range(last - way.batch + 1, last + 1):
            motion = _answer(driver, voice, tick, way.window)
            if tick < lookahead:
                continue
            if late:
                dropped += 1
            else:
                driver.draw(motion)
                drawn.append(tick - lookahead)
        now_ms = (time.monotonic_ns() - begun_ns) / 1e6
        flow.ready.update(dict.fromkeys(drawn, now_ms))
    flow.left = paced(flow.ready)
    return flow, dropped


def _answer(driver: Driver, voice: list[AudioTick], tick: int, window: int) -> torch.Tensor:
    if window:
        driver.forget()
        for past in range(max(0, tick - window + 1), tick):
            driver.hear(voice[past % len(voice)])
    return driver.hear(voice[tick % len(voice)])


def sample_latency(flow: Flow, which: dict[int, float] | None = None, settle_ticks: int = 0) -> np.ndarray:
    """Ms from every millisecond of sound to its picture, waiting for the tick included: float64 (n * 40,)."""
    times = flow.left if which is None else which
    last = np.array([at - (tick + 1) * TICK_MS for tick, at in sorted(times.items()) if tick >= settle_ticks])
    return (last[:, None] + np.arange(TICK_MS)).reshape(-1) if len(last) else np.zeros(0)


