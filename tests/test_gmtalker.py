"""GMTalker's generators as a stage: their streaming form, and that emotions glide."""

import pytest
import torch

from engine.frames import SpeechFeatures
from engine.motion import layout
from engine.motion.emotion import EMOTIONS, NEUTRAL, K, make_emotion
from engine.stage import fold, tree_map
from engine.torchkit.noise import draw, init_streams, normal, seed_streams
from plugins.gmtalker import mixture as gm
from plugins.gmtalker.expression import ExpressionGenerator
from plugins.gmtalker.head_motion import MotionGenerator
from plugins.gmtalker.motion import (
    BEGINNING,
    QUICKEST,
    GMTalkerMotion,
    load_expression,
    load_head_motion,
    save_generator,
)
from plugins.gmtalker.sizes import Prior, choose_size
from tests import laws
from tests.stages import _features

HAPPY, SAD = EMOTIONS.index("happy"), EMOTIONS.index("sad")


def tiny_motion(lookahead: int = 1, prior: Prior = "mixture", size: str = "tiny", life: float = 1.0) -> GMTalkerMotion:
    """A stage with random weights, spread so that everything matters."""
    from engine.features import load_encoder

    torch.manual_seed(0)
    chosen = choose_size(size, prior, content=load_encoder().config.hubert.width)
    expression = ExpressionGenerator(chosen.expression, chosen.content, speakers=2)
    head = MotionGenerator(chosen.motion, chosen.content, speakers=2)
    stir(head.flow)
    expression.deviation.fill_(0.2)
    expression.mean.fill_(0.3)
    head.deviation.fill_(0.1)
    return GMTalkerMotion(expression, head, lookahead, performer=(1, 0), life=life).eval().requires_grad_(False)


def stir(module: torch.nn.Module) -> None:
    """Random numbers where a fresh flow has zeros."""
    for parameter in module.parameters():
        parameter.data += 0.15 * torch.randn_like(parameter)


def speech(slots: int, length: int, seed: int = 0) -> SpeechFeatures:
    return _features(seed, slots, length)


@pytest.mark.parametrize("lookahead", [0, 1, 2])
def test_streaming_is_the_training_form(lookahead):
    """What steps say, the parallel forward says when it is given those very values as the past."""
    stage, length = tiny_motion(lookahead), 31  # caches hold 6 ticks
    heard = speech(2, length, 3)
    state = stage.init_state(2)
    for slot in range(2):
        stage.reset(state, slot, 5 + slot)
    said, moved = [], []
    for t in range(length):
        stage.step(state, tree_map(lambda v, t=t: v[:, t], heard))
        said.append(state.expression.past.clone())
        moved.append(state.head.past.clone())
    whole = length - lookahead
    said, moved = torch.stack(said, 1)[:, lookahead:], torch.stack(moved, 1)[:, lookahead:]
    speaker = torch.tensor([1, 1]), torch.tensor([0, 0])

    face = stage.expression
    z = gm.mix(state.components, state.mix)
    label = torch.nn.functional.one_hot(torch.tensor([NEUTRAL] * 2), K).float()
    pad = tree_map(lambda v: v[:, :length], heard)
    past = torch.nn.functional.pad(face.decoder.shifted(said, speaker[0]), (0, 0, 0, lookahead))
    parallel = face.decode(past, z, pad, speaker[0], lookahead, label)[:, :whole]
    assert (parallel - said).abs().max() < 1e-4

    streams = init_streams(2, 2 * stage.head.size.latent)
    for slot in range(2):
        seed_streams(streams, slot, 5 + slot)
    noise = torch.stack([normal(*draw(streams).chunk(2, -1)) for _ in range(length)], 1)
    latents = torch.nn.functional.pad(stage.head.flow(noise[:, lookahead:])[0], (0, 0, 0, lookahead))
    past = torch.nn.functional.pad(stage.head.decoder.shifted(moved, speaker[1]), (0, 0, 0, lookahead))
    parallel = stage.head.decode(past, latents, pad, speaker[1], lookahead, label)[:, :whole]
    assert (parallel - moved).abs().max() < 1e-4


@pytest.mark.parametrize("lookahead", [0, 2])
def test_unwritten_memory_is_never_read(lookahead):
    stage, heard = tiny_motion(lookahead), speech(2, 20)
    clean = stage.init_state(2)
    dirty = stage.init_state(2)
    for cache in (*dirty.expression.caches, *dirty.expression.heard, *dirty.head.caches, *dirty.head.heard):
        cache.keys.fill_(1e4)
        cache.values.fill_(1e4)
    for t in range(20):
        x = tree_map(lambda v, t=t: v[:, t], heard)
        wanted, got = stage.step(clean, x), stage.step(dirty, x)
        assert torch.equal(wanted, got)


