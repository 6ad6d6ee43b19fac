"""The command line, on real files: films, coefficients, sheets, and what a user may get wrong."""

import json
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from engine.cli import main
from engine.motion import layout

SAMPLE = Path("engine/assets/sample.opus")
STATS_KEYS = {
    "frames", "fps", "seconds", "real_time_factor", "tick_ms", "lookahead_ms", "dropped",
    "width", "height", "device", "executor", "plugin",
}  # fmt: skip


@pytest.fixture(scope="module")
def speech(tmp_path_factory) -> Path:
    """Three seconds of the built-in sample as 44.1 kHz stereo WAV."""
    path = tmp_path_factory.mktemp("speech") / "speech.wav"
    with av.open(str(SAMPLE)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream("pcm_s16le", rate=44_100, layout="stereo")
        resampler = av.AudioResampler("s16", "stereo", 44_100)
        for frame in source.decode(audio=0):
            if frame.time is not None and frame.time > 3.0:
                break
            for part in resampler.resample(frame):
                target.mux(stream.encode(part))
        target.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def film(speech, tmp_path_factory) -> tuple[Path, dict]:
    folder = tmp_path_factory.mktemp("film")
    film, stats = folder / "face.mp4", folder / "stats.json"
    arguments = ["render", str(speech), str(film), "--stats", str(stats), "--size", "128", "--quiet",
                 "--plugin", "viseme", "--background", "green", "--seed", "7"]  # fmt: skip
    assert main(arguments) == 0
    return film, json.loads(stats.read_text())


def test_render_writes_a_film_and_its_stats(film):
    path, stats = film
    assert set(stats) >= STATS_KEYS and set(stats["tick_ms"]) >= {"p50", "p95", "p99"}
    assert (stats["width"], stats["height"], stats["fps"], stats["plugin"]) == (128, 128, 25, "viseme")
    with av.open(str(path)) as container:
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(pictures) == stats["frames"] and abs(stats["seconds"] - 3.05) < 0.1
    corner = np.mean([picture[:8, :8].reshape(-1, 3).mean(0) for picture in pictures], 0)
    assert corner[1] > 200 and corner[0] < 60 and corner[2] < 60
    assert np.abs(np.diff(np.stack(pictures).astype(int), axis=0)).max() > 40, "the picture moves"


def test_motion_writes_what_checks_rely_on(speech, tmp_path):
    target = tmp_path / "motion.npz"
    assert main(["motion", str(speech), str(target), "--quiet", "--seed", "7"]) == 0
    with np.load(target) as motion:
        ticks = len(motion["values"])
        assert tuple(motion["names"]) == layout.EXPRESSION
        assert motion["values"].shape == (ticks, layout.E) and motion["values"].dtype == np.float32
        assert motion["pose"].shape == (ticks, 6) and float(motion["fps"]) == 25 and float(motion["start_s"]) == 0
        aperture = motion["lip_aperture"]
        assert aperture.shape == motion["lip_width"].shape == (ticks,)
    assert aperture.max() > 0.08, "the mouth opens"
    assert aperture.min() < 0.02, "and closes"


def test_the_same_seed_gives_the_same_motion_and_another_another(speech, tmp_path):
    runs = []
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        main(["motion", str(speech), str(tmp_path / name), "--quiet", "--seed", str(seed)])
        runs.append(np.load(tmp_path / name)["pose"])
    assert np.array_equal(runs[0], runs[1]) and not np.array_equal(runs[0], runs[2])


@pytest.mark.parametrize(
    "arguments, text",
    [
        (["render", "absent.wav", "out.mp4"], "absent.wav"),
        (["render", "README.md", "out.mp4"], "README.md"),
        (["render", str(SAMPLE), "out.xyz"], "out.xyz"),
        (["render", str(SAMPLE), "no/such/folder/out.mp4"], "no/such/folder"),
        (["render", str(SAMPLE), "out.mp4", "--plugin", "nobody"], "nobody"),
        (["render", str(SAMPLE), "out.mp4", "--background", "greenish"], "greenish"),
        (["render", str(SAMPLE), "out.mp4", "--size", "7"], "render.size"),
        (["motion", str(SAMPLE), "out.npz", "--set", "motion.plugins=x"], "motion.plugins"),
        (["render", str(SAMPLE), str(SAMPLE)], "same file"),
    ],
)
def test_mistakes_get_one_clear_text(arguments, text, capsys, tmp_path):
    arguments = [str(tmp_path / a) if a.startswith("out.") else a for a in arguments]
    assert main([*arguments, "--quiet"]) == 2
    error = capsys.readouterr().err
    assert text in error and "Traceback" not in error and error.startswith("visema: ")
    assert not list(tmp_path.glob("out.*")), "nothing half-made is left behind"


def test_sheet_plugins_doctor_config(tmp_path, capsys):
    assert main(["sheet", str(tmp_path / "sheet.png"), "--size", "96"]) == 0
    assert (tmp_path / "sheet.png").stat().st_size > 10_000
    assert main(["plugins"]) == 0 and main(["doctor"]) == 0 and main(["config"]) == 0
    out = capsys.readouterr().out
    assert "viseme" in out and "openvino" in out and "render.size" in out


def test_help_of_every_command_and_python_m_engine():
    text = subprocess.run([sys.executable, "-m", "engine", "--help"], capture_output=True, text=True, check=True).stdout
    for command in ("serve", "render", "live", "motion", "sheet", "plugins", "doctor", "train"):
        assert command in text
    for command in ("serve", "render", "live", "motion"):
        with pytest.raises(SystemExit) as stop:
            main([command, "--help"])
        assert stop.value.code == 0
    assert main(["train"]) == 0
