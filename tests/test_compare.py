"""The pair of pictures in the README, and the small ones of the page."""

import numpy as np
import pytest

from engine.errors import ConfigError
from engine.render import portrait
from engine.render.compare import SHOWN, compare_all
from engine.render.people import NAMES


def test_rows_are_people_and_columns_are_qualities():
    picture = compare_all(["zuri:smile", "ben:AA"], 64, ["live", "plain"], "#00ff00")
    assert picture.shape == (2 * (64 + 22), 2 * 64, 3)
    cells = [picture[row : row + 64, column : column + 64] for row in (0, 86) for column in (0, 64)]
    assert all((cell[1, 1] == (0, 255, 0)).all() for cell in cells)
    assert len({cell.tobytes() for cell in cells}) == 4
    with pytest.raises(ConfigError, match="NAME:POSE"):
        compare_all(["zuri"], 64, ["live"])


def test_shipped_pictures_show_everybody():
    assert all(text.partition(":")[0] in NAMES for text in SHOWN)
    assert {moment[0] for moment in portrait.MOMENTS} <= set(NAMES)
    assert all((portrait.FOLDER / f"{name}.jpg").stat().st_size < 12_000 for name in NAMES)


def test_a_face_fills_its_button():
    face = portrait.draw_face("omar")
    assert face.shape == (160, 160, 3)
    middle, corner = face[60:100, 60:100].astype(int), face[:8, :8].astype(int)
    assert (middle[..., 0] - middle[..., 2]).mean() > 25, "skin"
    assert np.abs(corner[..., 0] - corner[..., 2]).mean() < 40, "backdrop"