def test_seeds_repeat_and_differ():
    stage, heard = tiny_motion(1), speech(1, 25)
    first, again, other = (fold(stage, heard, seed) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    difference = (first - other).abs().mean((0, 1))
    assert (difference[layout.POSE] > 0).all() and difference[: layout.E].max() > 0


def test_an_emotion_glides_to_its_goal():
    stage, heard = tiny_motion(0), speech(2, 80, 1)
    state = stage.init_state(2)
    shares = []
    for t in range(80):
        if t == 20:
            stage.set_emotion(state, 0, make_emotion({"happy": 1, "sad": 1}).weights, 0.8)
        stage.step(state, tree_map(lambda v, t=t: v[:, t], heard))
        shares.append(state.mix.clone())
    shares = torch.stack(shares, 1)
    assert shares[0, 19, NEUTRAL] == 1.0 and torch.equal(shares[1, 79], shares[1, 0])
    assert torch.allclose(shares.sum(-1), torch.ones(2, 80), atol=1e-5) and shares.min() >= 0.0
    end = shares[0, 79]
    assert end[HAPPY] == pytest.approx(0.4, abs=1e-3) and end[NEUTRAL] == pytest.approx(0.2, abs=1e-3)
    assert 0.5 * QUICKEST < shares[0].diff(dim=0).abs().max() <= QUICKEST + 1e-6
    stage.reset(state, 0, 1)
    assert state.mix[0, NEUTRAL] == 1.0 and state.goal[0, NEUTRAL] == 1.0


def test_what_speech_hardly_moves_never_leaps():
    """However wild the decoder: units of `glide` keep to their speed from rest on, and lips stay quick."""
    stage, heard = tiny_motion(0), speech(1, 40, 1)
    stage.expression.mean.fill_(0.5)
    stage.expression.deviation.fill_(0.4)
    state = stage.init_state(1)
    said = [torch.zeros(layout.E)]
    for t in range(40):
        if t == 20:
            stage.set_emotion(state, 0, make_emotion({"angry": 1}).weights, 1.0)
        said.append(stage.step(state, tree_map(lambda v, t=t: v[:, t], heard))[0, : layout.E])
    steps = torch.stack(said).diff(dim=0).abs().amax(0)
    bound = stage.glide.fastest < 1.0
    assert bound.sum() == 28
    bound &= (stage.lips.keep == 1.0).all(0)  # shutting lips may be quicker than an emotion
    assert bound.sum() > 20 and (steps[bound] <= stage.glide.fastest[bound] + 1e-6).all()
    assert steps[layout.INDEX["browInnerUp"]] > 0.5 * stage.glide.fastest[layout.INDEX["browInnerUp"]]
    assert steps[layout.INDEX["jawOpen"]] > 0.2


def test_the_emotion_changes_the_face_and_not_the_neighbour():
    stage, heard = tiny_motion(0), speech(2, 30, 1)
    plain = laws._steps(stage, laws._fresh(stage, heard), heard, 0, 30)
    state = laws._fresh(stage, heard)
    stage.set_emotion(state, 0, make_emotion({"angry": 1}).weights, 1.0)
    moved = laws._steps(stage, state, heard, 0, 30)
    difference = torch.stack([(a[0] - b[0]).abs().amax(-1) for a, b in zip(plain, moved, strict=True)])
    assert difference[-1, 0] > 1e-3 and difference[:, 1].max() == 0.0


def test_life_scales_the_head_and_not_the_face():
    heard = speech(1, 20)
    calm, still = (fold(tiny_motion(1, life=life), heard, 1) for life in (1.0, 0.0))
    assert torch.equal(calm[..., : layout.E], still[..., : layout.E])
    assert calm[..., layout.POSE].abs().max() > 0.01 and still[..., layout.E :].abs().max() == 0.0


def test_a_session_begins_at_rest():
    """Head, eyes and lids leave rest by small steps, whatever the decoder's start says; so does a slot begun anew."""
    stage, heard = tiny_motion(0), speech(2, 40, 1)
    state = stage.init_state(2)
    said = [stage.step(state, tree_map(lambda v, t=t: v[:, t], heard))[:, layout.E :] for t in range(40)]
    assert said[0].abs().max() == 0.0
    ratio = torch.stack(said, 1).abs().amax(-1)
    assert ratio[:, :3].max() < 0.3 * ratio[:, BEGINNING:].max()
    stage.reset(state, 0, 3)
    again = stage.step(state, tree_map(lambda v: v[:, 0], heard))[:, layout.E :]
    assert again[0].abs().max() == 0.0 and again[1].abs().max() > 0.0


def test_files_carry_sizes_and_speakers(tmp_path):
    stage = tiny_motion()
    content = stage.expression.decoder.ear.take.in_features - 2
    for generator, load in ((stage.expression, load_expression), (stage.head, load_head_motion)):
        path = tmp_path / f"{load.__name__}.safetensors"
        save_generator(generator, path, "abc", ("one", "two"), content)
        again, table = load(path)
        assert again.size == generator.size and table["speakers"] == ["one", "two"] and table["encoder"] == "abc"
        for name, tensor in again.state_dict().items():
            assert torch.allclose(tensor, generator.state_dict()[name], atol=2e-3), name
