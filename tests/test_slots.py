"""Many sessions, one step: each answers as if it were alone, whoever comes, goes, waits or fails beside it."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from engine.audio.loudness import LoudnessNormaliser
from engine.features import load_encoder
from engine.hearing import Hearing
from engine.metrics import Timings
from engine.motion.emotion import make_emotion
from engine.slots import FIXED, Answer, Slots
from engine.stage import Chain, Stage, State
from engine.torchkit.executors import batch_sizes, make_executor
from tests.stages import _speech
from tests.test_gmtalker import tiny_motion

WIDTH = 640
TICKS = 30


@dataclass(slots=True)
class Sums(State):
    """total float32 (S, 1); seed int64 (S,)."""

    total: torch.Tensor
    seed: torch.Tensor


class Adder(Stage):
    """Adds up what it hears, and fails where it hears 13, in the middle of its work. slots: of each step."""

    def __init__(self) -> None:
        self.slots: list[int] = []

    def init_state(self, slots: int) -> Sums:
        return Sums(torch.zeros(slots, 1), torch.zeros(slots, dtype=torch.int64))

    def step(self, state: Sums, x: torch.Tensor) -> torch.Tensor:
        self.slots.append(len(x))
        state.total.add_(x[:, :1])
        if (x == 13.0).any():
            raise ValueError("thirteen")
        return state.total + state.seed[:, None]


def number(answer: Answer) -> float:
    """What the adder answered."""
    assert not isinstance(answer, Exception) and answer.shape == (1, 1)
    return float(answer)


def one(value: float) -> np.ndarray:
    return np.array([value], np.float32)


@pytest.mark.parametrize("sizes", [(1, 2, 4, 7), (7,), (1, 2, 3, 4, 5, 6, 7)])
def test_only_who_is_due_moves(sizes):
    slots, sums = Slots(Adder(), sizes, 1), np.zeros(7)
    chance = np.random.default_rng(0)
    for _ in range(200):
        due = {int(slot): one(float(chance.integers(1, 9))) for slot in np.flatnonzero(chance.random(7) < 0.4)}
        answers = slots.step(due)
        assert set(answers) == set(due)
        for slot, x in due.items():
            sums[slot] += x[0]
            assert number(answers[slot]) == sums[slot]
        if chance.random() < 0.1:
            slot = int(chance.integers(7))
            slots.stage.reset(slots.state, slot, seed=1000)
            sums[slot] = 1000
        assert (slots.state.total[:, 0] + slots.state.seed == torch.from_numpy(sums)).all(), "the others stayed"


@pytest.mark.parametrize("sizes", [(1, 2, 4), (4,)])
def test_who_fails_fails_alone(sizes):
    slots = Slots(Adder(), sizes, 1)
    slots.step({slot: one(10 * slot) for slot in range(4)})
    answers = slots.step({0: one(1), 1: one(13), 3: one(1)})
    assert number(answers[0]) == 1 and number(answers[3]) == 31
    assert isinstance(answers[1], ValueError)
    assert slots.state.total[2] == 20, "who was not due did not notice"
    slots.stage.reset(slots.state, 1)
    assert number(slots.step({1: one(5)})[1]) == 5, "the slot is as good as new"
    assert number(slots.step({2: one(1), 3: one(1)})[2]) == 21


def test_a_sound_of_another_length_is_that_sessions_error():
    slots = Slots(Adder(), (1, 2), 1)
    answers = slots.step({0: one(1), 1: np.zeros(3, np.float32)})
    assert number(answers[0]) == 1 and isinstance(answers[1], RuntimeError)


def test_a_step_holds_those_who_are_due_and_few_others():
    stage = Adder()
    slots = Slots(stage, batch_sizes("eager", 40), 1)
    for due, expected in (
        ([0], [1]), ([39], [1]), ([0, 1], [2]), ([0, 1, 2], [4]), ([3, 4], [2]), ([0, 7], [8]), ([36, 39], [4]),
        ([0, 20], [1, 1]), ([0, 1, 20, 21, 22], [2, 4]), (list(range(40)), [40]), ([], []),
    ):  # fmt: skip
        stage.slots.clear()
        slots.step({slot: one(1) for slot in due})
        assert stage.slots == expected, due
    assert FIXED == 8 and slots.due.counts[0] == 4 and sum(slots.due.counts) == 12
    assert slots.due.total == 60, "every tick was counted once"


def test_sizes_that_steps_are_compiled_for():
    assert [batch_sizes("openvino", n) for n in (1, 2, 3, 4, 6)] == [(1,), (1, 2), (1, 2, 3), (1, 2, 4), (1, 2, 4, 6)]
    assert batch_sizes("graph", 6) == (6,)


def test_a_warm_step_knows_what_it_costs():
    slots = Slots(Adder(), (1, 2, 4), 1)
    slots.warm_up(3)
    assert list(slots.typical_ms()) == [1, 2, 4] and min(slots.typical_ms().values()) > 0


@pytest.fixture(scope="module", params=["eager", "openvino"])
def hearing(request) -> Hearing:
    """From voice to motion, with emotions, ready for 1 and 3 slots."""
    encoder, face = load_encoder(), tiny_motion(1)
    encoder.ask(face.needs)
    ears: Stage = Chain(LoudnessNormaliser(), encoder)
    x = torch.zeros(1, WIDTH)
    features = ears.step(ears.init_state(1), x)
    face = make_executor(face, request.param, features, (1, 3))
    ears = make_executor(ears, request.param, x, (1, 3))
    return Hearing(ears, face, {part: Timings() for part in ("features", "motion")})


FEELINGS = [make_emotion({"happy": 1.0}), make_emotion({"angry": 0.6, "sad": 0.4}), make_emotion({"fear": 1.0}, 0.5)]


def alone(hearing: Hearing, voice: torch.Tensor, seed: int, feels: int) -> torch.Tensor:
    """What a session says by itself: (T, M)."""
    slots = Slots(hearing, (1,), WIDTH)
    enter(slots, 0, seed, feels)
    return torch.cat([motion(slots.step({0: tick.numpy()})[0]) for tick in voice])


def motion(answer: Answer) -> torch.Tensor:
    assert not isinstance(answer, Exception)
    return answer


def enter(slots: Slots, slot: int, seed: int, feels: int) -> None:
    slots.stage.reset(slots.state, slot, seed)
    slots.stage.set_emotion(slots.state, slot, FEELINGS[feels].weights, FEELINGS[feels].intensity)


def test_sessions_equal_themselves_alone(hearing):
    """Three voices, seeds and emotions; one comes late, one misses ticks, one leaves and another takes its slot,
    one is full of NaN: the same motion as without them."""
    voices = _speech(3, 3, TICKS)
    slots, said = Slots(hearing, (1, 3), WIDTH), {0: [], 1: [], 2: []}
    chance = np.random.default_rng(1)
    for slot in (0, 1):
        enter(slots, slot, 20 + slot, slot)
    places = [0, 0, 0]
    noise = np.full(WIDTH, np.nan, np.float32)
    while min(places) < TICKS:
        due = {}
        for slot in range(3):
            if slot == 2 and places[0] < 5:
                due[2] = noise  # somebody whose sound is broken, until 5
            elif slot == 2 and not places[2]:
                enter(slots, 2, 22, 2)
                due[2] = voices[2, 0].numpy()
            elif places[slot] < TICKS and chance.random() < (0.6, 1.0, 0.8)[slot]:
                due[slot] = voices[slot, places[slot]].numpy()
        for slot, answer in slots.step(due).items():
            if due[slot] is not noise:
                said[slot].append(motion(answer))
                places[slot] += 1
    for slot in range(3):
        single = alone(hearing, voices[slot], 20 + slot, slot)
        torch.testing.assert_close(torch.cat(said[slot]), single, atol=1e-4, rtol=0)
    other = alone(hearing, voices[0], 20, 1)
    assert (other - torch.cat(said[0])).abs().max() > 0.02, "emotions differ, or nothing was shown"


def test_an_interrupt_is_one_sessions(hearing):
    voices, slots = _speech(5, 2, 12), Slots(hearing, (1, 3), WIDTH)
    single = alone(hearing, voices[0], 1, 0)
    for slot in (0, 1):
        enter(slots, slot, 1 + slot, slot)
    said = []
    for tick in range(12):
        if tick == 6:
            hearing.hush(slots.state, 1)
        said.append(slots.step({0: voices[0, tick].numpy(), 1: voices[1, tick].numpy()}))
    torch.testing.assert_close(torch.cat([motion(step[0]) for step in said]), single, atol=1e-4, rtol=0)
