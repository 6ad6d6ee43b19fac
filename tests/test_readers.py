"""Readers of others' data, on small files of the same layout, and a training on recordings from nothing but files."""

import json
import pickle
import wave
from pathlib import Path

import numpy as np
import pytest

from engine.errors import MediaError, WeightsError
from engine.motion import layout
from engine.training.readers import (
    Fitted,
    read_crema_d,
    read_faceverse,
    read_fitted,
    read_index,
    read_mead,
    write_fitted,
    write_index,
)
from engine.training.readers.__main__ import main as make_index


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def hum(path: Path, seconds: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    time_s = np.arange(int(seconds * 16_000)) / 16_000
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes((8_000 * np.sin(700 * time_s)).astype(np.int16).tobytes())


def mead(root: Path, takes: int = 3) -> None:
    for emotion, levels in (("happy", (1, 3)), ("disgusted", (2,)), ("neutral", (1,))):
        for level in levels:
            for take in range(1, takes + 1):
                name = f"{emotion}/level_{level}/{take:03d}"
                touch(root / f"M003/video/front/{name}.mp4", root / f"M003/video/left_30/{name}.mp4")
                touch(root / f"M003/audio/{name}.m4a")
    touch(root / "W009/audio/sad/level_2/001.wav")


def test_mead(tmp_path):
    mead(tmp_path, 10)
    found = {recording.name: recording for recording in read_mead(tmp_path)}
    assert len(found) == 41
    one = found["M003_happy_3_002"]
    assert (one.subject, one.emotion, one.level, one.split) == ("M003", "happy", 3, "train")
    assert one.film is not None and "front" in one.film.parts and one.sound is not None
    assert found["W009_sad_2_001"].film is None
    assert [found[f"M003_happy_1_{take:03d}"].split for take in (8, 9, 10)] == ["train", "valid", "test"]
    assert "left_30" in str(next(r.film for r in read_mead(tmp_path, "left_30") if r.film))
    with pytest.raises(MediaError, match="front"):
        read_mead(tmp_path / "M003")
    touch(tmp_path / "M003/video/front/bored/level_1/001.mp4")
    with pytest.raises(MediaError, match="no emotion"):
        read_mead(tmp_path)


def test_crema_d(tmp_path):
    for actor in range(1001, 1013):
        for name in (f"{actor}_DFA_ANG_HI", f"{actor}_IEO_NEU_XX"):
            touch(tmp_path / f"VideoFlash/{name}.flv", tmp_path / f"AudioWAV/{name}.wav")
    found = read_crema_d(tmp_path)
    assert len(found) == 24 and all(r.film and r.sound for r in found)
    assert (found[0].subject, found[0].emotion, found[0].level) == ("1001", "angry", 3)
    splits = {r.subject: r.split for r in found}
    assert all(r.split == splits[r.subject] for r in found)
    assert splits["1009"] == "valid" and splits["1010"] == "test" and splits["1011"] == "train"
    touch(tmp_path / "AudioWAV/1001_DFA_BOR_HI.wav")
    with pytest.raises(MediaError, match="BOR"):
        read_crema_d(tmp_path)
    with pytest.raises(MediaError, match="VideoFlash"):
        read_crema_d(tmp_path / "AudioWAV")


@pytest.mark.parametrize("kind", ["npz", "safetensors"])
def test_fitted_coefficients(tmp_path, kind):
    path, names = tmp_path / f"one.{kind}", ["jawOpen", "browInnerUp"]
    ramp = np.linspace(0, 1, 100)[:, None]
    write_fitted(path, np.hstack((ramp, 1 - ramp)), np.tile(ramp, (1, 12)), names, 50.0)
    motion = read_fitted(path)
    assert motion.shape == (50, layout.M) and motion.dtype == np.float32
    assert np.allclose(motion[:, layout.INDEX["jawOpen"]] + motion[:, layout.INDEX["browInnerUp"]], 1.0, atol=1e-6)
    middle_s = (np.arange(50) + 0.5) / 25
    assert np.allclose(motion[:, layout.E], (middle_s * 50 - 0.5) / 99, atol=1e-6)
    assert not motion[:, layout.INDEX["mouthPucker"]].any()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"names": ["jawOpen", "eyebrow"]}, "eyebrow"),
        ({"names": ["jawOpen"]}, "1 names"),
        ({"rho": np.zeros((100, 6))}, "rho is"),
        ({"fps": 0.0}, "fps = 0"),
        ({"expression": np.full((100, 2), np.nan)}, "not finite"),
    ],
)
def test_wrong_coefficients_are_named(tmp_path, change, said):
    whole = {"expression": np.zeros((100, 2)), "rho": np.zeros((100, 12)), "names": ["jawOpen", "jawLeft"], "fps": 25.0}
    write_fitted(tmp_path / "one.npz", **(whole | change))
    with pytest.raises(MediaError, match=said):
        read_fitted(tmp_path / "one.npz")


def test_files_that_are_none(tmp_path):
    (tmp_path / "one.npz").write_bytes(b"nothing")
    (tmp_path / "one.safetensors").write_bytes(b"nothing")
    np.savez(tmp_path / "two.npz", expression=np.array([{}], object), rho=np.zeros(1))
    for name in ("one.npz", "one.safetensors", "two.npz", "three.npz"):
        with pytest.raises(MediaError, match="no file of fitted coefficients"):
            read_fitted(tmp_path / name)


