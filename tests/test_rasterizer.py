"""The rasterizers mean the same: numba against the exact reference, nvdiffrast against numba."""

import math

import pytest
import torch

from engine.errors import ConfigError, DeviceError
from engine.render.rasterizers import make_rasterizer

SIZE = (48, 64)


def scene(seed: int, faces: int = 40, behind: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    """Random triangles in perspective, some off screen, some crossing the eye plane if asked."""
    draw = torch.Generator().manual_seed(seed)
    points = torch.rand(faces * 3, 3, generator=draw) * 2.4 - 1.2
    w = 0.5 + torch.rand(faces * 3, generator=draw) * 2
    if behind:
        w[::5] *= -1
    clip = torch.cat([points * w[:, None].abs(), w[:, None]], 1)
    return clip.contiguous(), torch.arange(faces * 3, dtype=torch.int32).reshape(faces, 3)


def near_an_edge(rast: torch.Tensor, bound: float) -> torch.Tensor:
    """Pixels whose least barycentric weight is within `bound` of an edge."""
    u, v = rast[..., 0], rast[..., 1]
    return torch.stack([u, v, 1 - u - v]).amin(0) < bound


def assert_same(mine: torch.Tensor, other: torch.Tensor, bound: float, tolerance: float) -> None:
    same = mine[..., 3] == other[..., 3]
    excused = near_an_edge(mine, bound) | near_an_edge(other, bound)
    assert (same | excused).all()
    assert same.float().mean() > 0.97
    torch.testing.assert_close(mine[same], other[same], atol=tolerance, rtol=0)


@pytest.mark.parametrize("behind", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_numba_equals_reference(seed: int, behind: bool) -> None:
    clip, triangles = scene(seed, behind=behind)
    numba = make_rasterizer("numba").rasterize(clip, triangles, SIZE)
    reference = make_rasterizer("reference").rasterize(clip, triangles, SIZE)
    assert (reference[..., 3] > 0).float().mean() > 0.2
    assert_same(numba, reference, 1e-4, 1e-4)


def test_interpolate_and_texture_equal_reference() -> None:
    clip, triangles = scene(7)
    numba, reference = make_rasterizer("numba"), make_rasterizer("reference")
    rast = reference.rasterize(clip, triangles, SIZE)
    attributes = torch.randn(len(clip), 5, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(
        numba.interpolate(attributes, rast, triangles), reference.interpolate(attributes, rast, triangles),
        atol=1e-5, rtol=0,
    )  # fmt: skip
    image = torch.rand(7, 9, 3, generator=torch.Generator().manual_seed(2))
    uv = torch.rand(*SIZE, 2, generator=torch.Generator().manual_seed(3)) * 3 - 1
    torch.testing.assert_close(numba.texture(image, uv), reference.texture(image, uv), atol=1e-4, rtol=0)


def test_texture_hits_texel_centres() -> None:
    image = torch.arange(6.0).reshape(2, 3, 1)
    uv = torch.tensor([[[0.5 / 3, 0.25], [2.5 / 3, 0.75]]])
    assert make_rasterizer("numba").texture(image, uv)[0, :, 0].tolist() == pytest.approx([0, 5], abs=1e-5)


@pytest.mark.parametrize("name", ["numba", "reference"])
def test_layout_is_nvdiffrasts(name: str) -> None:
    """Row 0 is the bottom; u belongs to the first vertex, v to the second."""
    clip = torch.tensor([[-1.0, -1, 0, 1], [1, -1, 0, 1], [-1, 1, 0, 1]])
    triangles = torch.tensor([[0, 1, 2]], dtype=torch.int32)
    rast = make_rasterizer(name).rasterize(clip, triangles, (8, 8))
    assert rast[0, 0, 3] == 1 and rast[7, 7, 3] == 0
    assert rast[0, 0, 0] > 0.8 and rast[0, 6, 1] > 0.7
    assert 1 - rast[6, 0, 0] - rast[6, 0, 1] > 0.7


@pytest.mark.parametrize("name", ["numba", "reference"])
def test_perspective_is_correct(name: str) -> None:
    """Half way across the screen an edge whose far end is 3x as deep is only a quarter along."""
    clip = torch.tensor([[-1.0, -1, 0, 1], [3, -3, 0, 3], [3, 3, 0, 3], [-1, 1, 0, 1]])
    triangles = torch.tensor([[0, 1, 2], [0, 2, 3]], dtype=torch.int32)
    rasterizer = make_rasterizer(name)
    rast = rasterizer.rasterize(clip, triangles, (64, 64))
    along = rasterizer.interpolate(torch.tensor([[0.0], [1], [1], [0]]), rast, triangles)
    middle = along[:, 31:33, 0].mean()
    assert middle == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize("name", ["numba", "reference"])
def test_bad_triangles_are_left_out(name: str) -> None:
    good = torch.tensor([[-0.5, -0.5, 0, 1], [0.5, -0.5, 0, 1], [0.0, 0.5, 0, 1]])
    strange = torch.tensor([
        [math.nan, 0, 0, 1], [math.inf, 0, 0, 1], [0, 0, 0, -1], [0.1, 0.2, 0, -2], [-0.3, 0.1, 0, -1],
        [5, 5, 0, 1], [6, 5, 0, 1], [5, 6, 0, 1], [0, 0, 3, 1], [1, 0, 3, 1], [0, 1, 3, 1],
    ])  # fmt: skip
    clip = torch.cat([good, strange])
    triangles = torch.tensor([
        [0, 1, 2],
        [3, 1, 2], [0, 4, 2], [5, 6, 7],  # not finite; behind the eye
        [0, 0, 1], [0, 1, 1], [2, 2, 2],  # degenerate
        [8, 9, 10], [11, 12, 13],  # off screen; beyond the far plane
    ], dtype=torch.int32)  # fmt: skip
    rast = make_rasterizer(name).rasterize(clip, triangles, SIZE)
    assert set(rast[..., 3].unique().tolist()) == {0.0, 1.0}
    assert torch.isfinite(rast).all()


def test_shared_edges_leave_no_crack() -> None:
    """A fan of slivers over the whole screen covers every pixel."""
    angle = torch.linspace(0, 2 * math.pi, 98)[:-1]
    rim = torch.stack([2 * angle.cos(), 2 * angle.sin(), torch.zeros(97), torch.ones(97)], 1)
    clip = torch.cat([torch.tensor([[0.013, -0.021, 0, 1]]), rim])
    k = torch.arange(97, dtype=torch.int32)
    triangles = torch.stack([torch.zeros_like(k), 1 + k, 1 + (k + 1) % 97], 1)
    assert (make_rasterizer("numba").rasterize(clip, triangles, (65, 67))[..., 3] > 0).all()


def test_no_triangles_and_wrong_input() -> None:
    numba = make_rasterizer("numba")
    empty = torch.zeros(0, 3, dtype=torch.int32)
    assert not numba.rasterize(torch.zeros(3, 4), empty, SIZE).any()
    with pytest.raises(ValueError, match="outside"):
        numba.rasterize(torch.zeros(3, 4), torch.tensor([[0, 1, 3]], dtype=torch.int32), SIZE)
    with pytest.raises(ValueError, match="int32"):
        numba.rasterize(torch.zeros(3, 4), torch.zeros(1, 3), SIZE)
    with pytest.raises(ConfigError, match="numba, nvdiffrast, reference"):
        make_rasterizer("opengl")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_without_a_gpu_nvdiffrast_says_what_to_do() -> None:
    with pytest.raises(DeviceError, match="research and evaluation only"):
        make_rasterizer("nvdiffrast")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="nvdiffrast needs an NVIDIA GPU; torch sees none")
def test_nvdiffrast_equals_numba() -> None:
    pytest.importorskip("nvdiffrast", reason="nvdiffrast is not installed (its licence: research only)")
    clip, triangles = scene(11)
    cpu, gpu = make_rasterizer("numba"), make_rasterizer("nvdiffrast")
    mine = cpu.rasterize(clip, triangles, SIZE)
    theirs = gpu.rasterize(clip.cuda(), triangles.cuda(), SIZE).cpu()
    same = mine[..., 3] == theirs[..., 3]
    assert same.float().mean() > 0.97  # vertices snap to 1/16 pixel there
    torch.testing.assert_close(mine[same], theirs[same], atol=1e-3, rtol=0)
    attributes = torch.randn(len(clip), 4, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(
        cpu.interpolate(attributes, mine, triangles),
        gpu.interpolate(attributes.cuda(), mine.cuda(), triangles.cuda()).cpu(), atol=1e-4, rtol=0,
    )  # fmt: skip
    image = torch.rand(7, 9, 3, generator=torch.Generator().manual_seed(2))
    uv = torch.rand(*SIZE, 2, generator=torch.Generator().manual_seed(3)) * 3 - 1
    torch.testing.assert_close(
        cpu.texture(image, uv), gpu.texture(image.cuda(), uv.cuda()).cpu(), atol=5e-3, rtol=0
    )
