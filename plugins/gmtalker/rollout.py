"""How an autoregressive decoder is kept steady when it hears itself instead of the truth (exposure bias).

Taught with the true past alone, at 25 fps, a decoder learns to repeat the last tick, and drifts as soon as the past is
its own. So the past is blurred with noise and torn in places, and for most examples it is what the decoder itself said
in one or two passes without gradients before (parallel scheduled sampling, Duckworth et al. 2019): much nearer to
speaking than a true past, at a third of the cost of a step, where a true roll-out would cost one pass per tick.
"""

from collections.abc import Callable

import torch

from engine.frames import SpeechFeatures
from engine.stage import tree_map
from plugins.gmtalker.decoder import AutoregressiveDecoder
from plugins.gmtalker.settings import Settings

OWN_SHARE = 0.8  # share of examples that hear themselves in each pass
WARM_STEPS = 400  # until then the number of passes grows


def taught_past(
    decoder: AutoregressiveDecoder, say: Callable[[torch.Tensor], torch.Tensor], values: torch.Tensor,
    speaker: torch.Tensor, settings: Settings, step: int, noise: torch.Generator,
) -> torch.Tensor:  # fmt: skip
    """What is before each tick (B, T, V) while teaching. say: past -> what the decoder says; values: scaled truth."""
    batch, ticks, _ = values.shape

    def chance(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, 1, generator=noise, device=values.device)

    blur = settings.past_noise * torch.randn(values.shape, generator=noise, device=values.device)
    past = decoder.shifted(values + blur, speaker).detach()
    passes = round(settings.passes * min(1.0, step / WARM_STEPS) * float(chance(1)) + 0.3)
    for _ in range(min(passes, settings.passes)):
        with torch.no_grad():
            own = decoder.shifted(say(past), speaker)
        past = torch.where(chance(batch, 1) < OWN_SHARE, own, past)
    torn = (chance(batch, 1) < settings.past_drop) & (chance(batch, ticks) < chance(batch, 1))
    past = torch.where(torn, 0.0, past)
    return torch.cat((decoder.start(speaker)[:, None], past[:, 1:]), 1)


@torch.no_grad()
def roll_out(
    decoder: AutoregressiveDecoder, latent: torch.Tensor | None, speech: SpeechFeatures, speaker: torch.Tensor,
    lookahead: int, condition: torch.Tensor | None = None,
) -> torch.Tensor:  # fmt: skip
    """What the decoder says tick by tick on its own: (B, T - lookahead, V).

    latent (B, Z), or (B, T, Z) tick by tick; condition (B, C).
    """
    slots, ticks = speech.content.shape[:2]
    state = decoder.init_state(slots, lookahead)
    state.speaker.copy_(speaker)
    said = []
    for t in range(ticks):
        own = max(t - lookahead, 0)
        now = latent if latent is None or latent.ndim == 2 else latent[:, own]
        said.append(decoder.step(state, now, tree_map(lambda v, t=t: v[:, t], speech), lookahead, condition).clone())
    return torch.stack(said[lookahead:], 1)
