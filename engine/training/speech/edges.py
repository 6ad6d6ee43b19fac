"""Moves the edges of labelled phones onto what is heard: pauses by energy, closures and sibilants by steps of level."""

import itertools

import numpy as np

from engine.features.phones import STOPS, VOWELS
from engine.frames import SAMPLE_RATE_HZ
from engine.training.speech.labels import Segment

HOP = 80  # 5 ms, for energy
LEAST_PAUSE_S, LEAST_FIRST_S = 0.06, 0.04
SOFT_DB, ABOVE_NOISE_DB, FADE_DB = 37.0, 6.0, 27.0
HIDDEN_PAUSE_S = 0.25  # a last phone of a word that is longer may hide a pause
STEP_HOP, STEP_SPAN = 32, 10  # 2 ms; 20 ms on each side of a step
REACH_S, KEEP_S = 0.035, 0.02
SIBILANTS, NASALS = {"S", "SH", "Z", "ZH"}, {"M", "N", "NG"}
VOICED = {*VOWELS, "L", "R", "W", "Y", "M", "N", "NG"}
CLOSED = {*STOPS, "CH", "JH"}
SONORANTS = {*VOWELS, "L", "R", "W", "Y"}
HISSING = ("F", "V", "TH", "DH", "S", "Z", "SH", "ZH", "HH")
# a phone before a pause is at most so long (s)
LONGEST_S = {**dict.fromkeys(CLOSED, 0.20), **dict.fromkeys(HISSING, 0.30)}
SONORITY = {
    "sil": 0.0, **dict.fromkeys(VOWELS, 1.0), **dict.fromkeys(STOPS, 0.15), **dict.fromkeys(("CH", "JH"), 0.35),
    **dict.fromkeys(HISSING, 0.35), **dict.fromkeys(("M", "N", "NG", "DX"), 0.6),
    **dict.fromkeys(("L", "R", "W", "Y"), 0.8),
}  # fmt: skip


def band(x: np.ndarray, low_hz: float, high_hz: float | None) -> np.ndarray:
    """A band of x, filtered forwards and backwards so that nothing is delayed."""
    from scipy.signal import butter, sosfilt

    kind, edges = ("bandpass", [low_hz, high_hz]) if high_hz else ("highpass", low_hz)
    filters = butter(2, edges, kind, fs=SAMPLE_RATE_HZ, output="sos")
    return np.asarray(sosfilt(filters, np.asarray(sosfilt(filters, x))[::-1]))[::-1]


