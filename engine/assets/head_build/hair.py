"""All hair: styles by name, built from nothing but the bare head, seeds and formulas.

A style is a tuft of opaque sheets and blended cards (`hair_cards`), combed over the scalp (`hair_comb`).
"""

from engine.assets.head_build import beards, hair_curly, hair_long, hair_short, hair_tied
from engine.assets.head_build.hair_cards import finish
from engine.assets.head_build.hair_scalp import Scalp
from engine.assets.head_build.wear import Bare
from engine.render.wearables import Tensors

STYLES = {"short": hair_short, "long": hair_long, "tied": hair_tied, "curly": hair_curly}


def build_styles(bare: Bare) -> dict[str, Tensors]:
    """Every hair style by name, as tensors of `engine.render.wearables`, with guide strands."""
    scalp = Scalp(bare)
    return {name: finish(style.build(scalp), scalp, bare.tensors) for name, style in STYLES.items()}


def build_beards(bare: Bare) -> dict[str, Tensors]:
    """Every beard by name."""
    scalp = Scalp(bare)
    made = {}
    for name, cut in beards.CUTS.items():
        made[name] = finish(beards.build(bare, scalp, cut), scalp, bare.tensors, scalp.outer)
    return made
