"""What a program wants said, in virtual time: every sample once, marks where they belong, an honest account."""

import numpy as np

from engine.stream.speech import FADE_SAMPLES, Interrupted, Reached, SpeechQueue, Spoken

BLOCK = 960


def ramp(count: int, start: int = 1) -> np.ndarray:
    """Samples that tell their own place."""
    return np.arange(start, start + count, dtype=np.float32)


class Stage:
    """Takes 20 ms at a time, and hears them `delay` samples later."""

    def __init__(self, queue: SpeechQueue, delay: int = 3 * BLOCK, media: int = 48):
        self.queue, self.delay, self.media = queue, delay, media
        self.begun = media
        self.sound = np.zeros(0, np.float32)
        self.events: list = []

    def run(self, blocks: int) -> None:
        for _ in range(blocks):
            self.sound = np.concatenate([self.sound, self.queue.take(self.media, BLOCK)])
            self.media += BLOCK
            self.events += self.queue.hear(self.media - self.delay)

    @property
    def heard(self) -> np.ndarray:
        """The speech in what was let out."""
        out = self.sound[: max(0, self.media - self.delay - self.begun)]
        return out[out != 0]


def test_speech_that_comes_faster_than_it_is_said_comes_out_whole():
    queue = SpeechQueue()
    stage = Stage(queue)
    stage.run(5)
    for start in range(0, 10_000, 777):
        queue.append(ramp(min(777, 10_000 - start), 1 + start))
    assert queue.flush() == 1 and queue.waiting == 10_000
    stage.run(20)
    assert np.array_equal(stage.sound[5 * BLOCK :][:10_000], ramp(10_000)) and not stage.sound[: 5 * BLOCK].any()
    assert stage.events == [Spoken(1, 10_000)] and queue.underruns == 0 and queue.waiting == 0
    assert queue.utterance == 2 and queue.said == 0


def test_speech_that_comes_slower_has_gaps_and_loses_nothing():
    queue = SpeechQueue()
    stage = Stage(queue)
    for part in range(20):
        queue.append(1000 + ramp(500, 1 + part * 500))
        stage.run(1)
    queue.flush()
    stage.run(10)
    assert np.count_nonzero(stage.sound) >= 10_000 - 20 and queue.underruns == 20
    assert stage.events == [Spoken(1, 10_000)]
    assert stage.sound[FADE_SAMPLES] > 1000 > stage.sound[499], "what breaks off is faded"


def test_a_buffer_is_filled_first_and_a_flush_need_not_wait_for_it():
    queue = SpeechQueue(buffer=5 * BLOCK)
    stage = Stage(queue)
    queue.append(ramp(4 * BLOCK))
    stage.run(3)
    assert not stage.sound.any()
    queue.append(ramp(BLOCK, 4 * BLOCK + 1))
    stage.run(6)
    assert np.array_equal(stage.sound[3 * BLOCK : 8 * BLOCK - FADE_SAMPLES], ramp(5 * BLOCK)[:-FADE_SAMPLES])
    queue.append(ramp(100))
    stage.run(2)
    assert queue.waiting == 100 and queue.underruns == 1
    queue.flush()
    stage.run(5)
    assert queue.waiting == 0 and stage.events == [Spoken(1, 5 * BLOCK + 100)]


def test_marks_are_told_when_they_are_heard_and_belong_to_their_utterance():
    queue = SpeechQueue()
    stage = Stage(queue)
    queue.mark("begin")
    queue.append(ramp(1000))
    queue.mark(text="Good ")
    queue.append(ramp(1000))
    queue.mark("end", "morning.")
    queue.flush()
    queue.mark("next")
    queue.append(ramp(500))
    stage.run(4)
    told = [event.mark.name + event.mark.text for event in stage.events]
    assert told == ["begin"]
    stage.run(1)  # 1920 samples heard
    assert [event.mark.text for event in stage.events] == ["", "Good "]
    stage.run(1)
    kinds = [(type(event), event.mark.utterance if isinstance(event, Reached) else event.utterance)
             for event in stage.events]  # fmt: skip
    assert kinds == [(Reached, 1)] * 3 + [(Spoken, 1), (Reached, 2)]
    assert queue.marks == 0 and queue.said == 500


def test_an_interrupt_forgets_what_was_not_heard_and_says_what_was():
    for delay in (0, BLOCK, 5 * BLOCK):
        for blocks in range(1, 12):
            queue = SpeechQueue()
            stage = Stage(queue, delay)
            queue.append(ramp(3000))
            queue.mark("a", "One, ")
            queue.append(ramp(3000, 3001))
            queue.mark("b", "two.")
            queue.flush()
            queue.append(ramp(2000, 6001))
            queue.flush()
            stage.run(blocks)
            heard = len(stage.heard)
            report = queue.interrupt()
            begun = 0 if heard < 6000 else 6000 if heard < 8000 else 8000
            assert report.samples == heard - begun and report.dropped == 8000 - heard
            assert report.text == "".join(["One, "] * (3000 <= heard) + ["two."] * (6000 <= heard)) * (heard < 6000)
            assert queue.waiting == queue.marks == queue.said == 0 and queue.utterance == 4
            stage.events.clear()
            queue.append(ramp(960))
            queue.flush()
            stage.run(10)
            assert stage.events == [Spoken(4, 960)]


def test_an_interrupt_of_silence_reports_nothing():
    queue = SpeechQueue()
    assert queue.interrupt() == Interrupted(1, 0, 0, "", "")


def test_who_leaves_has_only_whole_utterances_said():
    queue = SpeechQueue()
    stage = Stage(queue)
    queue.append(ramp(3000))
    queue.flush()
    queue.append(ramp(700, 3001))
    queue.mark("lost")
    assert queue.leave() == 700
    stage.run(10)
    assert np.array_equal(stage.heard, ramp(3000)) and not any(isinstance(event, Reached) for event in stage.events)
    half = SpeechQueue()
    stage = Stage(half)
    half.append(ramp(3000))
    stage.run(1)
    assert half.leave() == 3000 - BLOCK
    stage.run(9)
    assert np.array_equal(stage.heard, ramp(BLOCK)) and half.waiting == 0
