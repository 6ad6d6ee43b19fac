"""Several threads, one picture: every part once, errors told, and the same bytes whoever draws."""

import threading
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from engine.render.crew import Crew, row_bands
from engine.render.face_model import FaceModel
from engine.render.head import HeadRenderer
from engine.render.people import person
from engine.render.plain import PlainRenderer
from engine.render.poses import pose
from engine.render.scene import Scene

SIZE = 160
POSES = ("AA", "left", "smile", "up", "blink", "neutral")


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_every_part_once_and_errors_are_raised(threads: int) -> None:
    crew, done = Crew(threads), []
    for count in (0, 1, 2, 50):
        crew.run([lambda k=k: done.append(k) for k in range(count)])
        assert sorted(done) == list(range(count))
        done.clear()

    def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        crew.run([fail, *(lambda k=k: done.append(k) for k in range(20))])
    crew.run([lambda: done.append(-1)])  # and it goes on
    assert done[-1] == -1


def test_parts_are_shared_out() -> None:
    """Two parts that wait for each other can only end when two threads take one each."""
    meet = threading.Barrier(2, timeout=20)
    Crew(2).run([meet.wait, meet.wait])


def test_crews_serve_several_callers() -> None:
    crew, sums = Crew(2), [0, 0, 0]

    def caller(k: int) -> None:
        for _ in range(50):
            parts = [list() for _ in range(5)]
            crew.run([lambda p=p: p.append(1) for p in parts])
            sums[k] += sum(map(len, parts))

    callers = [threading.Thread(target=caller, args=(k,)) for k in range(3)]
    for one in callers:
        one.start()
    for one in callers:
        one.join()
    assert sums == [250] * 3


def test_bands_tile_the_picture() -> None:
    for threads in (1, 2, 5):
        for highest in (-30.0, 0.0, 41.7, 99.5, 400.0):
            bands = row_bands(np.array([[0, highest, 1], [0, 95, 1]], np.float32), 100, threads)
            assert bands[0][0] == 0 and bands[-1][1] == 100
            assert all(a[1] == b[0] and a[0] <= a[1] for a, b in pairwise(bands))


@pytest.mark.parametrize("kind", [HeadRenderer, PlainRenderer])
@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("name", ["zuri", "omar"])
def test_same_bytes_with_any_number_of_threads(kind, alpha: bool, name: str) -> None:
    who = person(name)
    scene, face = Scene(who, background="room:1"), FaceModel.of(who)
    renderers = [kind(scene, SIZE, face=face, threads=n, alpha=alpha) for n in (1, 2, 3)]
    states = [renderer.init_state(2) for renderer in renderers]
    for one, other in zip(POSES, reversed(POSES), strict=True):
        motion = torch.from_numpy(np.stack([pose(one), pose(other)]))
        first, *others = (r.step(s, motion) for r, s in zip(renderers, states, strict=True))
        assert first.shape[-1] == (4 if alpha else 3)
        assert all(torch.equal(first, picture) for picture in others)


@pytest.mark.parametrize("kind", [HeadRenderer, PlainRenderer])
def test_alpha_laid_over_a_colour_is_the_picture_before_it(kind) -> None:
    who = person("freya")
    scene, face = Scene(who), FaceModel.of(who)
    motion = torch.from_numpy(pose("AA"))[None]
    cut = kind(scene, SIZE, face=face, alpha=True)
    rgba = cut.step(cut.init_state(1), motion)[0].numpy().astype(np.float32)
    share = rgba[..., 3:] / 255
    assert 0.1 < (share == 1).mean() < 0.9 and ((share > 0) & (share < 1)).any()
    assert not rgba[share[..., 0] == 0].any()
    for colour, rgb in (("white", (255, 255, 255)), ("#2060c0", (32, 96, 192))):
        whole = kind(replace(scene, background=colour), SIZE, face=face)
        drawn = whole.step(whole.init_state(1), motion)[0].numpy()
        laid = rgba[..., :3] * share + np.array(rgb) * (1 - share)
        assert np.abs(laid - drawn).max() < 1.6
