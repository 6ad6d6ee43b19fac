"""The whole data flow on one page: 40 ms of voice in, one picture of a face out.

    AudioTick -> loudness -> speech encoder -> motion plugin -> life -> renderer plugin -> Moment
                 `------- ears -------'   `------ motion -----'   `--- renderer --'

`Pipeline` holds the stages, shared by all sessions. `Slots` has their states up to motion, a slot for each, and takes
their common step; a `Presenter` draws one of them. `Performer` is both for a voice by itself: files fold the same step
that live sessions take.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import torch

from engine.audio.loudness import LoudnessNormaliser
from engine.config import Config
from engine.device import choose_device, describe_device, use_one_thread
from engine.errors import ConfigError
from engine.features import check_pair, load_encoder
from engine.frames import FPS, SAMPLE_RATE_HZ, TICK_MS, TICK_SAMPLES, AudioTick, Moment
from engine.hearing import Hearing
from engine.metrics import Timings
from engine.motion.emotion import Emotion
from engine.motion.life import Life, Lively
from engine.plugin import build_motion, build_renderer
from engine.presenter import Presenter
from engine.render.people import NAMES
from engine.slots import Slots
from engine.stage import Chain, Stage, Tensors
from engine.torchkit.executors import batch_sizes, choose_executor, ears_executor, make_executor


class Pipeline:
    """The stages that a configuration names, loaded once. Raises ConfigError, PluginError, WeightsError.

    renderer is None with `pictures=False` (motion only). sessions: how many may share a step.
    """

    def __init__(self, config: Config, pictures: bool = True, sessions: int = 1):
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
        self._sizes = batch_sizes(self.executor, sessions)
        motion = make_executor(motion, self.executor, _first_answer(ears, speech), self._sizes)
        self.ears = make_executor(ears, ears_executor(config.engine.executor), speech, self._sizes)
        self.motion: Stage = motion if motion.alive else Lively(motion, Life(config.motion.life))
        self.timings = {part: Timings() for part in ("features", "motion", "render", "tick")}
        self.hearing = Hearing(self.ears, self.motion, self.timings)
        self.renderer = build_renderer(config) if pictures else None
        self._renderers = {config.render.identity: self.renderer}
        self._building = threading.Lock()
        self.lookahead = self.hearing.lookahead + (self.renderer.lookahead if self.renderer is not None else 0)

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

    def presenter(self, identity: str | None = None, fps: int = FPS) -> Presenter:
        """What draws one session: one of `identities` (None: the configured person). ConfigError: none of them."""
        return Presenter(self.renderer_of(identity), self.lookahead, self.timings, fps)

    def slots(self, sessions: int = 1) -> Slots:
        """Fresh states from voice to motion: 1, or as many as the pipeline was made for."""
        return Slots(self.hearing, [size for size in self._sizes if size <= sessions], TICK_SAMPLES)

    @property
    def lookahead_ms(self) -> int:
        return self.lookahead * TICK_MS


class Performer:
    """One voice's walk through the pipeline by itself, as files take it: a slot of its own, and its pictures.

    identity: who is shown, one of `Pipeline.identities` (None: the configured person). fps: pictures a second.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        seed: int = 0,
        background: str | None = None,
        identity: str | None = None,
        fps: int = FPS,
    ):
        self._presenter = pipeline.presenter(identity, fps)
        self._slots = pipeline.slots()
        self._slots.stage.reset(self._slots.state, 0, seed)
        if background is not None:
            self._presenter.set_background(background)

    @property
    def skipped(self) -> int:
        """Ticks whose picture was not drawn."""
        return self._presenter.skipped

    def set_emotion(self, emotion: Emotion) -> None:
        """Head for an emotion from the next tick on, never in a jump; PluginError if the plugin shows none."""
        self._slots.stage.set_emotion(self._slots.state, 0, emotion.weights, emotion.intensity)
        self._presenter.set_emotion(emotion)

    def step(self, tick: AudioTick, draw: bool = True) -> Moment | None:
        """One tick in; the moment of `lookahead` ticks ago out, None while the look-ahead fills.

        draw=False repeats the last picture.
        """
        heard = self._hear(tick)
        return self._presenter.show(*heard, draw) if heard else None

    def _hear(self, tick: AudioTick) -> tuple[torch.Tensor, AudioTick, int] | None:
        """The first half of a step: motion (1, M) and its voice, and the nanoseconds that took."""
        begun_ns = time.perf_counter_ns()
        answer = self._slots.step({0: tick.samples})[0]
        if isinstance(answer, Exception):
            raise answer
        voice = self._presenter.hold(tick)
        return (answer, voice, time.perf_counter_ns() - begun_ns) if voice else None

    def perform(self, ticks: Iterable[AudioTick]) -> Iterator[Moment]:
        """Fold all ticks: the offline form, exactly one moment for each tick.

        The same two halves of a step as live, but the next tick is heard while the last one is drawn.
        """
        with ThreadPoolExecutor(1, "visema-draw") as artist:
            drawing: Future[Moment] | None = None
            for tick in _then(ticks, self._presenter.silence):
                heard = self._hear(tick)
                if drawing is not None:
                    yield drawing.result()
                drawing = artist.submit(self._presenter.show, *heard) if heard else None
            if drawing is not None:
                yield drawing.result()


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
