"""`visema bench latency`: a marked voice in, a stamped picture out, by the real clock.

First in this process: sound in blocks of 10 ms, as a microphone gives it, through a session, to the picture that is
ready for the encoder. Then over loopback WebRTC: a peer speaks the same voice into a server in a process of its own,
and decodes what comes back. Then Chromium looks on, where it is installed, and its own statistics stand beside.

Latency counts from the moment at which a sample is spoken, for all samples: waiting for the tick is in it.
"""

import asyncio
import time
from typing import Any

import numpy as np

from benchmarks.harness import timeline
from benchmarks.harness.chromium import look_on
from benchmarks.harness.figures import OFFSET, describe_run, percentiles
from benchmarks.harness.marks import MarkedVoice
from benchmarks.harness.peer import Peer, Seen
from benchmarks.harness.plots import Bars, Lines
from benchmarks.harness.report import Result, Table
from benchmarks.harness.rig import Rig
from benchmarks.harness.spans import Recorder, Span, spans_by_tick
from benchmarks.harness.stamp import StampedEngine, read
from benchmarks.harness.timeline import Arrival
from engine.audio import AudioBlock
from engine.config import Config
from engine.frames import TICK_MS, VOICE_RATE_HZ, VOICE_TICK_SAMPLES

BLOCK_MS = 10
BLOCK = VOICE_RATE_HZ * BLOCK_MS // 1000
SETTLE_S = 3.0  # left out of all figures; at most a quarter of the run
TARGETS = {"mic_to_frame_ms": {"p50": 60, "p99": 100}, "loopback_ms": {"p50": 120, "p99": 200}}


def bench_latency(config: Config, seconds: float = 60.0, browser: bool = True, **_: Any) -> Result:
    """Run all parts, `seconds` each. SessionError if the server refuses or no picture comes.

    A machine that cannot keep up at all draws no new pictures: then percentiles are None and `dropped` tells.
    """
    run = describe_run(config)
    frame, frame_spans = _measure_frames(config, seconds)
    loop, loop_spans, chromium = _measure_loopback(config, seconds, browser)
    figures: dict[str, Any] = {
        "benchmark": "latency", **run, "seconds": seconds, "lookahead_ms": frame["lookahead_ms"],
        "mic_to_frame_ms": percentiles(timeline.every_sample(frame["last_ms"])),
        "loopback_ms": percentiles(timeline.every_sample(loop["last_ms"])),
        "av_offset_ms": percentiles(loop["offsets_ms"], OFFSET),
        "dropped": frame["dropped"] + loop["dropped"],
        "pictures": {"frame": len(frame["last_ms"]), "loopback": len(loop["last_ms"])},
        "stages": {name: percentiles(ms) for name, ms in (frame["stages"] | loop["stages"]).items()},
        "loopback": {"dropped": loop["dropped"], "packets_lost": loop["packets_lost"], "server": loop["server"]},
        "chromium": chromium,
        "targets": _targets(frame["lookahead_ms"]),
    }  # fmt: skip
    return Result(figures, _tables(figures), _plots(figures, frame, loop), frame_spans + loop_spans)


def _targets(lookahead_ms: int) -> dict[str, Any]:
    """Mic to frame may take the look-ahead longer; the loopback figure is for the default settings."""
    frame = {name: ms + lookahead_ms for name, ms in TARGETS["mic_to_frame_ms"].items()}
    return {**TARGETS, "mic_to_frame_ms": frame, "av_offset_ms": [-45, 15]}


def _measure_frames(config: Config, seconds: float) -> tuple[dict[str, Any], list[Span]]:
    recorder = Recorder()
    engine = StampedEngine(config, recorder)
    engine.start()
    try:
        seen, begun_ns, skipped = asyncio.run(_speak(engine, seconds))
    finally:
        engine.close()
        recorder.unwrap()
    spoken = round(seconds * VOICE_RATE_HZ) - (engine.pipeline.lookahead + 1) * VOICE_TICK_SAMPLES
    came = [one for one in timeline.arrivals(seen, begun_ns) if one.tick * VOICE_TICK_SAMPLES < spoken]
    came = settled(came, seconds)  # without the last ones, which the end of the voice let out early
    stages = {"wait for the tick": list(np.arange(TICK_MS) + 0.5)}
    stages |= _frame_stages(came, recorder.spans, begun_ns, engine.pipeline.lookahead)
    return {
        "last_ms": timeline.last_sample_latency(came, begun_ns), "came": came, "stages": stages,
        "dropped": timeline.dropped(came) if came else skipped, "lookahead_ms": engine.pipeline.lookahead_ms,
    }, recorder.spans  # fmt: skip


