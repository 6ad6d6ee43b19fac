"""Reference performances: what phonetics demands of a mouth, measured on the mesh."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.lip_figures import MouthClip, lip_figures
from engine.motion import layout
from engine.motion.articulation import ARTICULATORS
from engine.render.face_model import FaceModel
from engine.render.lips import LipMeasure
from engine.training.calibration import CALIBRATED, range_and_speed, read_capture, resample_capture
from engine.training.performance import load_calibration, perform

SHARED = Path("../shared")


@pytest.fixture(scope="module")
def measure() -> LipMeasure:
    return LipMeasure(FaceModel.load())


def sequence(text: str, phone_s: float = 0.08, start_s: float = 0.5) -> tuple[list, float]:
    """Phones of equal length with half a second of silence around; (phones, duration)."""
    names = text.split()
    phones = [["sil", 0.0, start_s]]
    phones += [[n, start_s + i * phone_s, start_s + (i + 1) * phone_s] for i, n in enumerate(names)]
    end = phones[-1][2]
    return [*phones, ["sil", end, end + 1.0]], end + 1.0


@pytest.mark.parametrize("offset_ms", range(0, 40, 5))
@pytest.mark.parametrize("phone_s", [0.03, 0.06, 0.12])
def test_every_bilabial_shuts_for_a_tick_wherever_it_falls(measure, phone_s, offset_ms):
    phones, duration = sequence("AA P AA B UW M IY P OW B AE M AA", phone_s, 0.5 + offset_ms / 1000)
    aperture = measure.aperture(perform(phones, duration).coefficients())
    centre = (np.arange(len(aperture)) + 0.5) / 25
    for name, start, end in phones:
        if name in "PBM":
            near = (centre >= start - 0.03) & (centre <= end + 0.03)
            assert aperture[near].min() < 0.003, f"{name} at {start:.3f} s stays open"


def test_labiodentals_touch_and_vowels_do_not(measure):
    phones, duration = sequence("AA F AA V AA F IY V UW")
    clip = perform(phones, duration)
    aperture = measure.aperture(clip.coefficients())
    figures = lip_figures([MouthClip(aperture, measure.width(clip.coefficients()), phones)])
    assert figures["labiodental_recall"] == 1.0 and figures["false_closure"] == 0.0
    assert aperture.max() > 0.2


def test_silence_is_exact_rest_and_its_edges_are_smooth():
    phones = [["sil", 0, 1.5], ["M", 1.5, 1.6], ["AA", 1.6, 1.8], ["sil", 1.8, 4.0]]
    values = perform(phones, 4.0).coefficients()
    assert not values[: int(1.2 * 25)].any() and not values[int(2.2 * 25) :].any()
    assert np.abs(np.diff(values[:, layout.INDEX["jawOpen"]])).max() < 0.3


def test_rounding_narrows_and_reaches_ahead(measure):
    phones, duration = sequence("S T R UW S T IY", 0.08)
    values = perform(phones, duration).coefficients()
    width = measure.width(values)
    at = {name: int((start + 0.04) * 25) for name, start, _ in phones}
    assert width[at["UW"]] < width[at["IY"]] - 0.1
    pucker = values[:, layout.INDEX["mouthPucker"]]
    assert pucker[at["R"]] > 0.25 * pucker[at["UW"]]  # the r before it is rounded already


def test_stress_loudness_and_length_open_the_mouth():
    phones, duration = sequence("S AA S", 0.12)
    jaw = layout.INDEX["jawOpen"]

    def peak(**more) -> float:
        return float(perform(phones, duration, **more).coefficients()[:, jaw].max())

    assert peak(stress=[None, None, 1, None, None]) > peak(stress=[None, None, 0, None, None])
    short, short_duration = sequence("S AA S", 0.05)
    assert perform(short, short_duration).coefficients()[:, jaw].max() < peak()
    level = np.full(int(duration * 50), -20.0)
    level[: len(level) // 2 - 4] = -40.0  # the vowel lies after the soft start
    assert peak(loudness_db=level) != peak(loudness_db=np.full_like(level, -20.0))


def test_values_stay_in_range_and_time_shift_moves_them():
    phones, duration = sequence("B AE T M AE N SH UW V OY TH IH NG JH AW Z", 0.09)
    values = perform(phones, duration).coefficients()
    assert values.min() >= 0.0 and values.max() <= 1.0 and len(values) == int(np.ceil(duration * 25))
    later = perform([[n, s + 0.4, e + 0.4] for n, s, e in phones], duration + 0.4).coefficients()
    assert np.abs(later[10:] - values[: len(later) - 10]).max() < 1e-5


def test_no_phones_is_rest():
    assert not perform([], 1.0).coefficients().any()


def test_capture_is_resampled_to_ticks():
    ramp = np.linspace(0, 1, 300, dtype=np.float32)[:, None]
    out = resample_capture(np.array(["jawOpen"]), ramp, 30.0)
    assert out.shape == (250, layout.E)
    assert np.abs(np.diff(out[:, layout.INDEX["jawOpen"]], 2)).max() < 1e-5


def test_calibration_names_every_articulator():
    assert load_calibration().scale.shape == (len(ARTICULATORS),)


@pytest.mark.skipif(not (SHARED / "corpus").is_dir(), reason="the speech corpus ../shared/corpus is not here")
def test_real_prompts_reach_what_animators_sign(measure):
    with (SHARED / "corpus" / "real_en.jsonl").open(encoding="utf-8") as file:
        rows = [json.loads(line) for line in file][:80]
    clips = []
    for row in rows:
        values = perform(row["phones"], row["duration_s"], row["stress"]).coefficients()
        clips.append(MouthClip(measure.aperture(values), measure.width(values), row["phones"]))
    figures = lip_figures(clips)
    assert figures["closure_recall"] >= 0.95 and figures["false_closure"] <= 0.05
    assert figures["labiodental_recall"] >= 0.95
    assert figures["rounding_contrast"] >= 0.8 and figures["openness_order"] >= 0.9


@pytest.mark.skipif(not (SHARED / "capture").is_dir(), reason="the captured performance ../shared/capture is not here")
def test_ranges_and_speeds_are_those_of_a_captured_face():
    captured = list(read_capture(SHARED / "capture").values())
    with (SHARED / "corpus" / "manifest.jsonl").open(encoding="utf-8") as file:
        rows = [json.loads(line) for line in file][::40]
    own = [perform(row["phones"], row["duration_s"], row["stress"]).coefficients() for row in rows]
    for unit in CALIBRATED.values():
        assert range_and_speed(own, unit)[0] / range_and_speed(captured, unit)[0] == pytest.approx(1.0, abs=0.35)
    speeds = [range_and_speed(clips, "jawOpen")[1] for clips in (own, captured)]
    assert 1 / 1.5 < speeds[0] / speeds[1] < 1.5
