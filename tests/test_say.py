"""The two clients that ship, as their users run them."""

import asyncio
import sys
import wave
from pathlib import Path

import numpy as np
import pytest

from engine.stream.sample import load_sample
from tests.peers import Viewer, serving, until


async def run(*command: str) -> tuple[int, str]:
    """(exit code, all it printed) of a Python program."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    told, _ = await process.communicate()
    return process.returncode or 0, told.decode()


def test_both_clients_speak_a_file(engine, tmp_path):
    path = tmp_path / "speech.wav"
    said = load_sample()[24_000 : 3 * 24_000 : 3]  # 1 s at 16 kHz
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes((said * 32_767).astype("<i2").tobytes())

    async def scene() -> None:
        async with serving(engine, engine.config) as url:
            code, told = await run("-m", "engine", "say", str(path), "--url", url)
            assert code == 2 and "no session" in told and "Traceback" not in told
            viewer = Viewer(url)
            viewer.source = "program"
            assert await viewer.connect() == 200
            await viewer.see(2)
            code, told = await run("examples/speak_wav.py", str(path), f"{url}/speak", viewer.id)
            assert (code, told.split()) == (0, ["16000", "samples", "spoken"]), told
            code, told = await run("-m", "engine", "say", str(path), "--url", url, "--speed", "100")
            assert code == 0 and "1.0 s spoken" in told, told
            count = len(viewer.sounds)
            await until(lambda: len(viewer.sounds) > count + 25, "the last of the sound")
            heard = np.concatenate([samples for _, samples in viewer.sounds])
            assert np.sum(heard**2) == pytest.approx(2 * 3 * np.sum(said**2), rel=0.35), "twice, as loud as it was sent"
            code, told = await run("-m", "engine", "say", str(path), "--url", url, "--emotion", "happy")
            assert code == 2 and "shows no emotions" in told
            await viewer.close()

    asyncio.run(scene())


def test_say_opens_a_session_and_waits_for_a_viewer(engine, tmp_path):
    path = tmp_path / "speech.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(48_000)
        file.writeframes((load_sample()[:48_000] * 32_767).astype("<i2").tobytes())

    async def scene() -> None:
        async with serving(engine, engine.config) as url:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "engine", "say", "--open", str(path), "--url", url, stdout=asyncio.subprocess.PIPE
            )
            assert process.stdout is not None
            address = (await process.stdout.readline()).decode().split()[-1]
            assert address.startswith(f"{url}/?watch=")
            viewer = Viewer(url)
            assert await viewer.connect(watch=address.split("=")[1]) == 200
            assert await process.wait() == 0
            await until(lambda: np.concatenate([s for _, s in viewer.sounds] or [np.zeros(1)]).any(), "the voice")
            await viewer.close()
            code, told = await run("-m", "engine", "say", str(path), "--open", "--session", "x")
            assert code == 2 and "not both" in told

    asyncio.run(scene())


def test_a_server_that_is_not_there_is_said():
    async def scene() -> None:
        code, told = await run("-m", "engine", "say", "engine/assets/sample.opus", "--url", "127.0.0.1:9")
        assert code == 2 and "no server answers" in told and "Traceback" not in told

    asyncio.run(scene())


def test_the_example_is_short():
    assert len(Path("examples/speak_wav.py").read_text(encoding="utf-8").splitlines()) < 60
