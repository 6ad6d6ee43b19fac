"""What sessions leave is given back, once for all that ended meanwhile."""

import asyncio
import gc
import weakref

from engine.stream import sweep
from engine.stream.sweep import Sweeper


class Knot:
    """Refers to itself, as connections do."""

    def __init__(self) -> None:
        self.own = self


def test_knots_are_gone_after_a_while(monkeypatch):
    monkeypatch.setattr(sweep, "AFTER_S", 0.01)
    collections = []

    async def scene() -> bool:
        sweeper, seen = Sweeper(), weakref.ref(Knot())
        for _ in range(3):
            sweeper.call()
        assert seen() is not None, "nothing is looked through at once"
        await asyncio.sleep(0.1)
        first = seen() is None
        sweeper.call()
        await asyncio.sleep(0.1)
        return first

    gc.disable()
    gc.callbacks.append(lambda phase, info: collections.append(info["generation"]) if phase == "stop" else None)
    try:
        assert asyncio.run(scene())
    finally:
        gc.callbacks.pop()
        gc.enable()
    assert collections == [2, 2], "three ends are one sweep, and a later one another"


def test_an_ended_session_holds_no_state_of_the_renderer():
    from engine.session import Engine
    from tests.peers import make_config

    engine = Engine(make_config())  # not started: nothing is drawn
    session = engine.open_session(seed=1)
    drawing = session._presenter._drawing
    assert drawing is not None
    state = weakref.ref(drawing[1].samples)  # type: ignore[attr-defined]
    del drawing
    session.set_background("#102030")
    session.close()
    assert state() is None
    assert session.stats()["skipped_pictures"] == 0
