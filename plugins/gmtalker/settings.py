"""What a training of GMTalker is told: a TOML file of `configs/`, or one's own, and `--set key=value`.

Ablations are configurations: `prior = "gaussian"` (the paper's: one Gaussian instead of the mixture, so that no latent
is any emotion's), `prior = "labelled"` (the same with a label for the decoder), `prior = "onehot"` (no latent, a label
for the decoder; with `blends = false` as in the literature: nothing lies between two emotions), `flow = false`,
`pretrain_minutes = 0`.
"""

import tomllib
from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field, ValidationError

from engine.config import Section
from engine.errors import ConfigError
from plugins.gmtalker.sizes import Prior

FOLDER = Path(__file__).with_name("configs")


class Settings(Section):
    """All keys, with the defaults of `configs/small.toml`."""

    size: str = Field(default="small", description="small, paper or tiny; see `sizes`")
    prior: Prior = "mixture"
    flow: bool = True
    seed: int = Field(default=0, ge=0)
    # examples
    voices: int = Field(default=1300, ge=1, description="utterances that are encoded for training")
    valid_voices: int = Field(default=48, ge=1)
    takes: int = Field(default=4, ge=1, description="performances of each, by known performers")
    wide: int = Field(default=3, ge=1, description="more of them, by performers at random, for pre-training")
    seconds: float = Field(default=6.0, ge=1, le=30, description="of a window")
    # training
    batch: int = Field(default=12, ge=1)
    steps: int = Field(default=1_000_000, ge=1, description="at most so many")
    minutes: float = Field(default=45, ge=0, description="of the expression generator")
    pretrain_minutes: float = Field(default=25, ge=0, description="of the motion generator, on performers at random")
    adapt_minutes: float = Field(default=8, ge=0, description="... then on the known ones, or one of them")
    performer: str = Field(default="", description="whom the motion generator adapts to; empty: all that are known")
    adapt_voices: int = Field(default=0, ge=0, description="so few utterances for the adaptation; 0: all")
    rate: float = Field(default=1e-3, gt=0, description="highest learning rate; the paper's is 1e-4")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="slow on a CPU: a quarter of a step")
    evaluate_every: int = Field(default=500, ge=1)
    blends: bool = Field(default=True, description="also learn from what lies between two emotions")
    # exposure bias, see `rollout`
    past_noise: float = Field(default=0.1, ge=0, description="deviation added to the past while teaching")
    past_drop: float = Field(default=0.2, ge=0, le=1, description="share of examples whose past is torn")
    passes: int = Field(default=2, ge=0, description="how often, at most, the decoder's own words replace the past")
    # weights of losses
    rec: float = 1.0
    cond: float = 0.5
    source: float = 0.5
    emotion: float = 0.5
    label: float = 4.0
    kl: float = Field(default=0.05, ge=0, description="NFMG's divergence, in nats a tick")
    velocity: float = Field(default=2.0, ge=0)


Table = TypeVar("Table", bound=Section)


def read_settings(path: str | Path | None, overrides: list[str] | None = None) -> Settings:
    """A file (a name of `configs/` will do) and texts `key=value`. ConfigError names the key and what is allowed."""
    return read_as(Settings, FOLDER, path, overrides)


def read_as(model: type[Table], folder: Path, path: str | Path | None, overrides: list[str] | None = None) -> Table:
    """The same for any table of settings and the folder of its files."""
    table: dict[str, Any] = {}
    if path:
        found = Path(path)
        if not found.is_file() and (folder / f"{path}.toml").is_file():
            found = folder / f"{path}.toml"
        try:
            table = tomllib.loads(found.read_text(encoding="utf-8"))
        except OSError:
            known = ", ".join(sorted(file.stem for file in folder.glob("*.toml")))
            raise ConfigError(f"there is no configuration {path}; there are {known}, or a file of your own") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{found} is not valid TOML: {error}") from None
    for text in overrides or []:
        key, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"--set wants key=value (for example minutes=5), not {text!r}")
        try:
            table[key.strip()] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            table[key.strip()] = value.strip()
    try:
        return model.model_validate(table)
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()]
        raise ConfigError("\n".join(lines) + f"\nkeys: {', '.join(model.model_fields)}") from None
