"""Strict models of config.toml. A wrong key or value is named, with what is allowed."""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from engine.errors import ConfigError
from engine.motion.emotion import parse_emotion


class Section(BaseModel):
    """A table of config.toml: frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class EngineSection(Section):
    """Where and how the networks run."""

    device: Literal["auto", "cpu"] = "auto"
    executor: Literal["auto", "eager", "openvino", "openvino-bf16", "openvino-int8"] = "auto"
    seed: int = Field(default=0, ge=0, lt=2**63, description="same seed, same blinks and glances")


class AudioSection(Section):
    """From any sound to ticks."""

    normalise: bool = Field(default=True, description="slow causal gain towards a common speech level")


class FeaturesSection(Section):
    """The speech encoder."""

    encoder: Literal["small"] = "small"
    weights: str = Field(default="", description="a safetensors file; empty: the one that ships")


class MotionSection(Section):
    """The plugin that turns speech features into face motion."""

    plugin: str = Field(default="gmtalker", description="see `visema plugins`; viseme is the light one")
    lookahead_ticks: int = Field(default=1, ge=0, le=2, description="40 ms each: later, but lips anticipate better")
    life: float = Field(default=1.0, ge=0, le=2, description="blinks, glances, breathing and head motion; 0 is still")
    emotion: str = Field(default="neutral", description="happy, or a mixture: happy=0.7,sad=0.3 (gmtalker)")
    intensity: float = Field(default=1.0, ge=0, le=1, description="of that emotion; 0 is neutral")
    performer: str = Field(default="", description="in whose manner (gmtalker); empty: the first its weights know")

    @field_validator("emotion")
    @classmethod
    def _known(cls, text: str) -> str:
        try:
            parse_emotion(text)
        except ConfigError as error:
            raise ValueError(str(error)) from None
        return text


class RenderSection(Section):
    """The picture."""

    plugin: str = Field(default="head", description="see `visema plugins`")
    size: int = Field(default=512, ge=64, le=2048, multiple_of=2, description="pixels; width and height, even")
    background: str = Field(
        default="#39424e", description="#rrggbb, green (a key colour), gradient, room, a picture file, alpha"
    )


    identity: str = Field(default="anna", description="who is shown: see `visema identities`, or random:NUMBER")
    threads: int = Field(default=2, ge=1, le=16, description="draw a live picture; at most as many as there are cores")
    quality: Literal["live", "offline", "plain"] = Field(
        default="live", description="live keeps up with speech; offline is slow and finer; plain has flat colours"
    )


Strength = Annotated[float, Field(ge=0, le=4, allow_inf_nan=False)]


class LightSection(Section):
    """The lamps. Strengths are factors of the built-in look."""

    key: Strength = Field(default=1.0, description="strength of the main lamp; 0 to 4")
    fill: Strength = Field(default=1.0, description="of the soft one opposite, which lightens the shadows")
    rim: Strength = Field(default=1.0, description="of the one behind, which draws the outline")
    sky: Strength = Field(default=1.0, description="of the light from everywhere")
    warmth: float = Field(default=0.0, ge=-1, le=1, description="of the main lamp: -1 cool, 1 warm")
    key_azimuth: float = Field(default=-30.0, ge=-180, le=180, description="degrees; to the viewer's right +")
    key_elevation: float = Field(default=32.0, ge=-85, le=85, description="degrees; up +")
    softness: float = Field(default=12.0, ge=1, le=45, description="degrees: radius of the main lamp; soft shadows")
    exposure: float = Field(default=1.0, ge=0.1, le=8, description="of the whole picture but its background")


Place = Annotated[float, Field(ge=-1, le=1)]


class CameraSection(Section):
    """Where the picture is taken from."""

    centre: tuple[Place, Place, Place] = Field(
        default=(0.0, 0.002, 0.03), description="metres: what stands in the middle; left of the head, up, forward"
    )
    distance_m: float = Field(default=1.5, ge=0.4, le=20, description="near lenses make noses large")
    height_m: float = Field(default=0.38, ge=0.05, le=3, description="what the picture's height spans")


class VideoSection(Section):
    """How pictures are encoded for WebRTC peers."""

    codec: Literal["auto", "h264", "vp8"] = Field(default="auto", description="auto: H.264 if the peer has it")
    encoder: Literal["auto", "libx264", "h264_nvenc", "h264_qsv", "h264_vaapi", "h264_videotoolbox"] = Field(
        default="auto", description="of H.264; auto: the first hardware that works here, else libx264"
    )
    fps: Literal[25, 30, 50, 60] = Field(
        default=25, description="over 25, pictures between ticks are drawn, and all leaves 20 to 37 ms later"
    )
    preset: Literal["ultrafast", "superfast"] = Field(default="ultrafast", description="of libx264; slower, finer")
    threads: int = Field(default=1, ge=1, le=16, description="of an encoder in software")
    bitrate_kbps: int = Field(default=0, ge=0, le=8000, description="300 to 8000; 0 suits the picture's size")

    @field_validator("bitrate_kbps")
    @classmethod
    def _enough(cls, value: int) -> int:
        if 0 < value < 300:
            raise ValueError("0, or 300 to 8000")
        return value


Port = Annotated[int, Field(ge=0, le=65_535)]


class ServeSection(Section):
    """The page and its WebRTC peers. Loopback unless you say otherwise."""

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535, description="0 picks a free one")
    max_sessions: int = Field(default=2, ge=1, le=64)
    max_viewers: int = Field(default=8, ge=0, le=256, description="who may look on at another's session")
    max_offers: int = Field(default=8, ge=1, le=256, description="of one address that are not connected yet")
    most_load: float = Field(default=0.9, ge=0, le=1, description="of the compute thread by all sessions; 0: any")
    when_busy: Literal["refuse", "degrade"] = Field(default="refuse", description="or fewer pictures for the next one")
    max_body_bytes: int = Field(default=65_536, ge=1_024, le=1_048_576)
    connect_timeout_s: float = Field(default=20.0, gt=0, le=120)
    vanish_timeout_s: float = Field(default=10.0, gt=0, le=120, description="a peer not heard of for so long is gone")
    allowed_hosts: tuple[str, ...] = Field(default=(), description="names under which browsers may call the page")
    allowed_origins: tuple[str, ...] = Field(default=(), description="other sites' pages that may use it (CORS)")
    ice_servers: tuple[str, ...] = Field(default=(), description="stun:HOST:PORT, turn:USER:PASSWORD@HOST:PORT")
    udp_ports: tuple[Port, Port] = Field(default=(0, 0), description="first and last for peers; 0, 0: any")
    log: Literal["text", "json"] = Field(default="text", description="lines for people, or JSON lines for machines")
    log_level: Literal["debug", "info", "warning", "error"] = "warning"
    token: str = Field(default="", pattern=r"^[\x21-\x7e]*$", description="that all must bring; or $VISEMA_TOKEN")
    max_programs: int = Field(default=8, ge=0, le=256, description="WebSockets that may be open at once")
    max_message_bytes: int = Field(default=262_144, ge=4_096, le=4_194_304, description="from a program")
    speech_queue_s: float = Field(default=30.0, ge=1, le=600, description="most speech that waits to be said")
    idle_timeout_s: float = Field(default=600.0, ge=1, le=86_400, description="a silent program is sent off then")


    @field_validator("udp_ports")
    @classmethod
    def _ordered(cls, ports: tuple[int, int]) -> tuple[int, int]:
        if ports[0] > ports[1] or (not ports[0] and ports[1]):
            raise ValueError("first, then last")
        return ports


class Config(Section):
    """All of config.toml."""

    engine: EngineSection = EngineSection()
    audio: AudioSection = AudioSection()
    features: FeaturesSection = FeaturesSection()
    motion: MotionSection = MotionSection()
    render: RenderSection = RenderSection()
    light: LightSection = LightSection()
    camera: CameraSection = CameraSection()
    video: VideoSection = VideoSection()
    serve: ServeSection = ServeSection()


def shows_alpha(config: Config) -> bool:
    """Whether pictures are transparent where nobody stands, uint8 (H, W, 4)."""
    return config.render.background.strip() == "alpha"


def load_config(path: str | Path | None = None, overrides: list[str] | None = None) -> Config:
    """Read a TOML file (none: ./config.toml if there is one) and apply `section.key=value` texts."""
    table: dict[str, Any] = {}
    found = Path(path) if path else Path("config.toml")
    if found.is_file():
        try:
            table = tomllib.loads(found.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{found} is not valid TOML: {error}") from None
    elif path:
        raise ConfigError(f"there is no configuration file {found}")
    for text in overrides or []:
        _override(table, text)
    return parse_config(table)


def parse_config(table: dict[str, Any]) -> Config:
    """Validate a nested table; every mistake is named with its key and the allowed values."""
    try:
        return Config.model_validate(table)
    except ValidationError as error:
        raise ConfigError("\n".join(_explain(item) for item in error.errors())) from None


def _override(table: dict[str, Any], text: str) -> None:
    key, equals, value = text.partition("=")
    section, dot, name = key.strip().partition(".")
    if not (equals and dot and section and name) or "." in name:
        raise ConfigError(f"--set wants section.key=value (for example render.size=512), not {text!r}")
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value.strip()  # a bare word is a string: nobody types quotes inside quotes
    inner = table.setdefault(section, {})
    if not isinstance(inner, dict):
        raise ConfigError(f"[{section}] must be a table")
    inner[name] = parsed


def _explain(item: Any) -> str:
    place = [str(part) for part in item["loc"]]
    key = ".".join(place)
    if item["type"] == "extra_forbidden":
        model = Config
        for part in place[:-1]:
            model = Config.model_fields[part].annotation if part in Config.model_fields else model
        known = ", ".join(model.model_fields)  # type: ignore[union-attr]
        return f"unknown key {key}; allowed here: {known}"
    return f"{key} = {item['input']!r}: {item['msg']}{_allowed(place)}"


def _allowed(place: list[str]) -> str:
    if len(place) < 2 or place[0] not in Config.model_fields:
        return ""
    field = Config.model_fields[place[0]].annotation.model_fields.get(place[1])  # type: ignore[union-attr]
    if field is None:
        return ""
    if get_origin(field.annotation) is Literal:
        return "; allowed: " + ", ".join(map(repr, get_args(field.annotation)))
    signs = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<", "multiple_of": "a multiple of"}
    bounds = [f"{signs[k]} {getattr(bound, k)}" for bound in field.metadata for k in signs if hasattr(bound, k)]
    return f"; allowed: {', '.join(bounds)}" if bounds else ""


def describe_config() -> list[tuple[str, str, str]]:
    """(key, default, meaning) of every key, for --help and the README's test."""
    rows = []
    for section, outer in Config.model_fields.items():
        for name, field in outer.annotation.model_fields.items():  # type: ignore[union-attr]
            choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
            meaning = field.description or ", ".join(map(str, choices))
            rows.append((f"{section}.{name}", repr(field.default), meaning))
    return rows
