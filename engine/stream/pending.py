"""Offers that were made and whose peer is not connected yet: only so many of one address.

Each costs a connection, and perhaps one of the few sessions, until serve.connect_timeout_s has passed: without a limit
somebody who never connects could keep all places taken.
"""

import ipaddress
from collections import Counter

from engine.stream.offer import RequestError

IPV6_HOME = 64  # bits; whoever has one address of such a network has them all


class Pending:
    """Counts by address. most: how many offers each may have waiting."""

    def __init__(self, most: int):
        self._most = most
        self._waiting: Counter[str] = Counter()

    def __len__(self) -> int:
        """How many wait, of all addresses."""
        return self._waiting.total()

    def take(self, address: str | None) -> "Place":
        """A place for one offer more; RequestError 429 if that address has no more."""
        home = home_of(address)
        if self._waiting[home] >= self._most:
            raise RequestError(
                429, f"{self._most} offers from this address wait to be connected already (serve.max_offers); connect "
                "them, or try again in a few seconds"
            )  # fmt: skip
        self._waiting[home] += 1
        return Place(self, home)

    def give_back(self, home: str) -> None:
        self._waiting[home] -= 1
        if not self._waiting[home]:
            del self._waiting[home]  # addresses that come once leave nothing


class Place:
    """Of one offer, until it is connected, refused, or given up."""

    def __init__(self, pending: Pending, home: str):
        self._pending: Pending | None = pending
        self._home = home

    def leave(self) -> None:
        """It waits no longer. May be called often."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.give_back(self._home)


def home_of(address: str | None) -> str:
    """What an address counts as: itself, or the network of an IPv6 one. None (no network at all) is one home, too."""
    try:
        found = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return address or ""
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, IPV6_HOME), strict=False))
