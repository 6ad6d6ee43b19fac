"""Quality figures: right on mouths whose answer is known."""

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.energy import EnergyMouth
from benchmarks.judges import stream, to_ticks
from benchmarks.lip_figures import (
    MouthClip,
    against_reference,
    captured_figures,
    correlation,
    lip_figures,
    tick_phones,
)
from benchmarks.quality import flatten
from benchmarks.voices import SOUNDS, in_cafe, on_telephone, read_manifest
from engine.audio.loudness import LoudnessNormaliser
from engine.errors import MediaError
from engine.features import load_encoder
from engine.motion import layout
from engine.render.face_model import FaceModel
from engine.render.lips import LipMeasure
from engine.stage import Chain, fold
from engine.training.corpus import read_real
from plugins.viseme.motion import build
from tests import laws

PHONES = [["sil", 0.0, 0.4], ["M", 0.4, 0.6], ["AA", 0.6, 1.0], ["F", 1.0, 1.2], ["EH", 1.2, 1.6],
          ["S", 1.6, 1.8], ["IH", 1.8, 2.0], ["UW", 2.0, 2.2], ["IY", 2.2, 2.4], ["sil", 2.4, 3.0]]  # fmt: skip
APERTURE = {"sil": 0.0, "M": 0.0, "AA": 0.5, "F": 0.06, "EH": 0.4, "S": 0.1, "IH": 0.2, "UW": 0.15, "IY": 0.12}
WIDTH = {"UW": 0.8, "IY": 1.2, "EH": 1.1}


def clip(**changes: float) -> MouthClip:
    blank = MouthClip(np.zeros(75), np.ones(75), PHONES)
    names = tick_phones(blank)
    table = APERTURE | changes
    return MouthClip(np.array([table[n] for n in names]), np.array([WIDTH.get(n, 1.0) for n in names]), PHONES)


def test_a_good_mouth_scores_full_marks():
    figures = lip_figures([clip()])
    assert figures["closure_recall"] == figures["labiodental_recall"] == 1.0
    assert figures["openness_order"] == pytest.approx(1.0)
    assert figures["false_closure"] == 0.0 and figures["rounding_contrast"] > 2.0
    assert (figures["bilabials"], figures["labiodentals"]) == (1.0, 1.0)


def test_each_mistake_is_seen():
    assert lip_figures([clip(M=0.3, sil=0.3, AA=0.5)])["closure_recall"] == 0.0
    assert lip_figures([clip(F=0.45)])["labiodental_recall"] == 0.0
    false = lip_figures([clip(AA=0.0)])["false_closure"]
    assert false == pytest.approx(0.5, abs=0.05)  # half of the open-vowel ticks
    assert lip_figures([clip(AA=0.05, M=0.5)])["openness_order"] < 0.7
    assert lip_figures([clip()])["shut_elsewhere"] == 0.0
    assert lip_figures([clip(S=0.0)])["shut_elsewhere"] == pytest.approx(5 / 44)  # of 50 speech ticks 6 are near M
    wide = clip()
    flipped = MouthClip(wide.aperture, 2.0 - wide.width, PHONES)
    assert lip_figures([flipped])["rounding_contrast"] < -2.0


def test_lead_and_jerk_are_measured_against_the_reference():
    curve = np.convolve(np.random.default_rng(0).random(300), np.ones(8) / 8, "same")
    early = MouthClip(np.roll(curve, -2), np.ones(300), [])
    figures = against_reference([early], [curve])
    assert figures["lead_over_reference_ms"] == 80.0
    assert figures["lip_lead_ms"] == pytest.approx(80.0, abs=4.0)
    shaken = MouthClip(curve + 0.2 * (np.arange(300) % 2), np.ones(300), [])
    assert against_reference([shaken], [curve])["jerky_share"] > 0.9


def test_captured_agreement():
    random = np.random.default_rng(1)
    captured = np.abs(random.standard_normal((200, layout.E))).astype(np.float32)
    same = captured_figures([captured], [captured], 3)
    assert same["correlation"] == pytest.approx(1.0) and same["rms_error"] == 0.0
    double = captured_figures([2 * captured], [captured], 3)
    assert double["range_ratio"] == pytest.approx(2.0, rel=0.02) == double["speed_ratio"]
    assert correlation(np.zeros(9), np.arange(9.0)) == 0.0


def test_batched_streaming_equals_one_clip_alone():
    random = np.random.default_rng(2)
    clips = [to_ticks((random.standard_normal(n) * 4000).astype(np.int16)) for n in (9_000, 3_200, 20_001)]
    together = stream(EnergyMouth(), clips)
    assert [len(v) for v in together] == [15, 5, 32]
    for one, batched in zip(clips, together, strict=True):
        np.testing.assert_allclose(stream(EnergyMouth(), [one])[0], batched, atol=1e-6)


def test_energy_mouth_opens_with_loudness_and_obeys_the_laws():
    speech = torch.randn(2, 12, 640) * torch.tensor([0.0, 0.1])[:, None, None]
    values = stream(EnergyMouth(), [s.numpy() for s in speech])
    jaw = layout.INDEX["jawOpen"]
    assert not values[0].any() and values[1][-1, jaw] > 0.2
    laws.assert_state_changes_in_place(EnergyMouth(), speech)
    laws.assert_reset_is_fresh(EnergyMouth(), speech)


