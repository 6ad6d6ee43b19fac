"""What is read off the samples beside the network: loudness per frame, and the mean of voice probabilities."""

import torch

FRAME_SAMPLES = 320  # one feature frame, 20 ms
VOICE_FRAMES = 4  # the voice probability is a mean over this many frames


def loudness_db(samples: torch.Tensor) -> torch.Tensor:
    """Level of each 20 ms frame in dBFS, floor -100: (S, N) -> (S, N / 320)."""
    power = samples.unflatten(-1, (-1, FRAME_SAMPLES)).square().mean(-1)
    return 10.0 * (power + 1e-10).log10()


def mean_voice(joined: torch.Tensor) -> torch.Tensor:
    """Mean over VOICE_FRAMES past frames: (S, T + 3, 1) -> (S, T)."""
    frames = joined.shape[1] - VOICE_FRAMES + 1
    total = joined[:, :frames, 0]
    for back in range(1, VOICE_FRAMES):
        total = total + joined[:, back : back + frames, 0]
    return total / VOICE_FRAMES
