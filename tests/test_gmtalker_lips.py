"""GMTalker's lips: in time, shut or bitten in every emotion, and at rest where nobody speaks."""

import pytest
import torch

from engine.features.phones import GESTURES, PHONE_INDEX, PHONES
from engine.motion import layout
from plugins.gmtalker.lips import (
    JAW_EARLY,
    JAW_LATE,
    LEAD,
    MOST_LEAD,
    MOST_STEP,
    MOST_TAKEN,
    ONSET,
    ROUND_ADD,
    SPREAD_ADD,
    LipGates,
)


@pytest.mark.parametrize("emotion", ["happy", "disgusted", "surprised"])
def test_lips_shut_in_every_emotion(emotion):
    """Gates close the lips on the mesh whatever opens them, and leave the brows alone."""
    from engine.render.face_model import FaceModel
    from engine.render.lips import LipMeasure

    face = FaceModel.load()
    gates, measure = LipGates(face), LipMeasure(face)
    units = {
        "happy": {"mouthSmileLeft": 0.9, "mouthSmileRight": 0.9, "jawOpen": 0.3, "mouthUpperUpLeft": 0.4},
        "disgusted": {"lipUpperRaise": 0.8, "noseSneerLeft": 0.8, "mouthUpperUpRight": 0.7, "jawOpen": 0.2},
        "surprised": {"jawOpen": 0.7, "mouthFunnel": 0.5, "browInnerUp": 0.9},
    }[emotion]
    values = torch.from_numpy(layout.vector(**units))[None, : layout.E]
    assert measure.aperture(values.numpy())[0] > 0.08
    shut = gates(values, values, torch.tensor([[1.0, 0.0, 0.0, 0.0]]))
    assert measure.aperture(shut.numpy())[0] < 1e-4
    half = gates(values, values, torch.tensor([[0.0, 1.0, 0.0, 0.0]]))
    assert 0.0 < measure.aperture(half.numpy())[0] < measure.aperture(values.numpy())[0]
    still = [layout.INDEX[name] for name in layout.EXPRESSION if name.startswith(("brow", "eye", "nose"))]
    assert torch.equal(shut[:, still], values[:, still])
    assert torch.equal(gates(values, values, torch.zeros(1, 4)), values)


def test_lips_are_ahead_of_a_decoder_that_lags_and_shut_by_gates_alone():
    """A smile stays as decoded; lips do the last step again, but never open by a leap nor shut by a fall."""
    gates, free = LipGates(), torch.zeros(1, 4)
    smile, shut = (layout.INDEX[name] for name in ("mouthSmileLeft", "mouthClose"))
    funnel, lower = (layout.INDEX[name] for name in ("mouthFunnel", "mouthLowerDownRight"))
    some = {"jawOpen": 0.3, "mouthFunnel": 0.3, "mouthSmileLeft": 0.3}
    high = torch.from_numpy(layout.vector(**some))[None, : layout.E]
    low = high * 0.9
    opens, shuts = gates(high, low, free)[0], gates(low, high, free)[0]
    assert opens[smile] == pytest.approx(0.3) and shuts[smile] == pytest.approx(0.27)
    assert opens[funnel] == pytest.approx(0.3 + 0.03 * LEAD) and opens[lower] == pytest.approx(0.03)
    assert shuts[funnel] == pytest.approx(0.27 - 0.03 * LEAD) and shuts[lower] == opens[shut] == 0.0
    leap, fall = gates(high * 4.0, low, free)[0], gates(low, high * 4.0, free)[0]
    assert leap[funnel] == pytest.approx(1.2 + MOST_LEAD) and leap[lower] == pytest.approx(MOST_STEP)
    assert fall[funnel] == pytest.approx(0.27 * (1.0 - MOST_TAKEN))


def test_a_shutting_jaw_comes_after_the_lips_and_an_opening_one_before_itself():
    gates, free = LipGates(), torch.zeros(1, 4)
    jaw, shut = layout.INDEX["jawOpen"], layout.INDEX["mouthClose"]
    high = torch.from_numpy(layout.vector(jawOpen=0.3))[None, : layout.E]
    low = high * 0.9
    opens, shuts, fall = (gates(now, was, free)[0] for now, was in ((high, low), (low, high), (low, high * 4.0)))
    assert opens[jaw] == pytest.approx(0.3 + 0.03 * JAW_EARLY)
    assert shuts[jaw] == pytest.approx(0.27 + 0.03 * JAW_LATE)
    assert shuts[shut] == pytest.approx(0.03 * (1.0 + JAW_LATE)), "lips meet by as much as the jaw is late, and lead"
    assert fall[jaw] - fall[shut] == pytest.approx(0.27 * (1.0 - MOST_TAKEN)), "however late the jaw is"


