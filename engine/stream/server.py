"""`visema serve`: one page, and a WebRTC connection for each visitor.

GET /             the page                      GET /healthz         status, sessions, device
GET /identities   who can be shown              GET /faces/NAME.jpg  their pictures
POST /offer       {sdp, type, source, background, identity} or {sdp, type, watch: ID} -> {sdp, type, id, ...}
GET /metrics      counts and histograms for Prometheus
GET /ice          STUN and TURN servers for the page
GET /session/ID   counts and times              POST /session/ID     {background, emotion, intensity}
DELETE /session/ID                              ends it at once
GET /speak        a WebSocket through which a program speaks, or opens a session (PROTOCOL.md)
Errors are JSON {"error": text} with a fitting status: 503 where all places are taken, 429 where too many offers of one
address wait to be connected.
"""

import asyncio
import signal
from typing import Any

from aiohttp import web

from engine.config import Config
from engine.errors import DeviceError
from engine.logs import write_logs
from engine.session import Engine
from engine.stream.guard import make_guard
from engine.stream.ice import read_servers
from engine.stream.pages import Pages
from engine.stream.visitors import Visitors

# What may be had without the token: the page, that it is well, and /speak, where a start may bring the token.
OPEN_TO_ALL = frozenset({"/", "/{name}", "/faces/{name}.jpg", "/healthz", "/speak"})


def make_app(engine: Engine, config: Config) -> web.Application:
    """The whole server around a started engine; closing the app ends its sessions, not the engine."""
    visitors = Visitors(engine, config)
    pages = Pages(engine, config, visitors)
    guard = make_guard(config.serve, OPEN_TO_ALL)
    app = web.Application(middlewares=[guard], client_max_size=config.serve.max_body_bytes)
    app.add_routes(
        [
            web.get("/", pages.page),
            web.get("/healthz", pages.health),
            web.get("/identities", pages.identities),
            web.get("/faces/{name}.jpg", pages.face),
            web.get("/ice", pages.ice),
            web.post("/offer", visitors.offer),
            web.get("/session/{id}", visitors.stats),
            web.post("/session/{id}", visitors.change),
            web.delete("/session/{id}", visitors.end),
            web.get("/metrics", pages.metrics),
            web.get("/speak", visitors.sockets.serve),
            web.get("/{name}", pages.page),
        ]
    )
    app.on_shutdown.append(visitors.close)
    return app


def serve(config: Config) -> None:
    """Serve until Ctrl-C or SIGTERM; prints the URL once the engine is warm. DeviceError if the port is taken."""
    write_logs(config.serve.log, config.serve.log_level)
    read_servers(config.serve)  # what is wrong with them is said before anything is loaded
    print("Loading the face ...", flush=True)
    engine = Engine(config)
    engine.start()
    try:
        asyncio.run(_serve(engine, config))
    finally:
        engine.close()


async def _serve(engine: Engine, config: Config) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, stop.set)
        except NotImplementedError:  # Windows: Ctrl-C ends asyncio.run instead
            break
    runner = web.AppRunner(make_app(engine, config), access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, config.serve.host, config.serve.port)
        try:
            await site.start()
        except OSError as error:
            place = f"{config.serve.host}:{config.serve.port}"
            raise DeviceError(f"cannot listen on {place}: {error.strerror}; try another --port") from None
        print(f"Visema is ready: {_describe_url(runner, config)}   (Ctrl-C ends it)", flush=True)
        await stop.wait()
    finally:
        await runner.cleanup()


def _describe_url(runner: web.AppRunner, config: Config) -> str:
    address: Any = runner.addresses[0]
    host = "127.0.0.1" if config.serve.host in ("0.0.0.0", "::", "") else config.serve.host
    return f"http://[{host}]:{address[1]}/" if ":" in host else f"http://{host}:{address[1]}/"
