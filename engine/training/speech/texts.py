"""What the voices say: written sentences, sentences in a row, and filled templates; and who says what.

Train, validation and test share neither a voice nor a text: sentences are split by number, templates as a whole.
"""

import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

TEXTS, TEMPLATES = (Path(__file__).with_name(name) for name in ("texts_en.tsv", "templates_en.tsv"))
VALID = ("af_sarah", "am_echo", "bf_lily")
TEST = ("af_river", "am_liam", "bm_fable")
VOICES = (
    "af_alloy", "af_aoede", "af_bella", "af_heart", "af_jessica", "af_kore", "af_nicole", "af_nova", "af_river",
    "af_sarah", "af_sky", "am_adam", "am_echo", "am_eric", "am_fenrir", "am_liam", "am_michael", "am_onyx", "am_puck",
    "am_santa", "bf_alice", "bf_emma", "bf_isabella", "bf_lily", "bm_daniel", "bm_fable", "bm_george", "bm_lewis",
)  # fmt: skip
SHORTEST, LONGEST = 18, 190
CHAINED = ("call", "stream", "talk", "assist", "news", "teach", "story", "harvard", "bilabial")


@dataclass(frozen=True)
class Job:
    """One utterance to make."""

    id: str
    voice: str
    split: str
    source: str
    category: str
    text: str
    speed: float


def clean(text: str) -> str | None:
    """A sentence that the pronunciation rules can read, or None."""
    text = text.replace("’", "'").replace("“", '"').replace("”", '"').replace("--", ", ")
    text = re.sub(r"\s+", " ", text).strip()
    if not text or re.search(r"[^A-Za-z ,.!?;:'\"-]", text):
        return None
    text = re.sub(r"[;:,]$", ".", text)
    text += "" if text[-1] in '.!?"' else "."
    return text[0].upper() + text[1:]


def split_by(number: int) -> str:
    """Which split the number of a sentence or template falls in: an eighth each for valid and test."""
    return {3: "valid", 6: "test"}.get(number % 8, "train")


def read_table(path: Path) -> list[list[str]]:
    """Lines of tab-separated fields."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines if line.strip()]


def sentences(seed: int, per_template: float = 2.0) -> dict[str, list[tuple[str, str, str]]]:
    """(category, source, text) of every split, none twice."""
    chance = random.Random(seed)
    pools: dict[str, list[tuple[str, str, str]]] = {"train": [], "valid": [], "test": []}
    seen: set[str] = set()

    def add(split: str, category: str, source: str, text: str) -> None:
        cleaned = clean(text)
        if cleaned and cleaned.lower() not in seen and SHORTEST <= len(cleaned) <= LONGEST:
            seen.add(cleaned.lower())
            pools[split].append((category, source, cleaned))

    written = read_table(TEXTS)
    chance.shuffle(written)
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for number, (category, text) in enumerate(written):
        split = split_by(number)
        if len(text) >= 26:
            add(split, category, "own", text)
        groups[split, "talk" if category == "feel" else category].append(text)
    for split in pools:
        for category in CHAINED:
            short = [text for text in groups[split, category] if len(text) < 80]
            for _ in range(max(2, int(len(short) * 0.9)) if len(short) > 1 else 0):
                count = 3 if len(short) > 2 and chance.random() < 0.3 else 2
                add(split, category, "own-pair", " ".join(chance.sample(short, count)))
    for split, category, text in filled_templates(chance, per_template):
        add(split, category, "template", text)
    return pools


def filled_templates(chance: random.Random, per_template: float) -> Iterator[tuple[str, str, str]]:
    """(split, category, text): every template as often as it says, times `per_template`."""
    rows = read_table(TEMPLATES)
    slots = {row[1]: row[2].split("|") for row in rows if row[0] == "slot"}
    templates = [(row[1], int(row[2]), row[3]) for row in rows if row[0] == "tmpl"]
    chance.shuffle(templates)
    for number, (category, weight, template) in enumerate(templates):
        for _ in range(round(weight * per_template)):
            yield split_by(number), category, fill(template, slots, chance)


def fill(template: str, slots: dict[str, list[str]], chance: random.Random) -> str:
    """A template with its {slots} filled, no word twice (digits may), articles and capitals put right."""
    used: set[str] = set()

    def word(match: re.Match) -> str:
        choice = chance.choice([v for v in slots[match[1]] if v not in used] or slots[match[1]])
        if match[1] != "dig":
            used.add(choice)
        return choice

    text = re.sub(r"\{(\w+)\}", word, template)
    text = re.sub(r"\b([Aa]) (?=[aeio])(?!one)", r"\1n ", text)
    return re.sub(r"([.!?] )([a-z])", lambda match: match[1] + match[2].upper(), text)


def spoken_in(rows: Iterable[dict]) -> list[str]:
    """What validation and test voices of another corpus say, in small letters."""
    return [row["text"].lower() for row in rows if row["split"] != "train"]


def leaks(said: Iterable[str]) -> Callable[[str], bool]:
    """Whether a text holds a sentence of `said`, or stands in a template that made one of them."""
    kept = list(said)
    sentences_of_texts = {sentence for text in kept for sentence in _sentences(text)}
    templates = [row[3].lower() for row in read_table(TEMPLATES) if row[0] == "tmpl"]
    frames = [re.compile(re.sub(r"\\{\w+\\}", ".+?", re.escape(template)) + "[.!?]?") for template in templates]
    taken = [frame for frame in frames if any(frame.fullmatch(text) for text in kept)]

    def leak(text: str) -> bool:
        small = text.lower()
        return bool(_sentences(small) & sentences_of_texts) or any(frame.fullmatch(small) for frame in taken)

    return leak


def _sentences(text: str) -> set[str]:
    return {part.strip() for part in re.split(r"(?<=[.!?])\s+", text.lower()) if part.strip()}


def split_of_voice(voice: str) -> str:
    """Voices of validation and test never train; nor does a mixture that holds one of them."""
    names = voice.split("+")
    if any(name in VALID for name in names):
        return "valid"
    return "test" if any(name in TEST for name in names) else "train"


def make_jobs(seed: int = 0, mixed: float = 0.0, per_template: float = 2.0) -> list[Job]:
    """All utterances in an order in which any first part keeps voices and splits in proportion.

    mixed: share of training utterances spoken by mixtures of two training voices of one accent.
    """
    chance = random.Random(seed + 1)
    queues: dict[str, list[tuple]] = {voice: [] for voice in VOICES}
    for split, pool in sentences(seed, per_template).items():
        speakers = [voice for voice in VOICES if split_of_voice(voice) == split]
        chance.shuffle(pool)
        for k, (category, source, text) in enumerate(pool):
            voice = speakers[k % len(speakers)]
            partner = chance.choice([v for v in speakers if v != voice and v[0] == voice[0]] or [voice])
            said = f"{voice}+{partner}" if split == "train" and chance.random() < mixed and partner != voice else voice
            queues[voice].append((said, split, source, category, text, round(chance.uniform(0.85, 1.2), 2)))
    for queue in queues.values():
        chance.shuffle(queue)
    order = []
    while any(queues.values()):
        order += [queue.pop() for queue in queues.values() if queue]
    return [Job(f"k{n:05d}_{job[0]}", *job) for n, job in enumerate(order)]
