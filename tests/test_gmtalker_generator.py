"""GMTalker's head generator: networks, losses, pairs, training, and the renderer that it makes."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.config import load_config
from engine.errors import ConfigError, MediaError, WeightsError
from engine.motion import layout
from engine.motion.emotion import EMOTIONS, K
from engine.render.camera import Camera
from engine.render.people import person
from engine.render.poses import pose
from engine.render.scene import Light, Scene
from engine.training.performers import Performances
from plugins.gmtalker.generator import training
from plugins.gmtalker.generator.adversaries import Adversaries
from plugins.gmtalker.generator.convolution import StyledConvolution, calibrate, use_bytes
from plugins.gmtalker.generator.data import Batch, Pairs
from plugins.gmtalker.generator.discriminator import Discriminator
from plugins.gmtalker.generator.emotion_mapping import EmotionMapping
from plugins.gmtalker.generator.haar import to_bands, to_picture
from plugins.gmtalker.generator.losses import DetailLoss, VggLoss, gradient_penalty
from plugins.gmtalker.generator.pairs import draw_moments, read_rows
from plugins.gmtalker.generator.pairs import main as draw_pairs
from plugins.gmtalker.generator.place import HeadPlace, corner, face_weights, rim
from plugins.gmtalker.generator.renderer import GeneratedHead, build, check_fit
from plugins.gmtalker.generator.settings import GeneratorSettings
from plugins.gmtalker.generator.sizes import choose_size
from plugins.gmtalker.generator.style_unet import GIVEN, StyleUNet, macs
from plugins.gmtalker.generator.target import FOLDS, FeelingRenderer
from tests.test_gmtalker_training import corpus  # noqa: F401, a fixture

TINY = choose_size("tiny")
CAMERA = Camera(centre=(0.0, 0.002, 0.03), distance_m=1.5, height_m=0.38)


def tiny_net(seed: int = 0) -> StyleUNet:
    """A generator that changes what it is given, a little."""
    torch.manual_seed(seed)
    net = StyleUNet(TINY).eval().requires_grad_(False)
    net.outlets[0].raw.normal_(std=0.3)
    return net


def tiny_head(executor: str, threads: int = 1, alpha: bool = False) -> GeneratedHead:
    return GeneratedHead(tiny_net(), Scene(person("anna")), executor, threads, alpha)


def _batch(square: int, count: int = 2, seed: int = 0) -> Batch:
    draw = torch.Generator().manual_seed(seed)
    given = torch.rand(count, GIVEN, square, square, generator=draw)
    wanted = 1 - given[:, :3]
    face = torch.ones(count, 1, square, square)
    shares = torch.eye(K)[torch.arange(count) % K]
    return Batch(given, wanted, face, face, shares)


@pytest.mark.parametrize("levels", (0, 1, 2))
def test_wavelets_lose_nothing(levels):
    picture = torch.randn(2, 3, 32, 16)
    bands = to_bands(picture, levels)
    assert bands.shape == (2, 3 * 4**levels, 32 >> levels, 16 >> levels)
    assert bands.square().sum().item() == pytest.approx(picture.square().sum().item(), rel=1e-5)
    torch.testing.assert_close(to_picture(bands, levels), picture)
    flat = to_bands(torch.ones(1, 1, 8, 8), levels)
    assert flat[:, 1:].abs().max() < 1e-6 if levels else True


def test_modulation_is_styles_on_weights():
    """Scaling inputs and outputs is StyleGAN2's scaling and normalising of weights (eq. 1 and 3)."""
    layer = StyledConvolution(5, 7, style=4, act=False)
    x, style = torch.randn(2, 5, 9, 8), torch.randn(2, 4)
    for one, code, answer in zip(x, style, layer(x, style), strict=True):
        weight = layer.weight * layer.scale(code)[None, :, None, None]
        weight = weight * torch.rsqrt(weight.square().sum((1, 2, 3), keepdim=True) + 1e-8)
        expected = torch.nn.functional.conv2d(one[None], weight, layer.bias, padding=1)[0]
        torch.testing.assert_close(answer, expected, atol=1e-5, rtol=1e-5)


