"""The whole data flow on one page: 40 ms of voice in, one picture of a face out.

    AudioTick -> loudness -> speech encoder -> motion plugin -> life -> renderer plugin -> Moment
                 `------- ears -------'   `------ motion -----'   `--- renderer --'

`Pipeline` holds the stages, shared by all sessions; `Performer` holds one session's states and walks a
tick through them. Files fold the same step that live sessions take.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch

from engine.audio.loudness import LoudnessNormaliser
from engine.config import Config
from engine.device import choose_device, describe_device, use_one_thread
from engine.errors import ConfigError
from engine.features import check_pair, load_encoder
from engine.frames import (
    FPS,
    SAMPLE_RATE_HZ,
    TICK_MS,
    TICK_SAMPLES,
    VOICE_TICK_SAMPLES,
    AudioTick,
    FaceMotion,
    Image,
    Moment,
)
from engine.interpolation import between, places
from engine.metrics import Timings
from engine.motion.emotion import Emotion
from engine.motion.hush import Hush
from engine.motion.life import Life, Lively
from engine.plugin import build_motion, build_renderer
from engine.render.people import NAMES
from engine.stage import Chain, Stage, Tensors
from engine.torchkit.executors import choose_executor, ears_executor, make_executor


class Pipeline:
    """The stages that a configuration names, loaded once. Raises ConfigError, PluginError, WeightsError.

    renderer is None with `pictures=False` (motion only).
    """

    def __init__(self, config: Config, pictures: bool = True):
        use_one_thread()
        self.config = config
        self.device = choose_device(config.engine.device)
        self.executor = choose_executor(config.engine.executor)
        self.description = describe_device()
        encoder = load_encoder(config.features.weights or None)
        ears: Stage = Chain(LoudnessNormaliser(), encoder) if config.audio.normalise else encoder
        speech = torch.zeros(1, TICK_SAMPLES)
        motion = build_motion(config)
        check_pair(encoder, motion)
        encoder.ask(motion.needs)
        motion = make_executor(motion, self.executor, _first_answer(ears, speech))
        self.ears = make_executor(ears, ears_executor(config.engine.executor), speech)
        self.motion: Stage = motion if motion.alive else Lively(motion, Life(config.motion.life))
        self.hush = Hush()
        self.renderer = build_renderer(config) if pictures else None
        self._renderers = {config.render.identity: self.renderer}
        self._building = threading.Lock()
        self.lookahead = self.ears.lookahead + self.motion.lookahead
        if self.renderer is not None:
            self.lookahead += self.renderer.lookahead
        self.timings = {part: Timings() for part in ("features", "motion", "render", "tick")}

    @property
    def identities(self) -> tuple[str, ...]:
        """Who else a session may show, the configured person first; empty where the renderer has no persons."""
        if self.renderer is None or self.config.render.plugin != "head":
            return ()
        return tuple(dict.fromkeys((self.config.render.identity, *NAMES)))

    def renderer_of(self, identity: str | None) -> Stage | None:
        """The renderer of one of `identities` (None: the configured one), built when first asked for and kept.

        May take a second: not for the compute thread. ConfigError: nobody of that name.
        """
        if identity is None:
            return self.renderer
        if identity not in self.identities:
            raise ConfigError(f"there is no {identity!r}; there are {', '.join(self.identities)}")
        with self._building:
            if identity not in self._renderers:
                render = self.config.render.model_copy(update={"identity": identity})
                self._renderers[identity] = build_renderer(self.config.model_copy(update={"render": render}))
            return self._renderers[identity]

    @property
    def lookahead_ms(self) -> int:
        return self.lookahead * TICK_MS


class Performer:
    """One voice's walk through the pipeline: its states, and the voice held back by the look-ahead.

    identity: who is shown, one of `Pipeline.identities` (None: the configured person). fps: pictures a second.
    skipped: ticks whose picture was not drawn because the caller was late.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        seed: int = 0,
        background: str | None = None,
        identity: str | None = None,
        fps: int = FPS,
    ):
        self.pipeline = pipeline
        self.identity = identity or pipeline.config.render.identity
        self._renderer = pipeline.renderer_of(identity)
        self._ears = pipeline.ears.init_state(1)
        self._motion = pipeline.motion.init_state(1)
        pipeline.motion.reset(self._motion, 0, seed)
        self._hush = pipeline.hush.init_state(1)
        self._drawn = self._renderer.init_state(1) if self._renderer is not None else None
        self._held: deque[AudioTick] = deque()
        self._last: Image | None = None
        self._fps = fps
        self._before: torch.Tensor | None = None  # motion of the last tick
        self.skipped = 0
        if background is not None:
            self.set_background(background)

    def set_background(self, colour: str) -> None:
        """Change the colour behind the head from the next picture on; ConfigError if it is none."""
        if self._renderer is not None:
            self._renderer.set_background(self._drawn, 0, colour)  # type: ignore[attr-defined]

    def set_emotion(self, emotion: Emotion) -> None:
        """Head for an emotion from the next tick on, never in a jump; PluginError if the plugin shows none."""
        self.pipeline.motion.set_emotion(self._motion, 0, emotion.weights, emotion.intensity)
        if self._renderer is not None and self._renderer.emotional:
            self._renderer.set_emotion(self._drawn, 0, emotion.weights, emotion.intensity)

    def hush(self) -> None:
        """The voice has broken off before the next tick: the mouth lets go at once, not after the look-ahead."""
        self.pipeline.hush.hush(self._hush, 0, self.pipeline.ears.lookahead + self.pipeline.motion.lookahead)

    def step(self, tick: AudioTick, draw: bool = True) -> Moment | None:
        """One tick in; the moment of `lookahead` ticks ago out, None while the look-ahead fills.

        draw=False repeats the last picture: motion never stops, so that what follows stays right.
        """
        heard = self._hear(tick)
        return self._show(*heard, draw) if heard else None

    @torch.inference_mode()
    def _hear(self, tick: AudioTick) -> tuple[torch.Tensor, AudioTick, int] | None:
        """The first half of a step: motion (1, M) and its voice, and the nanoseconds that took."""
        begun_ns = time.perf_counter_ns()
        timings = self.pipeline.timings
        with timings["features"].measure():
            samples = torch.from_numpy(np.ascontiguousarray(tick.samples))[None]
            features = self.pipeline.ears.step(self._ears, samples)
        with timings["motion"].measure():
            motion = self.pipeline.motion.step(self._motion, features)
            motion = self.pipeline.hush.step(self._hush, motion)  # a copy: the stage's own buffer is only lent
        self._held.append(tick)
        if len(self._held) <= self.pipeline.lookahead:
            return None
        return motion, self._held.popleft(), time.perf_counter_ns() - begun_ns

    @torch.inference_mode()
    def _show(self, motion: torch.Tensor, voice: AudioTick, heard_ns: int, draw: bool = True) -> Moment:
        """The second half: the picture of a motion."""
        begun_ns = time.perf_counter_ns()
        face = FaceMotion(motion[0].numpy(), voice.index, voice.captured_ns)
        *earlier, image = self._pictures(motion, voice, draw)
        self.pipeline.timings["tick"].add_ns(heard_ns + time.perf_counter_ns() - begun_ns)
        return Moment(image, face, voice, time.monotonic_ns(), tuple(picture.rgb for picture in earlier))

    def _pictures(self, motion: torch.Tensor, voice: AudioTick, draw: bool) -> list[Image]:
        """All that this tick brings, oldest first; one if the last is repeated."""
        before = motion if self._before is None else self._before
        self._before = motion
        wanted = places(voice.index, self._fps) if draw else [0]
        return [self._draw(between(before, motion, early), voice, draw) for early in wanted]

    def _draw(self, motion: torch.Tensor, voice: AudioTick, draw: bool) -> Image:
        renderer = self._renderer
        if renderer is None:
            return Image(np.zeros((0, 0, 3), np.uint8), voice.index, voice.captured_ns)
        if self._last is not None and not draw:
            self.skipped += 1
            return self._last
        with self.pipeline.timings["render"].measure():
            rgb = renderer.step(self._drawn, motion)[0].numpy().copy()  # its buffer is only lent
        self._last = Image(rgb, voice.index, voice.captured_ns)
        return self._last

    def finish(self) -> Iterator[Moment]:
        """Bring out what the look-ahead still holds, by feeding silence."""
        for silence in self._silence():
            moment = self.step(silence)
            if moment is not None:
                yield moment
        self._held.clear()

    def _silence(self) -> list[AudioTick]:
        """As many quiet ticks as the look-ahead still holds."""
        return [
            AudioTick(
                np.zeros(TICK_SAMPLES, np.float32),
                np.zeros(VOICE_TICK_SAMPLES, np.float32),
                last.index + self.pipeline.lookahead,
                last.captured_ns,
            )
            for last in self._held
        ]

    def perform(self, ticks: Iterable[AudioTick]) -> Iterator[Moment]:
        """Fold all ticks: the offline form, exactly one moment for each tick.

        The same two halves of a step as live, but the next tick is heard while the last one is drawn.
        """
        with ThreadPoolExecutor(1, "visema-draw") as artist:
            drawing: Future[Moment] | None = None
            for tick in _then(ticks, self._silence):
                heard = self._hear(tick)
                if drawing is not None:
                    yield drawing.result()
                drawing = artist.submit(self._show, *heard) if heard else None
            if drawing is not None:
                yield drawing.result()
        self._held.clear()


def _then(ticks: Iterable[AudioTick], rest: Callable[[], list[AudioTick]]) -> Iterator[AudioTick]:
    yield from ticks
    yield from rest()


@torch.inference_mode()
def _first_answer(stage: Stage, x: Tensors) -> Tensors:
    """What a fresh stage answers: an example of the shapes that come next."""
    return stage.step(stage.init_state(1), x)


def tick_start_s(index: int) -> float:
    """Media time of a tick's first sample."""
    return index * TICK_SAMPLES / SAMPLE_RATE_HZ
