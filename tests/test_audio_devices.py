"""Microphone, window and camera: real libraries on null devices, and clear words where they are missing."""

import os
import subprocess
import sys

import numpy as np
import pytest

from engine.errors import DeviceError

HINT = 'hint { show on description "for tests" } }\n'
ALSA_NULL = "pcm.visema_null { type null " + HINT + "pcm.!default { type null }\nctl.!default { type null }\n"
DEAF = "{ type file slave.pcm { type null } file /dev/null infile /nowhere/none "  # opens for playing only
ALSA_DEAF = f"pcm.visema_deaf {DEAF} {HINT} pcm.!default {DEAF} }}\n"
LISTEN = """
import asyncio
from engine.audio.microphone import MicrophoneSource, list_microphones

async def main():
    print(list_microphones())
    microphone = MicrophoneSource("visema_null", rate_hz=16_000)
    heard = []
    async for block in microphone:
        heard.append(block)
        if len(heard) == 20:
            microphone.close()
            break
    assert all(b.samples.shape == (160, 2) and b.rate_hz == 16_000 for b in heard)
    assert all(a.captured_ns <= b.captured_ns for a, b in zip(heard, heard[1:]))
    assert microphone.overflowed >= 0

asyncio.run(main())
"""


@pytest.fixture
def portaudio():
    pytest.importorskip("sounddevice", reason="needs sounddevice and PortAudio", exc_type=ImportError)


def run_python(code, tmp_path, alsa):
    (tmp_path / "asound.conf").write_text(alsa)
    env = {**os.environ, "ALSA_CONFIG_PATH": str(tmp_path / "asound.conf"), "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60)


@pytest.mark.skipif(sys.platform != "linux", reason="ALSA's null device")
def test_microphone_listens(portaudio, tmp_path):
    done = run_python(LISTEN, tmp_path, ALSA_NULL)
    assert done.returncode == 0, done.stderr
    assert "visema_null" in done.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="ALSA without devices")
def test_no_microphone_and_wrong_name_are_told(portaudio, tmp_path):
    code = (
        "from engine.audio.microphone import *\n"
        "for call in (list_microphones, lambda: MicrophoneSource(), lambda: MicrophoneSource('red')):\n"
        "    try: call()\n"
        "    except DeviceError as error: print(error)\n"
    )
    done = run_python(code, tmp_path, ALSA_DEAF)
    assert done.returncode == 0 and done.stdout.count("no microphone") == 3, done.stdout + done.stderr
    done = run_python(code, tmp_path, ALSA_NULL)
    assert "no microphone 'red'" in done.stdout and "visema_null" in done.stdout


def test_missing_libraries_name_the_cure(monkeypatch):
    from engine.audio.microphone import list_microphones
    from engine.stream.camera import VirtualCamera
    from engine.stream.preview import PreviewWindow

    for module, call, cure in (
        ("sounddevice", list_microphones, "visema.live"),
        ("pygame", lambda: PreviewWindow(64), "visema.live"),
        ("pyvirtualcam", lambda: VirtualCamera(64), "visema.camera"),
    ):
        monkeypatch.setitem(sys.modules, module, None)  # import fails as if it were not installed
        with pytest.raises(DeviceError, match=cure):
            call()


def test_missing_portaudio_names_the_package(monkeypatch, tmp_path):
    from engine.audio.microphone import list_microphones

    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(DeviceError, match="libportaudio2"):
        list_microphones()


def test_window_shows_and_closes(monkeypatch):
    pygame = pytest.importorskip("pygame")
    from engine.stream.preview import PreviewWindow

    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    window = PreviewWindow(64, "test")
    picture = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    assert window.show(picture)
    shown = pygame.surfarray.array3d(pygame.display.get_surface()).swapaxes(0, 1)
    np.testing.assert_array_equal(shown, picture)
    pygame.event.post(pygame.event.Event(pygame.QUIT))
    assert not window.show(picture) and not window.show(picture)


def test_window_without_a_screen(monkeypatch):
    pytest.importorskip("pygame")
    from engine.stream.preview import PreviewWindow

    monkeypatch.setenv("SDL_VIDEODRIVER", "none such")
    with pytest.raises(DeviceError, match="visema serve"):
        PreviewWindow(64)


def test_camera_without_a_loopback_device():
    pytest.importorskip("pyvirtualcam")
    from engine.stream.camera import VirtualCamera

    if any(name.startswith("video") for name in os.listdir("/dev")):
        pytest.skip("this machine has a camera device")
    with pytest.raises(DeviceError, match="v4l2loopback"):
        VirtualCamera(64)
