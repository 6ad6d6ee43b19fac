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
from engine.render.crew import cores

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


@pytest.fixture(scope="module")
def half_second(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("short") / "short.wav"
    with av.open(str(path), "w") as target:
        stream = target.add_stream("pcm_s16le", rate=16_000, layout="mono")
        tone = (8000 * np.sin(np.arange(8000) * 0.08)).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(tone, "s16", "mono")
        frame.sample_rate = 16_000
        target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    return path


def read_transparent(path: Path) -> list[np.ndarray]:
    """Pictures of a WebM with alpha, RGBA uint8; FFmpeg's own VP9 decoder would leave the alpha out."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.metadata["alpha_mode"] == "1"
        decoder = av.CodecContext.create("libvpx-vp9", "r")
        frames = [frame for packet in container.demux(stream) if packet.size for frame in decoder.decode(packet)]
    assert {frame.format.name for frame in frames} == {"yuva420p"}
    return [frame.to_ndarray(format="rgba") for frame in frames]


def test_transparent_films_are_transparent_and_have_no_fringe(half_second, tmp_path):
    film, opaque = tmp_path / "out.webm", tmp_path / "opaque.webm"
    for path, background in ((film, "alpha"), (opaque, "#808080")):
        options = ["--size", "128", "--quiet", "--background", background]
        assert main(["render", str(half_second), str(path), *options]) == 0
    pictures = read_transparent(film)
    assert len(pictures) == 13
    alpha = pictures[5][..., 3]
    assert alpha[:20, :20].max() < 16 and alpha[60:70, 55:70].min() > 247
    assert ((alpha > 40) & (alpha < 215)).any(), "edges are partly transparent"
    with av.open(str(opaque)) as container:
        whole = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)][5].astype(float)
    share = alpha[..., None] / 255.0
    laid = pictures[5][..., :3] * share + 128 * (1 - share)
    assert np.abs(laid - whole).mean() < 4 and np.percentile(np.abs(laid - whole), 99) < 40
    with av.open(str(film)) as container:
        voice = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    assert np.abs(voice).max() > 0.1


@pytest.mark.parametrize("target, first, sound", [
    ("folder/", "folder/00000.png", "folder/voice.wav"), ("face_%04d.png", "face_0000.png", "face.wav"),
])  # fmt: skip
def test_picture_series_hold_alpha_and_sound(half_second, tmp_path, target, first, sound):
    from PIL import Image

    (tmp_path / "folder").mkdir()
    out = f"{tmp_path}/{target}"
    assert main(["render", str(half_second), out, "--size", "96", "--quiet", "--background", "alpha"]) == 0
    names = sorted((tmp_path / first).parent.glob("*.png"))
    assert len(names) == 13 and names[0] == tmp_path / first
    with Image.open(names[3]) as picture:
        assert picture.mode == "RGBA" and picture.size == (96, 96) and "Synthetic" in picture.info["Comment"]
        assert picture.getpixel((2, 2)) == (0, 0, 0, 0) and picture.getpixel((48, 48))[3] == 255
    with av.open(str(tmp_path / sound)) as container:
        assert sum(frame.samples for frame in container.decode(audio=0)) == 13 * 1920


def test_a_killed_series_keeps_pictures_and_sound(tmp_path):
    code = (
        "import os, sys, numpy as np; from engine.stream.pictures import PictureSeries\n"
        "series = PictureSeries(sys.argv[1])\n"
        "for i in range(30): series.write_picture(np.zeros((32, 32, 4), np.uint8)); "
        "series.write_voice(np.full(1920, 0.5, np.float32))\n"
        "os._exit(9)"
    )
    done = subprocess.run([sys.executable, "-c", code, f"{tmp_path}/out/"])
    assert done.returncode == 9 and len(list((tmp_path / "out").glob("*.png"))) == 30
    with av.open(str(tmp_path / "out" / "voice.wav")) as container:
        assert sum(frame.samples for frame in container.decode(audio=0)) == 30 * 1920


def test_light_and_camera_keys_change_the_picture(half_second, tmp_path):
    """Every key of [light] and [camera] is reachable and does something."""
    from engine.config import describe_config, load_config
    from engine.plugin import build_renderer

    others = {"camera.centre": "[0.02, 0.0, 0.0]", "light.warmth": "0.8", "light.key_azimuth": "40",
              "light.key_elevation": "5", "light.softness": "40"}  # fmt: skip
    still = layout.vector()[None]

    def draw(overrides: list[str]) -> np.ndarray:
        import torch

        renderer = build_renderer(load_config("config.toml", ["render.size=96", *overrides]))
        return renderer.step(renderer.init_state(1), torch.from_numpy(still))[0].numpy().copy()

    usual = draw([])
    keys = [key for key, _, _ in describe_config() if key.split(".")[0] in ("light", "camera")]
    assert len(keys) == 12
    for key in keys:
        changed = draw([f"{key}={others.get(key, '0.7')}"])
        assert (changed != usual).any(), key


def test_live_pictures_cannot_be_transparent(capsys):
    assert main(["serve", "--background", "alpha"]) == 2
    assert "--background green" in capsys.readouterr().err
    assert main(["serve", "--quality", "offline"]) == 2
    assert "render.quality" in capsys.readouterr().err


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
        (["render", str(SAMPLE), "no/such/folder/out.mp4"], "there is no folder no/such/folder; make it"),
        (["render", str(SAMPLE), "no/such/out_%05d.png"], "there is no folder no/such; make it"),
        (["render", str(SAMPLE), "out.mp4", "--stats", "no/such/s.json"], "there is no folder no/such; make it"),
        (["render", str(SAMPLE), "README.md/out.mp4"], "README.md is no folder"),
        (["motion", str(SAMPLE), "no/such/out.npz"], "there is no folder no/such; make it"),
        (["render", str(SAMPLE), "out.mp4", "--plugin", "nobody"], "nobody"),
        (["render", str(SAMPLE), "out.mp4", "--background", "greenish"], "greenish"),
        (["render", str(SAMPLE), "out.mp4", "--size", "7"], "render.size"),
        (["motion", str(SAMPLE), "out.npz", "--set", "motion.plugins=x"], "motion.plugins"),
        (["render", str(SAMPLE), str(SAMPLE)], "same file"),
        (["render", str(SAMPLE), "out.mp4", "--background", "alpha"], "--background green"),
        (["render", str(SAMPLE), "out.png"], "out_%05d.png"),
        (["render", str(SAMPLE), "out.mp4", "--background", "absent.png"], "absent.png"),
        (["render", str(SAMPLE), "out.mp4", "--background", "gradient:#fff"], "two colours"),
        (["render", str(SAMPLE), "out.mp4", "--identity", "nobody"], "render.identity = 'nobody': there"),
        (["render", str(SAMPLE), "out.mp4", "--quality", "best"], "'offline'"),
        (["render", str(SAMPLE), "out.mp4", "--set", "light.keys=1"], "key_azimuth"),
        (["render", str(SAMPLE), "out.mp4", "--set", "light.key=9"], "light.key"),
        (["render", str(SAMPLE), "out.mp4", "--set", "camera.centre=[0,0]"], "camera.centre"),
    ],
)
def test_mistakes_get_one_clear_text(arguments, text, capsys, tmp_path):
    arguments = [str(tmp_path / a) if a.startswith("out.") else a for a in arguments]
    assert main([*arguments, "--quiet"]) == 2
    error = capsys.readouterr().err
    assert text in error and "Traceback" not in error and error.startswith("visema: ")
    assert not list(tmp_path.glob("out.*")), "nothing half-made is left behind"


def test_plugins_doctor_config(capsys):
    assert main(["plugins"]) == 0 and main(["doctor"]) == 0 and main(["config"]) == 0
    out = capsys.readouterr().out
    assert "viseme" in out and "openvino" in out and "render.size" in out


def test_bench_writes_what_checks_rely_on(tmp_path):
    target = tmp_path / "bench.json"
    assert main(["bench", "render", "--json", str(target), "--size", "96", "--pictures", "4", "--threads", "1"]) == 0
    report = json.loads(target.read_text())
    assert set(report) >= {"p50_ms", "p99_ms", "size", "threads", "quality", "parts"}
    assert (report["size"], report["threads"], report["quality"]) == (96, 1, "live")
    parts = report["parts"]
    assert set(parts) >= {"vertices", "shading", "visibility", "the rest"}
    assert 0 < sum(part["p50_ms"] for part in parts.values()) < 2 * report["p50_ms"]
    assert main(["bench", "render", "--json", str(target), "--size", "96", "--pictures", "4", "--threads", "2"]) == 0
    assert json.loads(target.read_text())["threads"] == min(2, cores())
    assert main(["bench", "render", "--pictures", "0"]) == 2


def test_help_of_every_command_and_python_m_engine():
    text = subprocess.run([sys.executable, "-m", "engine", "--help"], capture_output=True, text=True, check=True).stdout
    for command in ("serve", "render", "live", "motion", "sheet", "identities", "bench", "plugins", "doctor", "train"):
        assert command in text
    for command in ("serve", "render", "live", "motion"):
        with pytest.raises(SystemExit) as stop:
            main([command, "--help"])
        assert stop.value.code == 0
    assert main(["train"]) == 0
