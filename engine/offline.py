"""Files in, files out: the live step folded over a recording, with progress."""

import json
import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from engine.audio import FileSource, Rechunker
from engine.config import Config, shows_alpha
from engine.errors import ConfigError, EngineError
from engine.frames import FPS, AudioTick, Moment
from engine.motion import layout
from engine.pipeline import Performer, Pipeline, tick_start_s
from engine.render.plugin import scene_of
from engine.targets import check_folder, names_folder

SAMPLE = Path(__file__).parent / "assets" / "sample.opus"
CLIP_TICKS = 10 * FPS


def read_ticks(source: FileSource) -> Iterator[AudioTick]:
    """A file as ticks, decoded as they are asked for: memory stays flat at any length."""
    rechunker = Rechunker()
    for block in source:
        yield from rechunker.push(block)
    yield from rechunker.flush()


def render_file(
    config: Config, source: str, target: str, stats: str | None = None, quiet: bool = False, buffers: str | None = None
) -> dict[str, Any]:
    """A film of the face speaking `source`; returns (and writes to `stats`) speed and settings.

    buffers: a folder for masks, normals, uv and depth of every picture, see `engine.render.buffer_files`.
    EngineError: the folder of `target` or `stats` is missing, by name.
    """
    _refuse_overwriting_source(source, target)
    if not names_folder(target):
        check_folder(target)
    if stats:
        check_folder(stats)
    sound = FileSource(source)  # before anything slow: a wrong file is told at once
    pipeline = Pipeline(config)
    performer = Performer(pipeline, config.engine.seed)
    size = config.render.size
    begun_s = time.perf_counter()
    frames = 0
    series = open_buffers(config, buffers) if buffers else None
    film = open_film(target, size, shows_alpha(config))
    with _WriterThread(film, series) as writer, _progress(sound, "rendering", quiet) as bar:
        for moment in performer.perform(read_ticks(sound)):
            writer.write(moment)
            frames += 1
            bar(frames)
    wall_s = time.perf_counter() - begun_s
    _warn(sound)
    seconds = frames / FPS
    report = {
        "frames": frames,
        "fps": FPS,
        "seconds": round(seconds, 3),
        "real_time_factor": round(wall_s / seconds, 4),
        "tick_ms": pipeline.timings["tick"].percentiles(),
        "lookahead_ms": pipeline.lookahead_ms,
        "dropped": performer.skipped,
        "width": size,
        "height": size,
        "device": pipeline.description,
        "executor": pipeline.executor,
        "plugin": config.motion.plugin,
        "renderer": config.render.plugin,
        "identity": config.render.identity,
        "quality": config.render.quality,
        "parts_ms": {name: part.percentiles() for name, part in pipeline.timings.items()},
    }
    if stats:
        write_text(stats, json.dumps(report, indent=1) + "\n")
    if not quiet:
        print(f"{target}: {seconds:.1f} s, real-time factor {report['real_time_factor']:.2f}")
        if series is not None:
            print(f"{buffers}: masks, normals, uv and depth of {series.pictures} pictures")
    return report


def open_buffers(config: Config, folder: str) -> Any:
    """A writer of what the pictures of the configured scene show. ConfigError: another renderer than the head."""
    from engine.render.buffer_files import BufferSeries

    if config.render.plugin != "head":
        raise ConfigError(f"--buffers: only the renderer 'head' knows them, not {config.render.plugin!r}")
    return BufferSeries(folder, scene_of(config), config.render.size)


def open_film(target: str, size: int, alpha: bool) -> Any:
    """A writer of what OUT names: a film, or a series of pictures. MediaError: it cannot be written so."""
    from engine.stream.movie import MovieWriter
    from engine.stream.pictures import PictureSeries, is_series

    return PictureSeries(target) if is_series(target) else MovieWriter(target, size, size, alpha=alpha)


def write_motion(config: Config, source: str, target: str, quiet: bool = False) -> None:
    """The coefficients of a recording and the lips they make, as an npz (see the README)."""
    from engine.render.face_model import FaceModel
    from engine.render.lips import LipMeasure

    check_folder(target)
    sound = FileSource(source)
    performer = Performer(Pipeline(config, pictures=False), config.engine.seed)
    vectors: list[np.ndarray] = []
    with _progress(sound, "moving", quiet) as bar:
        for moment in performer.perform(read_ticks(sound)):
            vectors.append(moment.motion.vector)
            bar(len(vectors))
    _warn(sound)
    motion = np.stack(vectors).astype(np.float32)
    values = np.ascontiguousarray(motion[:, : layout.E])
    lips = LipMeasure(FaceModel.load())
    try:
        with open(target, "wb") as file:
            np.savez_compressed(
                file,
                names=np.array(layout.EXPRESSION),
                values=values,
                pose=motion[:, layout.POSE],
                gaze=motion[:, layout.E + 6 : layout.E + 10],
                blink=motion[:, layout.BLINK],
                lip_aperture=lips.aperture(values).astype(np.float32),
                lip_width=lips.width(values).astype(np.float32),
                fps=np.float32(FPS),
                start_s=np.float64(tick_start_s(0)),
            )
    except OSError as error:
        raise EngineError(f"cannot write {target}: {error.strerror}") from None
    if not quiet:
        print(f"{target}: {len(motion)} ticks of {len(layout.EXPRESSION)} coefficients")