def test_sure_vowels_round_and_spread_the_lips():
    gates, phones, gestures = LipGates(), torch.zeros(1, 2, 2, len(PHONES)), torch.zeros(1, 2, 2, 4)
    values = torch.zeros(1, layout.E)
    pucker, stretch = layout.INDEX["mouthPucker"], layout.INDEX["mouthStretchLeft"]
    for name, wanted in (("UW", (ROUND_ADD["mouthPucker"], 0.0)), ("IY", (0.0, SPREAD_ADD["mouthStretch"]))):
        for sure in (1.0, 0.5):
            phones.zero_()
            phones[:, :, 1, PHONE_INDEX[name]] = sure
            said = gates(values, values, gates.gates(phones, gestures, torch.zeros(1), 1))[0]
            assert (said[pucker].item(), said[stretch].item()) == pytest.approx((wanted[0] * sure, wanted[1] * sure))


@pytest.mark.parametrize("delay", [0, 1, 2])
def test_lips_begin_to_shut_one_tick_before(delay):
    gates, phones, gestures = LipGates(), torch.zeros(1, 2, 3, len(PHONES)), torch.zeros(1, 2, 3, 4)
    phones[..., PHONE_INDEX["AA"]] = 1.0
    quiet = torch.zeros(1)
    assert gates.gates(phones, gestures, quiet, delay).max() == 0.0
    for now, after in ((1.0, 0.0), (0.0, 1.0)):
        phones[..., delay, PHONE_INDEX["B"]], phones[..., delay, PHONE_INDEX["AA"]] = now, 1.0 - now
        if delay:
            phones[..., delay - 1, PHONE_INDEX["B"]], phones[..., delay - 1, PHONE_INDEX["AA"]] = after, 1.0 - after
        shut, bite, *shapes = gates.gates(phones, gestures, quiet, delay)[0]
        assert bite == max(shapes) == 0.0 and shut == pytest.approx(1.0 if now else ONSET if delay else 0.0)


def test_a_mouth_shuts_where_nobody_speaks_and_opens_before_it_does():
    lips, values = LipGates(), torch.full((layout.E,), 0.5)
    jaw, brow = layout.INDEX["jawOpen"], layout.INDEX["browInnerUp"]

    def after(now: float, soon: float, neutral: float, silent_ticks: float = 0.0) -> torch.Tensor:
        gestures = torch.zeros(2, 2, len(GESTURES))  # frames, delays, gestures
        gestures[:, 1, GESTURES.index("silence")], gestures[:, 0, GESTURES.index("silence")] = now, soon
        return lips.quiet(values, gestures, torch.tensor(silent_ticks), torch.tensor(neutral), 1)

    assert after(1.0, 1.0, 1.0)[jaw] == 0.0 and after(1.0, 1.0, 1.0)[brow] == 0.5
    assert after(1.0, 1.0, 0.0)[jaw] == pytest.approx(0.25), "an emotion opens mouths of its own accord"
    for now, soon in ((0.0, 0.0), (1.0, 0.2), (0.2, 1.0)):
        assert torch.equal(after(now, soon, 1.0), values)
    opening = [after(0.0, 0.0, 1.0, silent_ticks=float(ticks))[jaw].item() for ticks in range(13)]
    assert opening[:2] == [0.5, 0.5], "the tick that is answered is one before the newest"
    assert opening == sorted(opening, reverse=True) and opening[3] < 0.2 and opening[11:] == [0.0, 0.0]
    smile = layout.INDEX["mouthSmileLeft"]
    assert after(0.0, 0.0, 1.0, silent_ticks=12.0)[smile] == 0.0, "a neutral mouth comes to rest where nothing is heard"
    assert after(0.0, 0.0, 0.5, silent_ticks=12.0)[smile] == 0.5 == after(1.0, 1.0, 1.0)[smile]