async def _speak(engine: StampedEngine, seconds: float) -> tuple[list[Seen], int, int]:
    """(the pictures that came, when sample 0 was spoken, pictures left out)."""
    session = engine.open_session(seed=0, loop=asyncio.get_running_loop())
    seen: list[Seen] = []

    async def watch() -> None:
        async for moment in session.moments:
            now_ns = time.monotonic_ns()
            if moment.image.index == moment.audio.index:
                seen.append(Seen(now_ns, moment.audio.index, read(moment.image.rgb[..., 1])))

    voice, begun_ns = MarkedVoice(), time.monotonic_ns()
    watching = asyncio.create_task(watch())
    for block in range(round(seconds * 1000 / BLOCK_MS)):
        samples = voice.take(block * BLOCK, BLOCK)[:, None]
        due_ns = begun_ns + (block + 1) * BLOCK_MS * 1_000_000  # when its last sample is spoken
        await asyncio.sleep(max(0, due_ns - time.monotonic_ns()) / 1e9)
        session.push(AudioBlock(samples, VOICE_RATE_HZ, due_ns))
    session.finish()
    await watching
    return seen, begun_ns, session.stats()["skipped_pictures"]


def _frame_stages(came: list[Arrival], spans: list[Span], begun_ns: int, lookahead: int) -> dict[str, list[float]]:
    """What each picture waited for and was worked on, ms; together they are the whole way of a tick's last sample."""
    worked = spans_by_tick(spans)
    stages: dict[str, list[float]] = {}
    for one in came:
        try:
            first, then = worked["features"][one.tick], worked["features"][one.tick + lookahead]
            parts = {
                "queue": (first.begin_ns - timeline.spoken_ns(one, begun_ns)) / 1e6,
                "look-ahead": (then.begin_ns - first.begin_ns) / 1e6,
                "features": then.ms,
                "motion": worked["motion"][one.tick + lookahead].ms,
                "render": worked["render"][one.tick].ms,
                "hand over": worked["hand over"][one.tick].ms,
            }
        except KeyError:  # not drawn, or heard before the watch began
            continue
        for name, ms in parts.items():
            stages.setdefault(name, []).append(ms)
    return stages


def _measure_loopback(
    config: Config, seconds: float, browser: bool
) -> tuple[dict[str, Any], list[Span], dict[str, Any] | None]:
    with Rig(config) as rig:
        peer, stats = asyncio.run(visit(rig.url, seconds))
        chromium = look_on(rig.url, seconds) if browser else None
        if chromium is not None:
            del chromium["offsets"]
    begun_ns = peer.microphone.begun_ns
    came = settled(timeline.arrivals(peer.seen, begun_ns), seconds)
    offsets = timeline.offsets(peer.seen, peer.voice.heard, came, peer.reports)
    until_ns = came[-1].at_ns if came else 0
    spans = [span for span in rig.spans if span.end_ns <= until_ns]  # what came later was the browser's
    return {
        "last_ms": timeline.last_sample_latency(came, begun_ns), "came": came, "offsets_ms": offsets,
        "stages": _loopback_stages(came, spans, begun_ns),
        "dropped": timeline.dropped(came) if came else stats["skipped_pictures"],
        "packets_lost": peer.lost, "server": stats,
    }, spans, chromium  # fmt: skip


async def visit(url: str, seconds: float) -> tuple[Peer, dict[str, Any]]:
    peer = Peer(url)
    try:
        await peer.connect()
        await asyncio.sleep(seconds)
        return peer, await peer.stats()
    finally:
        await peer.close()


