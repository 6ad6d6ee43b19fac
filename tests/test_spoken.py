"""People's recordings labelled as the corpus labels its voices, and the words of orders that nobody wrote down."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from engine.errors import MediaError
from engine.training.corpus import SOUNDS_EN, decode, read_rows, sound_of
from engine.training.phones import frame_labels
from engine.training.speech.layouts import import_layout
from engine.training.speech.spoken import Transcriber, pronounced
from engine.training.speech.spoken_orders import OPENINGS, grammar, read_orders

CORPUS = Path(__file__).parents[2] / "shared" / "corpus"
RATE = 16_000


@pytest.fixture(scope="module")
def transcribe():
    return Transcriber()


@pytest.fixture(scope="module")
def prompts():
    """Real prompts without figures in their text: (row, int16 samples)."""
    if not Path(SOUNDS_EN).is_dir():
        pytest.skip("no real prompts; on Debian: apt-get install asterisk-core-sounds-en-g722")
    rows = [r for r in read_rows(CORPUS / "real_en.jsonl") if not any(c.isdigit() for c in r["text"])]
    return [(r, decode(f"{SOUNDS_EN}/{r['name']}.g722", "g722")) for r in rows[10:200:24]]


def test_phones_are_those_of_the_reference(transcribe, prompts):
    same = []
    for row, samples in prompts:
        found = transcribe(row["text"], samples)
        assert found, row["text"]
        assert found[0][1] == 0.0 and all(a[2] == b[1] for a, b in itertools.pairwise(found))
        frames = len(samples) // 320
        truth = frame_labels(tuple(map(tuple, row["phones"])), frames)
        same.append(float(np.mean(truth == frame_labels(found, frames))))
    assert np.mean(same) > 0.99


def test_another_text_does_not_fit(transcribe, prompts):
    (long, samples), *others = sorted(prompts, key=lambda one: -len(one[1]))
    assert transcribe(long["text"], samples)
    assert transcribe(" ".join(row["text"] for row, _ in others), samples) == ()
    assert transcribe(long["text"], np.zeros(RATE, np.int16)) == ()
    assert transcribe("press 1 to go on", samples) == (), "figures are spoken in many ways"
    assert transcribe("", samples) == ()


def test_words_stay_apart():
    said = pronounced("ðə kˈæt")
    assert [(s.name, s.word) for s in said] == [("DH", 0), ("AX", 0), ("K", 1), ("AE", 1), ("T", 1)]


def test_grammar_has_every_order():
    slots = {"size": "small", "roast": "dark roast", "coffeeDrink": "latte", "milkAmount": " soy  milk"}
    spoken = grammar(slots)
    assert "small dark roast | dark roast small" in spoken
    assert "latte ( with soy milk )" in spoken and "can i get" in spoken
    assert "coffee ( <NULL> )" in grammar({})


@pytest.fixture
def orders(tmp_path):
    """A benchmark folder with one order, put together from words of the corpus's own voices, and one file of noise."""
    text = ["give", "me", "a", "large", "coffee"]
    words: dict[str, np.ndarray] = {}
    for row in read_rows(CORPUS / "manifest.jsonl"):
        for word, start, end in row["words"]:
            if row["accent"] == "us" and word.lower() in text and word.lower() not in words and end - start > 0.08:
                words[word.lower()] = decode(str(sound_of(row, CORPUS)))[int(start * RATE) : int(end * RATE)]
    pause = np.zeros(RATE // 4, np.int16)
    sound = np.concatenate([pause, *(words[w] for w in text), pause])
    folder = tmp_path / "benchmark"
    for part in ("label", "speech/clean"):
        (folder / "data" / part).mkdir(parents=True)
    labels = {name: {"slots": {"size": "large", "coffeeDrink": "coffee"}} for name in ("one.wav", "gone.wav")}
    (folder / "data/label/label.json").write_text(json.dumps(labels))
    import av

    with av.open(str(folder / "data/speech/clean/one.wav"), "w") as file:
        stream = file.add_stream("pcm_s16le", rate=RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(sound[None], "s16", "mono")
        frame.rate = RATE
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return folder


def test_words_of_an_order_are_found(orders):
    ((name, said, path),) = read_orders(orders)
    assert (name, path.name) == ("order_one", "one.wav")
    # joined words: which opening it was, and whether there was an "a", may be misheard
    opening, order = said.split(" large ")
    assert opening.removesuffix(" a") in OPENINGS and order == "coffee"


def test_a_folder_without_labels(tmp_path):
    with pytest.raises(MediaError, match=r"label\.json"):
        import_layout("speech-to-intent", tmp_path, tmp_path / "out")
