"""The faults of the deterministic link as the kernel's `tc netem` makes them, on the loopback of a namespace.

Every packet passes loopback once, so both directions have the same faults, from one queue. What differs from
`engine.stream.lossy.Link`: no two runs lose the same packets; a reordered one is not held back but sent at once, past
those of the last `delay_ms`; HTTP and whatever else the processes say to each other shares the line.
"""

import threading
import time
from types import TracebackType

from benchmarks.harness.namespace import change_qdisc, set_qdisc
from engine.errors import ConfigError, DeviceError
from engine.stream.lossy import Faults

MOST_WAITING = "10000"  # packets; netem's own 1000 could add losses at long delays
IN_ORDER = ("rate", "10gbit")  # nothing is slower for it, but netem then keeps the order that its jitter would break


def netem(faults: Faults, cut: bool = False) -> list[str]:
    """Words for `tc qdisc add dev lo root`; [] where nothing is wrong with the line.

    cut: as it is during an outage. ConfigError: faults that netem does not know (packets held until an outage ends).
    """
    if faults.held:
        raise ConfigError("netem cannot hold packets back until an outage ends: take --link deterministic")
    words: list[str] = []
    least_ms, jitter_ms = faults.delay_ms, faults.jitter_ms
    if faults.reordered and not least_ms:
        least_ms = faults.overtaken_ms  # without a delay nobody can be overtaken
    if least_ms or jitter_ms:
        words += ["delay", _ms(least_ms + jitter_ms / 2)]
        if jitter_ms:  # netem varies it evenly to both sides
            words += [_ms(jitter_ms / 2)]
    if cut or faults.loss:
        words += ["loss", "100%" if cut else _percent(faults.loss)]
    if faults.doubled:
        words += ["duplicate", _percent(faults.doubled)]
    if faults.reordered:
        words += ["reorder", _percent(faults.reordered), "gap", "1"]
    if jitter_ms:
        words += IN_ORDER
    return ["netem", "limit", MOST_WAITING, *words] if words or faults.outages else []


def edges(faults: Faults) -> list[tuple[float, bool]]:
    """(ms since the beginning, whether the line is cut from then on) for all outages, in order."""
    outages = [(begin, begin + length) for begin, length in faults.outages]
    times = sorted({time for outage in outages for time in outage})
    return [(time, any(begin <= time < end for begin, end in outages)) for time in times]


class Netem:
    """The loopback of this process's namespace; one case at a time, and clean again when a `with` ends."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._error: DeviceError | None = None

    def __enter__(self) -> "Netem":
        return self

    def spoil(self, faults: Faults) -> None:
        """From now on it has these faults and no others; its outages count from now."""
        self.clear()
        if words := netem(faults):
            set_qdisc(words)
        if faults.outages:
            self._stop.clear()
            self._thread = threading.Thread(target=self._cut, args=(faults, time.monotonic()), name="outages")
            self._thread.start()

    def clear(self) -> None:
        """No faults any more, and no outages to come. DeviceError if one could not be made."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        set_qdisc([])
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _cut(self, faults: Faults, begun_s: float) -> None:
        for at_ms, cut in edges(faults):
            if self._stop.wait(begun_s + at_ms / 1000 - time.monotonic()):
                return
            try:
                change_qdisc(netem(faults, cut))
            except DeviceError as error:
                self._error = error
                return

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self.clear()


def _ms(value: float) -> str:
    return f"{value:g}ms"


def _percent(share: float) -> str:
    return f"{100 * share:g}%"
