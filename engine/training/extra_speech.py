"""Makes further training speech with phone times, in the form of a corpus folder.

`flite`: the sentences of the corpus's training split in the voices of Debian's flite (a diphone
voice cut from a person's recordings and three statistical ones): other synthesizers shut their
lips in other ways. `prompts`: a real Italian speaker (Debian asterisk-core-sounds-it-g722,
CC-BY-3.0), whose spelling gives the phones and pocketsphinx their times. Neither is committed.
"""

import argparse
import gzip
import json
import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import DeviceError, MediaError
from engine.features.phones import PHONE_INDEX
from engine.training.align import align_words, aligner
from engine.training.corpus import decode, read_rows

VOICES = ("kal16", "rms", "slt", "awb")
SOUNDS_IT = Path("/usr/share/asterisk/sounds/it_IT_m_Carlo")
TEXTS_IT = Path("/usr/share/doc/asterisk-core-sounds-it/core-sounds-it.txt.gz")


def make_flite(corpus: Path, out: Path, per_text: int = 2, seed: int = 0) -> int:
    """Speak each training sentence in `per_text` voices; returns the number of utterances."""
    random = np.random.default_rng(seed)
    texts = [row["text"] for row in read_rows(corpus / "manifest.jsonl") if row["split"] == "train"]
    (out / "audio").mkdir(parents=True, exist_ok=True)
    rows = []
    for n, text in enumerate(texts):
        for voice in random.permutation(VOICES)[:per_text]:
            name = f"f{n:05d}_{voice}"
            path = out / "audio" / f"{name}.wav"
            stretch = random.uniform(0.8, 1.25)
            command = ["flite", "-voice", voice, "--setf", f"duration_stretch={stretch:.2f}"]
            command += ["-t", text, "-o", str(path), "-psdur"]
            try:
                said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            except FileNotFoundError:
                raise DeviceError("flite is not installed; on Debian: apt-get install flite") from None
            rows.append(_row(name, voice, text, list(_flite_phones(said)), len(decode(str(path))) / 16_000))
    return _write(out, rows)


def _flite_phones(said: str) -> Iterator[tuple[str, float]]:
    """(symbol, end in s) from flite's `-psdur` line."""
    for item in said.split():
        name, _, end_s = item.partition(":")
        yield {"pau": "sil", "axr": "ER", "el": "L", "en": "N", "em": "M"}.get(name, name.upper()), float(end_s)


def _row(name: str, voice: str, text: str, ends: list[tuple[str, float]], duration_s: float) -> dict:
    """A manifest row from phones and their end times; what sound is left behind them is silence."""
    if duration_s > ends[-1][1]:
        ends = [*ends, ("sil", duration_s)]
    starts = [0.0] + [end for _, end in ends[:-1]]
    phones = [[p, a, b] for (p, b), a in zip(ends, starts, strict=True)]
    unknown = {p for p, _, _ in phones} - PHONE_INDEX.keys()
    if unknown:
        raise MediaError(f"{name}: unknown phones {sorted(unknown)}")
    return {"id": name, "voice": voice, "split": "train", "text": text, "duration_s": duration_s, "phones": phones}