def write_sheet(config: Config, target: str, clips: bool = False) -> None:
    """Contact sheets of the configured person, or of everybody for "all", and a film of each speaking 10 s."""
    from engine.render.background import paint_background
    from engine.render.proof import write_proof

    paint_background(config.render.background, 16)  # a mistake, or alpha, is told before anything slow
    configs = persons(config)
    scenes = {name: scene_of(one) for name, one in configs.items()}
    out = Path(target)
    rows = write_proof(scenes, out, config.render.size, config.render.quality, lambda name: print(name, flush=True))
    if clips:
        for name, one in configs.items():
            _speak(one, out / f"{name.replace(':', '')}.mp4")
    print(f"{target}: {len(rows)} pictures of {', '.join(scenes)}")


def write_people(config: Config, picture: str | None) -> None:
    """A table of the ready persons, and a picture of them."""
    from rich.console import Console
    from rich.table import Table

    from engine.render.proof import draw_people
    from engine.render.sheet import write_png

    scenes = {name: scene_of(one) for name, one in persons(config, "all").items()}
    table = Table("identity", "about")
    for name, scene in scenes.items():
        table.add_row(name, scene.person.about)
    table.add_row("random:NUMBER", "somebody else for every number")
    Console().print(table)
    if picture:
        people = draw_people(scenes, config.render.size, config.render.quality)
        try:
            write_png(picture, people)
        except (OSError, ValueError) as error:
            raise EngineError(f"cannot write {picture}: {error}") from None
        print(picture)


def persons(config: Config, who: str | None = None) -> dict[str, Config]:
    """The configuration for each person that it (or `who`) names; "all" is every ready one."""
    from engine.render.people import NAMES

    who = who or config.render.identity
    return {
        name: config.model_copy(update={"render": config.render.model_copy(update={"identity": name})})
        for name in (NAMES if who == "all" else (who,))
    }


def _speak(config: Config, target: Path) -> None:
    """The first 10 s of the built-in sample, spoken."""
    from engine.stream.movie import MovieWriter

    performer = Performer(Pipeline(config), config.engine.seed)
    with MovieWriter(target, config.render.size, config.render.size) as film:
        for moment in performer.perform(islice(read_ticks(FileSource(str(SAMPLE))), CLIP_TICKS)):
            film.write(moment)
    print(target, flush=True)


class _WriterThread:
    """Encodes on the second core; a bounded queue keeps memory flat. Errors are raised where it is used.

    series: something else that is told of every moment, if any.
    """

    def __init__(self, writer: Any, series: Any = None):
        self._writer = writer
        self._series = series
        self._queue: queue.Queue[Moment | None] = queue.Queue(maxsize=8)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="visema-writer")

    def __enter__(self) -> "_WriterThread":
        self._thread.start()
        return self

    def write(self, moment: Moment) -> None:
        if self._error is not None:
            raise self._error
        self._queue.put(moment)

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self._queue.put(None)
        self._thread.join()
        try:
            self._writer.close()  # what was drawn so far is kept, whatever happened
        except EngineError:
            if error is None and self._error is None:
                raise
        if error is None and self._error is not None:
            raise self._error

    def _run(self) -> None:
        while (moment := self._queue.get()) is not None:
            if self._error is None:
                try:
                    self._writer.write(moment)
                    if self._series is not None:
                        self._series.write(moment)
                except BaseException as error:
                    self._error = error


@contextmanager
def _progress(sound: FileSource, text: str, quiet: bool) -> Iterator[Any]:
    """A progress bar on stderr that takes the number of ticks done."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn(text), BarColumn(), TextColumn("{task.completed:.1f} s"), TimeElapsedColumn(),
               TimeRemainingColumn())  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), disable=quiet) as bar:
        task = bar.add_task(text, total=sound.duration_s)
        yield lambda ticks: bar.update(task, completed=ticks / FPS) if ticks % 5 == 0 else None


def _warn(sound: FileSource) -> None:
    import sys

    if sound.truncated:
        print(f"visema: {sound.path} is cut off or damaged; used what could be decoded", file=sys.stderr)
    if sound.repaired:
        print(f"visema: {sound.repaired} samples were not numbers; taken as silence", file=sys.stderr)


def _refuse_overwriting_source(source: str, target: str) -> None:
    if Path(source).exists() and Path(target).exists() and Path(source).samefile(target):
        raise ConfigError(f"IN and OUT are the same file: {source}")


def write_text(path: str, text: str) -> None:
    """Write a file; EngineError if that cannot be."""
    check_folder(path)
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise EngineError(f"cannot write {path}: {error.strerror}") from None
