"""Reads the recordings of Picovoice's speech-to-intent benchmark: orders of coffee by more than fifty people.

The benchmark (Apache-2.0) says what was ordered, not the words. Orders follow one grammar, so the words are found by
letting pocketsphinx choose among the ways in which this order may have been put.
"""

import json
import re
from collections.abc import Iterator, Mapping
from itertools import permutations
from pathlib import Path

from engine.errors import MediaError
from engine.training.align import aligner
from engine.training.corpus import decode

LABELS = "data/label/label.json"
OPENINGS = ("brew", "can i get", "can i have", "i want", "get me", "give me", "i'd like", "make me", "may i have")
FIRST, LAST = ("size", "roast", "numberOfShots"), ("milkAmount", "sugarAmount")
DRINK = "coffeeDrink"
# words that the aligner's dictionary lacks
WORDS = {
    "americano": "AH M EH R AH K AA N OW", "cappuccino": "K AA P UH CH IY N OW", "sweetener": "S W IY T AH N ER",
    "iced": "AY S T", "mocha": "M OW K AH",
}  # fmt: skip


def read_orders(folder: Path) -> Iterator[tuple[str, str, Path]]:
    """(id, text, sound) of every recording whose words are found, from data/label/label.json and data/speech/clean.

    Raises MediaError when there are no labels.
    """
    try:
        labels = json.loads((folder / LABELS).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MediaError(f"{folder}: no {LABELS} of the benchmark here ({error})") from None
    decoder = aligner()
    for word, phones in WORDS.items():
        if decoder.lookup_word(word) is None:
            decoder.add_word(word, phones, False)
    for name, label in sorted(labels.items()):
        path = folder / "data/speech/clean" / name
        if not path.is_file():
            continue
        decoder.add_jsgf_string("order", grammar(label["slots"]))
        decoder.activate_search("order")
        decoder.start_utt()
        decoder.process_raw(decode(str(path)).tobytes(), full_utt=True)
        decoder.end_utt()
        said = decoder.hyp()
        if said and said.hypstr:
            yield f"order_{path.stem}", said.hypstr, path


def grammar(slots: Mapping[str, str]) -> str:
    """The ways to order what the slots hold, as JSGF."""
    own = {name: re.sub(r"\s+", " ", value).strip() for name, value in slots.items()}
    before = [own[name] for name in FIRST if name in own]
    behind = [own[name] for name in LAST if name in own]
    orders = " | ".join(" ".join(order) for order in permutations(before)) or "<NULL>"
    extras = " | ".join(f"with {' and '.join(order)}" for order in permutations(behind) if order) or "<NULL>"
    drink = own.get(DRINK, "coffee")
    opening = " | ".join(OPENINGS)
    return (
        f"#JSGF V1.0;\ngrammar order;\npublic <order> = [ {opening} ] [ a | an ] ( {orders} ) {drink} ( {extras} ) ;\n"
    )