def test_emotion_mapping_mixes_codes():
    mapping = EmotionMapping(style=6, width=10, heads=K)
    linear = [part for part in mapping.shared if isinstance(part, torch.nn.Linear)]
    assert len(linear) == 2 and len(mapping.heads) == K  # two shared layers, K unshared heads
    codes = mapping(torch.eye(K))
    assert torch.pdist(codes).min() > 1e-3
    mixed = mapping(torch.tensor([[0.3, 0, 0, 0, 0.7, 0, 0, 0]]))
    torch.testing.assert_close(mixed[0], 0.3 * codes[0] + 0.7 * codes[4])
    alone = EmotionMapping(style=6, width=10, heads=1)
    assert torch.equal(alone(torch.eye(K))[0], alone(torch.eye(K))[5])


def test_sizes():
    """The paper's network is StyleUNet's at 512; the small one fits the milliseconds of two cores."""
    paper, small = choose_size("paper"), choose_size("small")
    assert paper.square == paper.picture == 512 and paper.heads == K
    assert 100e9 < macs(paper) < 200e9
    assert macs(small) < 1.3e9 and small.square == 256
    assert choose_size("small", emotions=False).heads == 1
    with pytest.raises(ConfigError, match="small"):
        choose_size("huge")


@pytest.mark.parametrize("name", ("small", "paper", "tiny"))
def test_every_size_trains_and_draws(name, tmp_path):
    """A step of both networks, with the penalty; at paper size all widths, on a quarter of the side to save time."""
    size = choose_size(name)
    size = replace(size, square=128, picture=128) if name == "paper" else size
    settings = GeneratorSettings(size=name, steps=3, gan=1.0, gan_from=0.0, batch=2)
    both = Adversaries(size, settings, tmp_path)
    before = [p.clone() for p in (*both.net.parameters(), *both.critic.parameters())]
    batch = _batch(size.square, 1 if name == "paper" else 2)
    if size.residual:
        both.learn(batch)  # the first step only moves the last layer, which begins as 0
    both.step = 0
    figures = both.learn(batch)
    assert set(figures) == {"l1", "perceptual", "gan", "critic", "penalty"}
    assert all(np.isfinite(value) for value in figures.values())
    after = (*both.net.parameters(), *both.critic.parameters())
    moved = sum(int(not torch.equal(old, new)) for old, new in zip(before, after, strict=True))
    assert moved > 0.6 * len(before)
    with torch.inference_mode():
        assert both.averaged()(batch.given, batch.shares).shape == batch.wanted.shape


def test_discriminator_sees_portrait_rendering_and_likeness():
    critic = Discriminator(TINY)
    x, rendering = torch.rand(4, 3, 64, 64), torch.rand(4, 3, 64, 64)
    judged = critic(x, rendering)
    assert judged.shape == (4,)
    assert not torch.equal(judged, critic(x, rendering.flip(0)))  # the same portraits of other renderings
    same = critic(x[:1].expand(4, -1, -1, -1), rendering[:1].expand(4, -1, -1, -1))
    assert not torch.allclose(same[0], judged[0])  # four times the same is another thing than four portraits
    portrait = x.clone().requires_grad_()
    penalty = gradient_penalty(critic(portrait, rendering), portrait)
    slope = torch.autograd.grad(critic(portrait, rendering).sum(), portrait)[0]
    torch.testing.assert_close(penalty, slope.square().sum((1, 2, 3)).mean())


