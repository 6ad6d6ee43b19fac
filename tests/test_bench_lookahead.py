"""Lips against latency: the rule by hand-made figures, the plot, and what is kept of the lips."""

import json
from typing import Any

import pytest

from benchmarks.harness.lips import KEPT, LOOKAHEADS, TAKEN, present_weights, read_lips
from benchmarks.harness.lookahead import choose, join, meets_lips, reason
from engine.config import Config
from engine.errors import ConfigError

DEFAULT = Config().motion.plugin


def lips(
    closure: float, false: float = 0.02, labiodental: float = 0.98, viseme: float = 0.7, lead: float = 6.0
) -> dict[str, float]:
    return {"closure_recall": closure, "false_closure": false, "labiodental_recall": labiodental,
            "viseme_accuracy": viseme, "rounding_contrast": 2.0, "lip_lead_ms": lead}  # fmt: skip


def latency(p50: float) -> dict[str, Any]:
    spread = {"p50": p50, "p95": p50 + 5, "p99": p50 + 10}
    return {"mic_to_frame_ms": {name: ms - 30 for name, ms in spread.items()}, "loopback_ms": spread, "dropped": 0}


LIPS = {0: lips(0.905, viseme=0.70), 1: lips(0.955, viseme=0.76), 2: lips(0.957, viseme=0.765)}
TIMES = {0: latency(71), 1: latency(111), 2: latency(151)}


def test_the_least_look_ahead_with_something_to_spare_is_chosen():
    assert choose(LIPS, TIMES) == 1, "at none, closure is within 2 points of its target"
    assert choose({**LIPS, 0: lips(0.93)}, TIMES) == 0
    assert choose({**LIPS, 0: lips(0.93, lead=-13.0)}, TIMES) == 1, "lips that come late are none"
    assert choose({**LIPS, 1: lips(0.955, false=0.031)}, TIMES) == 1, "the best of those in time, if none is safe"
    assert choose(LIPS, {k: latency(130) for k in TIMES}) is None
    assert choose({}, TIMES) is None
    assert meets_lips(LIPS[0]) and not meets_lips(LIPS[0], 0.02)


def test_the_reasoning_names_gain_and_price():
    said = " ".join(reason(LIPS, TIMES))
    assert "+0.5 points at the tightest recall" in said and "beyond 120/200 ms" in said
    assert "From 0 to 40 ms: +5.0 points P B M" in said and "worth it for 40 ms" in said
    assert "From 40 to 80 ms: +0.2 points P B M" in said and "not worth it" in said and said.endswith("in time: 40 ms.")
    assert "latency alone" in reason({}, TIMES)[0]
    late = {**LIPS, 0: lips(0.93, lead=-13.0)}
    slow = {ticks: latency(71 if ticks == 0 else 130) for ticks in TIMES}
    assert reason(late, slow)[-1].endswith("in time: none, here; of those in time the best lips have 0 ms.")


def test_lips_and_latency_stand_side_by_side():
    result = join(LIPS, TIMES, default=1)
    assert [row["lookahead_ms"] for row in result.figures["rows"]] == [0, 40, 80]
    assert result.figures["rows"][1]["default"] and result.figures["chosen_ticks"] == 1
    assert len(result.tables[0].rows[0]) == len(result.tables[0].head)
    against = result.plots[0].lines["P B M shut the lips"]
    assert against == [(71, 90.5), (111, 95.5), (151, 95.7)]
    alone = join({}, TIMES, default=1)
    assert not alone.plots[0].svg() and alone.plots[2].svg(), "no lips, no plot of them"


def test_the_lips_that_are_kept_are_of_the_weights_that_ship():
    kept = read_lips(DEFAULT)
    assert set(kept["lookaheads"]) == {str(ticks) for ticks in LOOKAHEADS}
    assert all({*TAKEN, "viseme_accuracy"} == set(figures) for figures in kept["lookaheads"].values())


def test_lips_of_others_are_refused(tmp_path):
    kept = json.loads(KEPT.read_text())
    assert kept["weights"] == present_weights(DEFAULT) and len(kept["weights"]) > 1 and "encoder" in kept["weights"]
    other = tmp_path / "lips.json"
    other.write_text(json.dumps(kept | {"weights": {"encoder": "0"}}))
    with pytest.raises(ConfigError, match="of other weights"):
        read_lips(DEFAULT, other)
    with pytest.raises(ConfigError, match=f"the lips of {DEFAULT}"):
        read_lips("somebody", KEPT)
    other.write_text("{}")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_lips(DEFAULT, other)
