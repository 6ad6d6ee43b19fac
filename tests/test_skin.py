"""Skin, eyes, mouth and light of the live renderer: tones in order, wrinkles that follow, shadows that move."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.motion import layout
from engine.render import relief, skin
from engine.render.face_model import FaceModel
from engine.render.head import HeadRenderer
from engine.render.poses import pose
from engine.render.scene import Dress, Light, Person, Scene, Skin
from engine.render.shading import SKIN, TEETH
from engine.render.visibility import ID_MASK

SIZE = 256
PLAIN = Person("plain")


@pytest.fixture(scope="module")
def face() -> FaceModel:
    return FaceModel.load()


def draw(face: FaceModel, vector: np.ndarray, person: Person = PLAIN, light: Light | None = None):
    """A picture float (H, W, 3), the kinds that its pixels show (H, W), -1 for none, and the renderer's state."""
    renderer = HeadRenderer(Scene(person, light or Light()), SIZE, face=face)
    state = renderer.init_state(1)
    image = renderer.step(state, torch.from_numpy(vector[None]))[0].numpy().astype(float)
    ids = state.samples[0, :, :SIZE, 1].numpy() & ID_MASK
    kinds = np.where(ids > 0, renderer.wardrobe.solid_kinds[ids - 1].astype(int), -1)
    return image, kinds, state


def test_tones_darken_in_order_and_none_is_orange() -> None:
    tones = np.array([skin.mean_colour(Skin(melanin=m)) for m in np.linspace(0, 1, 11)])
    assert (np.diff(tones, axis=0) < 0).all()
    red, green, blue = (tones.clip(0, 1) ** (1 / 2.4)).T  # about what bytes hold
    assert (red > green).all() and (green >= blue * 0.98).all()
    hue = 60 * (green - blue) / (red - blue)  # degrees: 0 red, 30 orange, 60 yellow
    assert (hue < 27).all()
    saturation = (red - blue) / red
    assert saturation.max() < 0.48  # orange would be 0.7 and more


def test_blood_reddens_and_lips_are_redder_than_skin() -> None:
    for melanin in (0.05, 0.4, 0.9):
        pale, flushed = (skin.mean_colour(Skin(melanin=melanin, blood=b)) for b in (0, 1))
        assert flushed[0] / flushed[1] > pale[0] / pale[1] * 1.2
        lips, bare = skin.lip_colour(Skin(melanin=melanin)), skin.mean_colour(Skin(melanin=melanin))
        assert lips[0] / lips[1] > bare[0] / bare[1]


def test_freckles_and_stubble_change_only_their_places(face: FaceModel) -> None:
    bare, freckled, bearded = (
        skin.paint_skin(face, Skin(**extra))[..., :3].astype(int) for extra in ({}, {"freckles": 1.0}, {"stubble": 1.0})
    )
    for other in (freckled, bearded):
        assert 0.005 < (np.abs(other - bare).max(-1) > 6).mean() < 0.5
    assert bearded.mean() < bare.mean()


def test_wrinkles_follow_their_units_and_age() -> None:
    raised = layout.vector(browInnerUp=1.0, browOuterUpLeft=1.0)[: layout.E]
    depths = []
    for age in (0.1, 0.5, 0.9):
        gain, rest = relief.wrinkle_table(age)
        depth = dict(zip(relief.STRENGTH, gain @ raised, strict=True))
        assert depth["forehead"] > 0 and depth["forehead_left"] > depth["forehead_right"]
        assert depth["crow_left"] == depth["frown"] == 0
        depths.append(depth["forehead"] + rest[0])
    assert depths == sorted(depths)


def test_a_raised_brow_roughens_the_forehead_only(face: FaceModel) -> None:
    old = replace(PLAIN, skin=Skin(age=0.6))
    up = layout.vector(browInnerUp=0.9, browOuterUpLeft=0.9, browOuterUpRight=0.9)
    rough = []
    for vector in (pose("neutral"), up):
        image, kinds, _ = draw(face, vector, old)
        rows = slice(int(0.27 * SIZE), int(0.33 * SIZE))
        patch = np.where(kinds == SKIN, image[..., 1], np.nan)[rows, int(0.44 * SIZE) : int(0.56 * SIZE)]
        rough.append(np.nanmean(np.abs(np.diff(patch, 2, axis=0))))
    assert rough[1] > 1.3 * rough[0]


def test_teeth_behind_rounded_lips_are_darker_than_in_a_stretched_mouth(face: FaceModel) -> None:
    bright = []
    for name in ("EE", "OO"):
        image, kinds, _ = draw(face, pose(name))
        bright.append(image[kinds == TEETH].mean())
    assert bright[1] < 0.75 * bright[0]


def test_shadow_lies_on_the_side_away_from_the_key(face: FaceModel) -> None:
    """The nose shades the cheek beside it: the left one from the right, the right one from the left."""
    cheek = np.flatnonzero((np.abs(np.abs(face.mean[:, 0]) - 0.018) < 0.005) & (np.abs(face.mean[:, 1] - 0.002) < 0.014)
                           & (face.mean[:, 2] > 0.07) & (face.vertex_region == 0))  # fmt: skip
    share = {}
    for azimuth in (-55.0, 55.0):
        _, _, state = draw(face, pose("neutral"), light=Light(key_azimuth=azimuth, key_elevation=20, softness=5))
        seen = state.seen[0].numpy()[cheek]
        viewers_right = face.mean[cheek, 0] > 0
        share[azimuth] = seen[viewers_right].mean() - seen[~viewers_right].mean()
    assert share[-55.0] < -0.05 and share[55.0] > 0.05
    # Nothing about the face but the side is different.
    assert share[-55.0] == pytest.approx(-share[55.0], abs=0.08)


def test_shadow_moves_with_the_head(face: FaceModel) -> None:
    still, turned = (draw(face, pose(name))[2].seen[0].numpy() for name in ("neutral", "left"))
    assert (np.abs(still - turned) > 0.2).mean() > 0.02
    assert still.min() >= 0 and still.max() <= 1


def test_light_settings_reach_the_picture(face: FaceModel) -> None:
    image, kinds, _ = draw(face, pose("neutral"))
    face_pixels = kinds == SKIN
    for light, sign in ((Light(key=0.5), -1), (Light(exposure=1.3), 1), (Light(fill=2.5), 1), (Light(sky=0.4), -1)):
        other = draw(face, pose("neutral"), light=light)[0]
        assert sign * (other - image)[face_pixels].mean() > 2
    warm, cool = (draw(face, pose("neutral"), light=Light(warmth=w))[0][face_pixels].mean(0) for w in (1, -1))
    assert warm[0] / warm[2] > 1.1 * cool[0] / cool[2]


def test_cloth_has_its_colours(face: FaceModel) -> None:
    red = draw(face, pose("neutral"), replace(PLAIN, dress=Dress("crew", (0.6, 0.05, 0.05))))[0]
    bottom = red[-8:, SIZE // 4 : -SIZE // 4].reshape(-1, 3).mean(0)
    assert bottom[0] > 2.5 * bottom[1:].max()


def test_rest_expression_is_added(face: FaceModel) -> None:
    calm, smiling = (draw(face, pose("neutral"), replace(PLAIN, rest=rest))[0]
                     for rest in ({}, {"mouthSmileLeft": 0.5, "mouthSmileRight": 0.5}))  # fmt: skip
    assert (calm == draw(face, pose("neutral"))[0]).all() and (calm != smiling).any(-1).mean() > 0.005
