"""From stamps and marks to latency and offset: which sample of the spoken voice each picture shows.

The engine's timeline may begin anywhere, and may jump where sound was made up or left out. A stamp with a mark says
where it stands: the mark's place on the engine's timeline less its place in the spoken voice is the `lag`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.harness.marks import REPEAT, spoken_at
from benchmarks.harness.peer import Heard, Seen
from benchmarks.harness.stamp import TICKS
from engine.frames import TICK_MS, VOICE_RATE_HZ, VOICE_TICK_SAMPLES

NEAR = 5  # marks whose median counts: one that was misread moves nothing
SAMPLE_NS = 1e9 / VOICE_RATE_HZ
VIDEO_HZ = 90_000
SAME_NS = REPEAT * SAMPLE_NS / 2  # a mark is seen and heard within this, else it is another of its kind


@dataclass(frozen=True, slots=True)
class Arrival:
    """A tick's picture came. tick: counted on without wrapping; lag: samples, see above; at_ns, timestamp: as seen."""

    tick: int
    at_ns: int
    timestamp: int
    lag: float


def arrivals(seen: Sequence[Seen], begun_ns: int) -> list[Arrival]:
    """The first picture of every tick, in the order in which they came; empty where no mark was read.

    begun_ns: when sample 0 of the marked voice was spoken.
    """
    ticks: list[tuple[int, Seen]] = []
    marked: list[tuple[int, float]] = []
    last: int | None = None
    for picture in seen:
        stamp = picture.stamp
        if stamp is None:
            continue
        last = stamp.tick if last is None else last
        tick = last + (stamp.tick - last + TICKS // 2) % TICKS - TICKS // 2
        if not ticks or tick > last:
            ticks.append((tick, picture))
        last = max(last, tick)
        said = None if stamp.kind is None else spoken_at(stamp.kind, (picture.at_ns - begun_ns) / SAMPLE_NS)
        if said is not None:
            place = tick * VOICE_TICK_SAMPLES + stamp.place_ms * VOICE_RATE_HZ / 1000
            marked.append((tick, place - said))
    if not marked:
        return []
    places, lags = zip(*marked, strict=True)
    smooth = [float(np.median(lags[max(0, i - NEAR // 2) : i + NEAR // 2 + 1])) for i in range(len(lags))]
    nearest = np.interp([tick for tick, _ in ticks], places, smooth)
    return [Arrival(tick, p.at_ns, p.timestamp, lag) for (tick, p), lag in zip(ticks, nearest, strict=True)]


def last_sample_latency(came: Sequence[Arrival], begun_ns: int) -> np.ndarray:
    """Milliseconds from the last sample of each tick, as it was spoken, to its picture: float64 (n,)."""
    return np.array([(one.at_ns - spoken_ns(one, begun_ns)) / 1e6 for one in came])


def spoken_ns(one: Arrival, begun_ns: int) -> float:
    """When the last sample of an arrival's tick was spoken."""
    return begun_ns + ((one.tick + 1) * VOICE_TICK_SAMPLES - one.lag) * SAMPLE_NS


def every_sample(last_ms: np.ndarray) -> np.ndarray:
    """Latency of all samples of the ticks, from that of their last ones: each waits for the end of its tick.

    One value for every millisecond of sound: float64 (n * 40,).
    """
    return (last_ms[:, None] + np.arange(TICK_MS)).reshape(-1)


def dropped(came: Sequence[Arrival]) -> int:
    """Ticks between the first and the last whose picture never came."""
    return came[-1].tick - came[0].tick + 1 - len(came) if came else 0


def offsets(
    seen: Sequence[Seen], heard: Sequence[Heard], came: Sequence[Arrival], reports: dict[str, list[tuple[int, int]]]
) -> np.ndarray:
    """Sound against picture in ms, one for every arrival, as a browser puts them together; empty without reports.

    Positive: a sound is played before the picture that was drawn for it. A receiver pairs the two clocks by the
    sender's reports (RFC 3550, section 6.4.1); which sound belongs to which picture, the marks say.
    """
    if not (reports["video"] and reports["audio"]):
        return np.zeros(0)
    origin = voice_origin(seen, heard, came)
    if origin is None:
        return np.zeros(0)
    found = []
    for one in came:
        shown_ns = _wall_ns(one.timestamp, VIDEO_HZ, reports["video"])
        played_ns = _wall_ns(origin + one.tick * VOICE_TICK_SAMPLES, VOICE_RATE_HZ, reports["audio"])
        found.append((shown_ns - played_ns) / 1e6)
    return np.array(found)


def voice_origin(seen: Sequence[Seen], heard: Sequence[Heard], came: Sequence[Arrival]) -> float | None:
    """The voice's RTP timestamp at which the engine's tick 0 is heard; None if no mark was both seen and heard."""
    ticks = {one.timestamp: one.tick for one in came}
    found = []
    for picture in seen:
        stamp = picture.stamp
        if stamp is None or stamp.kind is None or picture.timestamp not in ticks:
            continue
        place = ticks[picture.timestamp] * VOICE_TICK_SAMPLES + stamp.place_ms * VOICE_RATE_HZ / 1000
        near = [mark for mark in heard if mark.kind == stamp.kind and abs(mark.at_ns - picture.at_ns) < SAME_NS]
        found += [mark.timestamp - place for mark in near]
    if not found:
        return None
    return float(np.median(found))


def _wall_ns(timestamp: float, rate_hz: int, reports: list[tuple[int, int]]) -> float:
    """The sender's wall time of an RTP timestamp, by the report that is nearest."""
    aways = [(timestamp - report + 2**31) % 2**32 - 2**31 for _, report in reports]
    nearest = int(np.argmin(np.abs(aways)))
    return reports[nearest][0] + aways[nearest] * 1e9 / rate_hz
