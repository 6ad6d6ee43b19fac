"""StyleUNet (StyleAvatar, Wang et al. 2023): a rendering goes down a U-net; on the way up a style draws the portrait.

    rendering + shoulder mask -> wavelets -> down -> up, modulated by the style code -> wavelets -> portrait

Differences from StyleUNet: no noise is added to the layers (fresh noise makes a talking head boil); pooling and
bilinear steps take the place of its blurred strided and transposed convolutions. The small size also leaves out the
pictures at coarse resolutions and adds what it says to the rendering.
"""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn

from plugins.gmtalker.generator.convolution import Convolution, StyledConvolution
from plugins.gmtalker.generator.emotion_mapping import EmotionMapping
from plugins.gmtalker.generator.haar import to_bands, to_picture
from plugins.gmtalker.generator.sizes import GeneratorSize

GIVEN = 4  # channels of the input: red, green, blue, shoulders


class StyleUNet(nn.Module):
    """Renderings (S, 4, Q, Q) and emotions (S, K) -> portraits (S, 3, Q, Q). Colours -1 to 1, masks 0 to 1."""

    def __init__(self, size: GeneratorSize):
        super().__init__()
        self.size = size
        channels, style, bands = size.channels, size.style, 4**size.haar
        self.mapping = EmotionMapping(style, size.mapping, size.heads)
        inlets = channels if size.pyramid else channels[:1]
        self.inlets = nn.ModuleList(Convolution(GIVEN * bands, width, 1) for width in inlets)
        self.encode = nn.ModuleList(Convolution(width, width) for width in channels)
        self.down = nn.ModuleList(Convolution(*pair) for pair in pairwise(channels))
        last = channels[-1]
        self.coarsest = StyledConvolution(last, last, style)
        ways = list(zip(channels[1:], channels, strict=False))
        self.up = nn.ModuleList(StyledConvolution(below, width, style) for below, width in ways)
        self.join = nn.ModuleList(Convolution(2 * width, width, 3 if size.pyramid else 1) for width in channels[:-1])
        self.decode = nn.ModuleList(StyledConvolution(width, width, style) for width in channels)
        self.finest = nn.ModuleList(StyledConvolution(channels[0], channels[0], style) for _ in range(size.finest))
        outlets = channels if size.pyramid else channels[:1]
        self.outlets = nn.ModuleList(
            StyledConvolution(width, 3 * bands, style, 1 if size.pyramid else 3, act=False, demodulate=False)
            for width in outlets
        )
        if size.residual:
            nn.init.zeros_(self.outlets[0].raw)  # type: ignore[arg-type]

    def forward(self, given: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
        size, style = self.size, self.mapping(shares)
        kept = []
        x = None
        for level, encode in enumerate(self.encode):
            if x is not None:
                x = self.down[level - 1](F.avg_pool2d(x, 2))
            if level < len(self.inlets):
                picture = F.avg_pool2d(given, 2**level) if level else given
                seen = self.inlets[level](to_bands(picture, size.haar))
                x = seen if x is None else x + seen
            x = encode(x)
            kept.append(x)
        x = self.decode[-1](self.coarsest(kept[-1], style), style)
        said = self._say(len(kept) - 1, x, style, None)
        for level in range(len(kept) - 2, -1, -1):
            x = F.interpolate(self.up[level](x, style), scale_factor=2, mode="bilinear", align_corners=False)
            x = self.join[level](torch.cat((x, kept[level]), 1))
            x = self.decode[level](x, style)
            if level == 0:
                for layer in self.finest:
                    x = layer(x, style)
            said = self._say(level, x, style, said)
        assert said is not None
        return given[:, :3] + said if size.residual else said

    def _say(
        self, level: int, x: torch.Tensor, style: torch.Tensor, said: torch.Tensor | None
    ) -> torch.Tensor | None:
        """What the coarser levels said, and what this one adds to it, as a picture."""
        if level >= len(self.outlets):
            return said
        own = to_picture(self.outlets[level](x, style), self.size.haar)
        if said is None:
            return own
        return own + F.interpolate(said, scale_factor=2, mode="bilinear", align_corners=False)


def macs(size: GeneratorSize) -> int:
    """Multiplications of one picture's convolutions."""
    counted = 0

    def count(part: nn.Module, _: tuple[torch.Tensor, ...], out: torch.Tensor) -> None:
        nonlocal counted
        assert isinstance(part, Convolution)
        counted += out.shape[-1] * out.shape[-2] * part.raw.numel()

    with torch.device("meta"):
        net = StyleUNet(size)
        for part in net.modules():
            if isinstance(part, Convolution):
                part.register_forward_hook(count)
        net(torch.zeros(1, GIVEN, size.square, size.square), torch.zeros(1, max(size.heads, 1)))
    return counted
