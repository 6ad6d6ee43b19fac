"""z, the latent of expressions: are its emotions apart? A figure, and t-SNE as a picture (appendix E, figure 11)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.evidence import Evidence
from benchmarks.maps import draw_points
from benchmarks.tsne import tsne
from engine.motion import layout
from engine.motion.emotion import EMOTIONS, K
from engine.stage import tree_map
from plugins.gmtalker.evidence.scenes import Scene
from plugins.gmtalker.evidence.streaming import Actor
from plugins.gmtalker.mixture import responsibilities

SEEDS = 40  # sessions whose z are drawn


@torch.inference_mode()
def encode(actor: Actor, scenes: Sequence[Scene]) -> tuple[np.ndarray, np.ndarray]:
    """z (N, Z) of performances, means of q(z); and what eq. 9 makes of it (N, K or 1), with the mean of q(w)."""
    face = actor.stage.expression
    assert face.posterior is not None and face.mapper is not None
    found, told = [], []
    for scene in scenes:
        motion = torch.from_numpy(scene.performed()[:, : layout.E])
        ticks = len(motion)
        speech = tree_map(lambda x, ticks=ticks: x[None, :ticks], scene.heard)
        of_w, of_z = face.posterior(face.scaled(motion)[None], speech)
        found.append(of_z.mean[0])
        told.append(responsibilities(of_z.mean, face.mapper(of_w.mean))[0])
    return torch.stack(found).numpy(), torch.stack(told).numpy()


def drawn(actor: Actor, seeds: int = SEEDS) -> np.ndarray:
    """z of every emotion as sessions draw them: (seeds, K, Z)."""
    state = actor.stage.init_state(seeds)
    for slot in range(seeds):
        actor.stage.reset(state, slot, slot)
    return state.components.numpy().copy()


def judge_latents(evidence: Evidence, scenes: Sequence[Scene], actor: Actor, pictures: Path | None) -> None:
    """How often eq. 9 finds a held-out performance's emotion; the picture: drawn z, and z of those performances."""
    z, told = encode(actor, scenes)
    wanted = np.array([scene.emotion for scene in scenes])
    evidence.add("latent_accuracy", float((told.argmax(1) == wanted).mean()), len(wanted))
    if pictures is None:
        return
    samples = drawn(actor).reshape(-1, z.shape[1])
    kinds = [*(k for _ in range(SEEDS) for k in range(K)), *wanted.tolist()]
    rings = [False] * len(samples) + [True] * len(z)
    at = tsne(np.concatenate((samples, z)))
    title = f"z: {len(samples)} drawn by {SEEDS} seeds (dots), {len(z)} of held-out performances (rings); t-SNE"
    pictures.mkdir(parents=True, exist_ok=True)
    draw_points(at, kinds, EMOTIONS, rings, title).save(pictures / "latents.png")
