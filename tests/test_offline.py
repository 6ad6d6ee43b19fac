"""Two qualities and the plain one draw the same scene; the buffers mean what they say."""

import numpy as np
import pytest
import torch

from engine.errors import ConfigError
from engine.motion import layout
from engine.render.buffers import BACKGROUND, FACE, HAIR_MASK, SHOULDERS, BufferReader
from engine.render.face_model import FaceModel
from engine.render.offline import fibres
from engine.render.offline.parts import fold, light_mouth
from engine.render.offline.strands import BROW, HEAD, LASH, Strands
from engine.render.poses import pose
from engine.render.qualities import QUALITIES, make_renderer
from engine.render.scene import Hair, Person, Scene
from engine.render.shading import CAVITY, CLOTH, SKIN, TEETH

SIZE = 96
SCENE = Scene(Person("somebody"), background="green")
GREEN = np.array([0, 255, 0])


def picture(renderer, motion: np.ndarray) -> np.ndarray:
    return renderer.step(renderer.init_state(1), torch.from_numpy(motion[None]))[0].numpy().copy()


@pytest.fixture(scope="module")
def renderers() -> dict:
    return {quality: make_renderer(SCENE, SIZE, quality) for quality in QUALITIES}


def test_an_unknown_quality_is_named() -> None:
    with pytest.raises(ConfigError, match="live, offline, plain"):
        make_renderer(SCENE, SIZE, "best")


@pytest.mark.parametrize("quality", ["offline", "plain"])
def test_silhouette_is_that_of_live(renderers: dict, quality: str) -> None:
    """Below the hair, whose strands only some qualities draw, edges agree within a pixel."""
    live, other = ((picture(renderers[q], pose("AA")) != GREEN).any(-1) for q in ("live", quality))
    low = slice(int(0.55 * SIZE), SIZE)
    for one, two in ((live, other), (other, live)):
        wide = np.zeros_like(two)
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                wide |= np.roll(two, (dy, dx), (0, 1))
        assert not (one & ~wide)[low].any()
        assert (one & ~wide).mean() < 0.02


@pytest.mark.parametrize("quality", ["offline", "plain"])
def test_same_motion_same_picture(renderers: dict, quality: str) -> None:
    first = picture(renderers[quality], pose("smile"))
    picture(renderers[quality], pose("left"))
    assert (picture(renderers[quality], pose("smile")) == first).all()


