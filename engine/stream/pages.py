"""What a server shows without a session: the page, who can be shown, how it is, what it counted."""

from pathlib import Path

from aiohttp import web

from engine.config import Config
from engine.frames import VOICE_RATE_HZ
from engine.render.people import NAMES, person
from engine.session import Engine
from engine.stream.exporter import CONTENT_TYPE, expose
from engine.stream.ice import describe_servers
from engine.stream.visitors import Visitors

PAGE = Path(__file__).parent / "page"
FACES = Path(__file__).parents[1] / "assets" / "pictures"
PAGE_FILES = {"": "index.html"} | {
    name: name for name in ("app.js", "connection.js", "emotions.js", "share.js", "talk.js", "style.css")
}


class Pages:
    """Answers to GET that change nothing."""

    def __init__(self, engine: Engine, config: Config, visitors: Visitors):
        self.engine, self.config, self.visitors = engine, config, visitors

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
                "sessions": len(self.visitors.hosts),
                "max_sessions": self.config.serve.max_sessions,
                "device": self.engine.pipeline.description,
                "executor": self.engine.pipeline.executor,
                "plugin": self.config.motion.plugin,
                "tick_ms": self.engine.pipeline.timings["tick"].percentiles(),
            }
        )

    async def metrics(self, request: web.Request) -> web.Response:
        pipeline, peers, serve = self.engine.pipeline, self.visitors.hosts, self.config.serve
        gauges = {
            "sessions": (len(peers), "open sessions"),
            "viewers": (len(self.visitors.peers), "connected viewers, of whom some look on at another's session"),
            "sessions_most": (serve.max_sessions, "sessions that may be open"),
            "programs": (len(self.visitors.sockets), "open WebSockets of programs"),
            "load_ratio": (self.engine.load, "share of the compute thread that the open sessions take"),
            "waiting_ticks": (sum(peer.session.stats()["waiting_ticks"] for peer in peers), "ticks not computed yet"),
            "speech_queued_seconds": (sum(peer.speaker.queue.waiting for peer in peers) / VOICE_RATE_HZ, "to be said"),
        }
        sessions = [(peer.stats(), peer.timings) for peer in peers]
        text = expose(self.visitors.totals, pipeline.timings, self.engine.slots.due, sessions, gauges)
        return web.Response(body=text.encode(), headers={"Content-Type": CONTENT_TYPE})
