"""A server with stamps in its pictures, in a process of its own: what it serves is the product, as `visema serve` is.

    with Rig(config) as rig: ... rig.url ...
    rig.spans     # what its stages did, once it has ended
"""

import asyncio
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks.harness.spans import Recorder, Span, read_spans, write_spans
from engine.config import Config
from engine.errors import DeviceError

END_TIMEOUT_S = 30.0


class Rig:
    """Runs while a `with` lasts. DeviceError if the server does not come up."""

    def __init__(self, config: Config):
        self._config = config
        self.url = ""
        self.spans: list[Span] = []

    def __enter__(self) -> "Rig":
        self._folder = tempfile.TemporaryDirectory()
        self._file = Path(self._folder.name) / "spans.json"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.harness.rig", str(self._file)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).resolve().parents[2],
        )  # fmt: skip
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(self._config.model_dump_json() + "\n")
        self._process.stdin.flush()
        self.url = self._process.stdout.readline().strip()
        if not self.url:
            self.__exit__(None, None, None)
            raise DeviceError(f"the server under test ended with code {self._process.returncode}")
        return self

    @property
    def pid(self) -> int:
        return self._process.pid

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
    recorder = Recorder()
    engine = StampedEngine(config, recorder)
    engine.start()
    _watch_sending(recorder)
    try:
        asyncio.run(_serve(engine, config))
    finally:
        engine.close()
        write_spans(Path(argv[0]), recorder.spans)


def _watch_sending(recorder: Recorder) -> None:
    from engine.stream.encode import VIDEO_TICK, PictureEncoder, VoiceEncoder
    from engine.stream.tracks import PacketTrack

    def tick(track: Any, packet: Any, *_: Any) -> int:
        return packet.pts // VIDEO_TICK if track.kind == "video" else -1

    recorder.wrap(PictureEncoder, "encode", "encode", lambda encoder, rgb, pts, *_: pts // VIDEO_TICK)
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
        await asyncio.to_thread(sys.stdin.read)
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    main(sys.argv[1:])
