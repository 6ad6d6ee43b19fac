"""Metrics of held-out evidence on what is known: paths, steps, t-SNE, the emotion reader, the table of figures."""

import json

import numpy as np
import pytest

from benchmarks.emotion_reader import load_reader, save_reader, teach
from benchmarks.evidence import Evidence
from benchmarks.interpolation_figures import (
    FRAMES,
    SMALLEST_STEP,
    detour,
    distance_variance,
    largest_step,
    path_length,
    steady_steps,
    unevenness,
)
from benchmarks.maps import draw_points, draw_shares
from benchmarks.tsne import neighbours, tsne
from engine.errors import MediaError, WeightsError
from engine.motion import layout
from engine.motion.emotion import EMOTIONS, K
from plugins.gmtalker.evidence.table import markdown, read


def test_an_even_straight_path_is_the_best():
    even = np.linspace([0.0, 0.0], [8.0, 6.0], FRAMES)
    assert path_length(even) == pytest.approx(10 / 16) and distance_variance(even) == pytest.approx(0.0, abs=1e-12)
    assert detour(even) == pytest.approx(1.0) and unevenness(even) == pytest.approx(0.0, abs=1e-6)
    jump = np.zeros((FRAMES, 2))
    jump[9:] = [8.0, 6.0]  # the same ends, all at once
    assert path_length(jump) == pytest.approx(10 / 16) and distance_variance(jump) == pytest.approx(100 * 15 / 256)
    round_about = np.concatenate((even[:8], even[:8] + [0.0, 5.0], even[16:]))
    assert path_length(round_about) > path_length(even) and detour(round_about) > 1.5
    still = np.zeros((FRAMES, 2))
    assert path_length(still) == 0.0 and np.isnan(detour(still)) and np.isnan(unevenness(still))


def test_a_step_is_held_against_usual_ones():
    ticks = np.arange(400)
    swing = np.stack((0.5 * np.sin(ticks / 5), np.zeros(400)), 1)
    usual = steady_steps([swing[:200], swing[200:]])
    assert usual[0] == pytest.approx(0.1, rel=0.02) and usual[1] == SMALLEST_STEP
    calm, jump = swing.copy(), swing.copy()
    assert largest_step([calm], usual)[0] < 1.02
    jump[300:, 1] += 0.1  # a coefficient that never moves in speech jumps
    assert largest_step([calm, jump], usual) == (pytest.approx(0.1 / SMALLEST_STEP), 1)


def test_neighbours_have_the_perplexity_that_was_asked_for():
    points = np.random.default_rng(0).standard_normal((60, 5))
    share = neighbours(points, 12.0)
    assert np.allclose(share.sum(1), 1.0) and not share.diagonal().any()
    entropy = -(share * np.log(np.maximum(share, 1e-300))).sum(1)
    assert np.exp(entropy) == pytest.approx(12.0, rel=1e-3)
    near = np.square(points[0] - points[1:]).sum(1).argmin() + 1
    assert share[0].argmax() == near


def test_tsne_keeps_groups_together():
    draw = np.random.default_rng(1)
    kinds = np.repeat(np.arange(4), 20)
    points = 6.0 * np.eye(4, 10)[kinds] + draw.standard_normal((80, 10))
    at = tsne(points, 15.0, seed=3)
    assert np.array_equal(at, tsne(points, 15.0, seed=3))
    apart = np.square(at[:, None] - at[None]).sum(-1) + 1e9 * np.eye(80)
    assert (kinds[apart.argmin(1)] == kinds).mean() > 0.95


