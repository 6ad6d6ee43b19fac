"""One step of the training: generator and discriminator, their optimizers, the averaged generator, checkpoints."""

import copy
import time
from pathlib import Path

import torch

from engine.errors import WeightsError
from engine.training.loop import LONGEST_STEP_S, Figures
from plugins.gmtalker.generator.convolution import Convolution
from plugins.gmtalker.generator.data import Batch
from plugins.gmtalker.generator.discriminator import Discriminator
from plugins.gmtalker.generator.losses import (
    critic_loss,
    gradient_penalty,
    perceptual_loss,
    real_loss,
    weighted_l1,
)
from plugins.gmtalker.generator.settings import GeneratorSettings
from plugins.gmtalker.generator.sizes import GeneratorSize
from plugins.gmtalker.generator.style_unet import StyleUNet

BETAS = (0.5, 0.99)  # of Adam; StyleGAN2 has (0, 0.99), which is noisier than L1 alone needs
SLOW = 0.1  # the mapping and the styles learn so much slower (0.01 in StyleGAN2)
WARMUP, DECAY_FROM = 50, 0.5  # steps in which the rate rises; share of the way from which it falls


class Adversaries:
    """Everything that a training changes. Steps and time are counted; `progress` is the share of the way, 0 to 1."""

    def __init__(self, size: GeneratorSize, settings: GeneratorSettings, run: Path):
        self.settings, self.path = settings, run / "latest.pt"
        self.net, self.critic = StyleUNet(size), Discriminator(size)
        self._average = copy.deepcopy(self.net).requires_grad_(False)
        self._detail = perceptual_loss(settings.vgg)
        self._optimizers = (
            torch.optim.Adam(_groups(self.net), settings.rate, BETAS),
            torch.optim.Adam(_groups(self.critic), settings.critic_rate, BETAS),
        )
        self.step, self.spent_s, self.cpu_s = 0, 0.0, 0.0
        self._before_s = time.monotonic()

    @property
    def progress(self) -> float:
        return max(self.step / self.settings.steps, self.spent_s / 60 / self.settings.minutes)

    @property
    def ended(self) -> bool:
        return self.progress >= 1.0

    def averaged(self) -> StyleUNet:
        """The averaged generator, for looking at; it goes on being averaged."""
        return self._average.eval()

    def learn(self, batch: Batch) -> Figures:
        """One step on a batch; what the losses were."""
        cpu_s, settings = time.thread_time(), self.settings
        fall = min(1.0, (1.0 - self.progress) / (1.0 - DECAY_FROM))
        for optimizer, rate in zip(self._optimizers, (settings.rate, settings.critic_rate), strict=True):
            rate *= min(1.0, (self.step + 1) / WARMUP) * max(fall, 0.02)
            for group, share in zip(optimizer.param_groups, (1.0, SLOW), strict=True):
                group["lr"] = rate * share
        adversarial = settings.gan > 0 and self.progress >= settings.gan_from
        shown = self.net(batch.given, batch.shares)
        losses = {
            "l1": settings.l1 * weighted_l1(shown, batch.wanted, batch.weight),
            "perceptual": settings.perceptual * self._detail(shown, batch.wanted, batch.weight),
        }
        rendering = batch.given[:, :3]
        if adversarial:
            self.critic.requires_grad_(False)
            losses["gan"] = settings.gan * real_loss(self.critic(shown, rendering))
            self.critic.requires_grad_(True)
        self._follow(0, torch.stack(list(losses.values())).sum())
        if adversarial:
            losses.update(self._learn_to_judge(shown.detach(), batch.wanted, rendering))
        self._weigh_in()
        self.step += 1
        now_s = time.monotonic()
        self.spent_s += min(now_s - self._before_s, LONGEST_STEP_S)
        self._before_s = now_s
        self.cpu_s = time.thread_time() - cpu_s
        return {name: float(loss.detach()) for name, loss in losses.items()}

    def _learn_to_judge(
        self, drawn: torch.Tensor, wanted: torch.Tensor, rendering: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        penalised = self.step % self.settings.penalty_every == 0
        wanted = wanted.clone().requires_grad_(penalised)
        real = self.critic(wanted, rendering)
        losses = {"critic": critic_loss(real, self.critic(drawn, rendering))}
        if penalised:
            weight = 0.5 * self.settings.penalty * self.settings.penalty_every  # as it counts in one step of many
            losses["penalty"] = weight * gradient_penalty(real, wanted)
        self._follow(1, torch.stack(list(losses.values())).sum())
        return losses

    def _follow(self, which: int, loss: torch.Tensor) -> None:
        self._optimizers[which].zero_grad(set_to_none=True)
        loss.backward()
        self._optimizers[which].step()

    @torch.no_grad()
    def _weigh_in(self) -> None:
        """The average follows, quickly at first."""
        keep = min(self.settings.average, (1.0 + self.step) / (10.0 + self.step))
        for slow, new in zip(self._average.parameters(), self.net.parameters(), strict=True):
            slow.lerp_(new, 1.0 - keep)

    def _parts(self) -> dict[str, torch.nn.Module | torch.optim.Optimizer]:
        return {"net": self.net, "critic": self.critic, "average": self._average,
                "optimizer": self._optimizers[0], "critic_optimizer": self._optimizers[1]}  # fmt: skip

    def save(self) -> None:
        """Write the checkpoint; the old one stays until the new one is whole."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        saved = {name: part.state_dict() for name, part in self._parts().items()}
        partial = self.path.with_suffix(".partial")
        torch.save({**saved, "step": self.step, "spent_s": self.spent_s}, partial)
        partial.replace(self.path)

    def resume(self) -> None:
        """Go on from the checkpoint, if there is one. WeightsError: it is of another size."""
        if not self.path.is_file():
            return
        saved = torch.load(self.path, weights_only=True)
        try:
            for name, part in self._parts().items():
                part.load_state_dict(saved[name])
        except (RuntimeError, ValueError, KeyError) as error:
            raise WeightsError(f"{self.path}: a training of another size; use another --run, or --fresh") from error
        self.step, self.spent_s = saved["step"], saved["spent_s"]
        print(f"resumed at step {self.step}, {self.spent_s / 60:.1f} min", flush=True)


def _groups(net: torch.nn.Module) -> list[dict]:
    """Parameters of convolutions, and all others, which learn slower."""
    fast = [p for part in net.modules() if isinstance(part, Convolution) for p in (part.raw, part.bias)]
    known = {id(p) for p in fast}
    return [{"params": fast}, {"params": [p for p in net.parameters() if id(p) not in known]}]
