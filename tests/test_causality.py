"""What causality costs: right where the answer is known."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks.causality import Probe, draw, measure, similarity
from benchmarks.plot import plot_lines
from engine.features.hubert import Hubert
from engine.training.corpus import Clip
from tests.hubert_files import TINY


def clips(count: int) -> list[Clip]:
    random = np.random.default_rng(0)
    phones = (("sil", 0.0, 0.3), ("AA", 0.3, 0.8), ("S", 0.8, 1.2))
    loud = np.repeat([100, 4_000, 1_000], [4_800, 8_000, 6_400])
    sounds = [(random.standard_normal(19_200) * loud).astype(np.int16) for _ in range(count)]
    return [Clip(f"{n}", "v", "train", phones, sound) for n, sound in enumerate(sounds)]


def test_a_probe_names_what_is_there():
    random = np.random.default_rng(1)
    labels = [random.integers(0, 5, 400)]
    features = [np.eye(5, dtype=np.float32)[labels[0]] + 0.05 * random.standard_normal((400, 5))]
    assert Probe(features, labels).accuracy(features, labels) == pytest.approx(1.0)
    noise = [random.standard_normal((400, 5))]
    assert Probe(noise, labels).accuracy([random.standard_normal((400, 5))], labels) < 0.5


def test_similarity_of_the_same_and_of_strangers():
    random = np.random.default_rng(2)
    one, other = ([random.standard_normal((300, 20))] for _ in range(2))
    assert similarity(one, one) == pytest.approx(1.0)
    assert abs(similarity(one, other)) < 0.1


def test_more_of_the_clip_is_nearer_to_the_whole(tmp_path):
    """With look-ahead and context the causal form of a stock structure comes closer to the whole clip."""
    torch.manual_seed(0)
    trunk = Hubert(replace(TINY, position_kernel=16)).eval()
    table = measure(trunk, trunk, clips(2), clips(2), layer=-1, contexts=(4, 60))
    rows = {(row["lookahead_ms"], row["context_ms"]): row["cosine"] for row in table["causal"]}
    assert set(rows) == {(ms, context) for ms in (0, 40, 80) for context in (80, 1200)}
    assert rows[80, 1200] > rows[0, 80]
    table["weights"] = "tiny"
    draw(json.loads(json.dumps(table)), tmp_path / "c.png")
    assert (tmp_path / "c.png").stat().st_size > 5_000


def test_a_plot_shows_its_lines():
    picture = np.asarray(plot_lines({"a": [(0, 0.0), (1, 1.0)], "b": [(0, 1.0), (1, 0.0)]}, "x", "y", "t"))
    for colour in ((31, 119, 180), (214, 39, 40)):
        assert (picture == colour).all(-1).sum() > 300