def test_detail_loss_minds_detail():
    """A blurred picture costs more than a slightly darker one of the same L1; the right one costs nothing."""
    draw = torch.Generator().manual_seed(0)
    wanted = torch.rand(1, 3, 64, 64, generator=draw) - 0.5
    weight = torch.ones(1, 1, 64, 64)
    blurred = torch.nn.functional.avg_pool2d(wanted, 5, 1, 2)
    darker = wanted - (wanted - blurred).abs().mean()
    loss = DetailLoss()
    assert loss(wanted, wanted, weight).item() == pytest.approx(0, abs=1e-5)
    assert loss(blurred, wanted, weight) > 2 * loss(darker, wanted, weight)
    half = weight.clone()
    half[..., 32:] = 0
    spoilt = wanted.clone()
    spoilt[..., 48:] = 1
    assert loss(spoilt, wanted, half) < 0.1 * loss(spoilt, wanted, weight)


def test_vgg_from_a_file(tmp_path):
    """Weights as torchvision names them, two formats; layers and poolings follow from the numbers."""
    from safetensors.torch import save_file

    tensors, channels = {}, 3
    for number, width in ((0, 4), (2, 4), (5, 6), (7, 6), (10, 8)):  # 2 + pool + 2 + pool + 1
        tensors[f"features.{number}.weight"] = torch.randn(width, channels, 3, 3)
        tensors[f"features.{number}.bias"] = torch.zeros(width)
        channels = width
    tensors["classifier.0.weight"] = torch.zeros(2, 2)
    save_file(tensors, tmp_path / "vgg.safetensors")
    torch.save(tensors, tmp_path / "vgg.pth")
    wanted, weight = torch.rand(1, 3, 32, 32), torch.ones(1, 1, 32, 32)
    losses = [VggLoss(tmp_path / name) for name in ("vgg.safetensors", "vgg.pth")]
    assert losses[0].begins == [False, False, True, False, True]
    values = [loss(wanted * 0.5, wanted, weight) for loss in losses]
    assert values[0] == values[1] > 0 and losses[0](wanted, wanted, weight) == 0
    with pytest.raises(WeightsError, match=r"none\.pth"):
        VggLoss(tmp_path / "none.pth")
    torch.save({"layer.weight": torch.zeros(2)}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match="features"):
        VggLoss(tmp_path / "other.pth")


def test_eight_bits_change_the_picture_little():
    """Rounded convolutions, with ranges found on examples: 35 dB or more of what fp32 draws, and not the same."""
    torch.manual_seed(0)
    net = StyleUNet(replace(choose_size("small"), picture=128, square=128)).eval().requires_grad_(False)
    net.outlets[0].raw.normal_(std=0.1)
    batch = _batch(128, 4)
    calibrate(net, lambda: net(batch.given, batch.shares))
    with torch.inference_mode():
        exact = net(batch.given, batch.shares)
        use_bytes(net)
        rounded = net(batch.given, batch.shares)
    error = (exact - rounded).square().mean() / 4  # of colours -1 to 1, as a share of their span
    assert 1e-9 < error < 10 ** (-35 / 10)


def test_eight_bits_run_as_they_are_simulated():
    """What OpenVINO makes of the rounded graph is the picture that eager torch shows."""
    pytest.importorskip("openvino", reason="pip install 'visema[cpu]'")
    from plugins.gmtalker.generator.painter import Painter, make_painter

    net = tiny_net()
    example = Painter(net).example()
    draw = torch.Generator().manual_seed(1)
    x = example._replace(plain=torch.randint(0, 256, example.plain.shape, dtype=torch.uint8, generator=draw))
    with torch.inference_mode():
        eager = Painter(net)
        calibrate(net, lambda: eager.step(eager.init_state(1), x))
        exact = eager.step(eager.init_state(1), x)
        compiled = make_painter(net, "openvino-int8")
        got = compiled.step(compiled.init_state(1), x)
        simulated = eager.step(eager.init_state(1), x)  # make_painter switched rounding on
    assert (got - simulated).abs().mean() < 0.5 / 255  # a rounding may fall on the other side
    assert (got - exact).abs().mean() > (got - simulated).abs().mean()


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


