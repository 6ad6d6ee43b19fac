"""The phones that the encoder knows, and how they look on the lips."""

VOWELS = (
    "AA", "AE", "AH", "AO", "AW", "AX", "AY", "EH", "ER", "EY", "IH", "IY", "OH", "OW", "OY", "UH", "UW",
)  # fmt: skip
CONSONANTS = (
    "P", "B", "T", "D", "K", "G", "CH", "JH", "F", "V", "TH", "DH", "S", "Z", "SH", "ZH", "HH",
    "M", "N", "NG", "L", "R", "W", "Y", "DX",
)  # fmt: skip
PHONES = ("sil", *VOWELS, *CONSONANTS)
PHONE_INDEX = {name: i for i, name in enumerate(PHONES)}
SIL = PHONE_INDEX["sil"]

# Twelve classes that a lip-reader tells apart.
VISEMES = {
    "sil": ("sil",),
    "PP": ("P", "B", "M"),
    "FF": ("F", "V"),
    "TH": ("TH", "DH"),
    "DD": ("T", "D", "N", "L", "DX"),
    "SS": ("S", "Z"),
    "CH": ("CH", "JH", "SH", "ZH"),
    "KK": ("K", "G", "NG", "HH"),
    "RR": ("R", "ER"),
    "AA": ("AA", "AE", "AH", "AY", "AW"),
    "EE": ("EH", "EY", "IH", "IY", "Y", "AX"),
    "OO": ("AO", "OH", "OW", "OY", "UH", "UW", "W"),
}
VISEME_NAMES = tuple(VISEMES)
VISEME_OF_PHONE = tuple(next(i for i, members in enumerate(VISEMES.values()) if name in members) for name in PHONES)

# The 39 classes by which phone recognisers are compared: Lee and Hon, "Speaker-independent phone recognition using
# hidden Markov models", IEEE Trans. ASSP 37 (1989). Of what they fold together three pairs are ours: AH AX, AA AO,
# SH ZH; DX is a class of its own there too, and their other symbols (ix, cl, vcl, epi, el, en, ...) we do not have.
# OH, the British LOT vowel, is not in their American list and goes where AO goes.
FOLDED = {"AX": "AH", "AO": "AA", "OH": "AA", "ZH": "SH"}
PHONES39 = tuple(name for name in PHONES if name not in FOLDED)
PHONE39_OF_PHONE = tuple(PHONES39.index(FOLDED.get(name, name)) for name in PHONES)

BILABIAL = ("P", "B", "M")
LABIODENTAL = ("F", "V")
ROUNDED = ("UW", "UH", "OW", "OY", "AO", "OH", "W")
OPEN_VOWELS = ("AA", "AE", "AH", "AO", "AW", "AY", "EH")
STOPS = ("P", "B", "T", "D", "K", "G")

# What the encoder's side outputs mean, in order: lips shut, lip on teeth, lips rounded, nobody speaks.
GESTURES = ("bilabial", "labiodental", "rounded", "silence")
GESTURE_PHONES = (BILABIAL, LABIODENTAL, ROUNDED, ("sil",))


def indices(names: tuple[str, ...]) -> list[int]:
    """Positions of named phones in `PHONES`."""
    return [PHONE_INDEX[name] for name in names]