def _write(out: Path, rows: list[dict]) -> int:
    with (out / "manifest.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    return len(rows)


VOWELS_IT = {"a": "AA", "e": "EH", "i": "IY", "o": "AO", "u": "UW"}
PLAIN_IT = {c: c.upper() for c in "bdfklmnprtvwz"} | {"s": "S", "j": "Y", "x": "K S", "y": "IY", "z": "T S", "q": "K"}
RULES_IT = (
    ("gli(?=[aeou])", "L Y"), ("gn", "N Y"), ("sci(?=[aou])", "SH"), ("sc(?=[ei])", "SH"), ("sch", "S K"),
    ("chi(?=[aou])", "K Y"), ("ch", "K"), ("ci(?=[aou])", "CH"), ("cc(?=[ei])", "CH"), ("c(?=[ei])", "CH"), ("c", "K"),
    ("gh", "G"), ("gi(?=[aou])", "JH"), ("gg(?=[ei])", "JH"), ("g(?=[ei])", "JH"), ("g", "G"), ("qu", "K W"),
    ("(?<=[aeiou])s(?=[aeiou])", "Z"), ("s(?=[bdgvlmnr])", "Z"), ("i(?=[aeou])", "Y"), ("u(?=[aeio])", "W"), ("h", ""),
)  # fmt: skip


def italian_phones(word: str) -> str:
    """English phone symbols for an Italian word, by its spelling; "" when there is nothing to say."""
    for a, b in zip("àáèéìíòóù’", "aaeeiioou'", strict=True):
        word = word.replace(a, b)
    word = re.sub(r"([bdfklmnprtvzcgq])\1", lambda m: m[1] if m[1] not in "cg" else m[0], word)
    out, at = [], 0
    while at < len(word):
        for pattern, phones in RULES_IT:
            match = re.compile(pattern).match(word, at)
            if match:
                out.append(phones)
                at = match.end()
                break
        else:
            out.append(VOWELS_IT.get(word[at]) or PLAIN_IT.get(word[at], ""))
            at += 1
    return " ".join(out).replace("  ", " ").strip()


def make_prompts(out: Path, sounds: Path = SOUNDS_IT, texts: Path = TEXTS_IT) -> int:
    """Align the Italian prompts; returns how many could be."""
    if not sounds.is_dir() or not texts.is_file():
        raise MediaError("no Italian prompts; on Debian: apt-get install asterisk-core-sounds-it-g722")
    import av

    decoder = aligner()
    (out / "audio").mkdir(parents=True, exist_ok=True)
    rows = []
    lines = gzip.decompress(texts.read_bytes()).decode("utf-8", "replace").splitlines()
    for line in lines:
        name, _, text = line.partition(":")
        path = sounds / f"{name.strip()}.g722"
        words = re.findall(r"[a-zàáèéìíòóù]+", text.lower())
        if line[:1] in ";\ufeff" or "?" in text[:-2] or re.search(r"[\d\[<]", text) or not words or not path.is_file():
            continue
        samples = decode(str(path), "g722")
        ends = _align(decoder, words, samples)
        if ends:
            key = "it_" + name.strip().replace("/", "_")
            with av.open(str(out / "audio" / f"{key}.wav"), "w") as file:
                stream = file.add_stream("pcm_s16le", rate=16_000, layout="mono")
                frame = av.AudioFrame.from_ndarray(samples[None], "s16", "mono")
                frame.rate = 16_000
                file.mux(stream.encode(frame))
                file.mux(stream.encode(None))
            rows.append(_row(key, "it_carlo", text.strip(), ends, len(samples) / 16_000))
    return _write(out, rows)


def _align(decoder: Any, words: list[str], samples: np.ndarray) -> list[tuple[str, float]]:
    """(phone, end in s) by forced alignment, or nothing when the words do not fit the sound."""
    spelled = [(f"it_{word}", italian_phones(word)) for word in words]
    if not all(phones for _, phones in spelled):
        return []
    return [(name, end_s) for name, _, end_s in align_words(decoder, spelled, samples)]


def main(argv: Sequence[str] | None = None) -> None:
    """Command line: `flite --corpus C --out D` or `prompts --out D`."""
    parser = argparse.ArgumentParser(prog="extra_speech", description=__doc__)
    parser.add_argument("kind", choices=("flite", "prompts"))
    parser.add_argument("--corpus", type=Path, default=Path("../shared/corpus"))
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(argv)
    made = make_flite(options.corpus, options.out) if options.kind == "flite" else make_prompts(options.out)
    print(f"{made} utterances in {options.out}")


if __name__ == "__main__":
    main()
