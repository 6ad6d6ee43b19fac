"""What a peer may ask for: an offer read with suspicion, before anything is built for it."""

import json
import re
from dataclasses import dataclass
from typing import Any, Literal, get_args

from aiortc.sdp import SessionDescription

from engine.errors import EngineError
from engine.motion.emotion import Emotion, make_emotion

Source = Literal["mic", "sample", "program"]
SOURCES = get_args(Source)
NAME = re.compile(r"[a-z]{1,24}(:[0-9]{1,9})?")
SESSION = re.compile(r"[A-Za-z0-9_-]{1,64}")
COLOUR = re.compile(r"#[0-9a-fA-F]{6}|[a-z]{1,24}")
MOST_SECTIONS = 4
MOST_CANDIDATES = 64  # every one makes this machine send packets to it


class RequestError(EngineError):
    """A request that cannot be served; `status` is its HTTP status."""

    def __init__(self, status: int, text: str):
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class Offer:
    """sdp: text of the offer. source: whose voice. background: colour, and identity: person, or None
    for the configured one. watch: what another's answer calls so, to look on at that session; then nothing of the rest
    counts."""

    sdp: str
    source: Source
    background: str | None
    identity: str | None
    watch: str | None = None


def read_json(body: bytes) -> dict[str, Any]:
    """A JSON object, or RequestError 400."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise RequestError(400, "the body is not JSON") from None
    if not isinstance(value, dict):
        raise RequestError(400, "the body is not a JSON object")
    return value


def read_offer(body: bytes) -> Offer:
    """Check an offer as far as that goes without building a connection.

    RequestError: 400 for what is not an offer at all, 422 for one that cannot be served.
    """
    value = read_json(body)
    if value.get("type") != "offer":
        raise RequestError(400, 'the key "type" must be "offer"')
    sdp = value.get("sdp")
    if not isinstance(sdp, str) or not sdp:
        raise RequestError(400, 'the key "sdp" must hold the text of the offer')
    source = value.get("source", "mic")
    if source not in SOURCES:
        raise RequestError(400, f'the key "source" must be one of {", ".join(SOURCES)}')
    background = value.get("background")
    if background is not None:
        background = read_colour(background)
    identity = read_identity(value.get("identity"))
    watch = value.get("watch")
    if watch is not None and not (isinstance(watch, str) and SESSION.fullmatch(watch)):
        raise RequestError(422, 'the key "watch" must be what the answer to another offer calls so')
    _check_sdp(sdp, source if watch is None else "sample")
    return Offer(sdp, source, background, identity, watch)


def read_identity(value: Any) -> str | None:
    """A name that could be somebody's, None for None; RequestError 422."""
    if value is not None and not (isinstance(value, str) and NAME.fullmatch(value)):
        raise RequestError(422, 'the key "identity" must be a name from GET /identities')
    return value


def read_colour(value: Any) -> str:
    """#rrggbb or a plain name, or RequestError 422. Whether the name is known, the renderer says."""
    if not isinstance(value, str) or not COLOUR.fullmatch(value):
        raise RequestError(422, 'the key "background" must be a colour such as "#00ff00" or "green"')
    return value


def read_emotion(wanted: dict[str, Any]) -> Emotion | None:
    """{"emotion": {"happy": 0.7}, "intensity": 0.5} of a request, None without; ConfigError for a wrong one."""
    weights = wanted.get("emotion")
    if weights is None:
        return None
    if not isinstance(weights, dict):
        raise RequestError(422, 'the key "emotion" must be an object such as {"happy": 0.7, "sad": 0.3}')
    return make_emotion(weights, wanted.get("intensity", 1.0))


def _check_sdp(sdp: str, source: str) -> None:
    if sdp.count("\na=candidate:") > MOST_CANDIDATES or sdp.count("\nm=") > MOST_SECTIONS:
        raise RequestError(422, "the offer has too many sections or candidates")
    try:
        media = SessionDescription.parse(sdp).media
    except Exception:  # the parser of aiortc asserts, indexes and converts as it goes
        raise RequestError(400, "the SDP of the offer cannot be read") from None
    if not all(m.ice and m.ice.usernameFragment and m.dtls and m.dtls.fingerprints for m in media):
        raise RequestError(422, "the offer lacks its ICE name or DTLS fingerprint")
    for kind in ("audio", "video"):
        found = [section for section in media if section.kind == kind]
        if len(found) != 1:
            raise RequestError(422, f"the offer must have one section for {kind}, not {len(found)}")
        direction = found[0].direction or "sendrecv"
        if direction not in ("sendrecv", "recvonly"):
            raise RequestError(422, f"the offer does not want to receive {kind}")
        if kind == "audio" and source == "mic" and direction != "sendrecv":
            raise RequestError(422, 'the offer brings no microphone; use the source "sample"')
