"""Lip figures: what a lip-reader may expect of a mouth, counted on aligned phones.

Definitions follow the project's quality notes. Tick t is shown while 40 t .. 40 (t + 1) ms are heard and is
taken at its middle. The speaking range of a clip runs from the 5th to the 95th percentile of aperture over the
ticks in which a phone sounds; "under 10 % of the range" means less than p5 + 0.1 (p95 - p5).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.frames import FPS

BILABIAL, LABIODENTAL = {"P", "B", "M"}, {"F", "V"}
OPEN_VOWELS = {"AA", "AE", "AH", "AO", "AW", "AY", "EH"}
ROUND, SPREAD = {"UW", "OW", "W"}, {"IY", "EH"}
OPENNESS = ("AA", "EH", "IH", "S", "M")  # from open to shut
SLACK_S = 0.04
CLOSED_SHARE, BITE_SHARE = 0.10, 0.25
LAG_TICKS = 8


@dataclass(frozen=True, slots=True)
class MouthClip:
    """One clip's mouth: aperture and width (T,), phones `[symbol, start_s, end_s]`."""

    aperture: np.ndarray
    width: np.ndarray
    phones: list


def tick_phones(clip: MouthClip) -> np.ndarray:
    """The phone that sounds at each tick's middle, (T,) of str; "sil" outside."""
    names = np.full(len(clip.aperture), "sil", dtype="<U3")
    centre = (np.arange(len(names)) + 0.5) / FPS
    for name, start, end in clip.phones:
        names[(centre >= start) & (centre < end)] = name
    return names


def speaking_range(aperture: np.ndarray, speech: np.ndarray) -> tuple[float, float]:
    """5th and 95th percentile over speech ticks; (0, 0) without any."""
    if not speech.any():
        return 0.0, 0.0
    low, high = np.percentile(aperture[speech], (5, 95))
    return float(low), float(high)


def ticks_near(clip: MouthClip, start: float, end: float) -> slice:
    """The ticks whose middle lies within a phone, +-40 ms."""
    first = max(0, int(np.ceil((start - SLACK_S) * FPS - 0.5)))
    return slice(first, max(first, 1 + int(np.floor((end + SLACK_S) * FPS - 0.5))))


def least_near(clip: MouthClip, start: float, end: float) -> float:
    """Least aperture within a phone, +-40 ms."""
    return float(clip.aperture[ticks_near(clip, start, end)].min(initial=np.inf))


def near_bilabial(clip: MouthClip) -> np.ndarray:
    """Whether each tick's middle lies within a bilabial, +-40 ms, bool (T,)."""
    near = np.zeros(len(clip.aperture), bool)
    for name, start, end in clip.phones:
        if name in BILABIAL:
            near[ticks_near(clip, start, end)] = True
    return near


def lip_figures(clips: Sequence[MouthClip], reference: Sequence[np.ndarray] | None = None) -> dict[str, float]:
    """All figures on aligned phones, pooled over clips.

    reference: aperture of the reference curves per clip, for lip lead and smoothness.
    Absolute variants measure from a shut mouth (0) instead of p5; they are stricter for recall. shut_elsewhere: share
    of speech ticks more than 40 ms from any bilabial that are under the bound of a closure, whatever their phone.
    """
    shut, shut_absolute, bitten, false, false_absolute, elsewhere = [], [], [], [], [], []
    open_at: dict[str, list] = {name: [] for name in OPENNESS}
    for clip in clips:
        names = tick_phones(clip)
        speech = names != "sil"
        low, high = speaking_range(clip.aperture, speech)
        span = high - low
        for name, start, end in clip.phones:
            if name in BILABIAL:
                least = least_near(clip, start, end)
                shut.append(least < low + CLOSED_SHARE * span)
                shut_absolute.append(least < CLOSED_SHARE * span)
            elif name in LABIODENTAL:
                bitten.append(least_near(clip, start, end) < low + BITE_SHARE * span)
        elsewhere += list(clip.aperture[speech & ~near_bilabial(clip)] < low + CLOSED_SHARE * span)
        vowels = np.isin(names, list(OPEN_VOWELS))
        false += list(clip.aperture[vowels] < low + CLOSED_SHARE * span)
        false_absolute += list(clip.aperture[vowels] < CLOSED_SHARE * span)
        for name in OPENNESS:
            open_at[name] += list(clip.aperture[names == name])
    openness = [np.mean(open_at[name]) if open_at[name] else np.nan for name in OPENNESS]
    return {
        "closure_recall": _mean(shut),
        "false_closure": _mean(false),
        "shut_elsewhere": _mean(elsewhere),
        "labiodental_recall": _mean(bitten),
        "rounding_contrast": _contrast(clips),
        "openness_order": rank_correlation(-np.arange(len(OPENNESS)), np.array(openness)),
        "closure_recall_absolute": _mean(shut_absolute),
        "false_closure_absolute": _mean(false_absolute),
        **({} if reference is None else against_reference(clips, reference)),
        "bilabials": float(len(shut)),
        "labiodentals": float(len(bitten)),
    }


