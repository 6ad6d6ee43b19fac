"""The sessions that are open and who is there: opened by offers, changed, told about, ended."""

import asyncio
import logging
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aiohttp import web

from engine.admission import Refused
from engine.config import Config
from engine.render.background import page_colour
from engine.session import Engine, Session
from engine.stream.departure import Departure
from engine.stream.exporter import Totals
from engine.stream.guard import is_loopback, is_token, read_token
from engine.stream.link import SHOWN
from engine.stream.offer import Offer, RequestError, read_colour, read_emotion, read_identity, read_json, read_offer
from engine.stream.pending import Pending
from engine.stream.protocol import ProtocolError, Start
from engine.stream.room import Room
from engine.stream.socket import Sockets
from engine.stream.speaker import Speaker
from engine.stream.sweep import Sweeper
from engine.stream.webrtc import Peer

ENDED_KEPT = 64  # how many ended sessions can still say why

log = logging.getLogger(__name__)


class Visitors:
    """The peers that are here, by id, and why the last ones left."""

    def __init__(self, engine: Engine, config: Config):
        self.engine = engine
        self.config = config
        self.peers: dict[str, Peer] = {}
        self.rooms: dict[str, Room] = {}
        self.totals = Totals()
        self.ended: OrderedDict[str, str | None] = OrderedDict()
        self.pending = Pending(config.serve.max_offers)
        self.encoders = ThreadPoolExecutor(1, "visema-encode")
        self.sockets = Sockets(self.speaker, self.open_room, config.serve)
        self._sweeper = Sweeper()

    async def offer(self, request: web.Request) -> web.Response:
        offer = read_offer(await request.read())
        try:
            place = self.pending.take(request.remote)
        except RequestError:
            self.totals.refused["offers"] += 1
            raise
        try:
            peer = await self.make_peer(offer)
        except BaseException:
            place.leave()
            raise
        peer.settled = place.leave  # by its connection or its end
        return await self.answer(peer)

    async def make_peer(self, offer: Offer) -> Peer:
        """One with a session of its own, or who looks on at another's. RequestError, ConfigError as for those."""
        if offer.watch is not None:
            return self.look_on(offer, offer.watch)
        background = offer.background or self.config.render.background
        session = await self.open_session(background, offer.identity)
        peer = Peer(session, offer, self.config.serve, Departure(self.encoders, self.config.video))
        peer.background = background
        return peer

    async def open_session(self, background: str, identity: str | None) -> Session:
        """A new one; RequestError 503 where there is no room, ConfigError for nobody of that name."""
        loop = asyncio.get_running_loop()
        try:
            return await asyncio.to_thread(
                self.engine.open_session, background=background, loop=loop, identity=identity
            )
        except Refused as error:
            self.totals.refused[error.reason] += 1
            log.info("a session was refused", extra={"reason": error.reason, "sessions": len(self.hosts)})
            raise RequestError(503, str(error)) from None

    async def open_room(self, start: Start, authorised: bool) -> Speaker:
        """The speaker of a session that a program opens, before anybody looks on. ProtocolError without the token;
        RequestError as for an offer."""
        self.check_program(start, authorised)
        identity = read_identity(start.identity)
        background = read_colour(start.background) if start.background else self.config.render.background
        session = await self.open_session(background, identity)
        room = Room(session, self.config.serve, Departure(self.encoders, self.config.video), background)
        room.forget = self.forget
        self.rooms[room.id] = room
        self.totals.opened += 1
        log.info("a session was opened", extra={"session": room.id[:SHOWN], "source": "program"})
        room.begin()
        return room.speaker

    def look_on(self, offer: Offer, name: str) -> Peer:
        """One viewer more of a session that another has opened. RequestError 404, or 503 for one too many."""
        hosts = [peer for peer in self.hosts if peer.watch_id == name and not peer.ending]
        if not hosts:
            raise RequestError(404, "there is no such session to look on at")
        host = hosts[0]
        if len(host.guests) >= self.config.serve.max_viewers:
            raise RequestError(503, f"{self.config.serve.max_viewers} others look on already: serve.max_viewers")
        peer = Peer(host.session, offer, self.config.serve, host.departure, host)
        peer.background = host.background
        host.guests.append(peer)
        return peer

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
        reply |= {"width": render.size, "height": render.size, "fps": self.config.video.fps, "synthetic": True}
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

    def find(self, name: str) -> Peer | Room:
        """The peer or room of an id; RequestError 404, or 410 with the reason for one that has ended."""
        found = self.peers.get(name) or self.rooms.get(name)
        if found is not None:
            return found
        if name in self.ended:
            raise RequestError(410, self.ended[name] or "the session has ended")
        raise RequestError(404, "there is no such session")

    @property
    def hosts(self) -> list[Peer | Room]:
        """All that opened a session; the other peers look on."""
        return [*(peer for peer in self.peers.values() if peer.host is None), *self.rooms.values()]

    def check_program(self, start: Start, authorised: bool) -> None:
        """ProtocolError without the token, where one is wanted."""
        token = read_token(self.config.serve)
        if token and not authorised and not is_token(start.token or "", token):
            raise ProtocolError("token", "a token is needed: Authorization: Bearer TOKEN, or in the start", fatal=True)

    def speaker(self, start: Start, authorised: bool) -> Speaker:
        """The speaker that a program asks for; ProtocolError without the token or such a session."""
        self.check_program(start, authorised)
        token = read_token(self.config.serve)
        hosts = {peer.id: peer for peer in self.hosts}  # who looks on has no say
        if start.session is None:
            if len(hosts) == 1 and (token or is_loopback(self.config.serve.host)):
                return next(iter(hosts.values())).speaker
            text = "name one: several are open" if len(hosts) > 1 else "name one" if hosts else "none is open"
            raise ProtocolError("session", f"no session: {text}", fatal=True)
        if start.session not in hosts:
            raise ProtocolError("session", "there is no such session", fatal=True)
        return hosts[start.session].speaker

    def forget(self, peer: Peer | Room) -> None:
        self.peers.pop(peer.id, None)
        self.rooms.pop(peer.id, None)
        if peer.host is None:
            self.totals.keep(peer.stats(), peer.timings)
            log.info("a session has ended", extra={"session": peer.id[:SHOWN], "error": peer.error, **_numbers(peer)})
        self.ended[peer.id] = peer.error
        self._sweeper.call()
        while len(self.ended) > ENDED_KEPT:
            self.ended.popitem(last=False)

    async def close(self, app: web.Application) -> None:
        self.sockets.close()
        await asyncio.gather(*(one.close() for one in [*self.rooms.values(), *self.peers.values()]))
        self.encoders.shutdown(wait=False)


def _numbers(peer: Peer | Room) -> dict[str, Any]:
    """What is worth a line when a session ends."""
    stats = peer.stats()
    return {key: stats[key] for key in ("ticks", "skipped_pictures", "pictures_dropped", "late") if key in stats}