def test_an_index_says_what_is_wrong(tmp_path):
    with pytest.raises(MediaError, match=r"no index\.jsonl"):
        read_index(tmp_path)
    hum(tmp_path / "a.wav", 0.1)
    write_fitted(tmp_path / "a.npz", np.zeros((3, 1)), np.zeros((3, 12)), ["jawOpen"], 25)
    row = Fitted("a", tmp_path / "a.wav", tmp_path / "a.npz", "M003", "happy", 3, "train")
    write_index(tmp_path, [row])
    assert read_index(tmp_path) == [row]
    line = json.loads((tmp_path / "index.jsonl").read_text(encoding="utf-8"))
    for change, said in (({"emotion": "glad"}, "line 1: emotion"), ({"audio": "b.wav"}, "no .*b.wav"),
                         ({"level": "high"}, "line 1")):  # fmt: skip
        (tmp_path / "index.jsonl").write_text(json.dumps(line | change), encoding="utf-8")
        with pytest.raises(MediaError, match=said):
            read_index(tmp_path)


def faceverse(path: Path, version: int, vertices: int = 20, expressions: int = 171) -> dict:
    random = np.random.default_rng(0)
    table = {
        "meanshape": random.normal(size=(vertices, 3)).astype(np.float32),
        "idBase": random.normal(size=(vertices * 3, 150)).astype(np.float32),
        "exBase": random.normal(size=(vertices * 3, expressions)).astype(np.float32),
        "tri": random.integers(0, vertices, (30, 3)),
        "exp_name_list_52" if version == 3 else "exp_name_list": ["browDown_L", "jawOpen", "EyeBlinkRight", "odd"],
    }
    if version == 3:
        table |= {"ver_inds": np.array([12, 16, 20]), "idBase": table["idBase"].reshape(vertices, 3, 150)}
    np.save(path, np.array(table, object), allow_pickle=True)
    return table


@pytest.mark.parametrize("version", [2, 3])
def test_faceverse(tmp_path, version):
    table = faceverse(tmp_path / "model.npy", version)
    model = read_faceverse(tmp_path / "model.npy")
    assert model.shape.shape == (150, 20, 3) and model.expression.shape == (171, 20, 3)
    gamma, beta = np.random.default_rng(1).normal(size=150), np.random.default_rng(2).normal(size=171)
    flat = table["meanshape"].ravel() + table["idBase"].reshape(60, 150) @ gamma + table["exBase"] @ beta
    turn = np.array([0.01, -0.01, -0.01]) if version == 3 else 1.0
    assert np.allclose(model.vertices(gamma, beta), flat.reshape(-1, 3) * turn, atol=1e-3)
    values, names = model.coefficients(np.arange(2 * 171.0).reshape(2, 171))
    assert names == ("browDownLeft", "jawOpen", "eyeBlinkRight") and values[1].tolist() == [171.0, 172.0, 173.0]


class Harm:
    def __reduce__(self):
        return (Path.touch, (Path("harm"),))


def test_models_cannot_run_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("evil.npy", np.array({"meanshape": Harm()}, object), allow_pickle=True)
    with pytest.raises(WeightsError, match="no model file needs"):
        read_faceverse("evil.npy")
    assert not Path("harm").exists()
    np.save("numbers.npy", np.zeros(3))
    with pytest.raises(WeightsError, match="no dictionary"):
        read_faceverse("numbers.npy")
    np.save("other.npy", np.array({"a": 1}, object), allow_pickle=True)
    with pytest.raises(WeightsError, match="meanshape is missing"):
        read_faceverse("other.npy")
    Path("broken.npy").write_bytes(pickle.dumps({}))
    with pytest.raises(WeightsError, match="no FaceVerse model file"):
        read_faceverse("broken.npy")


def test_recordings_train_both_generators(tmp_path, capsys):
    """MEAD's folders, coefficients that a tracker wrote, an index, two trainings, and a stage that loads them."""
    from engine.config import load_config
    from plugins.gmtalker import expression_training, motion_training
    from plugins.gmtalker.motion import build

    out, random = tmp_path / "fitted", np.random.default_rng(0)
    out.mkdir()
    for emotion in ("happy", "neutral"):
        for take in range(1, 11):
            hum(tmp_path / f"mead/M003/audio/{emotion}/level_1/{take:03d}.wav", 1.5)
            write_fitted(out / f"M003_{emotion}_1_{take:03d}.npz", random.random((45, 3)), random.normal(size=(45, 12)),
                         ["jawOpen", "mouthSmileLeft", "browInnerUp"], 30.0)  # fmt: skip
    assert make_index(["mead", str(tmp_path / "mead"), str(out)]) == 0
    assert "20 of 20" in capsys.readouterr().out
    tiny = ["--fitted", str(out), "--set", "size=tiny", "--set", "voices=5", "--set", "valid_voices=2", "--set",
            "seconds=1", "--set", "batch=3", "--set", "steps=2"]  # fmt: skip
    for training, name in ((expression_training, "expression"), (motion_training, "motion")):
        training.main([*tiny, "--run", str(tmp_path / "run" / name), "--out", str(tmp_path / f"{name}.safetensors")])
    stage = build(load_config(None, ["motion.performer=M003"]), tmp_path)
    assert stage.expression.decoder.speaker.num_embeddings == 2
