"""Sound out of files: anything PyAV decodes, as a stream of blocks, in flat memory."""

import os
import stat
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import av
import av.logging
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError

from engine.audio.block import AudioBlock, repair_samples
from engine.clock import Clock, MonotonicClock
from engine.errors import MediaError

# Decoders' sample formats: what full scale is. Floats are full scale at 1.
FULL_SCALE = {"u8": 128.0, "s16": 32768.0, "s32": 2147483648.0, "s64": 9223372036854775808.0}
SHORTFALL_S = 0.25  # a file that ends this much before the length it declares was cut


class FileSource:
    """An iterator over the AudioBlocks of a file's first sound stream.

    path: WAV, FLAC, MP3, Ogg, Opus, M4A, a film with sound, ...; headerless sound needs `format`
    (`.g722` is recognised by its name). Only a plain file on this machine is opened, never an address.
    duration_s: length that the file declares, or None. The first block is decoded here, so that a file
    without usable sound is refused at once. MediaError says what is wrong with it.

    After the end: `truncated` (it was cut or damaged: what could be decoded came out), `repaired` (samples
    that were NaN or infinite and became zero), `limited` (samples beyond full scale), `seconds` (decoded).
    """

    def __init__(self, path: str | os.PathLike[str], clock: Clock | None = None, format: str | None = None):
        self.path = Path(path)
        self.clock = clock or MonotonicClock()
        self.repaired = self.limited = 0
        self.truncated = False
        self.seconds = 0.0
        _check_plain_file(self.path)
        # What is wrong is told by our own errors; the decoders' remarks would fill the terminal.
        av.logging.set_level(av.logging.PANIC)
        self._container = self._open(format or ("g722" if self.path.suffix.lower() == ".g722" else None))
        try:
            self._stream = self._find_stream()
            self.duration_s = self._find_duration()
            blocks = self._decode()
            first = next(blocks, None)
            if first is None:
                raise MediaError(f"{self.path} holds no sound that can be decoded (it is empty or damaged).")
        except BaseException:
            self.close()
            raise
        self._blocks = chain([first], blocks)

    def __iter__(self) -> Iterator[AudioBlock]:
        return self

    def __next__(self) -> AudioBlock:
        return next(self._blocks)

    def __enter__(self) -> "FileSource":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file. Iterating ends."""
        self._blocks: Iterator[AudioBlock] = iter(())
        self._container.close()

    def _open(self, format: str | None) -> InputContainer:
        try:
            # "file:" and the white list: a name is never taken for an address, and a play list that
            # claims to be sound cannot make the decoder open one.
            only_files = {"protocol_whitelist": "file"}
            return av.open(f"file:{self.path}", format=format, options=only_files, metadata_errors="replace")
        except (FFmpegError, ValueError, OSError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise MediaError(f"{self.path} is not a sound file that can be read ({reason}).") from None

    def _find_stream(self) -> av.AudioStream:
        streams = self._container.streams.audio
        if not streams:
            raise MediaError(f"{self.path} has no sound: it holds no audio stream.")
        stream = streams[0]
        if stream.codec_context is None:
            raise MediaError(f"{self.path}: there is no decoder for its sound. Convert it to WAV or FLAC.")
        stream.codec_context.thread_count = 1
        return stream

    def _find_duration(self) -> float | None:
        if self._stream.duration and self._stream.time_base:
            return float(self._stream.duration * self._stream.time_base)
        return self._container.duration / av.time_base if self._container.duration else None

    def _decode(self) -> Iterator[AudioBlock]:
        for frame in self._frames():
            samples, broken, loud = repair_samples(_to_float(frame))
            self.repaired += broken
            self.limited += loud
            if len(samples):
                self.seconds += len(samples) / frame.sample_rate
                names = tuple(channel.name for channel in frame.layout.channels)
                layout = () if "NONE" in names else names  # a plain WAV names no channels
                yield AudioBlock(samples, frame.sample_rate, self.clock.now_ns(), layout)
        declared_s = self.duration_s or 0.0
        if self.seconds < declared_s - max(SHORTFALL_S, 0.01 * declared_s) or _is_cut_riff(self.path):
            self.truncated = True

    def _frames(self) -> Iterator[av.AudioFrame]:
        """Decoded frames; damaged packets are left out and noted."""
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
                if packet is None:
                    return
                yield from packet.decode()  # type: ignore[misc]
            except FFmpegError:
                # Damage, or a cut in the middle of a packet. After an error of the container itself
                # the generator has ended, and the next turn returns.
                self.truncated = True


def _check_plain_file(path: Path) -> None:
    """Refuse what would fail or never end: folders, pipes, devices, missing or empty files."""
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise MediaError(f"cannot read {path}: {reason}.") from None
    if stat.S_ISDIR(status.st_mode):
        raise MediaError(f"{path} is a folder, not a sound file.")
    if not stat.S_ISREG(status.st_mode):
        raise MediaError(f"{path} is not a plain file (a pipe or a device).")
    if not os.access(path, os.R_OK):
        raise MediaError(f"cannot read {path}: permission denied.")
    if status.st_size == 0:
        raise MediaError(f"{path} is empty.")


def _is_cut_riff(path: Path) -> bool:
    """Whether a WAV file is shorter than its header says (its demuxer takes what there is as the length)."""
    with path.open("rb") as file:
        mark, size = file.read(4), int.from_bytes(file.read(4), "little")
    # 0 and all ones are what a writer leaves that never knew the length.
    return mark == b"RIFF" and 0 < size < 0xFFFF_FFFF and size + 8 > path.stat().st_size + 1


def _to_float(frame: av.AudioFrame) -> np.ndarray:
    """Samples of a decoded frame, float32 (n, channels), full scale 1."""
    array = frame.to_ndarray()
    samples = array.T if frame.format.is_planar else array.reshape(-1, len(frame.layout.channels))
    scale = FULL_SCALE.get(frame.format.name.removesuffix("p"))
    if scale is None:
        with np.errstate(over="ignore"):  # a double too big for float32 becomes infinite, then zero
            return samples.astype(np.float32)
    if frame.format.name.startswith("u8"):
        return (samples.astype(np.float32) - 128.0) / np.float32(scale)
    return samples.astype(np.float32) / np.float32(scale)