def energy_db(x: np.ndarray, window: int = 160) -> np.ndarray:
    """Level every 5 ms over `window` samples, (N / 80,)."""
    smooth = np.convolve(np.square(x, dtype=np.float64), np.ones(window) / window, "same")
    return 10.0 * np.log10(smooth[: len(x) // HOP * HOP : HOP] + 1e-10)


def refine(segments: list[Segment], x: np.ndarray) -> list[Segment]:
    """Pauses begin where sound ends and end where it begins; x: float (N,), 16 kHz.

    The synthesizer makes the phone before a pause up to 0.4 s too long, and hides pauses in long last phones.
    """
    energy, voiced = energy_db(x), energy_db(band(x, 90, 900))
    loud = energy > max(np.percentile(energy, 95) - SOFT_DB, np.percentile(energy, 2) + ABOVE_NOISE_DB)
    voice_floor = np.percentile(voiced, 95) - SOFT_DB

    def at(time_s: float) -> int:
        return int(np.clip(round(time_s * SAMPLE_RATE_HZ / HOP), 0, len(energy) - 1))

    found = _with_hidden_pauses(segments)
    for before, pause in itertools.pairwise(found):
        if pause.name != "sil":
            continue
        latest = min(pause.end - 0.02, before.start + LONGEST_S.get(before.name, 0.50))
        first, last = at(before.start + 0.02), at(latest)
        if before.name in CLOSED:  # a closure, then perhaps a burst
            bursts = np.flatnonzero(loud[first:last])
            end = (first + bursts[-1] + 2) * HOP / SAMPLE_RATE_HZ if len(bursts) else before.start + 0.08
        else:
            sounds = loud
            if before.name in VOICED:
                sounds = loud & (voiced > max(voice_floor, voiced[first : max(last, first + 1)].max() - FADE_DB))
            k = at(before.start + 0.04)
            while k < last and sounds[k : k + 10].any():
                k += 1
            end = k * HOP / SAMPLE_RATE_HZ
        end = min(max(end, before.start + 0.03), max(latest, before.start + 0.03), pause.end)
        before.end = pause.start = float(max(end, before.start + 0.01))
    found = _without_short_pauses(found, LEAST_PAUSE_S)
    for pause, behind in itertools.pairwise(found):
        if pause.name == "sil" and behind.name not in CLOSED and behind.end - pause.start > 0.05:
            _move_onset(pause, behind, loud, at)
    return _without_short_pauses(found, LEAST_FIRST_S)


def _with_hidden_pauses(segments: list[Segment]) -> list[Segment]:
    """An empty pause behind every long last phone of a word, which `refine` may then open."""
    out = []
    for segment, behind in zip(segments, [*segments[1:], None], strict=True):
        out.append(segment)
        long = segment.name != "sil" and segment.end - segment.start > HIDDEN_PAUSE_S
        if long and behind and behind.name != "sil" and behind.word != segment.word:
            out.append(Segment("sil", segment.end, segment.end))
    return out


def _without_short_pauses(segments: list[Segment], least_s: float) -> list[Segment]:
    """Pauses that are too short to count belong to the phone before them."""
    out: list[Segment] = []
    for i, segment in enumerate(segments):
        inside = 0 < i < len(segments) - 1
        if segment.name == "sil" and inside and segment.end - segment.start < least_s:
            out[-1].end = segment.end
        else:
            out.append(segment)
    return out


def _move_onset(pause: Segment, behind: Segment, loud: np.ndarray, at) -> None:
    """The phone behind a pause begins where sound does, within 60 ms."""
    k = at(pause.end)
    if loud[k]:
        while k > at(max(pause.start + 0.03, pause.end - 0.06)) and loud[k - 1]:
            k -= 1
    else:
        while k < at(min(behind.end - 0.03, pause.end + 0.06)) and not loud[k]:
            k += 1
    pause.end = behind.start = float(np.clip(k * HOP / SAMPLE_RATE_HZ, pause.start + 0.02, behind.end - 0.02))


def snap(segments: list[Segment], x: np.ndarray) -> list[Segment]:
    """Edges with a clear acoustic step (closures, sibilants, nasals) move onto it, at most 35 ms; in place."""
    levels = {
        "all": x, "low": band(x, 90, 900), "middle": band(x, 600, 3_500), "high": band(x, 4_000, None),
        "body": band(x, 200, 2_000),
    }  # fmt: skip
    db = {name: _levels(sound) for name, sound in levels.items()}
    rises = {name: _rises(level) for name, level in db.items()} | {"hiss": _rises(db["high"] - db["body"])}
    for before, behind in itertools.pairwise(segments):
        sought = _step_of(before.name, behind.name)
        if not sought:
            continue
        name, sign, least_db = sought
        step, edge = sign * rises[name], behind.start
        low = int(max(edge - REACH_S, before.start + KEEP_S) * SAMPLE_RATE_HZ / STEP_HOP) + 1
        high = int(min(edge + REACH_S, behind.end - KEEP_S) * SAMPLE_RATE_HZ / STEP_HOP)
        low, high = max(low, STEP_SPAN), min(high, len(step) - STEP_SPAN)
        if high <= low:
            continue
        near = np.abs(np.arange(low, high + 1) - round(edge * SAMPLE_RATE_HZ / STEP_HOP))
        best = low + int(np.argmax(step[low : high + 1] - 0.12 * near))
        if step[best] >= least_db:
            before.end = behind.start = best * STEP_HOP / SAMPLE_RATE_HZ
    return segments


def _levels(x: np.ndarray) -> np.ndarray:
    frames = x[: len(x) // STEP_HOP * STEP_HOP].reshape(-1, STEP_HOP)
    return 10.0 * np.log10(np.square(frames, dtype=np.float64).mean(1) + 1e-8)


def _rises(level_db: np.ndarray) -> np.ndarray:
    """Mean of the 20 ms behind each moment less that of the 20 ms before it."""
    total, at = np.concatenate(([0.0], np.cumsum(level_db))), np.arange(len(level_db))
    left, right = np.maximum(at - STEP_SPAN, 0), np.minimum(at + STEP_SPAN, len(level_db))
    behind = (total[right] - total[at]) / np.maximum(right - at, 1)
    return behind - (total[at] - total[left]) / np.maximum(at - left, 1)


def _step_of(before: str, behind: str) -> tuple[str, int, float] | None:
    """Which band rises (1) or falls (-1) between two phones, and by how many dB at least."""
    rules = (
        (SONORANTS, CLOSED, "all", -1, 8.0), (SONORANTS, SIBILANTS, "hiss", 1, 8.0),
        (SIBILANTS, SONORANTS, "hiss", -1, 8.0), (SIBILANTS, CLOSED, "all", -1, 10.0),
        (SONORANTS, NASALS, "middle", -1, 5.0), (NASALS, SONORANTS, "middle", 1, 5.0),
        (CLOSED, SONORANTS, "low", 1, 6.0),
    )  # fmt: skip
    return next((rule[2:] for rule in rules if before in rule[0] and behind in rule[1]), None)


def agreement(segments: list[Segment], x: np.ndarray) -> tuple[float, float]:
    """(lag s, correlation) of the best fit between what the phones promise of loudness and the sound's energy."""
    energy = energy_db(x, 240)
    energy = np.clip(energy - np.percentile(energy, 95), -45.0, 3.0)
    promised = np.zeros(len(energy))
    for segment in segments:
        a, b = (round(time_s * SAMPLE_RATE_HZ / HOP) for time_s in (segment.start, segment.end))
        promised[a:b] = SONORITY[segment.name]
    promised = np.convolve(promised, np.ones(5) / 5, "same")
    fits = {}
    for lag in range(-30, 31):
        a, b = (promised[: len(energy) - lag], energy[lag:]) if lag >= 0 else (promised[-lag:], energy[:lag])
        fits[lag] = float(np.corrcoef(a, b)[0, 1])
    best = max(fits, key=lambda lag: fits[lag])
    return best * HOP / SAMPLE_RATE_HZ, fits[best]
