"""Contact sheets: every picture that the list names is there, differs, and shows what it says."""

import json

import numpy as np
import pytest
from PIL import Image

from engine.cli import main
from engine.motion import layout
from engine.render.people import NAMES
from engine.render.poses import EMOTIONS, POSES, VISEMES, pose
from engine.render.proof import OPENINGS, YAWS
from engine.render.sheet import label, tile

SIZE = 96
SHEETS = {"visemes": len(VISEMES), "emotions": len(EMOTIONS) + 2, "angles": len(YAWS), "opening": len(OPENINGS)}


@pytest.fixture(scope="module")
def proof(tmp_path_factory):
    out = tmp_path_factory.mktemp("proof") / "sheets"
    assert main(["sheet", str(out), "--size", str(SIZE), "--identity", "omar"]) == 0
    return out, json.loads((out / "sheet.json").read_text())


def test_rows_name_every_picture_once(proof):
    out, rows = proof
    assert {row["file"] for row in rows} == {f"pictures/{path.name}" for path in (out / "pictures").iterdir()}
    assert len({row["file"] for row in rows}) == len(rows) == sum(SHEETS.values())
    for row in rows:
        assert set(row) >= {"file", "identity", "expression", "yaw"} and row["identity"] == "omar"
        with Image.open(out / row["file"]) as picture:
            assert picture.size == (SIZE, SIZE) and picture.mode == "RGB"
    assert {row["yaw"] for row in rows} == set(YAWS) and {abs(yaw) for yaw in YAWS} == {0, 15, 30, 45}
    assert {row["expression"] for row in rows} >= set(VISEMES) | set(EMOTIONS) | {"blink", "smile"}


def test_sheets_show_all_and_no_two_alike(proof):
    out, _ = proof
    for sheet, columns in {**SHEETS, "eyes": 6, "mouths": 8}.items():
        with Image.open(out / f"{sheet}.png") as picture:
            assert picture.width == columns * SIZE, sheet
            cells = np.asarray(picture)[:SIZE].reshape(SIZE, columns, SIZE, 3).swapaxes(0, 1)
        assert len({cell.tobytes() for cell in cells}) == columns, sheet


def test_turned_heads_mirror_about_the_middle(proof):
    out, rows = proof
    turned = {row["yaw"]: np.asarray(Image.open(out / row["file"])).astype(int) for row in rows
              if row["sheet"] == "angles"}  # fmt: skip
    skin = {yaw: (image[: SIZE // 2, :, 0] > image[: SIZE // 2, :, 2] + 20) for yaw, image in turned.items()}
    lean = [np.nonzero(skin[yaw])[1].mean() for yaw in YAWS]
    assert lean[0] < lean[3] < lean[-1], "to the subject's left is to the viewer's right"


def test_emotions_are_motions_of_the_layout():
    for name, units in EMOTIONS.items():
        assert set(units) <= set(layout.NAMES) and (np.abs(pose(name)) <= 1).all(), name
    assert not set(EMOTIONS) & (set(POSES) - {"neutral"})


def test_clips_speak(tmp_path, monkeypatch):
    import av

    import engine.offline

    monkeypatch.setattr(engine.offline, "CLIP_TICKS", 5)
    monkeypatch.setattr("engine.render.proof.whole_faces", lambda: iter(()))
    monkeypatch.setattr("engine.render.proof.close_ups", lambda: iter(()))
    assert main(["sheet", str(tmp_path), "--size", "64", "--clips", "--identity", "random:3"]) == 0
    with av.open(str(tmp_path / "random3.mp4")) as film:
        assert sum(1 for _ in film.decode(video=0)) == 5


def test_identities_are_listed_and_drawn(tmp_path, capsys):
    assert main(["identities", "--picture", str(tmp_path / "people.png"), "--size", "64"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in NAMES) and "random:" in out
    with Image.open(tmp_path / "people.png") as picture:
        assert picture.size == (4 * 64, 2 * (64 + 22))
    assert main(["identities", "--picture", str(tmp_path / "no" / "people.png")]) == 2
    assert "no/people.png" in capsys.readouterr().err


@pytest.mark.parametrize("arguments, text", [
    (["--identity", "nobody"], "nobody"), (["--background", "alpha"], "alpha"), (["--quality", "best"], "quality"),
])  # fmt: skip
def test_mistakes_are_told(tmp_path, capsys, arguments, text):
    assert main(["sheet", str(tmp_path / "out"), *arguments]) == 2
    assert text in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_tiles_and_labels():
    cell = np.full((4, 4, 3), 9, np.uint8)
    assert tile([cell] * 3, columns=2).shape == (8, 8, 3) and tile([cell] * 3, columns=2)[6, 6].max() == 0
    assert label(cell, "x").shape == (26, 4, 3)


def test_face_checks_tell_what_strangers_see():
    from benchmarks.face_checks import check_expressions, check_landmarks

    def row(sheet, expression, yaw=0, **seen):
        figures = {"aperture": 0.01, "width": 0.6, "lift": 0.0, "eyes": 0.3, "score": 0.9, "found": True}
        return {"file": expression, "identity": "anna", "expression": expression, "yaw": yaw, "sheet": sheet,
                **figures, **seen}  # fmt: skip

    rows = [row("emotions", "neutral"), row("emotions", "smile", width=0.7, lift=0.05),
            row("emotions", "blink", eyes=0.1)]  # fmt: skip
    rows += [row("opening", f"jawOpen{k}", aperture=0.1 * k) for k in range(4)]
    anna = check_landmarks(rows)["people"]["anna"]
    assert anna["aperture_monotone"] and anna["blink_seen"] and anna["smile_seen"]
    rows[2]["eyes"], rows[4]["aperture"] = 0.29, 0.9
    lost = row("angles", "neutral", 45, found=False)
    report = check_landmarks([*rows, lost])
    assert report["missed"] == ["neutral"] and report["found"] == 0.875
    assert not report["people"]["anna"]["aperture_monotone"] and not report["people"]["anna"]["blink_seen"]
    told = [row("emotions", "joy", told=[["happy", 0.9]]),
            row("emotions", "anger", told=[["neutral", 0.6], ["angry", 0.3]])]
    assert check_expressions(told)["first"] == 0.5 and check_expressions(told)["first_two"] == 1.0
