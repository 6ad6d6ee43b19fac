"""Live sessions: voices pushed from the event loop, moments coming back, one compute thread between."""

from engine.session.compute import Engine
from engine.session.session import LATE_TICKS, UNREAD_MOMENTS, Session

__all__ = ["LATE_TICKS", "UNREAD_MOMENTS", "Engine", "Session"]
