"""One step for many sessions: whoever has a tick waiting shares it, each in a slot of its own.

A step of the networks spends most of its time on reading weights, which all slots share. Measured, ms of processor
time from sound to motion (OpenVINO, one thread of a Zen 4 core, viseme | gmtalker):

    1 slot 4.9 | 7.1     2 slots 5.5 | 8.3     4 slots 6.4 | 9.2     8 slots 8.3

So those that are due run together, and nobody waits for a batch to fill: a machine with time to spare gives everyone
an own step at once; a busy one finds more of them waiting, and shares. Batches are ranges of neighbouring slots, views
into one state, because gathering slots from anywhere and putting them back costs as much as one and a half of them
(0.7 ms each). A slot that lies in the range and is not due is put back afterwards (0.2 ms).

A step that fails with several sessions is taken back and repeated with each of them alone, so that only the one that
makes it fail ends.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from engine.metrics import Histogram, Timings
from engine.stage import Stage, State

FIXED = 8  # what a step costs beside its slots, in slots
SIZES = (1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 32.0, 64.0)  # buckets of the histogram
RECENT = 256  # steps of each size that `typical_ms` goes by
Answer = torch.Tensor | Exception


class Slots:
    """A stage's states for `sizes[-1]` sessions, and the step that they share. Not for several threads at once.

    state: of all slots. sizes: numbers of slots with which the stage can be stepped, ascending. width: of one slot's
    input, float32 (width,). due: how many sessions came along with each step.
    """

    def __init__(self, stage: Stage, sizes: Sequence[int], width: int):
        self.stage, self.sizes, self.count = stage, tuple(sizes), sizes[-1]
        self.state: Any = stage.init_state(self.count)
        self.due = Histogram(SIZES)
        spare = stage.init_state(self.count)  # for a step that may have to be taken back
        self._pairs = [(own, kept) for (_, own), (_, kept) in zip(self.state.tensors(), spare.tensors(), strict=True)]
        self._given = torch.zeros(self.count, width)
        self._ranges: dict[tuple[int, int], tuple[State, torch.Tensor]] = {}
        self._spent = {size: Timings(RECENT) for size in self.sizes}

    @torch.inference_mode()
    def step(self, given: Mapping[int, np.ndarray]) -> dict[int, Answer]:
        """One tick for these slots, and for no other: the answer (1, ...) of each, or what it raised.

        given: float32 (width,) by slot. A slot whose step raised is fresh again.
        """
        answers: dict[int, Answer] = {}
        for slots in self._batches(sorted(given)):
            answers |= self._step({slot: given[slot] for slot in slots})
        return answers

    def warm_up(self, ticks: int) -> None:
        """A few steps of every size on silence: what only the first ones cost, and something for `typical_ms`."""
        silence = np.zeros(self._given.shape[1], np.float32)
        for size in self.sizes:
            for _ in range(ticks):
                self.step(dict.fromkeys(range(size), silence))

    def typical_ms(self) -> dict[int, float]:
        """What a step of each size took here of late, half of the steps more."""
        return {size: spent.percentiles()["p50"] for size, spent in self._spent.items()}

    def _batches(self, slots: list[int]) -> list[list[int]]:
        """Which of the slots (ascending) to step together: what costs least, all that is between them included."""
        best: list[tuple[int, list[list[int]]]] = [(0, [])]  # for the first few of them: cost in slots, batches
        for stop in range(1, len(slots) + 1):
            best.append(min(
                (best[start][0] + FIXED + self._size(slots[stop - 1] + 1 - slots[start]),
                 [*best[start][1], slots[start:stop]])
                for start in range(stop)
            ))  # fmt: skip
        return best[-1][1]

    def _size(self, span: int) -> int:
        return next(size for size in self.sizes if size >= span)

    def _step(self, given: Mapping[int, np.ndarray]) -> dict[int, Answer]:
        """A batch: one step of the range that its slots lie in."""
        first, size = min(given), self._size(max(given) + 1 - min(given))
        begin = min(first, self.count - size)
        end = begin + size
        if size > 1:
            for own, kept in self._pairs:
                kept[begin:end].copy_(own[begin:end])
        state, x = self._range(begin, end)
        x.zero_()
        try:
            for slot, sound in given.items():
                self._given[slot].copy_(torch.from_numpy(sound))
            with self._spent[size].measure():
                answer = self.stage.step(state, x)
        except Exception as error:
            if size > 1:
                self._put_back(range(begin, end))
            if len(given) == 1:
                self.stage.reset(self.state, first)  # what made it fail is not to meet anybody again
                return {first: error}
            return {slot: result for slot, x in given.items() for slot, result in self._step({slot: x}).items()}
        self.due.add(len(given))
        if len(given) < size:
            self._put_back(slot for slot in range(begin, end) if slot not in given)
        return {slot: answer[slot - begin : slot - begin + 1] for slot in given}

    def _range(self, begin: int, end: int) -> tuple[State, torch.Tensor]:
        """State and input of slots begin ... end - 1, as views."""
        if (begin, end) not in self._ranges:
            views = iter([tensor[begin:end] for _, tensor in self.state.tensors()])
            self._ranges[begin, end] = self.state.rebuilt(views), self._given[begin:end]
        return self._ranges[begin, end]

    def _put_back(self, slots: Iterable[int]) -> None:
        """These slots as they were before the step."""
        for slot in slots:
            for own, kept in self._pairs:
                own[slot].copy_(kept[slot])
