"""GMTalker's head generator as a renderer: where its square lies, what it draws, what it refuses to."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.errors import ConfigError
from engine.motion import layout
from engine.motion.emotion import EMOTIONS, K
from engine.render.camera import Camera
from engine.render.people import person
from engine.render.poses import pose
from engine.render.scene import Light, Scene
from plugins.gmtalker.generator.place import HeadPlace, corner, face_weights, rim
from plugins.gmtalker.generator.renderer import check_fit
from plugins.gmtalker.generator.target import FOLDS, FeelingRenderer
from tests.heads import TINY, tiny_head

CAMERA = Camera(centre=(0.0, 0.002, 0.03), distance_m=1.5, height_m=0.38)


def test_target_wrinkles_follow_the_emotion():
    """The same pose has other wrinkles with another emotion, deeper with more of it, none without."""
    target = FeelingRenderer(Scene(person("anna")), 64, scale=1)
    motion = pose("neutral")
    assert set(FOLDS) == set(EMOTIONS)
    calm = target.creases(motion)
    felt = np.zeros(K, np.float32)
    for name in ("happy", "angry"):
        felt[:] = 0
        felt[EMOTIONS.index(name)] = 0.5
        target.feel(felt)
        half = target.creases(motion)
        target.feel(2 * felt)
        full = target.creases(motion)
        assert (full >= half).all() and (half >= calm).all() and full.max() > half.max() > calm.max()
    with pytest.raises(ConfigError, match="8 numbers"):
        target.feel(np.ones(3))


def test_square_follows_the_head():
    head = tiny_head("eager")
    place = HeadPlace(head._given.face, head._given.shape, CAMERA, 512)
    row, column = place.middle(layout.vector())
    assert 200 < row < 260 and 250 < column < 262
    assert place.middle(layout.vector(headX=0.02))[1] == pytest.approx(column + 0.02 * 512 / 0.38, abs=2)
    assert place.middle(layout.vector(headY=-0.02))[0] > row + 20
    assert corner((row, column), 512, 256) == (round(row - 128), round(column - 128))
    assert corner((-40.0, 900.0), 512, 256) == (0, 256)  # inside the picture, always
    assert corner((30.0, 70.0), 96, 96) == (0, 0)
    weights = face_weights(head._given.face, head._given.shape)
    assert weights.min() == 0 and weights.max() == 1 and 0.05 < (weights > 0.5).mean() < 0.7
    assert (rim(64, 64) == 1).all() and rim(64, 96)[0].max() < 0.05


@pytest.mark.parametrize("executor", ("eager", "auto"))
def test_generated_head(executor):
    """Only the face differs from the live picture; what is behind, and every outline, stays the background's."""
    from engine.render.head import HeadRenderer

    if executor == "auto":
        pytest.importorskip("openvino", reason="pip install 'visema[cpu]'")
    head = tiny_head(executor, threads=2)
    state = head.init_state(1)
    live = HeadRenderer(Scene(person("anna")), TINY.picture)
    shown = live.init_state(1)
    for renderer, own in ((head, state), (live, shown)):
        renderer.set_background(own, 0, "green")
    motion = torch.from_numpy(layout.vector(jawOpen=0.3, headYaw=0.25)[None])
    drawn, plain = head.step(state, motion)[0].int(), live.step(shown, motion)[0].int()
    changed = (drawn != plain).any(-1)
    shows = torch.zeros(96, 96, dtype=torch.bool)
    top, left = state.given.corner[0].tolist()
    fade = state.given.fade[0, ..., 0]
    shows[top : top + 64, left : left + 64] = fade[top : top + 64, left : left + 64] > 0
    assert changed.sum() > 300 and not (changed & ~shows).any()
    background = (plain == plain[0, 0]).all(-1)
    assert background.sum() > 1000 and not (changed & background).any()
    # no seam: where the face fades out, the pictures come together
    faint = torch.zeros(96, 96, dtype=torch.bool)
    faint[top : top + 64, left : left + 64] = fade[top : top + 64, left : left + 64] < 13
    assert (drawn - plain)[faint].abs().max() <= 13


def test_alpha():
    head = tiny_head("eager", alpha=True)
    state = head.init_state(1)
    picture = head.step(state, torch.zeros(1, layout.M))
    assert picture.shape == (1, 96, 96, 4)
    assert torch.equal(picture[..., 3], state.live.picture[..., 3])


def test_emotions_glide():
    """Another emotion is another face, reached without a jump; slots feel for themselves."""
    head = tiny_head("eager")
    state = head.init_state(2)
    motion = torch.zeros(2, layout.M)
    first = head.step(state, motion).clone()
    assert torch.equal(first[0], first[1])
    head.set_emotion(state, 0, torch.eye(K)[0].tolist(), 1.0)
    shares = []
    for _ in range(40):
        last = head.step(state, motion)
        shares.append(state.mix[0, 0].item())
    assert not torch.equal(last[0], last[1]) and torch.equal(last[1], first[1])
    steps = np.diff([0.0, *shares])
    assert steps.max() < 0.12 and (steps >= 0).all() and shares[-1] > 0.99


def test_only_what_was_learned_is_drawn():
    camera = {"centre": [0.0, 0.002, 0.03], "distance_m": 1.5, "height_m": 0.38}
    about = {"person": "anna", "size": 512, "camera": camera}
    scene, path = Scene(person("anna")), Path("x.safetensors")
    check_fit(about, scene, 512, path)
    with pytest.raises(ConfigError, match="camera"):
        check_fit(about, replace(scene, camera=Camera(height_m=0.5)), 512, path)
    with pytest.raises(ConfigError, match="light"):
        check_fit(about, replace(scene, light=Light(key=2.0)), 512, path)
