"""Hair and beards: built over the head they are made for, drawn without holes."""

import dataclasses

import numpy as np
import pytest
import torch

from engine.render import hair_paint
from engine.render.face_model import ASSET, REGION, FaceModel
from engine.render.head import HeadRenderer
from engine.render.poses import pose
from engine.render.scene import Hair, Person, Scene
from engine.render.wearables import read_wearables

STYLES = ("short", "long", "tied", "curly")
BEARDS = ("short", "full")


@pytest.fixture(scope="module")
def head() -> dict[str, np.ndarray]:
    from safetensors.numpy import load_file

    return load_file(ASSET)


def draw(hair: Hair, motion: np.ndarray, background: str = "#00ff00", size: int = 192) -> np.ndarray:
    person = Person("test", hair=hair)
    renderer = HeadRenderer(Scene(person, background=background), size, face=FaceModel.of(person))
    return renderer.step(renderer.init_state(1), torch.from_numpy(motion.astype(np.float32))[None])[0].numpy().copy()


@pytest.mark.parametrize(("stem", "name"), [("hair", s) for s in STYLES] + [("beard", b) for b in BEARDS])
def test_styles_are_sound(head: dict[str, np.ndarray], stem: str, name: str) -> None:
    part = read_wearables(ASSET.with_name(f"{stem}.safetensors"), head)[name]
    assert len(part["triangles"]) <= 8000
    assert part["triangles"].max() == len(part["index"]) - 1
    assert part["index"].max() < len(head["mean"]) and (part["weight"] >= 0).all()
    np.testing.assert_allclose(part["weight"].astype(float).sum(1), 1, atol=2e-3)
    for field in ("offset", "uv", "alpha", "occlusion", "strands"):
        assert np.isfinite(part[field].astype(float)).all()
    assert np.abs(part["offset"]).max() < 0.45
    assert part["alpha"].min() >= 0 and part["alpha"].max() <= 1
    assert part["strands"].shape == (len(part["strands_index"]), 12, 3)


def _places(part: dict[str, np.ndarray], head: dict[str, np.ndarray]) -> np.ndarray:
    """Points (n, 3) in metres on the mean face."""
    return (head["mean"][part["index"]] * part["weight"][..., None].astype(float)).sum(1) + part["offset"]


@pytest.mark.parametrize("name", ["short", "tied", "curly"])
def test_hairlines_are_soft(head: dict[str, np.ndarray], name: str) -> None:
    """Sheets thin out where they meet the skin over the forehead, and are whole on top."""
    part = read_wearables(ASSET.with_name("hair.safetensors"), head)[name]
    sheet = np.unique(part["triangles"][part["region"] == REGION["hair"]])
    place = _places(part, head)[sheet]
    alpha = part["alpha"][sheet].astype(float)
    front = np.flatnonzero((place[:, 2] > 0.05) & (np.abs(place[:, 0]) < 0.04))
    lowest = front[place[front, 1].argsort()[:5]]
    assert np.median(alpha[lowest]) < 0.9
    assert np.median(alpha[place[:, 1] > place[:, 1].max() - 0.02]) > 0.99


def test_long_hair_ends_in_locks(head: dict[str, np.ndarray]) -> None:
    """Its lower edge is ragged: ends lie at many heights."""
    part = read_wearables(ASSET.with_name("hair.safetensors"), head)["long"]
    triangles = part["triangles"][part["region"] == REGION["hair"]]
    edges = np.sort(np.concatenate([triangles[:, pair] for pair in ([0, 1], [1, 2], [2, 0])]), 1)
    edge, count = np.unique(edges, axis=0, return_counts=True)
    height = _places(part, head)[np.unique(edge[count == 1]), 1]
    assert np.ptp(height[height < -0.11]) > 0.05 and height[height < -0.11].std() > 0.012


def test_grey_hair_lies_between_dark_and_white() -> None:
    dark, some, most = (draw(Hair("tied", melanin=0.9, grey=g), pose("neutral"))[30:45, 80:112].mean()
                        for g in (0.0, 0.4, 0.9))  # fmt: skip
    assert dark + 5 < some < most - 20


@pytest.mark.parametrize("name", BEARDS)
def test_beards_leave_the_lips_free_and_follow_the_jaw(name: str) -> None:
    face = FaceModel.load(hair="none", beard=name)
    beard = np.flatnonzero(face.vertex_region == REGION["strands"])
    rest, opened = (face.vertices(pose(p)) for p in ("neutral", "AA"))
    chin = beard[face.mean[beard, 1] < np.median(face.mean[beard, 1])]
    assert (opened[chin, 1] - rest[chin, 1]).mean() < -0.003
    lips = np.unique(face.triangles[face.triangle_region == REGION["lips"]])
    gap = np.linalg.norm(rest[beard][:, None] - rest[lips][None, ::3], axis=2).min(1)
    assert np.mean(gap < 0.002) < 0.05


def test_hair_follows_the_shape_of_the_head() -> None:
    face = FaceModel.load(hair="curly")
    wide = np.zeros(len(face.identity), np.float32)
    wide[0] = 2.0
    hair = face.vertex_region == REGION["hair"]
    move = face.person(wide).mean - face.mean
    skin = face.vertex_region == REGION["skin"]
    top = skin & (face.mean[:, 1] > np.quantile(face.mean[skin, 1], 0.9))
    np.testing.assert_allclose(move[hair].mean(0), move[top].mean(0), atol=0.012)
    assert np.isfinite(move).all()


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("turn", ["neutral", "left", "right"])
def test_no_hole_in_the_hair_shows_the_background(style: str, turn: str) -> None:
    motion = pose(turn)
    bald = (draw(Hair("none"), motion) == [0, 255, 0]).all(-1)
    haired = draw(Hair(style), motion)
    inside = ~bald
    inside[1:-1, 1:-1] &= inside[:-2, 1:-1] & inside[2:, 1:-1] & inside[1:-1, :-2] & inside[1:-1, 2:]
    inside[120:] = False  # the head alone, not the shoulders at the picture's edge
    green = haired[..., 1].astype(int) - haired[..., [0, 2]].max(-1)
    assert (green[inside] < 60).all()
    covered = (haired == [0, 255, 0]).all(-1)
    assert (~covered).sum() > (~bald).sum() * 1.01


def test_turning_the_head_does_not_pop() -> None:
    """Cards have no order: a hair's breadth of turn changes the picture by little everywhere."""
    one, two = (draw(Hair("short"), share * pose("left"), size=256).astype(int) for share in (0.5, 0.505))
    assert np.abs(one - two).mean() < 1.0
    assert np.quantile(np.abs(one - two), 0.999) < 70


def test_colours_of_pigment() -> None:
    dark, brown, fair = (hair_paint.fibre_colour(m, 0.2) for m in (0.97, 0.6, 0.2))
    assert (dark < brown).all() and (brown < fair).all()
    for colour in (brown, fair):
        assert colour[0] > colour[1] > colour[2]
    ginger, plain = hair_paint.fibre_colour(0.4, 1.0), hair_paint.fibre_colour(0.4, 0.0)
    assert ginger[0] / ginger[1] > plain[0] / plain[1]
    assert hair_paint.look(dataclasses.replace(Hair(), grey=0.5))[7] == 0.5
