"""`visema render --buffers`: what the files hold is what the picture shows, in the units that are promised."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from engine.cli import main
from engine.motion import layout
from engine.render.buffer_files import DEPTH_STEP_M, KEPT_FREE_BYTES, MASKS, BufferSeries, pack
from engine.render.buffers import BufferReader
from engine.render.people import person
from engine.render.scene import PORTRAIT, Scene

SIZE = 96


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A rendered half second: its folder of pictures, its folder of buffers."""
    import wave

    root = tmp_path_factory.mktemp("buffers")
    with wave.open(str(root / "voice.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes((6000 * np.sin(np.arange(8000) * 0.1)).astype("<i2").tobytes())
    arguments = [str(root / "voice.wav"), f"{root}/pictures/", "--buffers", str(root / "buffers"), "--quality", "plain",
                 "--identity", "zuri", "--background", "#00ff00", "--size", str(SIZE), "--quiet"]  # fmt: skip
    assert main(["render", *arguments]) == 0
    return root / "pictures", root / "buffers"


def test_every_picture_has_its_buffers(written):
    from PIL import Image

    pictures, buffers = (sorted(folder.glob(name)) for folder, name in zip(written, ("*.png", "*.npz"), strict=True))
    assert [path.stem for path in pictures] == [path.stem for path in buffers] and len(buffers) == 13
    about = json.loads((written[1] / "buffers.json").read_text())
    assert (about["size"], about["fps"], about["identity"], tuple(about["masks"])) == (SIZE, 25, "zuri", MASKS)
    picture = np.asarray(Image.open(pictures[7])).astype(int)
    with np.load(buffers[7]) as file:
        masks, depth, normals, uv = (file[name] for name in ("masks", "depth", "normals", "uv"))
    assert masks.shape == (SIZE, SIZE, 4) and np.abs(masks.astype(int).sum(-1) - 255).max() <= 2
    bare = (picture == (0, 255, 0)).all(-1)
    assert (bare == (masks[..., 3] == 255)).mean() > 0.98, "the background's mask is where the background is"
    seen = depth > 0
    assert (seen == (masks[..., 3] < 255)).all() and not normals[~seen].any() and not uv[~seen].any()
    lengths = np.linalg.norm(normals[seen] / 127, axis=-1)
    assert np.abs(lengths - 1).max() < 0.02
    metres = about["nearest_m"] + depth[seen] * about["depth_step_m"]
    assert 1.3 < metres.min() < PORTRAIT.distance_m < metres.max() < 1.8


@pytest.mark.parametrize("distance_m", [0.6, 1.5, 12.0])
def test_numbers_survive_packing(distance_m):
    from dataclasses import replace

    camera = replace(PORTRAIT, distance_m=distance_m)
    buffers = BufferReader(Scene(person("ben"), camera=camera), SIZE).read(layout.vector(jawOpen=0.3))
    nearest_m = max(distance_m - 3.25, 0.0)
    packed = pack(buffers, nearest_m)
    seen = buffers.depth > 0
    assert seen.mean() > 0.3 and (packed["depth"] > 0).tolist() == seen.tolist()
    back = nearest_m + packed["depth"][seen] * DEPTH_STEP_M
    np.testing.assert_allclose(back, buffers.depth[seen], atol=0.6 * DEPTH_STEP_M)
    np.testing.assert_allclose(packed["uv"] / 65535, np.clip(buffers.uv, 0, 1), atol=1e-5)
    np.testing.assert_allclose(packed["normals"] / 127, buffers.normals, atol=0.5 / 127 + 1e-6)


def test_a_full_disk_ends_it_before_it_is_full(tmp_path, monkeypatch, capsys):
    from engine.errors import MediaError

    free = [KEPT_FREE_BYTES + 1]
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=free[0]))
    series = BufferSeries(tmp_path / "out", Scene(person("ben")), 64)
    moment = SimpleNamespace(motion=SimpleNamespace(vector=layout.vector()))
    series.write(moment)  # type: ignore[arg-type]
    free[0] = KEPT_FREE_BYTES - 1
    with pytest.raises(MediaError, match="free"):
        series.write(moment)  # type: ignore[arg-type]
    assert len(list((tmp_path / "out").glob("*.npz"))) == 1


def test_mistakes_are_told(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    arguments = ["render", "engine/assets/sample.opus", str(tmp_path / "x.mp4"), "--size", "64", "--quiet"]
    assert main([*arguments, "--buffers", str(tmp_path / "file")]) == 2
    assert "file" in capsys.readouterr().err
