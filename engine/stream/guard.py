"""Who may ask: the page itself, under a name that this machine is known by, and whoever has the token.

A site elsewhere can make a visitor's browser post to 127.0.0.1, open a WebSocket there, or point its own name
there (DNS rebinding). All show: in Origin and Sec-Fetch-Site, and in Host.
"""

import hashlib
import hmac
import ipaddress
import logging
import os
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from engine.config import ServeSection
from engine.errors import EngineError
from engine.stream.offer import RequestError

HEADERS = {
    # unsafe-eval: the page evaluates nothing, but tools that drive a browser wait for expressions that way.
    "Content-Security-Policy": "default-src 'self'; script-src 'self' 'unsafe-eval'; base-uri 'none'; "
    "form-action 'none'; object-src 'none'; img-src 'self' data:; frame-ancestors 'self'",
    "Permissions-Policy": "microphone=(self), camera=()",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
# What a page of another origin may do, where serve.allowed_origins names it.
PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST, DELETE",
    "Access-Control-Allow-Headers": "Authorization, Content-Type",
    "Access-Control-Max-Age": "600",
}
TOKEN_VARIABLE = "VISEMA_TOKEN"
log = logging.getLogger(__name__)


def read_token(config: ServeSection) -> str:
    """The token that everybody must bring: serve.token, or else the environment's; empty: none."""
    return config.token or os.environ.get(TOKEN_VARIABLE, "").strip()


def is_token(given: str, token: str) -> bool:
    """Whether a token is the right one, in a time that tells nothing about it."""
    digests = [hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest() for text in (given, token)]
    return hmac.compare_digest(*digests)


def bearer(request: web.Request) -> str | None:
    """The token that a request brings in its Authorization header, None without any."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def is_loopback(host: str) -> bool:
    """Whether a server that listens there hears this machine only."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_known_host(host: str, config: ServeSection) -> bool:
    """Whether a Host header (with or without port) names this machine: an address cannot be rebound."""
    try:
        name = (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return False
    if name == "localhost" or name == config.host.lower() or name in map(str.lower, config.allowed_hosts):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def check_request(request: web.Request, config: ServeSection, allowed: bool) -> None:
    """RequestError 403 for a strange host or a foreign page, 415 for a POST that is not JSON.

    allowed: whether the page that asks is one of `allowed_origins`.
    """
    if not is_known_host(request.host, config):
        raise RequestError(403, f"unknown host {request.host!r}; allow it with serve.allowed_hosts")
    upgrade = "upgrade" in request.headers.get("Connection", "").lower()
    if request.method in ("GET", "HEAD") and not upgrade:
        return
    origin = request.headers.get("Origin")
    own = origin is None or urlsplit(origin).netloc.lower() == request.host.lower()
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    if not (allowed or (own and site in ("same-origin", "none"))):
        raise RequestError(403, "only Visema's own page may do that; allow others with serve.allowed_origins")
    if request.method == "POST" and request.content_type != "application/json":
        raise RequestError(415, "the body must be application/json")


def check_token(request: web.Request, token: str, open_to_all: frozenset[str]) -> None:
    """RequestError 401 where a token is wanted and the request brings none, or a wrong one."""
    resource = request.match_info.route.resource
    given = bearer(request)
    if not token or (given is None and resource is not None and resource.canonical in open_to_all):
        return
    if given is None or not is_token(given, token):
        raise RequestError(401, "a token is needed: the header Authorization: Bearer TOKEN")


def make_guard(config: ServeSection, open_to_all: frozenset[str] = frozenset()) -> Middleware:
    """Middleware: checks each request, turns errors into JSON with a status, adds the headers.

    open_to_all: routes that need no token.
    """
    token = read_token(config)
    origins = {origin.lower().rstrip("/") for origin in config.allowed_origins}

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        origin = request.headers.get("Origin", "")
        allowed = origin.lower() in origins
        try:
            check_request(request, config, allowed)
            if allowed and request.method == "OPTIONS":
                response = web.Response(status=204, headers=PREFLIGHT)
            else:
                check_token(request, token, open_to_all)
                response = await handler(request)
        except RequestError as error:
            response = web.json_response({"error": str(error)}, status=error.status)
            if error.status in (429, 503):
                response.headers["Retry-After"] = "5"
            if error.status == 401:
                response.headers["WWW-Authenticate"] = "Bearer"
        except EngineError as error:
            response = web.json_response({"error": str(error)}, status=422)
        except web.HTTPException as error:
            response = web.json_response({"error": error.reason}, status=error.status)
            if "Allow" in error.headers:
                response.headers["Allow"] = error.headers["Allow"]
        except Exception:
            log.exception("a request failed")
            response = web.json_response({"error": "an internal error; the server's log has it"}, status=500)
        response.headers.update(HEADERS)
        if origins:
            response.headers["Vary"] = "Origin"
        if allowed:
            response.headers["Access-Control-Allow-Origin"] = origin
        return response

    return guard
