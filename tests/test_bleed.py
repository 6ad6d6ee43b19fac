"""Edges' colours reach into what is transparent, and what is seen stays as it is."""

import numpy as np

from engine.stream.bleed import STEPS, bleed


def test_clear_pixels_take_the_colour_of_the_nearest_block() -> None:
    picture = np.zeros((70, 90, 4), np.uint8)  # no multiple of a block
    picture[20:40, 30:50] = (200, 100, 50, 255)
    picture[20:40, 50:52] = (10, 20, 30, 0)  # clear, with a colour that nobody shall see
    out = bleed(picture)
    seen = picture[..., 3] > 0
    assert (out[seen] == picture[seen]).all() and (out[..., 3] == picture[..., 3]).all()
    assert (out[20:40, 50:60, :3] == [200, 100, 50]).all()
    assert not out[:, 80:, :3].any() and not out[2**STEPS * 4 :, :, :3].any(), "further away nothing is drawn"
    assert (picture[20:40, 50:52, :3] == [10, 20, 30]).all(), "its argument is left alone"


def test_faint_pixels_weigh_less_than_solid_ones() -> None:
    picture = np.zeros((32, 32, 4), np.uint8)
    picture[0, 0], picture[0, 1] = (0, 0, 0, 25), (250, 250, 250, 225)
    out = bleed(picture)
    assert (out[1, :2, :3] == 225).all() and (out[10, 10, :3] == 225).all() and not out[16:, 16:].any()
