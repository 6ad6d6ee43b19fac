"""A film as single PNG pictures with its sound beside them: lossless, and with transparency where there is any."""

import os
import re
import wave
from pathlib import Path
from types import TracebackType

import numpy as np

from engine.errors import MediaError
from engine.frames import VOICE_RATE_HZ, Moment
from engine.stream.movie import NOTICE
from engine.targets import missing_folder, names_folder

NUMBERED = re.compile(r"%0?(\d*)d")
COMPRESSION = 3  # of 9: 9 takes five times as long for a tenth less


def is_series(path: str | os.PathLike[str]) -> bool:
    """Whether OUT names a series: OUT_%05d.png, or a folder (one that is there, or a name ending in a slash)."""
    return names_folder(path) or os.fspath(path).lower().endswith(".png")


class PictureSeries:
    """Writes `OUT_00000.png`, `OUT_00001.png`, ... and `OUT.wav` (48 kHz, 16 bits); `OUT/` holds 00000.png, voice.wav.

    Picture n is shown from n / 25 s of the sound. MediaError: a folder that cannot be written, a full disk.
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.path = Path(path)
        self.pictures = 0
        self._names, sound = self._plan(os.fspath(path))
        try:
            if self._names.parent == self.path:
                self.path.mkdir(parents=True, exist_ok=True)
            self._file = sound.open("wb")
        except OSError as error:
            raise MediaError(f"cannot write {sound}: {missing_folder(sound) or error.strerror}.") from None
        self._voice = wave.Wave_write(self._file)
        self._voice.setnchannels(1)
        self._voice.setsampwidth(2)
        self._voice.setframerate(VOICE_RATE_HZ)

    def _plan(self, text: str) -> tuple[Path, Path]:
        """(name of the pictures with one %0nd, name of the sound)."""
        if not text.lower().endswith(".png") or self.path.is_dir():
            return self.path / "%05d.png", self.path / "voice.wav"
        numbers = NUMBERED.findall(self.path.name)
        if len(numbers) != 1 or self.path.name.count("%") != 1:
            raise MediaError(
                f"cannot write {self.path}: a series of pictures is numbered, for example "
                f"{self.path.stem.replace('%', '')}_%05d.png, or goes to a folder"
            )
        bare = NUMBERED.sub("", self.path.stem).rstrip("_- .") or "voice"
        return self.path, self.path.with_name(f"{bare}.wav")

    def write(self, moment: Moment) -> None:
        """One tick: its picture and its 40 ms of voice."""
        self.write_picture(moment.image.rgb)
        self.write_voice(moment.audio.voice)

    def write_picture(self, picture: np.ndarray) -> None:
        """The next picture, uint8 (H, W, 3), or (H, W, 4) with alpha."""
        from PIL import Image
        from PIL.PngImagePlugin import PngInfo

        notice = PngInfo()
        notice.add_text("Comment", NOTICE)
        name = self._names.with_name(self._names.name % self.pictures)
        try:
            Image.fromarray(np.ascontiguousarray(picture)).save(name, compress_level=COMPRESSION, pnginfo=notice)
        except OSError as error:
            raise MediaError(f"cannot write {name}: {error.strerror or error}.") from None
        self.pictures += 1

    def write_voice(self, voice: np.ndarray) -> None:
        """The next stretch of voice, float32 (n,), 48 kHz. The file is whole after each, whatever happens next."""
        samples = np.clip(np.round(voice * 32_767.0), -32_768, 32_767).astype("<i2")
        try:
            self._voice.writeframes(samples.tobytes())
            self._file.flush()
        except OSError as error:
            raise MediaError(f"cannot write {self._file.name}: {error.strerror}.") from None

    def close(self) -> None:
        """Finish the sound. Closing twice does nothing."""
        if self._file.closed:
            return
        try:
            self._voice.close()
            self._file.close()
        except OSError as error:
            raise MediaError(f"cannot finish {self._file.name}: {error.strerror}.") from None

    def __enter__(self) -> "PictureSeries":
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self.close()