def test_the_reader_learns_what_it_is_shown_and_repeats(tmp_path):
    draw = np.random.default_rng(0)
    faces = draw.uniform(0.0, 0.6, (K, layout.E))

    def clip(k: int, ticks: int) -> np.ndarray:
        return np.clip(faces[k] + 0.15 * draw.standard_normal((ticks, layout.E)), 0, 1).astype(np.float32)

    shown = [clip(n % K, 20 + n) for n in range(64)]
    reader = teach(shown, [n % K for n in range(64)], steps=60)
    fresh = [clip(k, 30) for k in range(K)]
    told = reader.posteriors(fresh)
    assert told.argmax(1).tolist() == list(range(K)) and told.sum(1) == pytest.approx(1.0, abs=1e-5)
    # padding is not judged: a clip alone is what it is among longer ones
    assert np.allclose(reader.posteriors([fresh[3][:12], *fresh])[0], reader.posteriors([fresh[3][:12]])[0], atol=1e-5)
    assert reader.read_ticks(fresh[2][:5]).argmax(-1).tolist() == [2] * 5
    between = reader.posteriors([0.5 * (fresh[0] + fresh[5])])[0]
    assert set(between.argsort()[-2:]) == {0, 5}
    again = teach(shown, [n % K for n in range(64)], steps=60)
    assert np.array_equal(again.posteriors(fresh), told)
    save_reader(reader, tmp_path / "reader.safetensors", {})
    assert np.array_equal(load_reader(tmp_path / "reader.safetensors").posteriors(fresh), told)
    (tmp_path / "other.safetensors").write_bytes(b"no weights")
    with pytest.raises(WeightsError, match=r"other\.safetensors"):
        load_reader(tmp_path / "other.safetensors")


def test_every_figure_has_its_count_and_what_is_missing_is_said(tmp_path, capsys):
    evidence = Evidence({"device": "a test"})
    evidence.add("psnr", np.float64(28.123456), 7)
    evidence.add("by_emotion", {"happy": float("nan"), "sad": 0.5}, 3)
    evidence.add("ba", float("nan"), 0)
    evidence.leave_out("psnr_no_emn", "no such file")
    evidence.write(tmp_path / "deep" / "f.json")
    table = json.loads((tmp_path / "deep" / "f.json").read_text())
    assert table["psnr"] == {"value": 28.123, "n": 7}
    assert table["by_emotion"]["value"] == {"happy": None, "sad": 0.5}
    assert "ba" not in table and set(table["left_out"]) == {"ba", "psnr_no_emn"}
    evidence.show()
    shown = capsys.readouterr().out
    assert "psnr" in shown and "no such file" in shown


def test_maps_show_what_they_are_given():
    at = np.array([[0.0, 0.0], [10.0, 10.0], [10.0, 0.0]])
    points = np.asarray(draw_points(at, [0, 1, 2], EMOTIONS[:3], [False, False, True], "three"))
    assert (points[40, 40] == (31, 119, 180)).all() and (points[680, 680] == (214, 39, 40)).all()
    assert (points[40, 680] == 255).all() and (points[36:45, 676:685] == (44, 160, 44)).all(-1).any()  # a ring
    shares = np.asarray(draw_shares(np.eye(3), EMOTIONS[:3], "certain"))
    assert shares[70 + 5, 110 + 5].tolist() == [20, 70, 150] and shares[70 + 5, 110 + 72 + 5].tolist() == [255] * 3


def test_the_table_of_the_readme_is_made_of_the_figures(tmp_path):
    first, second = Evidence(), Evidence()
    first.add("div", 7.123, 24)
    first.add("div_reference", 8.0, 24)
    second.add("div", 1.0, 1)
    second.add("div_no_flow", 3.0, 24)
    for name, evidence in (("a", first), ("b", second)):
        evidence.write(tmp_path / f"{name}.json")
    made = markdown(read([tmp_path / "a.json", tmp_path / "b.json"]))
    assert made.splitlines()[2] == "| Div, degrees | 7.12 (24) | 8 | no flow 3 | 0.7 to 1.4 of reference |"
    assert len(made.splitlines()) == 3
    with pytest.raises(MediaError, match="nowhere"):
        read([tmp_path / "nowhere.json"])
