"""`visema serve`: one page, and a WebRTC connection for each visitor.

GET /             the page                      GET /healthz         status, sessions, device
GET /identities   who can be shown              GET /faces/NAME.jpg  their pictures
POST /offer       {sdp, type, source, background, identity} or {sdp, type, watch: ID} -> {sdp, type, id, ...}
GET /metrics      counts and histograms for Prometheus
GET /ice          STUN and TURN servers for the page
GET /session/ID   counts and times              POST /session/ID     {background, emotion, intensity}
DELETE /session/ID                              ends it at once
GET /speak        a WebSocket through which a program speaks (PROTOCOL.md)
Errors are JSON {"error": text} with a fitting status.
"""

import asyncio
import logging
import signal
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from aiohttp import web

from engine.admission import Refused
from engine.config import Config
from engine.errors import DeviceError
from engine.frames import FPS, VOICE_RATE_HZ
from engine.logs import write_logs
from engine.render.background import page_colour
from engine.render.people import NAMES, person
from engine.session import Engine
from engine.stream.departure import Departure
from engine.stream.exporter import CONTENT_TYPE, Totals, expose
from engine.stream.guard import is_loopback, is_token, make_guard, read_token
from engine.stream.ice import describe_servers, read_servers
from engine.stream.link import SHOWN
from engine.stream.offer import Offer, RequestError, read_colour, read_emotion, read_json, read_offer
from engine.stream.protocol import ProtocolError, Start
from engine.stream.socket import Sockets
from engine.stream.speaker import Speaker
from engine.stream.webrtc import Peer

PAGE = Path(__file__).parent / "page"
FACES = Path(__file__).parents[1] / "assets" / "pictures"
PAGE_FILES = {"": "index.html"} | {name: name for name in ("app.js", "connection.js", "style.css")}
# What may be had without the token: the page, that it is well, and /speak, where a start may bring the token.
OPEN_TO_ALL = frozenset({"/", "/{name}", "/faces/{name}.jpg", "/healthz", "/speak"})
ENDED_KEPT = 64  # how many ended sessions can still say why

log = logging.getLogger(__name__)


