"""Messages between a program and a session, version 1; PROTOCOL.md beside this file is their description.

Texts are JSON objects with a "type", binaries are sound. The same over WebSocket and data channel.
"""

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from engine.errors import EngineError

VERSION = 1
LOWEST_RATE_HZ, HIGHEST_RATE_HZ = 8_000, 48_000
Id = Annotated[int | Annotated[str, Field(max_length=64)] | None, Field(union_mode="left_to_right")]
Code = Literal[
    "message",  # not understood, or not allowed now
    "version",  # another version of the protocol
    "token",  # missing or wrong
    "session",  # no such session, or it has ended
    "busy",  # another program speaks through it
    "audio",  # sound that cannot be decoded
    "full",  # more speech waits than may: that message was not taken
    "refused",  # understood, but this server cannot: an unknown emotion, for example
    "rate",  # too many messages
    "slow",  # the program does not read what it is sent
    "idle",  # nothing came for too long
    "internal",
]


class ProtocolError(EngineError):
    """What is told to a program. fatal: the connection ends after it."""

    def __init__(self, code: Code, text: str, fatal: bool = False):
        super().__init__(text)
        self.code: Code = code
        self.fatal = fatal


class Message(BaseModel):
    """What every message may carry: an id of the program's choice, which its answer repeats."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    id: Id = None


class Start(Message):
    """The first message. session: needed where several are open; open: make a new one instead, of an identity before a
    background, the configured ones if not given. buffer_ms: wait for so much speech before
    beginning, and again after falling behind. ack_ms: how often the state is told while speech waits or is said."""

    type: Literal["start"]
    version: int
    session: Annotated[str, Field(max_length=64)] | None = None
    open: bool = False
    identity: Annotated[str, Field(max_length=64)] | None = None
    background: Annotated[str, Field(max_length=64)] | None = None
    token: Annotated[str, Field(max_length=1024)] | None = None
    format: Literal["pcm16", "opus"] = "pcm16"
    rate_hz: int = Field(default=24_000, ge=LOWEST_RATE_HZ, le=HIGHEST_RATE_HZ)
    buffer_ms: int = Field(default=0, ge=0, le=5_000)
    ack_ms: int = Field(default=200, ge=40, le=10_000)


class MarkHere(Message):
    """A place after the last sound sent, told when it has been heard."""

    type: Literal["mark"]
    name: Annotated[str, Field(max_length=64)] = ""
    text: Annotated[str, Field(max_length=1_000)] = ""


class Flush(Message):
    """The utterance is complete."""

    type: Literal["flush"]


class Interrupt(Message):
    """Stop speaking now."""

    type: Literal["interrupt"]


class SetEmotion(Message):
    """Head for a mixture of emotions. weights: by name, relative. intensity: 0 to 1."""

    type: Literal["emotion"]
    weights: dict[str, float] = Field(max_length=16)
    intensity: float = Field(default=1.0, ge=0, le=1, allow_inf_nan=False)


class AskState(Message):
    """Answered by a "state"."""

    type: Literal["state"]


class Seen(Message):
    """From a viewer's page: how far sound comes before picture there."""

    type: Literal["seen"]
    av_offset_ms: float = Field(ge=-10_000, le=10_000, allow_inf_nan=False)


class Stop(Message):
    """Leave; what was flushed is still said."""

    type: Literal["stop"]


AnyMessage = Start | MarkHere | Flush | Interrupt | SetEmotion | AskState | Seen | Stop
_ADAPTER: TypeAdapter[AnyMessage] = TypeAdapter(Annotated[AnyMessage, Field(discriminator="type")])


def read_message(text: str) -> AnyMessage:
    """A message, or ProtocolError with what is wrong with it."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise ProtocolError("message", "a text message is a JSON object") from None
    if not isinstance(value, dict):
        raise ProtocolError("message", "a text message is a JSON object")
    if value.get("type") == "start" and value.get("version") != VERSION:
        raise ProtocolError("version", f"this server speaks version {VERSION}", fatal=True)
    try:
        return _ADAPTER.validate_python(value)
    except ValidationError as error:
        raise ProtocolError("message", _explain(error)) from None


def message_id(text: str) -> Any:
    """The id of a message that could not be read, if that much can be."""
    try:
        found = json.loads(text).get("id")
    except (ValueError, RecursionError, AttributeError):
        return None
    return found if isinstance(found, int | str) and len(str(found)) <= 64 else None


def _explain(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"][1:])
    return f"{place}: {first['msg']}" if place else first["msg"]