@pytest.fixture
def manifest(tmp_path):
    """Two recordings beside a manifest: one found by its `audio` field, one by its name."""
    import json

    import av

    random = np.random.default_rng(3)
    for name in ("a", "deep/b"):
        path = tmp_path / f"{name}.wav"
        path.parent.mkdir(exist_ok=True)
        sound = (random.standard_normal(32_000) * np.repeat(random.uniform(0, 3000, 20), 1_600)).astype(np.int16)
        with av.open(str(path), "w") as file:
            stream_ = file.add_stream("pcm_s16le", rate=16_000, layout="mono")
            frame = av.AudioFrame.from_ndarray(sound[None], "s16", "mono")
            frame.rate = 16_000
            file.mux(stream_.encode(frame))
            file.mux(stream_.encode(None))
    rows = [{"name": "first", "audio": "a.wav", "phones": PHONES}, {"name": "deep/b", "phones": PHONES}]
    (tmp_path / "m.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return tmp_path / "m.jsonl"


def test_manifests_find_their_sound(manifest, tmp_path):
    voices = read_manifest(manifest, tmp_path)
    assert [len(voice.clip.samples) for voice in voices] == [32_000, 32_000]
    assert voices[0].clip.phones[1] == ("M", 0.4, 0.6) and voices[0].stress is None
    with pytest.raises(MediaError, match="no recordings here"):
        read_manifest(manifest, tmp_path / "nowhere")
    (tmp_path / "a.wav").unlink()
    with pytest.raises(MediaError, match=r"first: no sound at .*a\.wav"):
        read_manifest(manifest, tmp_path)


def test_harder_voices_keep_time_and_have_the_ratio_they_name(manifest, tmp_path):
    voices = read_manifest(manifest, tmp_path)
    for cafe, clean in zip(in_cafe(voices), voices, strict=True):
        x, y = clean.clip.samples.astype(float), cafe.clip.samples.astype(float)
        ratio = 10 * np.log10(np.square(x[np.abs(x) > 100]).mean() / np.square(y - x).mean())
        assert ratio == pytest.approx(10.0, abs=1.0)
    far = on_telephone(voices)[0].clip.samples
    spectrum = np.abs(np.fft.rfft(far.astype(float)))
    assert spectrum[len(spectrum) * 5 // 8 :].mean() < 0.1 * spectrum[: len(spectrum) // 2].mean()


def test_bench_quality_writes_every_figure(manifest, tmp_path):
    from engine.cli import main

    out = tmp_path / "figures" / "q.json"
    command = ["bench", "quality", "--json", str(out), "--manifest", str(manifest), "--audio-root", str(tmp_path)]
    assert main([*command, "--capture", str(tmp_path / "none"), "--plugin", "viseme"]) == 0
    import json

    table = json.loads(out.read_text(encoding="utf-8"))
    assert (table["plugin"], table["clips"], table["minutes"]) == ("viseme", 2, 0.07)
    own = table["systems"]["viseme"]
    for part in ("real", "cafe_10_db", "telephone", "cafe_on_telephone"):
        assert {"closure_recall", "false_closure", "labiodental_recall", "lip_lead_ms"} <= own[part].keys()
    assert own["phones"].keys() == {"lookahead_0_ms", "lookahead_40_ms", "lookahead_80_ms"}
    assert {"energy", "reference"} <= table["systems"].keys() and out.with_suffix(".md").is_file()


def test_flatten_names_figures():
    assert flatten({"a": {"b": 1}, "c": 2.0}) == {"a.b": 1.0, "c": 2.0}


def _shipped() -> Chain:
    encoder, mouth = load_encoder(), build(1)
    encoder.ask(mouth.needs)
    return Chain(LoudnessNormaliser(), encoder, mouth)


@pytest.mark.skipif(
    not (Path(SOUNDS).is_dir() and Path("../shared/corpus").is_dir()),
    reason="needs the Debian package asterisk-core-sounds-en-g722 and the labels in ../shared/corpus",
)
def test_shipped_weights_close_the_lips_of_a_real_speaker():
    found = read_real(Path("../shared/corpus/real_en.jsonl"), Path(SOUNDS), 110)
    clips = [clip for clip in found if 24_000 < len(clip.samples) < 60_000][:48]  # one or two batches
    stage = _shipped()
    values = stream(stage, [to_ticks(clip.samples) for clip in clips])
    measure = LipMeasure(FaceModel.load())
    mouths = [
        MouthClip(measure.aperture(v), measure.width(v), list(c.phones)) for v, c in zip(values, clips, strict=True)
    ]
    figures = lip_figures(mouths)
    # a part of the list: bounds are a little wider than those of the whole
    assert figures["closure_recall"] >= 0.75 and figures["false_closure"] <= 0.07
    assert figures["labiodental_recall"] >= 0.75
    assert figures["rounding_contrast"] >= 0.8 and figures["openness_order"] >= 0.9


def test_shipped_weights_are_still_in_silence():
    stage = _shipped()
    room = 1e-3 * torch.randn(1, 75, 640, generator=torch.Generator().manual_seed(0))
    silence, noise = (fold(stage, x)[0, 25:, : layout.E] for x in (torch.zeros(1, 75, 640), room))
    assert not silence.any()
    assert noise.abs().max() < 0.02