def _loopback_stages(came: list[Arrival], spans: list[Span], begun_ns: int) -> dict[str, list[float]]:
    """The way out of a picture, and the way in of its voice, ms."""
    worked = spans_by_tick(spans)
    stages: dict[str, list[float]] = {}
    for one in came:
        try:
            captured, encoded, sent = (worked[name][one.tick] for name in ("captured to finished", "encode", "send"))
        except KeyError:
            continue
        parts = {
            "uplink": (captured.begin_ns - timeline.spoken_ns(one, begun_ns)) / 1e6,
            "encode": encoded.ms,
            "pacing": (sent.begin_ns - encoded.end_ns) / 1e6,
            "wire and decode": (one.at_ns - sent.begin_ns) / 1e6,
        }
        for name, ms in parts.items():
            stages.setdefault(name, []).append(ms)
    return stages


def settled(came: list[Arrival], seconds: float) -> list[Arrival]:
    """Without the beginning, in which everything starts up; all, where nothing came after it."""
    if not came:
        return []
    from_ns = came[0].at_ns + min(SETTLE_S, seconds / 4) * 1e9
    return [one for one in came if one.at_ns >= from_ns] or came


def _tables(figures: dict[str, Any]) -> list[Table]:
    targets = figures["targets"]
    rows = [
        [text, *figures[key].values(), " / ".join(f"{name} {ms}" for name, ms in targets[key].items())]
        for key, text in (("mic_to_frame_ms", "mic sample to frame"), ("loopback_ms", "spoken to decoded, WebRTC"))
    ]
    stages = [[name, *found.values()] for name, found in figures["stages"].items()]
    offset = ["sound before picture", *figures["av_offset_ms"].values(), "-45 to +15"]
    tables = [
        Table("Latency, ms", ["", "p50", "p95", "p99", "target"], rows),
        Table("Offset, ms", ["", "p0.1", "p50", "p99.9", "target"], [offset]),
        Table("Stages, ms", ["", "p50", "p95", "p99"], stages),
    ]
    seen = figures["chromium"]
    if seen is not None:
        rows = [[name, seen[name]] for name in ("fps", "freezes", "av_offset_inside_percent", "video_buffer_ms",
                                                "audio_buffer_ms", "decode_ms")]  # fmt: skip
        rows += [[f"av_offset_ms {name}", value] for name, value in seen["av_offset_ms"].items()]
        tables.append(Table(f"Chromium {seen['version']}, by its own statistics", ["", "value"], rows))
    return tables


def _plots(figures: dict[str, Any], frame: dict[str, Any], loop: dict[str, Any]) -> list[Any]:
    parts = {"mic to frame": frame, "WebRTC loopback": loop}
    shares = {name: distribution(timeline.every_sample(part["last_ms"])) for name, part in parts.items()}
    times = {name: over_time(part["came"], part["last_ms"]) for name, part in parts.items()}
    plots: list[Any] = [
        Lines("How many samples are seen how soon", "ms from mouth to picture", "% of samples", shares),
        Lines("Latency over the run", "s", "ms from a tick's last sample to its picture", times),
        Bars("Where the time goes", "ms, median and p99",
             {name: (found["p50"], found["p99"]) for name, found in figures["stages"].items()}),
    ]  # fmt: skip
    if len(loop["offsets_ms"]):
        offsets = {"offset": over_time(loop["came"], loop["offsets_ms"])}
        plots.append(Lines("Sound against picture", "s", "ms, sound first is positive", offsets, band=(-45.0, 15.0)))
    return plots


def distribution(values: np.ndarray) -> list[tuple[float, float]]:
    """(value, percent of values not above it) at a hundred places; empty where there are no values."""
    if not len(values):
        return []
    shares = np.linspace(0, 100, 101)
    return [(float(x), float(y)) for x, y in zip(np.percentile(values, shares), shares, strict=True)]


def over_time(came: list[Arrival], values: np.ndarray) -> list[tuple[float, float]]:
    """(seconds, value) of each arrival."""
    return [((one.at_ns - came[0].at_ns) / 1e9, float(value)) for one, value in zip(came, values, strict=True)]
