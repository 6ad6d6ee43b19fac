"""Emotions as people write them, and how a pipeline is told one."""

import pytest

from engine.config import load_config
from engine.errors import ConfigError, PluginError
from engine.motion.emotion import EMOTIONS, K, make_emotion, parse_emotion
from engine.motion.life import Life, Lively
from engine.pipeline import Performer, Pipeline
from engine.stage import Stage
from engine.torchkit.openvino_executor import OpenVino


def test_a_mixture_is_normalised():
    mixed = parse_emotion("happy=2, sad=1", 0.5)
    assert mixed.weights[EMOTIONS.index("happy")] == pytest.approx(2 / 3)
    assert sum(mixed.weights) == pytest.approx(1.0) and mixed.intensity == 0.5
    assert parse_emotion(mixed.text(), 0.5).weights == pytest.approx(mixed.weights)


@pytest.mark.parametrize("text", ["", "neutral", "happy=0", "neutral=3"])
def test_no_weight_is_neutral(text):
    assert parse_emotion(text) == make_emotion({"neutral": 1.0})


@pytest.mark.parametrize(
    ("text", "said"),
    [("glad", "no emotion 'glad'"), ("happy=much", "happy=0.7,sad=0.3"), ("sad=-1", "0 or more"),
     ("sad=nan", "a number")],
)  # fmt: skip
def test_mistakes_are_named(text, said):
    with pytest.raises(ConfigError, match=said):
        parse_emotion(text)
    with pytest.raises(ConfigError, match=r"motion\.emotion.*" + said):
        load_config(None, [f"motion.emotion={text}"])


@pytest.mark.parametrize("weights", [[1.0], [1.0] * (K + 1), [True] * K, ["1"] * K])
def test_weights_from_outside_are_checked(weights):
    with pytest.raises(ConfigError):
        make_emotion(weights)
    with pytest.raises(ConfigError):
        make_emotion([1.0] * K, 1.2)


def test_a_plugin_without_emotions_says_so():
    with pytest.raises(ConfigError, match="'viseme' shows no emotions"):
        Pipeline(load_config(None, ["motion.emotion=happy", "motion.plugin=viseme"]), pictures=False)
    performer = Performer(Pipeline(load_config(None, ["motion.plugin=viseme"]), pictures=False))
    with pytest.raises(PluginError, match="no emotions"):
        performer.set_emotion(parse_emotion("happy"))


def test_wrappers_speak_for_their_stage():
    class Feeling(Life):
        emotional = True

        def set_emotion(self, state, slot, weights, intensity):
            state.beat[slot] = intensity

    lively = Lively(Feeling(), Life())
    assert lively.emotional and lively.alive and not Stage.alive
    state = lively.init_state(2)
    lively.set_emotion(state, 1, make_emotion({}).weights, 0.25)
    assert state.motion.beat.tolist() == [0.0, 0.25]
    assert "set_emotion" in vars(OpenVino)
