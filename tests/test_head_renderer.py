"""The head renderer: clean keys, nothing pokes through, slots alone, the same picture every time."""

from copy import copy

import numpy as np
import pytest
import torch

from engine.errors import ConfigError, WeightsError
from engine.motion import layout
from engine.render import visibility
from engine.render.colour import parse_colour
from engine.render.face_model import FaceModel
from engine.render.head import HeadRenderer
from engine.render.poses import pose
from engine.render.rasterizers import make_rasterizer
from engine.render.shading import CLOTH, EYE, TEETH, TONGUE
from engine.render.wardrobe import dress

SIZE = 256
WHITE = np.array([255, 255, 255])


@pytest.fixture(scope="module")
def renderer() -> HeadRenderer:
    return HeadRenderer(FaceModel.load(), size=SIZE, background="green")


def motions(*vectors: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.stack(vectors))


def picture(renderer: HeadRenderer, vector: np.ndarray) -> np.ndarray:
    return renderer.step(renderer.init_state(1), motions(vector))[0].numpy().copy()


def seen(renderer: HeadRenderer, vector: np.ndarray) -> dict[int, int]:
    """How many samples show each kind of surface."""
    state = renderer.init_state(1)
    renderer.step(state, motions(vector))
    ids = state.samples[0].numpy() & visibility.ID_MASK
    kinds = renderer.wardrobe.solid_kinds[ids[ids > 0] - 1]
    return {kind: int((kinds == kind).sum()) for kind in range(9)}


def test_background_is_exactly_the_key_and_edges_are_not_dark(renderer: HeadRenderer) -> None:
    image = picture(renderer, pose("neutral"))
    key = (image == [0, 255, 0]).all(-1)
    assert key[:10].all() and 0.3 < key.mean() < 0.8
    # An edge pixel lies between the key and the head: never darker than the darker of its neighbours.
    head = HeadRenderer(renderer.face, SIZE, "white")
    image = picture(head, pose("neutral"))
    outside = (image == WHITE).all(-1)
    state = head.init_state(1)
    head.step(state, motions(pose("neutral")))
    ids = state.samples[0, :, :SIZE].numpy() & visibility.ID_MASK
    edge = ((ids == 0).sum(-1) == 2)
    rows, columns = np.nonzero(edge)
    inner = (rows > 1) & (rows < SIZE - 2) & (columns > 1) & (columns < SIZE - 2)
    assert inner.sum() > 50 and not outside[rows, columns].any()
    around = np.min([image[rows[inner] + dy, columns[inner] + dx].sum(-1)
                     for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx], axis=0)  # fmt: skip
    assert (image[rows[inner], columns[inner]].sum(-1) >= around).mean() > 0.95


def test_shut_mouth_and_shut_eyes_hide_what_is_behind(renderer: HeadRenderer) -> None:
    for name in ("neutral", "MBP"):
        inside = seen(renderer, pose(name))
        assert inside[TEETH] == inside[TONGUE] == 0
    assert seen(renderer, pose("neutral"))[EYE] > 300
    assert seen(renderer, pose("blink"))[EYE] == 0
    turned = pose("blink") + pose("left") + layout.vector(gazeYawLeft=0.3, gazeYawRight=0.3, gazePitchLeft=0.2)
    assert seen(renderer, turned)[EYE] == 0


def test_open_jaw_shows_teeth_and_dark(renderer: HeadRenderer) -> None:
    assert seen(renderer, pose("AA"))[TEETH] > 40
    shut, wide = picture(renderer, pose("neutral")), picture(renderer, pose("AA"))
    mouth = (slice(int(0.50 * SIZE), int(0.72 * SIZE)), slice(int(0.40 * SIZE), int(0.60 * SIZE)))
    dark = [(image[mouth].max(-1) < 70).sum() for image in (shut, wide)]
    assert dark[1] > dark[0] + 40


