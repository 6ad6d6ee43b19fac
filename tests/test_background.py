"""Backgrounds: each kind is what it says, edges mix with it, and a wrong one is named."""

import numpy as np
import pytest
import torch
from PIL import Image

from engine.errors import ConfigError
from engine.render import background, visibility
from engine.render.background import page_colour, paint_background
from engine.render.face_model import FaceModel
from engine.render.head import HeadRenderer
from engine.render.poses import pose

SIZE = 128


@pytest.fixture(scope="module")
def photo(tmp_path_factory) -> str:
    """Twice as wide as high: red, then a green middle square, then blue."""
    rgb = np.zeros((200, 400, 3), np.uint8)
    rgb[:, :100, 0] = rgb[:, 100:300, 1] = rgb[:, 300:, 2] = 255
    path = tmp_path_factory.mktemp("photo") / "wide.png"
    Image.fromarray(rgb).save(path)
    return str(path)


def test_every_kind_is_a_picture_of_the_asked_size(photo):
    for text in ("#102030", "green", "gradient", "gradient:#fff,#000", "room", "room:3", photo):
        picture = paint_background(text, SIZE)
        assert picture.shape == (SIZE, SIZE, 3) and picture.dtype == np.uint8, text
        assert (picture == paint_background(text, SIZE)).all(), f"{text}: the same text, the same picture"


def test_gradients_go_from_the_middle_to_the_corners():
    picture = paint_background("gradient:#ff0000,#0000ff", SIZE).astype(int)
    middle, corner = picture[SIZE * 2 // 5, SIZE // 2], picture[-1, 0]
    assert middle[0] > 240 and middle[2] < 15 and corner[0] < 30 and corner[2] > 225
    # No bands: a slow slope is rounded by noise, and right on average.
    slow = paint_background("gradient:#404040,#484848", 256)[..., 0]
    assert len(np.unique(slow)) >= 8 and len(np.unique(slow[100])) > 3


def test_rooms_differ_by_seed_and_agree_over_sizes():
    first, other = paint_background("room:1", 128), paint_background("room:2", 128)
    assert np.abs(first.astype(int) - other).mean() > 5
    large = paint_background("room:1", 256).reshape(128, 2, 128, 2, 3).mean((1, 3))
    assert np.abs(large - first).mean() < 4
    assert 30 < first.mean() < 150 and first.max() > 200, "darker than a face, with lamps in it"


def test_picture_files_are_cropped_to_the_middle(photo):
    picture = paint_background(photo, SIZE)
    assert np.abs(picture[2:-2, 2:-2].astype(int) - [0, 255, 0]).max() < 4


def test_a_changed_file_is_read_again(tmp_path):
    import os

    path = tmp_path / "a.png"
    for stamp, colour in ((1, (10, 20, 30)), (2, (200, 100, 50))):
        Image.new("RGB", (64, 64), colour).save(path)
        os.utime(path, (stamp, stamp))
        assert paint_background(str(path), 64)[5, 5].tolist() == list(colour)


def test_the_head_stands_before_the_picture_and_edges_mix(photo):
    face, motion = FaceModel.load(), torch.from_numpy(pose("neutral"))[None]
    behind = paint_background("room:1", SIZE).astype(int)
    renderer = HeadRenderer(face, size=SIZE, background="room:1")
    state = renderer.init_state(1)
    image = renderer.step(state, motion)[0].numpy().astype(int)
    covered = ((state.samples[0, :, :SIZE].numpy() & visibility.ID_MASK) > 0).sum(-1)
    untouched = covered == 0
    inner = np.zeros_like(untouched)
    inner[: SIZE // 2, : SIZE // 8] = True  # far from hair, which may blend over the background
    assert (image[untouched & inner] == behind[untouched & inner]).all()
    renderer.set_background(state, 0, photo)
    assert (renderer.step(state, motion)[0].numpy()[2, 9] == [0, 255, 0]).all()


@pytest.mark.parametrize(
    "text, words",
    [
        ("greenish", "gradient, gradient:#rrggbb,#rrggbb, room"),
        ("", "#rrggbb"),
        ("gradient:#fff", "two colours"),
        ("gradient:#fff,#12", "#12"),
        ("room:x", "room:7"),
        ("room:-1", "whole number"),
        ("absent.png", "No such file"),
        ("alpha", "OUT.webm"),
    ],
)
def test_wrong_backgrounds_are_named(text, words):
    with pytest.raises(ConfigError, match=words):
        paint_background(text, SIZE)


def test_bad_and_oversized_files_are_refused(tmp_path, monkeypatch):
    text = tmp_path / "text.png"
    text.write_text("no picture")
    broken = tmp_path / "broken.png"
    Image.new("RGB", (64, 64)).save(broken)
    broken.write_bytes(broken.read_bytes()[:60])
    for path in (text, broken, tmp_path):
        with pytest.raises(ConfigError, match=path.name):
            paint_background(str(path), SIZE)
    large = tmp_path / "large.png"
    Image.new("RGB", (64, 64)).save(large)
    monkeypatch.setattr(background, "MOST_PIXELS", 1000)
    with pytest.raises(ConfigError, match="64 x 64"):
        paint_background(str(large), SIZE)
    monkeypatch.setattr(background, "MOST_BYTES", 10)
    with pytest.raises(ConfigError, match="MiB"):
        paint_background(str(large), SIZE)


def test_pages_are_told_a_colour():
    assert page_colour("#00ff00") == "#00ff00" and page_colour("green") == "green"
    assert page_colour("room").startswith("#") and len(page_colour("gradient")) == 7
