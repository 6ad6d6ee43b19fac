"""What a training of the head generator is told: a TOML file of `configs/`, or one's own, and `--set key=value`."""

from pathlib import Path

from pydantic import Field

from engine.config import Section

FOLDER = Path(__file__).with_name("configs")


class GeneratorSettings(Section):
    """All keys, with the defaults of `configs/small.toml`."""

    size: str = Field(default="small", description="small, paper or tiny; see `sizes`")
    emotions: bool = Field(default=True, description="false: the paper's ablation without the emotion mapping network")
    seed: int = Field(default=0, ge=0)
    batch: int = Field(default=4, ge=1)
    steps: int = Field(default=1_000_000, ge=1, description="at most so many")
    minutes: float = Field(default=300, gt=0)
    rate: float = Field(default=4e-3, gt=0, description="highest learning rate of the generator")
    critic_rate: float = Field(default=2e-3, gt=0)
    average: float = Field(default=0.998, ge=0, lt=1, description="how slowly the averaged weights follow")
    l1: float = Field(default=1.0, ge=0)
    perceptual: float = Field(default=1.0, ge=0)
    vgg: str = Field(default="", description="weights of VGG 16 or 19 for the perceptual loss; empty: a substitute")
    gan: float = Field(default=0.02, ge=0, description="weight of the adversarial loss; 0 leaves it out")
    gan_from: float = Field(default=0.5, ge=0, le=1, description="share of the training before it begins")
    penalty: float = Field(default=2.0, ge=0, description="R1 of the discriminator")
    penalty_every: int = Field(default=16, ge=1)
    evaluate_every: int = Field(default=250, ge=1)
    judged: int = Field(default=24, ge=1, description="test pairs that an evaluation looks at")
