"""The messages of PROTOCOL.md over a data channel called "visema" of the viewer's own connection."""

import asyncio
import json
import logging
from typing import Any

from aiortc import RTCDataChannel

from engine.config import ServeSection
from engine.stream.link import Link
from engine.stream.protocol import ProtocolError
from engine.stream.speaker import Speaker

LABEL = "visema"
MOST_UNREAD_BYTES = 1_048_576

log = logging.getLogger(__name__)


def listen(channel: RTCDataChannel, speaker: Speaker, limits: ServeSection) -> None:
    """Serve one channel until it closes. Channels of another name, and a second one, are closed."""
    if channel.label != LABEL or speaker.channel:
        channel.close()
        return
    speaker.channel = True

    def send(answer: dict[str, Any]) -> None:
        if channel.readyState != "open" or link.over.is_set():
            return
        channel.send(json.dumps(answer))
        if channel.bufferedAmount > MOST_UNREAD_BYTES:
            link.over.set()
            log.info("a data channel was not read")

    def find(message: Any) -> Speaker:
        raise ProtocolError("session", "a data channel speaks for its own session only")

    link = Link(find, send, limits, own=speaker)

    async def run() -> None:
        try:
            await link.run()
        finally:
            link.close()
            speaker.channel = False
            channel.close()

    running = asyncio.create_task(run())
    channel.on("message", link.receive)
    channel.on("close", link.over.set)
    running.add_done_callback(lambda task: task.cancelled() or task.exception())