@pytest.mark.parametrize("quality", ["offline", "plain"])
def test_strange_motion_does_no_harm(renderers: dict, quality: str) -> None:
    renderer = renderers[quality]
    broken = pose("neutral")
    broken[[layout.INDEX[name] for name in ("headZ", "jawOpen")]] = np.nan, np.nan
    assert (picture(renderer, broken) == picture(renderer, pose("neutral"))).all()
    assert (picture(renderer, layout.vector(headX=5.0))[: SIZE // 2] == GREEN).all(-1).mean() > 0.8
    picture(renderer, layout.vector(headZ=1.6, headY=0.1))


def test_the_chin_throws_a_shadow_on_the_neck(renderers: dict) -> None:
    renderer = renderers["offline"]
    lit = picture(renderer, pose("neutral")).astype(int)
    casters, renderer.casters = renderer.casters, renderer.casters[:0]
    bare = picture(renderer, pose("neutral")).astype(int)
    renderer.casters = casters
    chin = renderer.face.mean[renderer.face.masks[:, 5] > 0.5, 1].min()
    camera = SCENE.camera
    row = int(SIZE / 2 - (chin - 0.015 - camera.centre[1]) * SIZE / camera.height_m)
    neck = (slice(row - 1, row + 2), slice(SIZE // 2 - 4, SIZE // 2 + 5))
    assert lit[neck].sum() < 0.85 * bare[neck].sum()
    cheek = (slice(SIZE // 2 + 4, SIZE // 2 + 8), slice(SIZE // 2 - 12, SIZE // 2 - 8))
    assert lit[cheek].sum() > 0.85 * bare[cheek].sum()


def test_folds_bend_cloth_alone(renderers: dict) -> None:
    rng = np.random.default_rng(0)
    kind = np.repeat(np.array([CLOTH, SKIN], np.uint8), 200)
    normal = np.tile(np.array([[0.0, 0.0, 1.0]], np.float32), (400, 1))
    field = rng.uniform(-3, 3, (400, 7)).astype(np.float32)
    fold(kind, normal, field, renderers["offline"].looks.cloth)
    assert np.allclose(np.linalg.norm(normal, axis=1), 1, atol=1e-5)
    assert normal[:200, :2].std() > 0.05 and (normal[200:] == [0, 0, 1]).all()


def test_teeth_are_bright_and_the_throat_is_dark() -> None:
    kind = np.array([TEETH, TEETH, CAVITY, CAVITY, SKIN], np.uint8)
    field = np.zeros((5, 7), np.float32)
    field[:, 3] = 0, 0.02, 0, 0.06, 0.06  # metres behind the front teeth
    light = np.full((5, 3), 0.2, np.float32)
    light_mouth(kind, field, np.ones((5, 3), np.float32), np.full(5, 0.3, np.float32), light)
    assert light[0].min() > 0.4 > light[1].max() and light[3].max() < 0.06
    assert (light[[2, 4]] == np.float32(0.2)).all()
    assert light[0, 0] - light[0, 2] < 0.15 * light[0, 0], "neither grey nor yellow"


def test_every_hair_style_has_strands() -> None:
    """Fibres are as long as hair, start near the head and follow it."""
    for style in ("short", "none"):
        person = Person("somebody", hair=Hair(style=style))
        face = FaceModel.of(person)
        strands = Strands(face, person)
        many = np.bincount(strands.kinds, minlength=3)
        assert (many[HEAD] > 5000) == (style != "none") and many[BROW] > 100 and many[LASH] > 200


def test_beards_are_dense_between_their_locks() -> None:
    face = FaceModel.of(Person("bearded", hair=Hair("none", beard="short")))
    under = fibres.undergrowth(face, np.random.default_rng(1))
    assert len(under.corners) > 5000
    tied = FaceModel.of(Person("tied", hair=Hair("tied")))  # its fuzz lies on the scalp
    assert len(fibres.undergrowth(tied, np.random.default_rng(1)).corners) < 0.05 * len(under.corners)


def test_background_is_of_the_slot(renderers: dict) -> None:
    renderer = renderers["plain"]
    state = renderer.init_state(2)
    renderer.set_background(state, 1, "#102030")
    both = renderer.step(state, torch.from_numpy(np.stack([pose("neutral")] * 2))).numpy()
    assert (both[0, 0, 0] == GREEN).all() and (both[1, 0, 0] == [0x10, 0x20, 0x30]).all()


def test_buffers_mean_what_they_say() -> None:
    reader = BufferReader(SCENE, SIZE)
    out = reader.read(pose("neutral"))
    assert {out.masks.dtype, out.normals.dtype, out.uv.dtype, out.depth.dtype} == {np.dtype(np.float32)}
    assert np.allclose(out.masks.sum(-1), 1)
    seen = out.masks[..., BACKGROUND] < 1
    assert np.allclose(np.linalg.norm(out.normals[seen], axis=-1), 1, atol=1e-3)
    assert (out.normals[~seen] == 0).all() and (out.depth[~seen] == 0).all()
    # The nose is nearer than the ears, in metres from the lens, and looks at it.
    tip = reader.face.mean[reader.face.masks[:, 2].argmax()]
    camera = SCENE.camera
    row = int(SIZE / 2 - (tip[1] - camera.centre[1]) * camera.focal(SIZE) / camera.distance_m)
    lens = camera.centre[2] + camera.distance_m
    assert abs(out.depth[row, SIZE // 2] - (lens - reader.face.mean[:, 2].max())) < 0.02
    assert out.depth[seen].min() > 1.2 and out.depth.max() < 1.8
    assert out.normals[row, SIZE // 2, 2] > 0.5
    assert out.masks[row, SIZE // 2, FACE] == 1
    assert out.masks[-1, SIZE // 2, SHOULDERS] == 1
    assert out.masks[: SIZE // 4, :, HAIR_MASK].max() == 1
    aside = reader.read(pose("left"))
    assert np.abs(aside.masks[-1] - out.masks[-1]).max() <= 0.5  # shoulders stay
