"""Who may ask: the page itself, under a name that this machine is known by.

A site elsewhere can make a visitor's browser post to 127.0.0.1, or point its own name there (DNS
rebinding). Both show: in Origin and Sec-Fetch-Site, and in Host.
"""

import ipaddress
import logging
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
log = logging.getLogger(__name__)


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


def check_request(request: web.Request, config: ServeSection) -> None:
    """RequestError 403 for a strange host or a foreign page, 415 for a POST that is not JSON."""
    if not is_known_host(request.host, config):
        raise RequestError(403, f"unknown host {request.host!r}; allow it with serve.allowed_hosts")
    if request.method in ("GET", "HEAD"):
        return
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc.lower() != request.host.lower():
        raise RequestError(403, "only Visema's own page may do that")
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise RequestError(403, "only Visema's own page may do that")
    if request.method == "POST" and request.content_type != "application/json":
        raise RequestError(415, "the body must be application/json")


def make_guard(config: ServeSection) -> Middleware:
    """Middleware: checks each request, turns errors into JSON with a status, adds the headers."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            check_request(request, config)
            response = await handler(request)
        except RequestError as error:
            response = web.json_response({"error": str(error)}, status=error.status)
            if error.status == 503:
                response.headers["Retry-After"] = "5"
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
        return response

    return guard
