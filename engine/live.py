"""Microphone to a preview window or a virtual camera, on this machine alone."""

import asyncio
from typing import Any

from engine.config import Config
from engine.session import Engine, Session


def list_inputs() -> list[str]:
    """The microphones that PortAudio sees; DeviceError when there is none."""
    from engine.audio.microphone import list_microphones

    return list_microphones()


def perform_live(config: Config, device: str | None, window: bool = True, camera: bool = False) -> None:
    """Show the face until the window is closed or Ctrl-C; DeviceError says what is missing."""
    asyncio.run(_perform(config, device, window, camera))


async def _perform(config: Config, device: str | None, window: bool, camera: bool) -> None:
    from engine.audio.microphone import MicrophoneSource

    chosen = int(device) if device is not None and device.isdigit() else device
    microphone = MicrophoneSource(chosen)
    outputs = _open_outputs(config.render.size, window, camera)
    alone = config.serve.model_copy(update={"max_sessions": 1})
    engine = Engine(config.model_copy(update={"serve": alone}))
    try:
        engine.start()
        session = engine.open_session(config.engine.seed, loop=asyncio.get_running_loop())
        listening = asyncio.create_task(_listen(microphone, session))
        try:
            async for moment in session.moments:
                while len(session.moments):  # a screen shows the newest picture only
                    moment = await session.moments.get()
                if not all([output(moment.image.rgb) for output in outputs]):
                    break
        finally:
            listening.cancel()
            session.close()
    finally:
        engine.close()


async def _listen(microphone: Any, session: Session) -> None:
    try:
        async for block in microphone:
            session.push(block)
    except Exception as error:
        session.close(error)


def _open_outputs(size: int, window: bool, camera: bool) -> list[Any]:
    outputs = []
    if window:
        from engine.stream.preview import PreviewWindow

        outputs.append(PreviewWindow(size, "Visema (synthetic)").show)
    if camera:
        from engine.stream.camera import VirtualCamera

        outputs.append(VirtualCamera(size, 25).show)
    return outputs