def test_pairs_resume(corpus, tmp_path, capsys):  # noqa: F811
    """A stopped run goes on with what a longer one would have drawn; rows point to whole pictures."""
    from PIL import Image

    rows = [json.loads(line) for line in (corpus / "manifest.jsonl").read_text().splitlines()]
    folder = tmp_path / "corpus"
    folder.mkdir()
    (folder / "audio").symlink_to(corpus / "audio")
    for row in rows:
        row["split"] = "test" if row["split"] == "valid" else row["split"]
    (folder / "manifest.jsonl").write_text("\n".join(map(json.dumps, rows)))
    common = ["--corpus", str(folder), "--size", "96", "--scale", "1", "--seed", "3"]
    once, twice = tmp_path / "once", tmp_path / "twice"
    draw_pairs([str(once), "--count", "3", *common])
    draw_pairs([str(twice), "--count", "1", *common])
    draw_pairs([str(twice), "--count", "3", *common])
    assert (once / "pairs.jsonl").read_text() == (twice / "pairs.jsonl").read_text()
    for row in read_rows(once):
        assert sum(row["weights"]) == pytest.approx(1) and len(row["motion"]) == layout.M
        for part in ("plain", "masks", "portrait"):
            name = f"{row['name']}_{part}.png"
            assert (once / name).read_bytes() == (twice / name).read_bytes()
        plain, portrait = (np.asarray(Image.open(once / f"{row['name']}_{p}.png")) for p in ("plain", "portrait"))
        assert plain.shape == portrait.shape == (96, 96, 3) and (plain != portrait).mean() > 0.1
    assert "2/3" in capsys.readouterr().out
    with pytest.raises(ConfigError, match="another"):
        draw_pairs([str(once), "--count", "3", "--person", "ben", *common])
    moments = list(draw_moments(Performances(folder), 0, 24))
    assert [m.split for m in moments].count("test") == 2 and moments[9].split == "test"
    assert all(m.weights.sum() == pytest.approx(1) for m in moments)
    assert {int(m.weights.argmax()) for m in moments} == set(range(K))