def test_turned_head_moves_and_shoulders_stay(renderer: HeadRenderer) -> None:
    ahead, aside = picture(renderer, pose("neutral")), picture(renderer, pose("left"))
    assert (ahead[: SIZE // 2] != aside[: SIZE // 2]).any(-1).mean() > 0.1
    assert np.abs(ahead[-10:].astype(int) - aside[-10:]).mean() < 1.5


def test_same_motion_same_picture_whatever_came_before(renderer: HeadRenderer) -> None:
    state = renderer.init_state(1)
    first = renderer.step(state, motions(pose("smile")))[0].clone()
    for name in ("up", "right", "AA"):
        renderer.step(state, motions(pose(name)))
    assert torch.equal(renderer.step(state, motions(pose("smile")))[0], first)


def test_picture_that_is_there_is_not_drawn_again(renderer: HeadRenderer, monkeypatch) -> None:
    drawn = []
    draw = renderer._draw
    monkeypatch.setattr(renderer, "_draw", lambda own, motion: drawn.append(1) or draw(own, motion))
    state = renderer.init_state(1)
    first = renderer.step(state, motions(pose("smile")))[0].clone()
    assert torch.equal(renderer.step(state, motions(pose("smile")))[0], first) and len(drawn) == 1
    renderer.set_background(state, 0, "#102030")
    assert renderer.step(state, motions(pose("smile")))[0, 0, 0].tolist() == [16, 32, 48] and len(drawn) == 2
    renderer.step(state, motions(pose("AA")))
    assert len(drawn) == 3
    renderer.reset(state, 0)
    assert torch.equal(renderer.step(state, motions(pose("smile")))[0], first) and len(drawn) == 4


def test_a_resting_head_draws_only_what_changes(renderer: HeadRenderer) -> None:
    """Cloth and hair keep their light while only the jaw moves, and the picture is what a fresh state draws."""
    turned = pose("neutral") + 0.3 * pose("left")
    state = renderer.init_state(1)
    for opening in (0.0, 0.3, 0.5, 0.1, 0.5):
        moving = turned + opening * pose("AA")
        shown = renderer.step(state, motions(moving))[0].numpy().copy()
        assert (shown == picture(renderer, moving)).all()
    cloth = np.isin(renderer.wardrobe.solid_kinds, CLOTH)
    ids = state.samples[0, :, :SIZE].numpy() & visibility.ID_MASK
    still = (ids > 0).all(-1) & (state.still[0].numpy() > 0)[ids - 1].all(-1) & cloth[ids - 1].all(-1)
    assert still.sum() > 5_000
    state.light[0][torch.from_numpy(still)] = torch.tensor([0.0, 9.0, 0.0])  # shows what is not shaded again
    shown = renderer.step(state, motions(turned))[0].numpy()
    assert ((shown[still] > 200) == [False, True, False]).all(-1).mean() > 0.9
    moved = turned + 0.01 * pose("left")
    assert (renderer.step(state, motions(moved))[0].numpy() == picture(renderer, moved)).all()


def test_two_slots_equal_each_alone(renderer: HeadRenderer) -> None:
    state = renderer.init_state(2)
    renderer.set_background(state, 1, "#102030")
    renderer.step(state, motions(pose("up"), pose("EE")))
    both = renderer.step(state, motions(pose("AA"), pose("left"))).numpy()
    other = HeadRenderer(renderer.face, SIZE, "#102030")
    assert (both[0] == picture(renderer, pose("AA"))).all()
    assert (both[1] == picture(other, pose("left"))).all()
    assert (both[1, 0, 0] == [0x10, 0x20, 0x30]).all()


def test_state_stays_in_place_and_reset_is_fresh(renderer: HeadRenderer) -> None:
    state = renderer.init_state(2)
    before = {name: tensor.data_ptr() for name, tensor in state.tensors()}
    renderer.set_background(state, 0, "blue")
    renderer.step(state, motions(pose("AA"), pose("AA")))
    renderer.reset(state, 0)
    fresh = dict(renderer.init_state(1).tensors())
    assert before == {name: tensor.data_ptr() for name, tensor in state.tensors()}
    assert all(torch.equal(tensor[0], fresh[name][0]) for name, tensor in state.tensors())


def test_strange_motion_does_no_harm(renderer: HeadRenderer) -> None:
    """A head that has left the picture or swallowed the lens, numbers that are not finite: a picture."""
    assert (picture(renderer, layout.vector(headX=5.0))[: SIZE // 2] == [0, 255, 0]).mean() > 0.9
    picture(renderer, layout.vector(headZ=1.6, headY=0.1))  # the lens inside the head
    broken = pose("neutral")
    broken[[layout.INDEX[name] for name in ("headZ", "jawOpen", "gazeYawLeft")]] = np.nan, np.inf, -np.inf
    assert picture(renderer, broken).shape == (SIZE, SIZE, 3)
    broken[layout.INDEX["jawOpen"]] = broken[layout.INDEX["gazeYawLeft"]] = 0
    assert (picture(renderer, broken) == picture(renderer, pose("neutral"))).all()


def test_visibility_agrees_with_the_rasterizer(renderer: HeadRenderer) -> None:
    """Sample k of every pixel sees what the plain rasterizer sees when its pixels lie there."""
    points = renderer.face.vertices(pose("AA"))
    state = renderer.init_state(1)
    samples, spans, screen = state.samples[0].numpy(), state.spans[0].numpy(), state.screen[0].numpy()
    renderer.project(points, screen)
    renderer.see(screen, samples, spans, (0, SIZE))
    clip = np.concatenate([points, np.ones((len(points), 1), np.float32)], 1)
    clip = clip @ renderer.camera.clip_matrix((SIZE, SIZE)).T
    for k in range(visibility.SAMPLES):
        moved = clip.copy()
        moved[:, 0] += clip[:, 3] * (0.5 - visibility.SAMPLE_X[k]) * 2 / SIZE
        moved[:, 1] -= clip[:, 3] * (0.5 - (k + 0.5) / 4) * 2 / SIZE
        rast = make_rasterizer("numba").rasterize(
            torch.from_numpy(moved.astype(np.float32)), torch.from_numpy(renderer.wardrobe.solid), (SIZE, SIZE)
        )
        ids = rast.numpy()[::-1, :, 3].astype(int)
        mine = samples[:, :SIZE, k] & visibility.ID_MASK
        # Back faces are left out here, so compare where the other one sees a front.
        assert (mine == ids).mean() > 0.995


def test_more_triangles_than_samples_can_number_are_refused() -> None:
    face = copy(FaceModel.load())
    face.triangles = np.tile(face.triangles, (visibility.MOST // len(face.triangles) + 1, 1))
    with pytest.raises(WeightsError, match=f"at most {visibility.MOST}"):
        dress(face)


def test_colours() -> None:
    assert parse_colour("Green").tolist() == [0, 255, 0]
    assert parse_colour("#0a0B0c").tolist() == [10, 11, 12]
    assert parse_colour("#fff").tolist() == [255, 255, 255]
    for wrong in ("", "#12345", "#gggggg", "leaf", "123456"):
        with pytest.raises(ConfigError, match="#rrggbb"):
            parse_colour(wrong)
