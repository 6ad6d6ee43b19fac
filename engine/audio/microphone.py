"""The microphone of this machine, through PortAudio."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import numpy as np

from engine.audio.block import AudioBlock
from engine.channel import Channel, Policy
from engine.clock import Clock, MonotonicClock
from engine.errors import DeviceError

BLOCK_MS = 10
CHANNEL_BLOCKS = 100  # one second that the engine may be late before sound is lost (and counted)
SILENT_S = 3.0  # a device that delivers nothing for so long has been unplugged


class MicrophoneSource:
    """An async iterator of AudioBlocks from an input device, until it is closed or unplugged.

    device: PortAudio's number or a part of its name; None is the system's default. rate_hz: the device's
    own when None. `overflowed` counts blocks lost because nobody fetched them in time, and gaps that
    PortAudio reports. Raises DeviceError: no PortAudio, no such input, or it cannot be opened.
    """

    def __init__(self, device: int | str | None = None, rate_hz: int | None = None, clock: Clock | None = None):
        self._sounddevice = _load_sounddevice()
        chosen = _choose_input(self._sounddevice, device)
        self.name: str = chosen["name"]
        self.rate_hz = rate_hz or round(chosen["default_samplerate"])
        self.channels = min(2, chosen["max_input_channels"])
        self.clock = clock or MonotonicClock()
        self._device = chosen["index"]
        self._blocks: Channel[AudioBlock] | None = None
        self._gaps = 0

    @property
    def overflowed(self) -> int:
        return self._gaps + (self._blocks.dropped if self._blocks else 0)

    async def __aiter__(self) -> AsyncIterator[AudioBlock]:
        blocks = self._blocks = Channel(CHANNEL_BLOCKS, Policy.LATEST, asyncio.get_running_loop())
        stream = self._open()
        try:
            while True:
                try:
                    yield await asyncio.wait_for(blocks.get(), SILENT_S)
                except StopAsyncIteration:
                    return
                except TimeoutError:
                    raise DeviceError(f"{self.name} has stopped giving sound. Is it still plugged in?") from None
        finally:
            stream.close()

    def close(self) -> None:
        """End the iteration after what has been heard so far."""
        if self._blocks is not None:
            self._blocks.close()

    def _open(self) -> Any:
        try:
            stream = self._sounddevice.InputStream(
                samplerate=self.rate_hz,
                blocksize=self.rate_hz * BLOCK_MS // 1000,
                device=self._device,
                channels=self.channels,
                dtype="float32",
                latency="low",
                callback=self._hear,
            )
            stream.start()
        except self._sounddevice.PortAudioError as error:
            raise DeviceError(
                f"cannot open {self.name} at {self.rate_hz} Hz ({error}). Is another program using it?"
            ) from None
        return stream

    def _hear(self, sound: np.ndarray, count: int, times: Any, status: Any) -> None:
        """PortAudio's callback, on its own thread: copy, stamp, hand over."""
        if status.input_overflow:
            self._gaps += 1
        age_s = times.currentTime - times.inputBufferAdcTime - count / self.rate_hz
        if not 0.0 <= age_s < 1.0 or not times.inputBufferAdcTime:
            age_s = 0.0  # some drivers do not tell
        captured_ns = self.clock.now_ns() - round(age_s * 1e9)
        assert self._blocks is not None
        self._blocks.put_nowait(AudioBlock(sound.copy(), self.rate_hz, captured_ns))


def list_microphones() -> list[str]:
    """The inputs that PortAudio sees, as "number: name (channels, rate)". DeviceError when there is none."""
    sounddevice = _load_sounddevice()
    inputs = _inputs(sounddevice)
    if not inputs:
        raise DeviceError(_no_input(sounddevice))
    return [
        f"{d['index']}: {d['name']} ({d['max_input_channels']} ch, {d['default_samplerate']:.0f} Hz)" for d in inputs
    ]


def _load_sounddevice() -> Any:
    try:
        import sounddevice
    except ImportError:
        raise DeviceError('the microphone needs sounddevice: pip install "visema[live]"') from None
    except OSError:  # the package is there, the C library is not
        raise DeviceError(
            "the microphone needs the PortAudio library: apt-get install libportaudio2 (macOS: brew install portaudio)"
        ) from None
    return sounddevice


def _inputs(sounddevice: Any) -> list[dict[str, Any]]:
    return [device for device in sounddevice.query_devices() if device["max_input_channels"] > 0]


def _choose_input(sounddevice: Any, device: int | str | None) -> dict[str, Any]:
    inputs = _inputs(sounddevice)
    if not inputs:
        raise DeviceError(_no_input(sounddevice))
    if device is None:
        default = sounddevice.default.device[0]
        return next((d for d in inputs if d["index"] == default), inputs[0])
    for found in inputs:
        if device == found["index"] or (isinstance(device, str) and device.lower() in found["name"].lower()):
            return found
    known = "\n  ".join(list_microphones())
    raise DeviceError(f"there is no microphone {device!r}. There are:\n  {known}")


def _no_input(sounddevice: Any) -> str:
    others = ", ".join(device["name"] for device in sounddevice.query_devices()) or "none at all"
    return f"there is no microphone on this machine (sound devices: {others}). Plug one in, or use a file."
