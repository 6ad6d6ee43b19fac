"""Sound as it comes from a source: blocks of any length, rate and channel count."""

from dataclasses import dataclass

import numpy as np

# How loud each loudspeaker channel enters the mono voice. Dialogue sits in the centre of a film mix,
# music and room in the rest; the bass channel carries no speech. Names are FFmpeg's.
CHANNEL_WEIGHT = {"FC": 1.0, "FL": 0.7071, "FR": 0.7071, "FLC": 0.7071, "FRC": 0.7071, "LFE": 0.0}
SURROUND_WEIGHT = 0.3536
# FFmpeg's default order of channels where a source gives only their number.
DEFAULT_LAYOUTS = {
    3: ("FL", "FR", "LFE"),
    4: ("FL", "FR", "FC", "BC"),
    5: ("FL", "FR", "FC", "BL", "BR"),
    6: ("FL", "FR", "FC", "LFE", "BL", "BR"),
    7: ("FL", "FR", "FC", "LFE", "BC", "SL", "SR"),
    8: ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR"),
}


@dataclass(frozen=True, slots=True)
class AudioBlock:
    """A stretch of sound.

    samples: float32 (n, channels), -1 to 1.
    rate_hz: samples per second.
    captured_ns: monotonic time at which its last sample was captured.
    layout: the channels' names ("FL", "FR", "FC", ...), or empty: FFmpeg's default for their number.
    """

    samples: np.ndarray
    rate_hz: int
    captured_ns: int
    layout: tuple[str, ...] = ()


def mix_mono(block: AudioBlock) -> np.ndarray:
    """The voice in a block, float32 (n,): channels weighted for speech, never louder than the loudest.

    Two channels are averaged. The sum goes channel by channel, so that a sample's value does not
    depend on the length of the block it came in.
    """
    samples = block.samples
    channels = samples.shape[1]
    if channels == 1:
        return np.ascontiguousarray(samples[:, 0], np.float32)
    weights = _mono_weights(channels, block.layout)
    mono = samples[:, 0] * weights[0]
    for i in range(1, channels):
        if weights[i]:
            mono += samples[:, i] * weights[i]
    return mono


def _mono_weights(channels: int, layout: tuple[str, ...]) -> np.ndarray:
    names = layout if len(layout) == channels else DEFAULT_LAYOUTS.get(channels, ())
    weights = np.array([CHANNEL_WEIGHT.get(name, SURROUND_WEIGHT) for name in names], np.float32)
    if not names or weights.sum() == 0:
        weights = np.ones(channels, np.float32)
    return weights / weights.sum()


def repair_samples(samples: np.ndarray) -> tuple[np.ndarray, int, int]:
    """Samples with NaN and infinity made zero and the rest limited to -1..1.

    Returns (samples, how many were not numbers, how many were limited). The array is returned as it
    is when nothing is wrong with it.
    """
    peak = np.abs(samples).max(initial=0.0)
    if peak <= 1.0:  # false for NaN too
        return samples, 0, 0
    broken = ~np.isfinite(samples)
    samples = np.where(broken, np.float32(0), samples)
    loud = np.abs(samples) > 1.0
    return np.clip(samples, -1.0, 1.0), int(broken.sum()), int(loud.sum())


def level_db(samples: np.ndarray, floor_db: float = -100.0) -> float:
    """Root-mean-square level in dBFS (a full-scale square wave is 0), not under `floor_db`."""
    power = float(np.mean(np.square(samples, dtype=np.float64))) if samples.size else 0.0
    return max(floor_db, 10.0 * float(np.log10(power))) if power > 0.0 else floor_db