def _made_pairs(folder: Path, count: int = 12) -> Path:
    """A folder of small pairs: the portrait is another colour, by emotion."""
    from PIL import Image

    folder.mkdir()
    draw = np.random.default_rng(0)
    about = {"person": "anna", "size": 96, "scale": 1, "seed": 0,
             "camera": {"centre": [0.0, 0.002, 0.03], "distance_m": 1.5, "height_m": 0.38}}  # fmt: skip
    (folder / "scene.json").write_text(json.dumps(about))
    rows = []
    for n in range(count):
        plain = np.kron(draw.integers(60, 200, (12, 12, 3)), np.ones((8, 8, 1))).astype(np.uint8)
        weights = np.eye(K)[n % 2].tolist()
        portrait = np.clip(plain.astype(int) + (50 if n % 2 else -40), 0, 255).astype(np.uint8)
        masks = np.zeros_like(plain)
        masks[10:86, 10:86, 0] = 255
        for part, picture in (("plain", plain), ("masks", masks), ("portrait", portrait)):
            Image.fromarray(picture).save(folder / f"{n:05d}_{part}.png")
        rows.append({"name": f"{n:05d}", "split": "test" if n % 4 == 3 else "train", "weights": weights,
                     "intensity": 1.0, "middle": [48.0, 48.0], "motion": [0.0] * layout.M})  # fmt: skip
    (folder / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_training_as_a_user_would(tmp_path, capsys):
    """It learns, resumes where it stopped, and writes weights that the plugin's renderer loads."""
    pairs, out = _made_pairs(tmp_path / "pairs"), tmp_path / "generator.safetensors"

    def learn(run: str, steps: int, out: Path = out) -> None:
        training.main(["--pairs", str(pairs), "--run", str(tmp_path / run), "--out", str(out), "--set", "size=tiny",
                       "--set", f"steps={steps}", "--set", "evaluate_every=120", "--set", "average=0.9",
                       "--set", "gan_from=0.9"])  # fmt: skip

    learn("run", 240)
    rows = [json.loads(line) for line in (tmp_path / "run" / "figures.jsonl").read_text().splitlines()]
    valid = [row for row in rows if row["group"] == "valid"]
    assert valid[-1]["psnr"] > valid[-1]["psnr_input"] + 4
    assert abs(valid[-1]["psnr_8bit"] - valid[-1]["psnr"]) < 1.5 and valid[-1]["n"] == 3
    card = out.with_suffix(".md").read_text()
    assert "anna" in card and "psnr_input" in card and "--set size=tiny" in card
    for name in ("curves.png", "pictures.png"):
        assert (tmp_path / "run" / name).is_file()
    learn("run", 242)
    assert "resumed at step 240" in capsys.readouterr().out

    config = load_config(None, ["render.plugin=gmtalker", "render.size=96", "engine.executor=eager"])
    stage = build(config, out)
    assert stage.step(stage.init_state(1), torch.zeros(1, layout.M)).shape == (1, 96, 96, 3)
    with pytest.raises(ConfigError, match="identity"):
        build(load_config(None, ["render.size=96", "render.identity=ben"]), out)
    with pytest.raises(ConfigError, match=r"render\.size = 512"):
        build(load_config(None, ["render.size=512"]), out)
    with pytest.raises(WeightsError, match="made for"):
        build(config, Path("plugins/viseme/viseme.safetensors"))


def test_a_batch_depends_on_seed_and_step_only(tmp_path):
    """Broken off and gone on is the same as gone through."""
    pairs = _made_pairs(tmp_path / "pairs")
    weights = []
    for stops in ((6,), (3, 6)):
        for steps in stops:
            run = tmp_path / f"run{len(stops)}"
            settings = GeneratorSettings(size="tiny", steps=6, gan_from=0.0, minutes=1e6)
            data = Pairs(pairs, run, TINY, "train")
            torch.manual_seed(0)
            both = Adversaries(TINY, settings, run)
            both.resume()
            while both.step < steps:
                draw = np.random.default_rng((0, both.step))
                both.learn(data.batch(torch.from_numpy(draw.integers(0, len(data), 2))))
            both.save()
        weights.append(torch.cat([p.flatten() for p in both.averaged().parameters()]))
    assert torch.equal(*weights)


def test_bad_pairs(tmp_path):
    with pytest.raises(MediaError, match=r"pairs\.jsonl"):
        Pairs(tmp_path, tmp_path / "run", TINY, "train")
    folder = _made_pairs(tmp_path / "pairs", 2)
    with pytest.raises(MediaError, match="'test'"):
        Pairs(folder, tmp_path / "run", TINY, "test")
    with pytest.raises(MediaError, match="512 x 512"):
        Pairs(folder, tmp_path / "run", choose_size("small"), "train")
    (folder / "00000_plain.png").write_bytes(b"no picture")
    with pytest.raises(MediaError, match="00000_plain"):
        Pairs(folder, tmp_path / "run", TINY, "train")
    both = Adversaries(TINY, GeneratorSettings(), tmp_path)
    both.save()
    with pytest.raises(WeightsError, match="another size"):
        Adversaries(replace(TINY, channels=(8, 16)), GeneratorSettings(), tmp_path).resume()


def test_only_what_was_learned_is_drawn():
    camera = {"centre": [0.0, 0.002, 0.03], "distance_m": 1.5, "height_m": 0.38}
    about = {"person": "anna", "size": 512, "camera": camera}
    scene, path = Scene(person("anna")), Path("x.safetensors")
    check_fit(about, scene, 512, path)
    with pytest.raises(ConfigError, match="camera"):
        check_fit(about, replace(scene, camera=Camera(height_m=0.5)), 512, path)
    with pytest.raises(ConfigError, match="light"):
        check_fit(about, replace(scene, light=Light(key=2.0)), 512, path)
