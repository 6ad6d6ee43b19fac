"""Small things that make a face: single hairs of brows, shade that follows the pose and what is worn, teeth, tongue."""

import numpy as np
import pytest
import torch

from engine.motion import layout
from engine.render.brow_paint import BROW_SIZE, paint_brow
from engine.render.face_model import MASKS, REGION, FaceModel
from engine.render.head import HeadRenderer
from engine.render.paint import unwrap
from engine.render.people import person
from engine.render.poses import EMOTIONS, pose
from engine.render.scene import Scene, Skin
from engine.render.shading import TEETH, TONGUE
from engine.render.skin import paint_skin
from engine.render.visibility import ID_MASK

SIZE = 384


@pytest.fixture(scope="module")
def face() -> FaceModel:
    return FaceModel.load("none", "none", "none")


def mouth(name: str, motion: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Somebody's picture float (H, W, 3) and the kinds its pixels show (H, W), -1 for none."""
    renderer = HeadRenderer(Scene(person(name)), SIZE)
    state = renderer.init_state(1)
    picture = renderer.step(state, torch.from_numpy(motion[None]))[0].numpy().astype(float)
    ids = state.samples[0, :, :SIZE, 1].numpy() & ID_MASK
    return picture, np.where(ids > 0, renderer.wardrobe.solid_kinds[ids - 1].astype(int), -1)


def test_brows_are_hairs_with_skin_between_that_end_softly() -> None:
    fine, coarse = paint_brow(1)[..., 1] / 255, paint_brow(4)[..., 1] / 255
    assert fine.shape == BROW_SIZE and coarse.shape == (BROW_SIZE[0] // 4, BROW_SIZE[1] // 4)
    middle = fine[24:72, 100:400]
    assert middle.max() > 0.85 and (middle < 0.6).mean() > 0.1, "hairs, and gaps"
    assert max(fine[0].max(), fine[-1].max(), fine[:, 0].max(), fine[:, -1].max()) < 0.05
    assert abs(fine.mean() - coarse.mean()) < 0.02, "as dark from afar"


def test_shade_follows_the_pose(face: FaceModel) -> None:
    rest = face.shade(layout.vector())
    assert np.array_equal(rest, np.clip(face.occlusion, 0.05, 1))
    lips = face.vertex_region == REGION["lips"]
    opened = face.shade(layout.vector(jawOpen=0.4))
    assert np.abs(opened - rest)[lips].max() > 0.05
    left = np.abs(face.shade(layout.vector(mouthSmileLeft=1.0)) - rest)
    x = face.mean[:, 0]
    assert left[x > 0.004].max() > 0.1 and not left[x < -0.03].any(), "on its side"
    assert (face.shade(layout.vector(jawOpen=3.0, mouthPucker=3.0)) >= 0.05).all()


def test_chin_shades_the_neck_when_it_sinks(face: FaceModel) -> None:
    neck = (face.vertex_region == REGION["skin"]) & (face.neck_weight > 0.2) & (face.neck_weight < 0.9)
    front = neck & (face.mean[:, 2] > 0.03)
    down, up = (face.shade(layout.vector(headPitch=angle)) for angle in (0.3, -0.3))
    assert down[front].mean() < up[front].mean() - 0.02


def test_hair_and_collars_shade_the_skin_beside_them(face: FaceModel) -> None:
    dressed = FaceModel.load("short", "none", "crew")
    skin = np.flatnonzero(face.vertex_region == REGION["skin"])
    change = dressed.occlusion[skin] / np.maximum(face.occlusion[skin], 1e-3)
    assert change.max() <= 1.0 and (change < 0.8).sum() > 50
    nose = np.argmax(face.mean[skin, 2])
    assert change[nose] == 1.0, "far from both"


@pytest.mark.parametrize("name", ["anna", "omar", "zuri"])
def test_rounded_lips_show_dark_and_a_stretched_mouth_shows_teeth(name: str) -> None:
    light = {}
    for viseme in ("OO", "EE", "FV"):
        picture, kinds = mouth(name, pose(viseme))
        teeth = picture[kinds == TEETH].mean(1)
        light[viseme] = np.sort(teeth)[-max(len(teeth) // 4, 1) :].mean() if len(teeth) else 0.0
        if viseme != "OO":
            assert len(teeth) > 20, viseme
    assert light["OO"] < 0.7 * light["EE"] and light["OO"] < light["FV"]


@pytest.mark.parametrize("name", ["anna", "omar", "zuri"])
def test_the_tongue_shows_between_the_teeth(name: str) -> None:
    _, kinds = mouth(name, pose("TH"))
    _, rest = mouth(name, pose("EE"))
    assert (kinds == TONGUE).sum() > 40 > (rest == TONGUE).sum()


def test_teeth_are_not_one_strip() -> None:
    picture, kinds = mouth("anna", pose("anger"))
    row = np.argmax((kinds == TEETH).sum(1))
    line = picture[row, kinds[row] == TEETH].mean(1)
    middle = line[len(line) // 2 - 6 : len(line) // 2 + 6].mean()
    assert line[:4].mean() < 0.9 * middle and line[-4:].mean() < 0.9 * middle, "darker towards the corners"
    assert np.diff(line).std() > 3, "gaps between them"


def test_emotions_move_the_brows_as_their_action_units_say(face: FaceModel) -> None:
    brow = np.flatnonzero(face.vertex_region == REGION["brows"])
    left = brow[face.mean[brow, 0] > 0]
    inner, outer = (left[np.abs(face.uv[left, 0] - at) < 0.1] for at in (0.05, 0.9))
    neutral = face.vertices(layout.vector())

    def lift(name: str) -> tuple[float, float]:
        units = {key: value for key, value in EMOTIONS[name].items() if not key.startswith(("head", "gaze"))}
        move = (face.vertices(layout.vector(**units)) - neutral)[:, 1] * 1000
        return float(move[inner].mean()), float(move[outer].mean())

    for name in ("sadness", "fear"):
        assert lift(name)[0] > lift(name)[1] + 1.5, f"{name}: inner ends up"
    assert lift("anger")[0] < -3 and lift("anger")[0] < lift("anger")[1], "down and together"
    assert min(lift("surprise")) > 2


@pytest.mark.parametrize("opened, wide", [({"jawOpen": 0.4}, 1.0), ({"jawOpen": 0.12, "mouthFunnel": 0.8}, 0.78)])
def test_an_open_mouth_is_round_below(face: FaceModel, opened: dict[str, float], wide: float) -> None:
    ring = face.vertices(layout.vector(**opened))[face.lip_rings[5]]  # the rim, whose lower half is 12 .. 26
    low, middle, corner = ring[13:26], ring[19], ring[12]
    across = np.abs(low[:, 0]) / abs(corner[0])
    hang = (corner[1] - low[:, 1]) / (corner[1] - middle[1])
    sides = (across > 0.2 * wide) & (across < 0.6 * wide)
    assert sides.sum() >= 2 and hang[sides].min() > 0.55, "an arc, where a V would hang by 0.4"
    assert hang.max() < 1.05, "lowest in the middle"


def test_roots_darken_the_scalp_but_not_the_face(face: FaceModel) -> None:
    bald, grown = (paint_skin(face, Skin(), roots).astype(int) for roots in (None, np.zeros(3)))
    masks = unwrap(face.uv, face.mean, face.triangles[np.isin(face.triangle_region, (0, 1))], face.masks)
    scalp = masks[..., MASKS.index("scalp")]
    assert grown[scalp > 0.99][:, :3].mean() < 0.6 * bald[scalp > 0.99][:, :3].mean()
    assert np.array_equal(grown[scalp < 0.01][:, :3], bald[scalp < 0.01][:, :3])