def _contrast(clips: Sequence[MouthClip]) -> float:
    """Mean width at spread vowels less that at rounded phones, in the clip's deviations; over all ticks."""
    wide, narrow = [], []
    for clip in clips:
        names = tick_phones(clip)
        speech = names != "sil"
        if not speech.any() or clip.width[speech].std() < 1e-9:
            continue
        z = (clip.width - clip.width[speech].mean()) / clip.width[speech].std()
        wide += list(z[np.isin(names, list(SPREAD))])
        narrow += list(z[np.isin(names, list(ROUND))])
    return _mean(wide) - _mean(narrow)


def against_reference(clips: Sequence[MouthClip], reference: Sequence[np.ndarray]) -> dict[str, float]:
    """Lip lead in ms (positive: lips before the reference), correlation, and share of jerky ticks.

    lip_lead_ms: where the correlation, averaged over clips by their length, is best, finer than a tick by a
    parabola through its neighbours; lead_over_reference_ms: the mean of every clip's own best lag in ticks.
    """
    lags, correlations, jerks, reference_jerks = [], [], [], []
    pooled = np.zeros(2 * LAG_TICKS + 1)
    for clip, other in zip(clips, reference, strict=True):
        size = min(len(clip.aperture), len(other))
        own, other = clip.aperture[:size], other[:size]
        if size > 2 * LAG_TICKS and own.std() > 1e-6 and other.std() > 1e-6:
            scores = [_shifted(own, other, lag) for lag in range(-LAG_TICKS, LAG_TICKS + 1)]
            lags.append((int(np.argmax(scores)) - LAG_TICKS) * 1000.0 / FPS)
            correlations.append(scores[LAG_TICKS])
            pooled += size * np.array(scores)
        jerks += list(np.abs(np.diff(own, 3)))
        reference_jerks += list(np.abs(np.diff(other, 3)))
    bound = np.percentile(reference_jerks, 99.9) if reference_jerks else np.inf
    return {
        "lip_lead_ms": _peak(pooled) * 1000.0 / FPS,
        "lead_over_reference_ms": _mean(lags),
        "correlation_with_reference": _mean(correlations),
        "jerky_share": _mean(list(np.array(jerks) > bound)),
    }


def _peak(scores: np.ndarray) -> float:
    """Lag in ticks of the highest of 2 * LAG_TICKS + 1 scores, by a parabola through it and its neighbours."""
    top = int(np.clip(np.argmax(scores), 1, len(scores) - 2))
    before, at, after = scores[top - 1 : top + 2]
    bend = before - 2.0 * at + after
    return top - LAG_TICKS + (float(0.5 * (before - after) / bend) if bend < 0 else 0.0)


def _shifted(own: np.ndarray, other: np.ndarray, lead: int) -> float:
    """Correlation when `own` is taken `lead` ticks ahead of `other`."""
    a, b = (own[: len(own) - lead], other[lead:]) if lead >= 0 else (own[-lead:], other[:lead])
    return correlation(a, b)


def captured_figures(values: Sequence[np.ndarray], captured: Sequence[np.ndarray], unit: int) -> dict[str, float]:
    """Agreement of one curve with the captured ones (25 fps): correlation, RMS error, p95 ratios.

    Correlation is the mean over clips. Ranges and speeds are 95th percentiles over the ticks in which the
    respective face moves, as ratios predicted / captured.
    """
    scores, errors, own_all, cap_all = [], [], [], []
    for own, cap in zip(values, captured, strict=True):
        size = min(len(own), len(cap))
        own, cap = own[:size], cap[:size]
        if cap[:, unit].std() > 1e-6:
            scores.append(correlation(own[:, unit], cap[:, unit]))
        errors.append(np.square(own[:, unit] - cap[:, unit]))
        own_all.append(_moving(own, unit))
        cap_all.append(_moving(cap, unit))
    own_range, own_speed = (np.percentile(np.concatenate(x), 95) for x in zip(*own_all, strict=True))
    cap_range, cap_speed = (np.percentile(np.concatenate(x), 95) for x in zip(*cap_all, strict=True))
    return {
        "correlation": _mean(scores),
        "rms_error": float(np.sqrt(np.concatenate(errors).mean())),
        "range_ratio": float(own_range / max(cap_range, 1e-9)),
        "speed_ratio": float(own_speed / max(cap_speed, 1e-9)),
    }


def _moving(values: np.ndarray, unit: int) -> tuple[np.ndarray, np.ndarray]:
    moving = values.max(1) > 0.01
    return values[moving, unit], np.abs(np.diff(values[:, unit]))[moving[1:]] * FPS


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's r; 0 when either does not move."""
    a, b = a - a.mean(), b - b.mean()
    scale = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / scale) if scale > 1e-12 else 0.0


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's rho."""
    from scipy.stats import rankdata

    if np.isnan(b).any() or np.ptp(b) < 1e-9:
        return 0.0
    return correlation(rankdata(a), rankdata(b))


def _mean(values: Sequence) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