class Visitors:
    """The peers that are here, by id, and why the last ones left."""

    def __init__(self, engine: Engine, config: Config):
        self.engine = engine
        self.config = config
        self.peers: dict[str, Peer] = {}
        self.totals = Totals()
        self.ended: OrderedDict[str, str | None] = OrderedDict()
        self.encoders = ThreadPoolExecutor(1, "visema-encode")
        self.sockets = Sockets(self.speaker, config.serve)

    async def page(self, request: web.Request) -> web.StreamResponse:
        name = PAGE_FILES.get(request.match_info.get("name", ""))
        if name is None:
            raise web.HTTPNotFound
        return web.FileResponse(PAGE / name)

    async def identities(self, request: web.Request) -> web.Response:
        pipeline = self.engine.pipeline
        people = [
            {"name": name, "about": person(name).about, "picture": f"faces/{name}.jpg" if name in NAMES else None}
            for name in pipeline.identities
        ]
        return web.json_response({"default": self.config.render.identity, "identities": people})

    async def ice(self, request: web.Request) -> web.Response:
        return web.json_response({"iceServers": describe_servers(self.config.serve)})

    async def face(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if name not in NAMES:
            raise web.HTTPNotFound
        return web.FileResponse(FACES / f"{name}.jpg")

    async def health(self, request: web.Request) -> web.Response:
        return web.json_response(
            {
                "status": "ok",
                "sessions": sum(peer.host is None for peer in self.peers.values()),
                "max_sessions": self.config.serve.max_sessions,
                "device": self.engine.pipeline.description,
                "executor": self.engine.pipeline.executor,
                "plugin": self.config.motion.plugin,
                "tick_ms": self.engine.pipeline.timings["tick"].percentiles(),
            }
        )

    async def metrics(self, request: web.Request) -> web.Response:
        pipeline, peers, serve = self.engine.pipeline, self.hosts, self.config.serve
        load = sum(self.engine.cost().load(peer.session.interval) for peer in peers)
        gauges = {
            "sessions": (len(peers), "open sessions"),
            "viewers": (len(self.peers), "connected viewers, of whom some look on at another's session"),
            "sessions_most": (serve.max_sessions, "sessions that may be open"),
            "programs": (len(self.sockets), "open WebSockets of programs"),
            "load_ratio": (load, "share of the compute thread that the open sessions take"),
            "waiting_ticks": (sum(peer.session.stats()["waiting_ticks"] for peer in peers), "ticks not computed yet"),
            "speech_queued_seconds": (sum(peer.speaker.queue.waiting for peer in peers) / VOICE_RATE_HZ, "to be said"),
        }
        sessions = [(peer.stats(), peer.timings) for peer in peers]
        text = expose(self.totals, pipeline.timings, sessions, gauges)
        return web.Response(body=text.encode(), headers={"Content-Type": CONTENT_TYPE})

    async def offer(self, request: web.Request) -> web.Response:
        offer = read_offer(await request.read())
        if offer.watch is not None:
            return await self.look_on(offer, offer.watch)
        loop = asyncio.get_running_loop()
        background = offer.background or self.config.render.background
        try:
            session = await asyncio.to_thread(
                self.engine.open_session, background=background, loop=loop, identity=offer.identity
            )
        except Refused as error:
            self.totals.refused[error.reason] += 1
            log.info("a session was refused", extra={"reason": error.reason, "sessions": len(self.peers)})
            raise RequestError(503, str(error)) from None
        peer = Peer(session, offer, self.config.serve, Departure(self.encoders, self.config.video))
        peer.background = background
        return await self.answer(peer)

    async def look_on(self, offer: Offer, name: str) -> web.Response:
        """One viewer more of a session that another has opened."""
        hosts = [peer for peer in self.hosts if peer.watch_id == name]
        if not hosts:
            raise RequestError(404, "there is no such session to look on at")
        host = hosts[0]
        if len(host.guests) >= self.config.serve.max_viewers:
            raise RequestError(503, f"{self.config.serve.max_viewers} others look on already: serve.max_viewers")
        peer = Peer(host.session, offer, self.config.serve, host.departure, host)
        peer.background = host.background
        host.guests.append(peer)
        return await self.answer(peer)

    async def answer(self, peer: Peer) -> web.Response:
        self.peers[peer.id] = peer
        peer.forget = self.forget
        if peer.host is None:
            peer.speaker.seen = self.totals.offsets_ms.add
            self.totals.opened += 1
            log.info("a session was opened", extra={"session": peer.id[:SHOWN], "source": peer.offer.source})
        try:
            answer = await peer.connect()
        except BaseException:
            await peer.close()
            raise
        render = self.config.render
        reply = {"sdp": answer, "type": "answer", "id": peer.id, "background": page_colour(peer.background)}
        reply |= {"identity": peer.session.identity, "watch": peer.watch_id}
        reply |= {"width": render.size, "height": render.size, "fps": FPS, "synthetic": True}
        return web.json_response(reply)

    async def stats(self, request: web.Request) -> web.Response:
        return web.json_response(self.find(request.match_info["id"]).stats())

    async def change(self, request: web.Request) -> web.Response:
        peer = self.find(request.match_info["id"])
        if peer.host is not None:
            raise RequestError(403, "who looks on cannot change the session")
        wanted = read_json(await request.read())
        emotion = read_emotion(wanted)
        if emotion is None or "background" in wanted:
            peer.set_background(read_colour(wanted.get("background")))
        if emotion is not None:
            peer.session.set_emotion(emotion)
        return web.json_response({"status": "ok"})

    async def end(self, request: web.Request) -> web.Response:
        await self.find(request.match_info["id"]).close()
        return web.json_response({"status": "ended"})

    def find(self, name: str) -> Peer:
        """The peer of an id; RequestError 404, or 410 with the reason for one that has ended."""
        if name in self.peers:
            return self.peers[name]
        if name in self.ended:
            raise RequestError(410, self.ended[name] or "the session has ended")
        raise RequestError(404, "there is no such session")

    @property
    def hosts(self) -> list[Peer]:
        """The peers that opened a session; the others look on."""
        return [peer for peer in self.peers.values() if peer.host is None]

    def speaker(self, start: Start, authorised: bool) -> Speaker:
        """The speaker that a program asks for; ProtocolError without the token or such a session."""
        token = read_token(self.config.serve)
        if token and not authorised and not is_token(start.token or "", token):
            raise ProtocolError("token", "a token is needed: Authorization: Bearer TOKEN, or in the start", fatal=True)
        hosts = {name: peer for name, peer in self.peers.items() if peer.host is None}  # who looks on has no say
        if start.session is None:
            if len(hosts) == 1 and (token or is_loopback(self.config.serve.host)):
                return next(iter(hosts.values())).speaker
            text = "name one: several are open" if len(hosts) > 1 else "name one" if hosts else "none is open"
            raise ProtocolError("session", f"no session: {text}", fatal=True)
        if start.session not in hosts:
            raise ProtocolError("session", "there is no such session", fatal=True)
        return hosts[start.session].speaker

    def forget(self, peer: Peer) -> None:
        self.peers.pop(peer.id, None)
        if peer.host is None:
            self.totals.keep(peer.stats(), peer.timings)
            log.info("a session has ended", extra={"session": peer.id[:SHOWN], "error": peer.error, **_numbers(peer)})
        self.ended[peer.id] = peer.error
        while len(self.ended) > ENDED_KEPT:
            self.ended.popitem(last=False)

    async def close(self, app: web.Application) -> None:
        self.sockets.close()
        await asyncio.gather(*(peer.close() for peer in list(self.peers.values())))
        self.encoders.shutdown(wait=False)


def _numbers(peer: Peer) -> dict[str, Any]:
    """What is worth a line when a session ends."""
    stats = peer.stats()
    return {key: stats[key] for key in ("ticks", "skipped_pictures", "pictures_dropped", "late") if key in stats}


def make_app(engine: Engine, config: Config) -> web.Application:
    """The whole server around a started engine; closing the app ends its sessions, not the engine."""
    visitors = Visitors(engine, config)
    guard = make_guard(config.serve, OPEN_TO_ALL)
    app = web.Application(middlewares=[guard], client_max_size=config.serve.max_body_bytes)
    app.add_routes(
        [
            web.get("/", visitors.page),
            web.get("/healthz", visitors.health),
            web.get("/identities", visitors.identities),
            web.get("/faces/{name}.jpg", visitors.face),
            web.get("/ice", visitors.ice),
            web.post("/offer", visitors.offer),
            web.get("/session/{id}", visitors.stats),
            web.post("/session/{id}", visitors.change),
            web.delete("/session/{id}", visitors.end),
            web.get("/metrics", visitors.metrics),
            web.get("/speak", visitors.sockets.serve),
            web.get("/{name}", visitors.page),
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
