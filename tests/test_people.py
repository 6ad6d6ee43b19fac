"""Ready people and strangers by seed: whole, friendly, different, the same every time."""

import numpy as np
import pytest

from engine.errors import ConfigError
from engine.motion import layout
from engine.render.face_model import FaceModel
from engine.render.people import NAMES, person
from engine.render.poses import POSES, pose

STRANGERS = [f"random:{seed}" for seed in range(12)]


def test_there_are_eight_and_they_differ():
    assert len(NAMES) == 8
    shapes = np.stack([person(name).shape for name in NAMES])
    face = FaceModel.load()
    apart = [np.abs(np.tensordot(a - b, face.identity, 1)).max() for i, a in enumerate(shapes) for b in shapes[:i]]
    assert min(apart) > 2e-3
    assert len({person(name).skin for name in NAMES}) == len({person(name).about for name in NAMES}) == 8


@pytest.mark.parametrize("name", [*NAMES, *STRANGERS])
def test_everyone_rests_friendly_with_shut_lips_and_eyes_in_their_sockets(name):
    who = person(name)
    face = FaceModel.of(who)
    rest = layout.vector(**who.rest)
    points = face.vertices(rest, who.shape)
    gaps = []
    for ring in points[face.lip_rings[5:7]]:
        upper, lower = ring[np.r_[0:12, 27:38]], ring[13:26]
        order = np.argsort(lower[:, 0])
        gaps.append(upper[:, 1] - np.interp(upper[:, 0], lower[order, 0], lower[order, 1]))
    assert np.minimum(*gaps).max() < 2e-4
    corners, middle = points[face.lip_landmarks[2:], 1], points[face.lip_landmarks[:2], 1]
    assert corners.mean() > middle.mean() - 2.5e-3  # nobody's mouth hangs
    centres, radii, _ = face.eyes(rest, who.shape)
    for side in range(2):
        away = np.linalg.norm(points[face.lid_rings[side][1]] - centres[side], axis=1) - radii[side]
        assert away.min() > 2e-4


@pytest.mark.parametrize("name", NAMES)
def test_nothing_in_the_mouth_pokes_through_in_any_pose(name):
    who = person(name)
    face = FaceModel.of(who)
    inside = np.flatnonzero(np.isin(face.vertex_region, [5, 6, 7]))  # teeth and gums
    for word in POSES:
        motion = pose(word) + layout.vector(**who.rest)
        motion[layout.POSE] = 0
        points = face.vertices(motion, who.shape)
        lips = points[face.lip_rings[:6]].reshape(-1, 3)
        for part in points[inside]:
            near = lips[np.abs(lips[:, 0] - part[0]) < 0.004]
            assert not len(near) or part[2] < near[:, 2].max() + 1e-3, word


def test_a_seed_is_a_person():
    first, again, other = person("random:7"), person("random:7"), person("random:8")
    np.testing.assert_array_equal(first.shape, again.shape)
    assert first.skin == again.skin and first.skin != other.skin
    assert np.abs(first.shape).max() < 4


@pytest.mark.parametrize("name", ["nobody", "random", "random:x", "random:-1", ""])
def test_an_unknown_name_says_what_there_is(name):
    with pytest.raises(ConfigError, match=r"anna.*random:SEED"):
        person(name)
