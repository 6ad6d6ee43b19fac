"""What the head generator is taught by (eq. 16): L1, perceptual and adversarial losses. Pictures are -1 to 1.

The perceptual loss wants the weights of a VGG network; they are not ours to ship, so a file of them is a setting.
Without one, `DetailLoss` takes its place: differences in every octave of detail, and 1 - SSIM. It knows nothing of
what a face is, but like VGG's it forgives no lost detail as L1 does, costs little on a CPU, and needs nothing that
was trained elsewhere. (That SSIM is also a figure we report is said beside the figure.)
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from engine.errors import WeightsError
from engine.training.picture_figures import ssim_map

OCTAVES = 4
VGG_MEAN, VGG_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
VGG_WEIGHTS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)  # of the first convolution in each of five stages


def weighted_l1(shown: torch.Tensor, wanted: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Mean difference, weight (B, 1, H, W)."""
    return ((shown - wanted).abs() * weight).mean() / weight.mean().clamp(min=1e-8)


class DetailLoss(nn.Module):
    """The substitute: L1 of every band of a Laplacian pyramid (Burt and Adelson 1983), and 1 - SSIM."""

    def forward(self, shown: torch.Tensor, wanted: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        alike = ssim_map(0.5 + 0.5 * shown, 0.5 + 0.5 * wanted)
        total = ((1 - alike) * weight[:, 0]).mean() / weight.mean().clamp(min=1e-8)
        difference = shown - wanted  # bands are linear: those of the difference are the differences of bands
        for octave in range(OCTAVES):
            coarse = F.avg_pool2d(difference, 2)
            band = difference - F.interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False)
            total = total + (band.abs() * weight).mean() / weight.mean().clamp(min=1e-8) * 2.0 ** (1 - octave)
            difference, weight = coarse, F.avg_pool2d(weight, 2)
        return total


class VggLoss(nn.Module):
    """The perceptual loss (Johnson et al. 2016): L1 between activations of a VGG network.

    path: weights of VGG 16 or 19 as torchvision names them (features.N.weight), safetensors or a torch file, which is
    read as tensors only. Raises WeightsError.
    """

    def __init__(self, path: Path):
        super().__init__()
        found = _read_vgg(path)
        self.layers = nn.ModuleList()
        self.begins: list[bool] = []  # does a stage begin here, with a pooling before it?
        last = 0
        for at in sorted(found):
            weight, bias = found[at]
            layer = nn.Conv2d(weight.shape[1], weight.shape[0], weight.shape[-1], padding=weight.shape[-1] // 2)
            layer.load_state_dict({"weight": weight, "bias": bias})
            self.layers.append(layer)
            self.begins.append(at - last == 3)  # convolution, ReLU and a pooling
            last = at
        self.requires_grad_(False)
        self.register_buffer("mean", torch.tensor(VGG_MEAN)[:, None, None], persistent=False)
        self.register_buffer("deviation", torch.tensor(VGG_DEVIATION)[:, None, None], persistent=False)

    mean: torch.Tensor
    deviation: torch.Tensor

    def forward(self, shown: torch.Tensor, wanted: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        x = (0.5 + 0.5 * torch.cat((shown, wanted)) - self.mean) / self.deviation
        total, stage = shown.new_zeros(()), 0
        for k, layer in enumerate(self.layers):
            if self.begins[k]:
                x, weight, stage = F.max_pool2d(x, 2), F.avg_pool2d(weight, 2), stage + 1
            x = F.relu(layer(x))
            if k == 0 or self.begins[k]:
                a, b = x.chunk(2)
                total = total + VGG_WEIGHTS[min(stage, 4)] * weighted_l1(a, b, weight)
        return total


def perceptual_loss(vgg: str) -> nn.Module:
    """VGG's with a path, the substitute without."""
    return VggLoss(Path(vgg)) if vgg else DetailLoss()


def real_loss(judged: torch.Tensor) -> torch.Tensor:
    """Non-saturating logistic loss: high where (B,) is judged unreal (Goodfellow et al. 2014)."""
    return F.softplus(-judged).mean()


def critic_loss(real: torch.Tensor, drawn: torch.Tensor) -> torch.Tensor:
    """The discriminator's side of it."""
    return F.softplus(-real).mean() + F.softplus(drawn).mean()


def gradient_penalty(real: torch.Tensor, portrait: torch.Tensor) -> torch.Tensor:
    """R1 (Mescheder et al. 2018): squared slope of what is judged real (B,) over the portraits, which need grad."""
    (slope,) = torch.autograd.grad(real.sum(), portrait, create_graph=True)
    return slope.square().sum((1, 2, 3)).mean()


def _read_vgg(path: Path) -> dict[int, tuple[torch.Tensor, torch.Tensor]]:
    """Weight and bias of the convolutions by their number in `features`."""
    if not path.is_file():
        raise WeightsError(f"{path}: no such file; vgg names weights of VGG 16 or 19, or nothing")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            tensors = load_file(str(path))
        else:
            tensors = torch.load(path, map_location="cpu", weights_only=True)
        numbers = sorted({int(name.split(".")[1]) for name in tensors if name.startswith("features.")})
        found = {n: (tensors[f"features.{n}.weight"].float(), tensors[f"features.{n}.bias"].float()) for n in numbers}
    except Exception as error:
        raise WeightsError(f"{path}: no weights of a VGG network as torchvision names them ({error})") from error
    if not found or any(weight.ndim != 4 for weight, _ in found.values()):
        raise WeightsError(f"{path}: no convolutions features.N here; wanted VGG 16 or 19, without batch norm")
    return found
