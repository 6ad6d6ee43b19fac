"""A server with stamps in its pictures, in a process of its own: what it serves is the product, as `visema serve` is.

    with Rig(config) as rig: ... rig.url ...
    rig.count()   # what it holds at present
    rig.spans     # what its stages did, once it has ended
"""

import asyncio
import gc
import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks.harness.spans import Recorder, Span, read_spans, write_spans
from engine.config import Config
from engine.errors import DeviceError

END_TIMEOUT_S = 30.0
PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4_096


class Rig:
    """Runs while a `with` lasts. DeviceError if the server does not come up.

    most_spans: that it keeps; they fill its memory, a megabyte in half a minute.
    """

    def __init__(self, config: Config, most_spans: int = 1_000_000):
        self._config, self._most_spans = config, most_spans
        self.url = ""
        self.spans: list[Span] = []

    def __enter__(self) -> "Rig":
        self._folder = tempfile.TemporaryDirectory()
        self._file = Path(self._folder.name) / "spans.json"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.harness.rig", str(self._file), str(self._most_spans)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).resolve().parents[2],
        )  # fmt: skip
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(self._config.model_dump_json() + "\n")
        self._process.stdin.flush()
        self.url = self._answer("http")
        if not self.url:
            self.__exit__(None, None, None)
            raise DeviceError(f"the server under test ended with code {self._process.returncode}")
        return self

    def count(self) -> dict[str, Any]:
        """sessions, tasks, threads, files (with sockets) and rss_mb of the server now."""
        assert self._process.stdin is not None
        self._process.stdin.write("count\n")
        self._process.stdin.flush()
        return json.loads(self._answer("{"))

    def _answer(self, begin: str) -> str:
        """Its next line that begins so; empty if it has ended."""
        assert self._process.stdout is not None
        return next((line.strip() for line in self._process.stdout if line.startswith(begin)), "")

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        process.stdin.close()  # which tells it to end
        try:
            process.wait(END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
        if self._file.exists():
            self.spans = read_spans(self._file)
        self._folder.cleanup()


def main(argv: list[str]) -> None:
    """The server's process: settings on the first line of stdin; ends when stdin does."""
    from benchmarks.harness.stamp import StampedEngine

    config = Config.model_validate_json(sys.stdin.readline())
    recorder = Recorder(int(argv[1]))
    engine = StampedEngine(config, recorder)
    engine.start()
    _watch_sending(recorder)
    try:
        asyncio.run(_serve(engine, config))
    finally:
        engine.close()
        write_spans(Path(argv[0]), recorder.spans)


def _watch_sending(recorder: Recorder) -> None:
    from engine.interpolation import TICK
    from engine.stream.encode import PictureEncoder, VoiceEncoder
    from engine.stream.tracks import PacketTrack

    def tick(track: Any, packet: Any, *_: Any) -> int:
        return of_tick(packet.pts) if track.kind == "video" else -1

    def of_tick(pts: int) -> int:
        return pts // TICK if pts % TICK == 0 else -1  # others are drawn between two ticks

    recorder.wrap(PictureEncoder, "encode", "encode", lambda encoder, rgb, pts, *_: of_tick(pts))
    recorder.wrap(VoiceEncoder, "encode", "encode voice", lambda encoder, voice, index, *_: index)
    recorder.wrap(PacketTrack, "send", "send", tick)


async def _serve(engine: Any, config: Config) -> None:
    from aiohttp import web

    from engine.stream.server import make_app

    runner = web.AppRunner(make_app(engine, config), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
        while await asyncio.to_thread(sys.stdin.readline):
            print(json.dumps(_count(engine)), flush=True)
    finally:
        await runner.cleanup()


def _count(engine: Any) -> dict[str, Any]:
    gc.collect()
    files, rss_mb = _held()
    return {
        "sessions": len(engine.sessions), "tasks": len(asyncio.all_tasks()), "threads": threading.active_count(),
        "files": files, "rss_mb": round(rss_mb, 2),
    }  # fmt: skip


def _held() -> tuple[int, float]:
    """(open files and sockets, resident megabytes) of this process."""
    own = Path("/proc/self")
    if (own / "statm").is_file():
        return len(list((own / "fd").iterdir())), int((own / "statm").read_text().split()[1]) * PAGE / 1e6
    import psutil  # of the extra `test`

    process: Any = psutil.Process()
    files = process.num_fds() if hasattr(process, "num_fds") else process.num_handles()
    return files, process.memory_info().rss / 1e6


if __name__ == "__main__":
    main(sys.argv[1:])
