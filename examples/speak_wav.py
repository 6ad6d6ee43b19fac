"""Let an open page of `visema serve` speak a WAV file, sent four times faster than it lasts, as a synthesizer would.

    python examples/speak_wav.py speech.wav ws://127.0.0.1:8080/speak [SESSION]

Needs nothing but aiohttp. The messages are described in engine/stream/PROTOCOL.md.
"""

import asyncio
import sys
import wave

import aiohttp

SPEED = 4.0
CHUNK_S = 0.1


async def send(socket: aiohttp.ClientWebSocketResponse, file: wave.Wave_read, may_send: asyncio.Event) -> None:
    while chunk := file.readframes(round(CHUNK_S * file.getframerate())):
        await may_send.wait()  # the server asks for pauses when it has enough
        await socket.send_bytes(chunk)
        await asyncio.sleep(CHUNK_S / SPEED)
    await socket.send_json({"type": "mark", "name": "end"})
    await socket.send_json({"type": "flush"})


async def speak(path: str, url: str, session: str | None) -> None:
    with wave.open(path) as file:
        if file.getnchannels() != 1 or file.getsampwidth() != 2:
            sys.exit(f"{path}: 16-bit mono, please")
        async with aiohttp.ClientSession() as client, client.ws_connect(url) as socket:
            start = {"type": "start", "version": 1, "format": "pcm16", "rate_hz": file.getframerate()}
            await socket.send_json(start | ({"session": session} if session else {}))
            may_send = asyncio.Event()
            may_send.set()
            sending = asyncio.create_task(send(socket, file, may_send))
            async for message in socket:
                answer = message.json()
                if answer["type"] == "error":
                    sys.exit(answer["message"])
                if answer["type"] == "pause":
                    may_send.clear()
                if answer["type"] == "resume":
                    may_send.set()
                if answer["type"] == "spoken":
                    print(f"{answer['samples']} samples spoken")
                    break
            sending.cancel()


if __name__ == "__main__":
    asyncio.run(speak(sys.argv[1], sys.argv[2], (sys.argv[3:] or [None])[0]))
