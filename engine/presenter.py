"""One session's half of a tick: from motion to the moment that leaves, voice and pictures together."""

import time
from collections import deque

import numpy as np
import torch

from engine.frames import FPS, TICK_SAMPLES, VOICE_TICK_SAMPLES, AudioTick, FaceMotion, Image, Moment
from engine.interpolation import between, places
from engine.metrics import Timings
from engine.motion.emotion import Emotion
from engine.stage import Stage


class Presenter:
    """Draws what was heard, and holds the voice back by the look-ahead until its picture is there.

    Sessions are drawn one by one: each may show somebody else, and the CPU's renderers share no work between pictures.

    renderer: None draws nothing. lookahead: ticks from a sound to its picture. timings: "render" and "tick" are
    measured into it. fps: pictures a second. skipped: ticks whose picture was not drawn because the caller was late.
    """

    def __init__(self, renderer: Stage | None, lookahead: int, timings: dict[str, Timings], fps: int = FPS):
        self._lookahead, self._timings, self._fps = lookahead, timings, fps
        self._drawing = (renderer, renderer.init_state(1)) if renderer is not None else None
        self._held: deque[AudioTick] = deque()
        self._last: Image | None = None
        self._before: torch.Tensor | None = None  # motion of the last tick
        self.skipped = 0

    def set_background(self, colour: str) -> None:
        """Change the colour behind the head from the next picture on; ConfigError if it is none."""
        if (drawing := self._drawing) is not None:
            renderer, state = drawing
            renderer.set_background(state, 0, colour)  # type: ignore[attr-defined]

    def set_emotion(self, emotion: Emotion) -> None:
        """Tell a renderer that is `emotional`."""
        if (drawing := self._drawing) is not None and drawing[0].emotional:
            renderer, state = drawing
            renderer.set_emotion(state, 0, emotion.weights, emotion.intensity)

    def hold(self, tick: AudioTick) -> AudioTick | None:
        """This tick has been heard: the one of `lookahead` ticks ago, whose motion that gave; None at the beginning."""
        self._held.append(tick)
        return self._held.popleft() if len(self._held) > self._lookahead else None

    @torch.inference_mode()
    def show(self, motion: torch.Tensor, voice: AudioTick, heard_ns: int, draw: bool = True) -> Moment:
        """The picture of a motion (1, M), and what leaves with it. heard_ns: what came before took so long.

        draw=False repeats the last picture: motion never stops, so that what follows stays right.
        """
        begun_ns = time.perf_counter_ns()
        face = FaceMotion(motion[0].numpy(), voice.index, voice.captured_ns)
        *earlier, image = self._pictures(motion, voice, draw)
        self._timings["tick"].add_ns(heard_ns + time.perf_counter_ns() - begun_ns)
        return Moment(image, face, voice, time.monotonic_ns(), tuple(picture.rgb for picture in earlier))

    def release(self) -> None:
        """Draw nothing from now on, from any thread: a state of the renderer is megabytes, and whoever remembers a
        session that has ended shall not keep them."""
        self._drawing = self._last = None

    def silence(self) -> list[AudioTick]:
        """Quiet ticks that bring out what the look-ahead still holds."""
        return [
            AudioTick(
                np.zeros(TICK_SAMPLES, np.float32),
                np.zeros(VOICE_TICK_SAMPLES, np.float32),
                last.index + self._lookahead,
                last.captured_ns,
            )
            for last in self._held
        ]

    def _pictures(self, motion: torch.Tensor, voice: AudioTick, draw: bool) -> list[Image]:
        """All that this tick brings, oldest first; one if the last is repeated."""
        before = motion if self._before is None else self._before
        self._before = motion
        wanted = places(voice.index, self._fps) if draw else [0]
        return [self._draw(between(before, motion, early), voice, draw) for early in wanted]

    def _draw(self, motion: torch.Tensor, voice: AudioTick, draw: bool) -> Image:
        if (drawing := self._drawing) is None:
            return Image(np.zeros((0, 0, 3), np.uint8), voice.index, voice.captured_ns)
        if self._last is not None and not draw:
            self.skipped += 1
            return self._last
        with self._timings["render"].measure():
            renderer, state = drawing
            rgb = renderer.step(state, motion)[0].numpy().copy()  # its buffer is only lent
        self._last = Image(rgb, voice.index, voice.captured_ns)
        return self._last
