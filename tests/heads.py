"""For the tests of GMTalker's head generator: the smallest of them, untrained, and what it learns from."""


import torch

from engine.motion.emotion import K
from engine.render.people import person
from engine.render.scene import Scene
from plugins.gmtalker.generator.data import Batch
from plugins.gmtalker.generator.renderer import GeneratedHead
from plugins.gmtalker.generator.sizes import choose_size
from plugins.gmtalker.generator.style_unet import GIVEN, StyleUNet

TINY = choose_size("tiny")


def tiny_net(seed: int = 0) -> StyleUNet:
    """A generator that changes what it is given, a little."""
    torch.manual_seed(seed)
    net = StyleUNet(TINY).eval().requires_grad_(False)
    net.outlets[0].raw.normal_(std=0.3)
    return net


def tiny_head(executor: str, threads: int = 1, alpha: bool = False) -> GeneratedHead:
    return GeneratedHead(tiny_net(), Scene(person("anna")), executor, threads, alpha)


def tiny_batch(square: int, count: int = 2, seed: int = 0) -> Batch:
    draw = torch.Generator().manual_seed(seed)
    given = torch.rand(count, GIVEN, square, square, generator=draw)
    wanted = 1 - given[:, :3]
    face = torch.ones(count, 1, square, square)
    shares = torch.eye(K)[torch.arange(count) % K]
    return Batch(given, wanted, face, face, shares)
