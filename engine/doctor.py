"""What is installed, what is missing, and what each part gives."""

import importlib.util
import platform
import shutil
from importlib.metadata import PackageNotFoundError, version

from rich.console import Console
from rich.table import Table

from engine.device import describe_device
from engine.errors import EngineError
from engine.plugin import load_plugin, plugin_names

# (module, distribution, what it gives, how to get it, needed)
PARTS = (
    ("torch", "torch", "networks", "pip install visema", True),
    ("numba", "numba", "rasterizer and shading on the CPU", "pip install visema", True),
    ("av", "av", "audio files, films, H.264, AAC", "pip install visema", True),
    ("aiortc", "aiortc", "WebRTC for `visema serve`", "pip install visema", True),
    ("aiohttp", "aiohttp", "the page of `visema serve`", "pip install visema", True),
    ("openvino", "openvino", "networks several times faster on a CPU", "pip install 'visema[cpu]'", False),
    ("sounddevice", "sounddevice", "microphone for `visema live`", "pip install 'visema[live]'", False),
    ("pygame", "pygame", "preview window for `visema live`", "pip install 'visema[live]'", False),
    ("pyvirtualcam", "pyvirtualcam", "virtual camera for `visema live --camera`",
     "pip install 'visema[camera]'", False),
    ("scipy", "scipy", "`visema train`", "pip install 'visema[train]'", False),
    ("nvdiffrast", "nvdiffrast", "rasterizer on an NVIDIA GPU (research and evaluation licence)",
     "from its own repository", False),
)  # fmt: skip


def print_plugins() -> None:
    """A table of installed plugins and what they contribute."""
    table = Table("plugin", "gives", "about")
    for name in plugin_names():
        try:
            plugin = load_plugin(name)
        except EngineError as error:
            table.add_row(name, "broken", str(error))
            continue
        gives = [word for word, part in (("motion", plugin.motion), ("picture", plugin.renderer)) if part]
        table.add_row(name, " + ".join(gives), plugin.summary)
    Console().print(table)


def print_report() -> int:
    """The report of `visema doctor`; 1 when something that is needed is missing."""
    console = Console()
    console.print(f"Python {platform.python_version()} on {platform.system()}, {describe_device()}")
    table = Table("part", "state", "gives", "how to get it")
    missing = 0
    for module, distribution, gives, how, needed in PARTS:
        found = importlib.util.find_spec(module) is not None
        missing += needed and not found
        state = _version(distribution) if found else "missing" if needed else "not installed (optional)"
        table.add_row(module, state, gives, "" if found else how)
    table.add_row("PortAudio", *_portaudio())
    table.add_row("NVIDIA GPU", *_cuda())
    browser = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chrome")
    table.add_row("Chromium", "found" if browser else "not found (optional)", "the browser tests",
                  "" if browser else "apt-get install chromium")  # fmt: skip
    console.print(table)
    print_plugins()
    return 1 if missing else 0


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "installed"


def _portaudio() -> tuple[str, str, str]:
    gives = "microphone for `visema live`"
    try:
        import sounddevice

        inputs = sum(1 for device in sounddevice.query_devices() if device["max_input_channels"] > 0)
        return f"{inputs} microphone(s)", gives, ""
    except ImportError:
        return "unknown", gives, "pip install 'visema[live]'"
    except OSError:
        return "not found (optional)", gives, "apt-get install libportaudio2"


def _cuda() -> tuple[str, str, str]:
    try:
        import torch

        found = torch.cuda.is_available()
    except ImportError:
        found = False
    return "found" if found else "not found (optional)", "the nvdiffrast rasterizer; not needed by any command", ""
